//! MySQL's text into statements whose columns are places in a table.

use super::{
    error,
    eval::{Expr, Op},
    locks::Mode,
    schema::TableDef,
    table::TableId,
};
use sqlparser::{ast as sp, dialect::MySqlDialect, parser::Parser};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use teamtalk::store::sql::{SqlError, Value};

/// `SELECT` of one table, or of none.
#[derive(Debug)]
pub(super) struct Select {
    pub(super) table: Option<TableId>,
    /// What to show, and its name.
    pub(super) items: Vec<(String, Expr)>,
    /// Whether it is `COUNT(*)`, of which the only item has the name.
    pub(super) count: bool,
    pub(super) filter: Option<Expr>,
    /// Columns; true for descending.
    pub(super) order: Vec<(usize, bool)>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// `FOR UPDATE` or `FOR SHARE`.
    pub(super) lock: Option<Mode>,
}

/// `INSERT`.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) table: TableId,
    pub(super) columns: Vec<usize>,
    pub(super) rows: Vec<Vec<Expr>>,
    pub(super) ignore: bool,
    /// The assignments of `ON DUPLICATE KEY UPDATE`.
    pub(super) on_duplicate: Option<Vec<(usize, Expr)>>,
}

/// A statement.
#[derive(Debug)]
pub(super) enum Statement {
    Select(Select),
    Insert(Insert),
    Update {
        table: TableId,
        set: Vec<(usize, Expr)>,
        filter: Option<Expr>,
    },
    Delete {
        table: TableId,
        filter: Option<Expr>,
    },
    Begin,
    /// `set session idle_transaction_timeout=seconds` (MariaDB); 0 is none.
    LimitIdle(u64),
    Commit,
    Rollback,
}

/// A parsed statement and how many parameters it takes.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) params: usize,
}

const FIELDS: &str = "field list";
const WHERE: &str = "where clause";
const ORDER: &str = "order clause";

/// Parses one statement; `find` knows the tables.
///
/// # Errors
/// 1064, 1146, 1054, 1136, and 1235 for what the fake does not support.
pub(super) fn parse<'t>(
    text: &str,
    find: impl Fn(&str) -> Option<(TableId, &'t TableDef)>,
) -> Result<Prepared, SqlError> {
    let parsed = syntax(text)?;
    let mut binder = Binder { def: None, params: 0, values: false };
    let table = |binder: &mut Binder<'t>, name: &sp::ObjectName| {
        let name = identifier(name)?;
        let (id, def) = find(&name).ok_or_else(|| error::unknown_table(&name))?;
        binder.def = Some(def);
        Ok::<_, SqlError>(id)
    };
    let statement = match &*parsed {
        sp::Statement::Query(query) => {
            let from = match &*query.body {
                sp::SetExpr::Select(select) => from(&select.from)?,
                _ => None,
            };
            let table = from.map(|name| table(&mut binder, name)).transpose()?;
            Statement::Select(binder.select(table, query)?)
        }
        sp::Statement::Insert(insert) => {
            let sp::TableObject::TableName(name) = &insert.table else {
                return Err(error::unsupported("INSERT INTO that"));
            };
            let table = table(&mut binder, name)?;
            Statement::Insert(binder.insert(table, insert)?)
        }
        sp::Statement::Update(update) => {
            if !update.order_by.is_empty() || update.limit.is_some() || update.from.is_some() {
                return Err(error::unsupported("UPDATE with ORDER BY, LIMIT or FROM"));
            }
            let name = from(std::slice::from_ref(&update.table))?;
            let table = table(&mut binder, name.ok_or_else(|| error::syntax("no table"))?)?;
            let set = binder.assignments(&update.assignments)?;
            let filter = binder.filter(update.selection.as_ref())?;
            Statement::Update { table, set, filter }
        }
        sp::Statement::Delete(delete) => {
            if !delete.order_by.is_empty() || delete.limit.is_some() || delete.using.is_some() {
                return Err(error::unsupported("DELETE with ORDER BY, LIMIT or USING"));
            }
            let (sp::FromTable::WithFromKeyword(tables) | sp::FromTable::WithoutKeyword(tables)) =
                &delete.from;
            let table =
                table(&mut binder, from(tables)?.ok_or_else(|| error::syntax("no table"))?)?;
            Statement::Delete { table, filter: binder.filter(delete.selection.as_ref())? }
        }
        sp::Statement::StartTransaction { .. } => Statement::Begin,
        sp::Statement::Set(set) => limit_idle(set)?,
        sp::Statement::Commit { .. } => Statement::Commit,
        sp::Statement::Rollback { savepoint: None, .. } => Statement::Rollback,
        other => return Err(error::unsupported(&other.to_string())),
    };
    Ok(Prepared { statement, params: binder.params })
}

/// A text's syntax tree. It follows from the text alone, and a process runs the same few texts
/// in thousands of runs: it keeps them.
fn syntax(text: &str) -> Result<Arc<sp::Statement>, SqlError> {
    static KNOWN: Mutex<BTreeMap<String, Arc<sp::Statement>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tree) = known.get(text) {
        return Ok(tree.clone());
    }
    let mut parsed =
        Parser::parse_sql(&MySqlDialect {}, text).map_err(|e| error::syntax(&e.to_string()))?;
    let (Some(tree), true) = (parsed.pop(), parsed.is_empty()) else {
        return Err(error::syntax("one statement at a time"));
    };
    let tree = Arc::new(tree);
    known.insert(text.to_string(), tree.clone());
    Ok(tree)
}

/// The one variable that the roles set.
fn limit_idle(set: &sp::Set) -> Result<Statement, SqlError> {
    let text = set.to_string().to_ascii_lowercase();
    let value = text.strip_prefix("set session idle_transaction_timeout = ");
    let seconds = value.and_then(|value| value.parse().ok());
    seconds.map(Statement::LimitIdle).ok_or_else(|| error::unsupported(&text))
}

/// The one table of a FROM. Index hints are ignored: they change no result.
fn from(tables: &[sp::TableWithJoins]) -> Result<Option<&sp::ObjectName>, SqlError> {
    match tables {
        [] => Ok(None),
        [sp::TableWithJoins { relation: sp::TableFactor::Table { name, .. }, joins }]
            if joins.is_empty() =>
        {
            Ok(Some(name))
        }
        _ => Err(error::unsupported("FROM more than one table")),
    }
}

/// The last part of a name: a database in front changes nothing.
fn identifier(name: &sp::ObjectName) -> Result<String, SqlError> {
    let last = name.0.last().and_then(sp::ObjectNamePart::as_ident);
    last.map(|ident| ident.value.clone()).ok_or_else(|| error::unsupported(&name.to_string()))
}

/// Resolves names and numbers the parameters; it must walk a statement in the order of its text.
struct Binder<'t> {
    def: Option<&'t TableDef>,
    params: usize,
    /// Whether `VALUES(column)` has a meaning here.
    values: bool,
}

impl Binder<'_> {
    fn select(&mut self, table: Option<TableId>, query: &sp::Query) -> Result<Select, SqlError> {
        let sp::SetExpr::Select(select) = &*query.body else {
            return Err(error::unsupported("a query that is no plain SELECT"));
        };
        let grouped = match &select.group_by {
            sp::GroupByExpr::Expressions(by, _) => !by.is_empty(),
            sp::GroupByExpr::All(_) => true,
        };
        if query.with.is_some() || select.distinct.is_some() || select.having.is_some() || grouped {
            return Err(error::unsupported("WITH, DISTINCT, GROUP BY or HAVING"));
        }
        let mut items = Vec::new();
        let mut count = false;
        for item in &select.projection {
            match item {
                sp::SelectItem::UnnamedExpr(expr) | sp::SelectItem::ExprWithAlias { expr, .. }
                    if counts_all(expr) =>
                {
                    let name = match item {
                        sp::SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                        _ => expr.to_string(),
                    };
                    items.push((name, Expr::Literal(Value::Null)));
                    count = true;
                }
                sp::SelectItem::Wildcard(_) => {
                    let def = self.def.ok_or_else(|| error::syntax("No tables used"))?;
                    let all = def.columns.iter().enumerate();
                    items.extend(all.map(|(at, c)| (c.name.clone(), Expr::Column(at))));
                }
                sp::SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        sp::Expr::Identifier(ident) => ident.value.clone(),
                        other => other.to_string(),
                    };
                    items.push((name, self.expr(expr, FIELDS)?));
                }
                sp::SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((alias.value.clone(), self.expr(expr, FIELDS)?));
                }
                other => return Err(error::unsupported(&other.to_string())),
            }
        }
        if count && (items.len() > 1 || query.limit_clause.is_some() || !query.locks.is_empty()) {
            return Err(error::unsupported("COUNT(*) beside anything else"));
        }
        let filter = self.filter(select.selection.as_ref())?;
        let order = self.order(query.order_by.as_ref())?;
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(sp::LimitClause::LimitOffset { limit, offset, .. }) => {
                let limit = self.optional(limit.as_ref())?;
                (limit, self.optional(offset.as_ref().map(|o| &o.value))?)
            }
            Some(sp::LimitClause::OffsetCommaLimit { offset, limit }) => {
                let offset = self.expr(offset, FIELDS)?;
                (Some(self.expr(limit, FIELDS)?), Some(offset))
            }
        };
        let lock = query.locks.first().map(|lock| match lock.lock_type {
            sp::LockType::Share => Mode::Shared,
            sp::LockType::Update => Mode::Exclusive,
        });
        Ok(Select { table, items, count, filter, order, limit, offset, lock })
    }

    fn order(&self, order: Option<&sp::OrderBy>) -> Result<Vec<(usize, bool)>, SqlError> {
        let Some(order) = order else { return Ok(Vec::new()) };
        let sp::OrderByKind::Expressions(keys) = &order.kind else {
            return Err(error::unsupported("ORDER BY ALL"));
        };
        keys.iter()
            .map(|key| {
                let sp::Expr::Identifier(ident) = &key.expr else {
                    return Err(error::unsupported("ORDER BY an expression"));
                };
                let descending = matches!(key.options.sort, Some(sp::OrderBySort::Desc));
                Ok((self.column(&ident.value, ORDER)?, descending))
            })
            .collect()
    }

    fn insert(&mut self, table: TableId, insert: &sp::Insert) -> Result<Insert, SqlError> {
        if insert.replace_into {
            return Err(error::unsupported("REPLACE"));
        }
        let columns = if insert.columns.is_empty() {
            (0..self.def.map_or(0, |def| def.columns.len())).collect()
        } else {
            let names = insert.columns.iter();
            names.map(|name| self.column(&identifier(name)?, FIELDS)).collect::<Result<_, _>>()?
        };
        let columns: Vec<usize> = columns;
        let Some(sp::SetExpr::Values(values)) = insert.source.as_ref().map(|q| &*q.body) else {
            return Err(error::unsupported("INSERT without VALUES"));
        };
        let mut rows = Vec::new();
        for (n, row) in values.rows.iter().enumerate() {
            if row.content.len() != columns.len() {
                return Err(error::value_count(n + 1));
            }
            let row: Result<Vec<_>, _> =
                row.content.iter().map(|e| self.constant(e, FIELDS)).collect();
            rows.push(row?);
        }
        let on_duplicate = match &insert.on {
            None => None,
            Some(sp::OnInsert::DuplicateKeyUpdate(set)) => {
                self.values = true;
                Some(self.assignments(set)?)
            }
            Some(_) => return Err(error::unsupported("ON CONFLICT")),
        };
        Ok(Insert { table, columns, rows, ignore: insert.ignore, on_duplicate })
    }

    /// An inserted value: there is no row yet whose columns it could name.
    fn constant(&mut self, expr: &sp::Expr, clause: &str) -> Result<Expr, SqlError> {
        let def = self.def.take();
        let bound = self.expr(expr, clause);
        self.def = def;
        bound
    }

    fn assignments(&mut self, set: &[sp::Assignment]) -> Result<Vec<(usize, Expr)>, SqlError> {
        set.iter()
            .map(|assignment| {
                let sp::AssignmentTarget::ColumnName(name) = &assignment.target else {
                    return Err(error::unsupported("SET (…) ="));
                };
                let column = self.column(&identifier(name)?, FIELDS)?;
                Ok((column, self.expr(&assignment.value, FIELDS)?))
            })
            .collect()
    }

    fn filter(&mut self, expr: Option<&sp::Expr>) -> Result<Option<Expr>, SqlError> {
        expr.map(|expr| self.expr(expr, WHERE)).transpose()
    }

    fn optional(&mut self, expr: Option<&sp::Expr>) -> Result<Option<Expr>, SqlError> {
        expr.map(|expr| self.expr(expr, FIELDS)).transpose()
    }

    fn column(&self, name: &str, clause: &str) -> Result<usize, SqlError> {
        let found = self.def.and_then(|def| def.column(name));
        found.ok_or_else(|| error::unknown_column(name, clause))
    }

    fn expr(&mut self, expr: &sp::Expr, clause: &str) -> Result<Expr, SqlError> {
        Ok(match expr {
            sp::Expr::Identifier(ident) => Expr::Column(self.column(&ident.value, clause)?),
            sp::Expr::CompoundIdentifier(parts) => {
                let last = parts.last().map_or("", |ident| ident.value.as_str());
                Expr::Column(self.column(last, clause)?)
            }
            sp::Expr::Nested(inner) => self.expr(inner, clause)?,
            sp::Expr::Value(value) => self.value(&value.value)?,
            sp::Expr::UnaryOp { op: sp::UnaryOperator::Minus, expr: operand } => {
                let zero = Expr::Literal(Value::Int(0));
                match self.expr(operand, clause)? {
                    Expr::Literal(Value::Int(n)) => {
                        Expr::Literal(Value::Int(n.checked_neg().ok_or_else(error::arithmetic)?))
                    }
                    operand => Expr::Binary(Op::Minus, Box::new(zero), Box::new(operand)),
                }
            }
            sp::Expr::UnaryOp { op: sp::UnaryOperator::Not, expr: operand } => {
                Expr::Not(Box::new(self.expr(operand, clause)?))
            }
            sp::Expr::BinaryOp { left, op, right } => {
                let left = Box::new(self.expr(left, clause)?);
                Expr::Binary(operator(op)?, left, Box::new(self.expr(right, clause)?))
            }
            sp::Expr::InList { expr: needle, list, negated } => Expr::In {
                needle: Box::new(self.expr(needle, clause)?),
                list: list.iter().map(|e| self.expr(e, clause)).collect::<Result<_, _>>()?,
                negated: *negated,
            },
            sp::Expr::IsNull(operand) => {
                Expr::IsNull { operand: Box::new(self.expr(operand, clause)?), negated: false }
            }
            sp::Expr::IsNotNull(operand) => {
                Expr::IsNull { operand: Box::new(self.expr(operand, clause)?), negated: true }
            }
            sp::Expr::Function(function) => self.function(function, clause)?,
            other => return Err(error::unsupported(&other.to_string())),
        })
    }

    fn value(&mut self, value: &sp::Value) -> Result<Expr, SqlError> {
        Ok(match value {
            sp::Value::Placeholder(mark) if mark == "?" => {
                self.params += 1;
                Expr::Param(self.params - 1)
            }
            sp::Value::Number(digits, _) => {
                let n = digits.parse().map_err(|_| error::unsupported(digits))?;
                Expr::Literal(Value::Int(n))
            }
            sp::Value::SingleQuotedString(text) | sp::Value::DoubleQuotedString(text) => {
                Expr::Literal(text.as_str().into())
            }
            sp::Value::Null => Expr::Literal(Value::Null),
            sp::Value::Boolean(b) => Expr::Literal(Value::Int((*b).into())),
            other => return Err(error::unsupported(&other.to_string())),
        })
    }

    fn function(&mut self, function: &sp::Function, clause: &str) -> Result<Expr, SqlError> {
        let name = identifier(&function.name)?.to_ascii_lowercase();
        let args: &[sp::FunctionArg] = match &function.args {
            sp::FunctionArguments::List(list) => &list.args,
            _ => &[],
        };
        match (name.as_str(), args) {
            ("last_insert_id", []) => Ok(Expr::LastInsertId(None)),
            ("last_insert_id", [sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Expr(arg))]) => {
                Ok(Expr::LastInsertId(Some(Box::new(self.expr(arg, clause)?))))
            }
            ("greatest", [_, _, ..]) => {
                let arg = |arg: &sp::FunctionArg| match arg {
                    sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Expr(arg)) => {
                        self.expr(arg, clause)
                    }
                    other => Err(error::unsupported(&other.to_string())),
                };
                Ok(Expr::Greatest(args.iter().map(arg).collect::<Result<_, _>>()?))
            }
            ("values", [sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Expr(arg))])
                if self.values =>
            {
                match self.expr(arg, clause)? {
                    Expr::Column(at) => Ok(Expr::Inserted(at)),
                    _ => Err(error::syntax("VALUES takes a column")),
                }
            }
            _ => Err(error::unsupported(&function.to_string())),
        }
    }
}

fn counts_all(expr: &sp::Expr) -> bool {
    let sp::Expr::Function(function) = expr else { return false };
    let sp::FunctionArguments::List(list) = &function.args else { return false };
    identifier(&function.name).is_ok_and(|name| name.eq_ignore_ascii_case("count"))
        && matches!(list.args[..], [sp::FunctionArg::Unnamed(sp::FunctionArgExpr::Wildcard)])
}

fn operator(op: &sp::BinaryOperator) -> Result<Op, SqlError> {
    Ok(match op {
        sp::BinaryOperator::And => Op::And,
        sp::BinaryOperator::Or => Op::Or,
        sp::BinaryOperator::Eq => Op::Equal,
        sp::BinaryOperator::NotEq => Op::NotEqual,
        sp::BinaryOperator::Lt => Op::Less,
        sp::BinaryOperator::LtEq => Op::LessOrEqual,
        sp::BinaryOperator::Gt => Op::Greater,
        sp::BinaryOperator::GtEq => Op::GreaterOrEqual,
        sp::BinaryOperator::Plus => Op::Plus,
        sp::BinaryOperator::Minus => Op::Minus,
        other => return Err(error::unsupported(&other.to_string())),
    })
}
