//! Requests that wait, each user's in the order in which they came, and users by turns: who asks much waits for
//! themselves.

use crate::wire::{Pdu, fields};
use std::collections::{BTreeMap, VecDeque};

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Payer {
    /// A user, as the request names them: the first one of several.
    User(u32),
    /// A request of nobody, such as a login: each has a turn of its own.
    Nobody(u64),
}

/// See the module.
#[derive(Debug)]
pub struct Fair<T> {
    /// Who has something waiting, in the order of their turns; each once.
    turns: VecDeque<Payer>,
    waiting: BTreeMap<Payer, VecDeque<T>>,
    /// How many requests of nobody there were.
    nobody: u64,
}

impl<T> Fair<T> {
    /// Nothing waits.
    pub fn new() -> Self {
        Self { turns: VecDeque::new(), waiting: BTreeMap::new(), nobody: 0 }
    }

    /// What belongs to a request waits.
    pub fn push(&mut self, request: &Pdu, of: T) {
        let payer = match fields::uint(&request.body, fields::USER_ID) {
            Some(user) => Payer::User(user),
            None => {
                self.nobody += 1;
                Payer::Nobody(self.nobody)
            }
        };
        let waiting = self.waiting.entry(payer).or_default();
        if waiting.is_empty() {
            self.turns.push_back(payer);
        }
        waiting.push_back(of);
    }

    /// The oldest one of whoever has the turn.
    pub fn pop(&mut self) -> Option<T> {
        let payer = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&payer)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&payer);
        } else {
            self.turns.push_back(payer);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::Fair;
    use crate::{
        catalogue::id as command,
        wire::{Pdu, im::buddy::ImDepartmentReq},
    };

    fn of(user_id: u32) -> Pdu {
        let asked = ImDepartmentReq { user_id, latest_update_time: 0, attach_data: None };
        Pdu::new(command::BUDDY_LIST_DEPARTMENT_REQUEST, 1, &asked)
    }

    #[test]
    fn who_asks_much_waits_for_themselves() {
        let mut fair = Fair::new();
        let login = Pdu::raw(command::OTHER_VALIDATE_REQ, 1, b"\x0a\x01x".to_vec().into());
        let asked = [(1, "a"), (1, "b"), (1, "c"), (2, "d"), (2, "e"), (3, "f")];
        asked.iter().for_each(|(user, name)| fair.push(&of(*user), *name));
        assert_eq!(fair.pop(), Some("a"));
        fair.push(&login, "g");
        fair.push(&login, "h");
        let order: Vec<_> = std::iter::from_fn(|| fair.pop()).collect();
        assert_eq!(order, ["d", "f", "b", "g", "h", "e", "c"]);
        fair.push(&of(1), "i");
        assert_eq!((fair.pop(), fair.pop()), (Some("i"), None));
    }
}
