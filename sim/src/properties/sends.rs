//! When each message was first written, first arrived at a msg_server and was stored. It follows
//! the run for the properties and judges nothing itself.

use super::{
    membership::Moment,
    wire::{At, Message},
};
use crate::{
    lookup::Lookup,
    record::{Kind, Line},
};

/// See the module.
#[derive(Debug, Default)]
pub struct Sends(Lookup<Message, Moments>);

/// The first time that each of these happened to a message.
#[derive(Debug, Default)]
struct Moments {
    written: Option<Moment>,
    arrived: Option<Moment>,
    stored: Option<Moment>,
}

impl Sends {
    /// Takes the next line that is about a message: a row, or a 0301 at one end of a device's
    /// connection. Any other line is ignored.
    pub fn observe(&mut self, line: &Line, at: Option<At>, message: &Message) {
        let first: fn(&mut Moments) -> &mut Option<Moment> = match (&line.kind, at) {
            (Kind::Row { .. }, _) => |moments| &mut moments.stored,
            (_, Some(At::DeviceWrites)) => |moments| &mut moments.written,
            (_, Some(At::ServerReads)) => |moments| &mut moments.arrived,
            _ => return,
        };
        let moments = self.0.entry(message.clone()).or_default();
        first(moments).get_or_insert(Moment::of(line));
    }

    /// When a device first wrote a message.
    pub fn written(&self, message: &Message) -> Option<Moment> {
        self.0.get(message)?.written
    }

    /// When a message first arrived at a msg_server, from a device that was logged in.
    pub fn arrived(&self, message: &Message) -> Option<Moment> {
        self.0.get(message)?.arrived
    }

    /// When a row of a message was first committed.
    pub fn stored(&self, message: &Message) -> Option<Moment> {
        self.0.get(message)?.stored
    }
}

#[cfg(test)]
mod tests {
    use crate::properties::{
        no_panic::NoPanic,
        tape::{Tape, message},
    };

    #[test]
    fn the_first_of_several_tries_counts() {
        let mut tape = Tape::new(NoPanic::default());
        tape.login(1, 10, 1).asks(10, message(5, 0, 1, 2, "a")).asks(10, message(6, 0, 1, 2, "a"));
        tape.row(7, (1, "a")).row(8, (1, "a"));
        let (sends, text) = (&tape.known.sends, (1, "a".into()));
        let of = |moment: Option<super::Moment>| moment.expect("known").n;
        let (written, arrived) = (of(sends.written(&text)), of(sends.arrived(&text)));
        assert_eq!((arrived, of(sends.stored(&text))), (written + 1, written + 4));
        assert_eq!(sends.written(&(2, "a".into())), None);
    }
}
