//! What devices send: when a message was first written, first arrived and was stored. Properties
//! ask; it judges nothing.

use super::{
    clients::Clients,
    membership::Moment,
    wire::{At, Message, client_pdu, content},
};
use crate::record::{Kind, Line};
use std::collections::BTreeMap;
use teamtalk::wire::{command, im::message::ImMsgData};

/// See the module. The first moment of each counts.
#[derive(Debug, Default)]
pub struct Sends {
    written: BTreeMap<Message, Moment>,
    arrived: BTreeMap<Message, Moment>,
    stored: BTreeMap<Message, Moment>,
}

impl Sends {
    /// Takes the next line, after `clients` has.
    pub fn observe(&mut self, line: &Line, clients: &Clients) {
        let at = Moment::of(line);
        if let Kind::Row { from, content, .. } = &line.kind {
            self.stored.entry((*from, content.clone())).or_insert(at);
            return;
        }
        let Some((seen @ (At::DeviceWrites | At::ServerReads), conn, pdu)) = client_pdu(line)
        else {
            return;
        };
        if pdu.command() != command::MSG_DATA {
            return;
        }
        let user = match seen {
            At::DeviceWrites => clients.user_of_device_on(conn),
            _ => clients.user(conn),
        };
        let (Some(user), Ok(data)) = (user, pdu.view::<ImMsgData>()) else { return };
        let message = (user, content(data.msg_type, &data.msg_data));
        let moments = if seen == At::DeviceWrites { &mut self.written } else { &mut self.arrived };
        moments.entry(message).or_insert(at);
    }

    /// When a device first wrote a message.
    pub fn written(&self, message: &Message) -> Option<Moment> {
        self.written.get(message).copied()
    }

    /// When a message first arrived at a msg_server, from a device that was logged in.
    pub fn arrived(&self, message: &Message) -> Option<Moment> {
        self.arrived.get(message).copied()
    }

    /// When a row of a message was first committed.
    pub fn stored(&self, message: &Message) -> Option<Moment> {
        self.stored.get(message).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Sends;
    use crate::{
        properties::{
            Property, Sort, Violation,
            clients::Clients,
            tape::{Tape, message},
        },
        record::Line,
    };

    /// Judges nothing.
    #[derive(Default)]
    struct Reader(Clients, Sends);

    impl Property for Reader {
        fn name(&self) -> &'static str {
            "reader"
        }

        fn says(&self) -> &'static str {
            "nothing"
        }

        fn sort(&self) -> Sort {
            Sort::Safety
        }

        fn observe(&mut self, line: &Line) -> Option<Violation> {
            self.0.observe(line);
            self.1.observe(line, &self.0);
            None
        }
    }

    #[test]
    fn the_first_of_several_tries_counts() {
        let mut tape = Tape::new(Reader::default());
        tape.login(1, 10, 1).asks(10, message(5, 0, 1, 2, "a")).asks(10, message(6, 0, 1, 2, "a"));
        tape.row(7, (1, "a")).row(8, (1, "a"));
        let (sends, text) = (&tape.property.1, (1, "a".to_string()));
        let of = |moment: Option<super::Moment>| moment.expect("known").n;
        let (written, arrived) = (of(sends.written(&text)), of(sends.arrived(&text)));
        assert_eq!((arrived, of(sends.stored(&text))), (written + 1, written + 4));
        assert_eq!(sends.written(&(2, "a".into())), None);
    }
}
