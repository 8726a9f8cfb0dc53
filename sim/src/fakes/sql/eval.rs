//! Expressions and their values.

use super::error;
use std::{borrow::Cow, cell::Cell, cmp::Ordering};
use teamtalk::store::sql::{SqlError, Value};

/// An operator of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
}

/// An expression; columns are places in the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    Param(usize),
    Literal(Value),
    Column(usize),
    /// `VALUES(column)`: what the INSERT would have stored.
    Inserted(usize),
    Binary(Op, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    In {
        needle: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    IsNull {
        operand: Box<Expr>,
        negated: bool,
    },
    /// `GREATEST(…)` of numbers.
    Greatest(Vec<Expr>),
    /// `LAST_INSERT_ID()`, or with an argument, which it also remembers.
    LastInsertId(Option<Box<Expr>>),
}

/// What an expression may refer to.
pub(super) struct Scope<'a> {
    pub(super) params: &'a [Value],
    pub(super) row: &'a [Value],
    pub(super) inserted: &'a [Value],
    pub(super) last_id: u64,
    /// Where `LAST_INSERT_ID(expr)` leaves its argument.
    pub(super) new_last_id: &'a Cell<Option<u64>>,
}

impl Expr {
    pub(super) fn eval(&self, scope: &Scope<'_>) -> Result<Value, SqlError> {
        Ok(match self {
            Self::Param(n) => scope.params[*n].clone(),
            Self::Literal(value) => value.clone(),
            Self::Column(at) => scope.row[*at].clone(),
            Self::Inserted(at) => scope.inserted[*at].clone(),
            Self::Binary(op @ (Op::Plus | Op::Minus), a, b) => {
                sum(*op, &*a.look(scope)?, &*b.look(scope)?)?
            }
            Self::Binary(..) | Self::Not(_) | Self::In { .. } | Self::IsNull { .. } => {
                self.holds(scope)?.map_or(Value::Null, |holds| Value::Int(holds.into()))
            }
            Self::Greatest(list) => {
                let mut greatest = None;
                for item in list {
                    let Some(n) = number(&item.eval(scope)?) else { return Ok(Value::Null) };
                    greatest = greatest.max(Some(n));
                }
                greatest.map_or(Value::Null, Value::Int)
            }
            Self::LastInsertId(None) => {
                Value::Int(i64::try_from(scope.last_id).unwrap_or(i64::MAX))
            }
            Self::LastInsertId(Some(operand)) => {
                let value = operand.eval(scope)?;
                let id = u64::try_from(number(&value).unwrap_or(0)).unwrap_or(0);
                scope.new_last_id.set(Some(id));
                value
            }
        })
    }

    /// Whether it holds, as a condition; `None` for NULL.
    fn holds(&self, scope: &Scope<'_>) -> Result<Option<bool>, SqlError> {
        Ok(match self {
            Self::Binary(op @ (Op::And | Op::Or), a, b) => {
                let decides = Some(*op == Op::Or);
                let a = a.holds(scope)?;
                // As MySQL, the second operand is not looked at once the first one decides.
                if a == decides {
                    return Ok(decides);
                }
                let b = b.holds(scope)?;
                if b == decides { decides } else { a.and(b) }
            }
            Self::Binary(op, a, b) if !matches!(op, Op::Plus | Op::Minus) => {
                let order = match (a.there(scope), b.there(scope)) {
                    (Some(a), Some(b)) => compare(a, b),
                    _ => compare(&*a.look(scope)?, &*b.look(scope)?),
                };
                order.map(|order| match op {
                    Op::Equal => order.is_eq(),
                    Op::NotEqual => order.is_ne(),
                    Op::Less => order.is_lt(),
                    Op::LessOrEqual => order.is_le(),
                    Op::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Self::Not(operand) => operand.holds(scope)?.map(|holds| !holds),
            Self::In { needle, list, negated } => {
                let needle = needle.look(scope)?;
                let mut found = Some(false);
                for item in list {
                    match compare(&needle, &*item.look(scope)?) {
                        Some(Ordering::Equal) => {
                            found = Some(true);
                            break;
                        }
                        None => found = None,
                        Some(_) => {}
                    }
                }
                found.map(|found| found != *negated)
            }
            Self::IsNull { operand, negated } => {
                Some((*operand.look(scope)? == Value::Null) != *negated)
            }
            other => number(&*other.look(scope)?).map(|n| n != 0),
        })
    }

    /// [`Expr::eval`] without a copy of what is there already.
    fn look<'a>(&'a self, scope: &'a Scope<'_>) -> Result<Cow<'a, Value>, SqlError> {
        match self.there(scope) {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => self.eval(scope).map(Cow::Owned),
        }
    }

    /// Its value, if that need not be made.
    fn there<'a>(&'a self, scope: &'a Scope<'_>) -> Option<&'a Value> {
        match self {
            Self::Param(n) => Some(&scope.params[*n]),
            Self::Literal(value) => Some(value),
            Self::Column(at) => Some(&scope.row[*at]),
            _ => None,
        }
    }

    /// Whether a row passes; no filter passes all.
    pub(super) fn passes(filter: Option<&Self>, scope: &Scope<'_>) -> Result<bool, SqlError> {
        filter.map_or(Ok(true), |f| Ok(f.holds(scope)? == Some(true)))
    }

    /// The values of which a filter demands one of a column, by `column = constant` or
    /// `column in (constants)` in every alternative; `None` if it may pass with any value.
    pub(super) fn demanded(&self, column: usize, scope: &Scope<'_>) -> Option<Vec<Value>> {
        match self {
            Self::Binary(Op::And, a, b) => {
                a.demanded(column, scope).or_else(|| b.demanded(column, scope))
            }
            Self::Binary(Op::Or, a, b) => {
                let mut values = a.demanded(column, scope)?;
                values.extend(b.demanded(column, scope)?);
                Some(values)
            }
            Self::In { needle, list, negated: false } if **needle == Self::Column(column) => {
                let constant = |e: &Self| matches!(e, Self::Param(_) | Self::Literal(_));
                list.iter().all(constant).then(|| {
                    let values: Result<Vec<_>, _> = list.iter().map(|e| e.eval(scope)).collect();
                    values.ok()
                })?
            }
            _ => self.pinned(column, scope).map(|value| vec![value]),
        }
    }

    /// The value that a conjunction demands a column to be less than, if it does.
    pub(super) fn bound(&self, column: usize, scope: &Scope<'_>) -> Option<Value> {
        match self {
            Self::Binary(Op::And, a, b) => {
                a.bound(column, scope).or_else(|| b.bound(column, scope))
            }
            Self::Binary(Op::Less, a, b) if **a == Self::Column(column) => match &**b {
                constant @ (Self::Param(_) | Self::Literal(_)) => constant.eval(scope).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value that a conjunction demands of a column by `column = constant`, if it does.
    pub(super) fn pinned(&self, column: usize, scope: &Scope<'_>) -> Option<Value> {
        match self {
            Self::Binary(Op::And, a, b) => {
                a.pinned(column, scope).or_else(|| b.pinned(column, scope))
            }
            Self::Binary(Op::Equal, a, b) => match (&**a, &**b) {
                (Self::Column(at), constant @ (Self::Param(_) | Self::Literal(_)))
                | (constant @ (Self::Param(_) | Self::Literal(_)), Self::Column(at))
                    if *at == column =>
                {
                    constant.eval(scope).ok()
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// `a + b` or `a - b`.
fn sum(op: Op, a: &Value, b: &Value) -> Result<Value, SqlError> {
    let (Some(a), Some(b)) = (number(a), number(b)) else { return Ok(Value::Null) };
    let sum = if op == Op::Plus { a.checked_add(b) } else { a.checked_sub(b) };
    sum.map(Value::Int).ok_or_else(error::arithmetic)
}

/// How two values compare; `None` if one is NULL. Texts compare byte by byte, the shorter one
/// padded with blanks (utf8mb4_bin); a text beside a number is read as a number.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Value::Bytes(a), Value::Bytes(b)) = (a, b) {
        let longest = a.len().max(b.len());
        let padded = |text: &[u8], at: usize| text.get(at).copied().unwrap_or(b' ');
        let differ = (0..longest).map(|at| padded(a, at).cmp(&padded(b, at)));
        return Some(differ.into_iter().find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
    }
    Some(number(a)?.cmp(&number(b)?))
}

/// As a number; `None` for NULL. A text counts as the integer that it begins with.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Null => None,
        Value::Int(n) => Some(*n),
        Value::Bytes(b) => {
            let text = b.trim_ascii_start();
            let signed = usize::from(matches!(text.first(), Some(b'-' | b'+')));
            let digits = text[signed..].iter().take_while(|c| c.is_ascii_digit()).count();
            let prefix = std::str::from_utf8(&text[..signed + digits]).unwrap_or_default();
            Some(prefix.parse().unwrap_or(0))
        }
    }
}
