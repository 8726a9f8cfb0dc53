//! What a msg_server says for others, for [`super::answers`]: what it asks is what a device asked
//! ([`asked`]), what it answers is what another server said ([`told`]), and of what it says itself the
//! fields that are known ([`own`]).

mod asked;
mod own;
#[cfg(test)]
mod tests;
mod told;

use super::{About, Seen, Subject, Violation, wire::At};
use crate::{
    plan::Role,
    record::{End, Frame, Kind},
};
use asked::Asked;
use own::Own;
use teamtalk::wire::attach::Attach;
use told::Told;

/// See the module.
#[derive(Debug, Default)]
pub struct Relayed {
    asked: Asked,
    told: Told,
    own: Own,
}

impl Relayed {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if seen.line.host.role() != Role::Msg {
            return None;
        }
        match (seen.client, &seen.line.kind) {
            (Some((At::ServerReads, conn, pdu)), _) => {
                self.asked.device_asks(seen, conn, pdu);
                self.told.device_asks(conn, pdu);
                None
            }
            (Some((_, conn, pdu)), _) => {
                let asked = &self.asked;
                let own = self.own.device_is_told(seen, conn, pdu);
                own.or_else(|| self.told.device_is_told(seen, asked, conn, pdu))
            }
            (None, Kind::PduReceived(pdu)) if pdu.end == End::Dialler => {
                self.told.server_says(seen, pdu);
                None
            }
            (None, Kind::PduSent(pdu)) if pdu.end == End::Dialler => {
                let asked = self.asked.server_is_asked(seen, pdu);
                asked.or_else(|| self.own.server_is_told(seen, pdu))
            }
            (None, Kind::PduReceived(_) | Kind::PduSent(_)) => None,
            (None, event) => {
                self.asked.event(event);
                self.told.event(seen, event);
                self.own.event(seen, event)
            }
        }
    }
}

#[cold]
fn broken(
    seen: &Seen<'_>,
    kind: &'static str,
    sentence: String,
    about: impl Into<About>,
) -> Option<Violation> {
    let (role, about) = (seen.line.host.role(), about.into());
    Some(Violation { property: "answers", kind, role, sentence, about })
}

/// What the other end of a PDU's link is; `None` if that is no link.
fn peer(seen: &Seen<'_>, pdu: &Frame) -> Option<Role> {
    Some(seen.known.links.get(pdu.conn, pdu.end)?.peer)
}

/// What the attach data of a PDU is for; `None` if it has none.
fn attach_kind(pdu: &Frame) -> Option<u32> {
    Some(Attach::decode(pdu.attach()?)?.kind)
}

/// A violation about what is said on a connection.
fn on(conn: u64) -> [Subject; 1] {
    [Subject::Connection(conn)]
}
