//! A client may write a send several times: which of these attempts a db_proxy stores.

use crate::{
    plan::Host,
    properties::{Seen, wire::Message},
    record::Kind,
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    wire::tt::extension::{Refused, RefusedCode},
};

/// One attempt: a 0301 that a db_proxy read.
#[derive(Debug)]
struct Try {
    /// The line at which it was read.
    at: u64,
    host: Host,
    conn: ConnId,
    seq: u16,
    /// It is not answered, so the db_proxy may still store it.
    open: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tries(BTreeMap<Message, Vec<Try>>);

impl Tries {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        let line = seen.line;
        if line.kind == Kind::HostDown {
            let tries = self.0.values_mut().flatten();
            tries.filter(|one| one.host == line.host).for_each(|one| one.open = false);
        } else if let Some((conn, pdu, sent)) = seen.db {
            let seq = pdu.header.seq_num;
            match (pdu.command(), sent) {
                (command::MSG_DATA, _) => {
                    let Some(message) = seen.message.clone() else { return };
                    let tries = self.0.entry(message).or_default();
                    if sent {
                        close(tries, conn, seq);
                    } else {
                        let (at, host) = (line.n, line.host.clone());
                        tries.push(Try { at, host, conn, seq, open: true });
                    }
                }
                (command::OTHER_REFUSED, true) => {
                    let Ok(refused) = pdu.view::<Refused>() else { return };
                    let sure = refused.code != RefusedCode::RefusedUnavailable as i32
                        && refused.command_id == u32::from(command::MSG_DATA);
                    let of_user = self.0.range_mut((refused.user_id, "".into())..);
                    let of_user = of_user.take_while(|((user, _), _)| *user == refused.user_id);
                    of_user.filter(|_| sure).for_each(|(_, tries)| close(tries, conn, seq));
                }
                _ => {}
            }
        }
    }

    /// The line at which a db_proxy read the attempt that is stored now. If several may be the one,
    /// the first of them; if all are answered, the last. `None` if no db_proxy has read the
    /// message.
    pub fn stored(&self, message: &Message) -> Option<u64> {
        let tries = self.0.get(message)?;
        tries.iter().find(|one| one.open).or(tries.last()).map(|one| one.at)
    }
}

fn close(tries: &mut [Try], conn: ConnId, seq: u16) {
    let these = tries.iter_mut().filter(|one| (one.conn, one.seq) == (conn, seq));
    these.for_each(|one| one.open = false);
}
