//! offers: a file goes straight to a receiver who is online, and waits at the server for others.
//!
//! A msg_server that does not know a file's receiver asks route about them (020a with a 0731 attached). What
//! the answer (020b) says decides the mode of the 0731 that it then writes to the file server
//! (docs/SYSTEM.md section 4, "Files").

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation};
use crate::{
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id,
    wire::{
        attach::{Attach, kind},
        check,
        im::{
            base_define::{TransferFileType, UserStatType},
            buddy::ImUsersStatRsp,
            server::ImFileTransferReq,
        },
    },
};

/// A transfer: its msg_server, the seq_num of the question, sender and receiver.
type Transfer = (Host, u16, u32, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct Offers {
    /// The modes that are to be written, the oldest first.
    modes: BTreeMap<Transfer, Vec<i32>>,
    tally: Tally,
}

impl Offers {
    /// 020b: whether the receiver is online.
    fn route_says(&mut self, host: &Host, pdu: &Frame) -> Option<()> {
        let answer = pdu.view::<ImUsersStatRsp>().ok()?;
        let attach = Attach::decode(answer.attach_data.as_deref()?)?;
        if attach.kind != kind::FILE {
            return None;
        }
        let file: ImFileTransferReq = check::decode(&attach.pdu?).ok()?;
        let status = answer.user_stat_list.first().map(|user| user.status);
        let mode = match status == Some(UserStatType::UserStatusOnline as i32) {
            true => TransferFileType::FileTypeOnline,
            false => TransferFileType::FileTypeOffline,
        };
        let transfer = (host.clone(), pdu.header.seq_num, file.from_user_id, file.to_user_id);
        self.modes.entry(transfer).or_default().push(mode as i32);
        Some(())
    }

    /// 0731: the transfer, of which a route_server may have been asked.
    fn server_is_told(&mut self, host: &Host, pdu: &Frame) -> Option<Violation> {
        let file = pdu.view::<ImFileTransferReq>().ok()?;
        let (from, to) = (file.from_user_id, file.to_user_id);
        let transfer = (host.clone(), pdu.header.seq_num, from, to);
        let modes = self.modes.get_mut(&transfer)?;
        let mode = modes.remove(0);
        if modes.is_empty() {
            self.modes.remove(&transfer);
        }
        self.tally.judge();
        if mode == file.trans_mode {
            return None;
        }
        let is = match mode == TransferFileType::FileTypeOnline as i32 {
            true => "is online",
            false => "is not online",
        };
        let sentence = format!(
            "{host} offers a file of user {from} to user {to} in mode {}, and route said that they {is}",
            file.trans_mode
        );
        let about = [Subject::Connection(pdu.conn), Subject::User(to)].into();
        Some(Violation { property: "offers", kind: "mode", role: Role::Msg, sentence, about })
    }
}

impl Property for Offers {
    fn name(&self) -> &'static str {
        "offers"
    }

    fn says(&self) -> &'static str {
        "a file goes straight to a receiver who is online, and waits for others"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::LinkPdu]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::LinkPdu => {
                Some(&[id::BUDDY_LIST_USERS_STATUS_RESPONSE, id::OTHER_FILE_TRANSFER_REQ])
            }
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let host = &seen.line.host;
        if host.role() != Role::Msg {
            return None;
        }
        match &seen.line.kind {
            Kind::PduReceived(pdu)
                if pdu.end == End::Dialler
                    && pdu.command() == id::BUDDY_LIST_USERS_STATUS_RESPONSE =>
            {
                self.route_says(host, pdu);
                None
            }
            Kind::PduSent(pdu)
                if pdu.end == End::Dialler && pdu.command() == id::OTHER_FILE_TRANSFER_REQ =>
            {
                self.server_is_told(host, pdu)
            }
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Offers;
    use crate::{properties::tape::Tape, record::End};
    use prost::Message;
    use teamtalk::{
        catalogue::id,
        wire::{
            Pdu,
            attach::{Attach, kind},
            im::{
                base_define::{TransferFileType, UserStat, UserStatType},
                buddy::ImUsersStatRsp,
                server::ImFileTransferReq,
            },
        },
    };

    #[test]
    fn the_mode_follows_from_what_route_says() {
        use TransferFileType::{FileTypeOffline, FileTypeOnline};
        use UserStatType::{UserStatusOffline, UserStatusOnline};
        let mut tape = Tape::new(Offers::default());
        let file = |mode: TransferFileType| ImFileTransferReq {
            from_user_id: 1,
            to_user_id: 2,
            trans_mode: mode as i32,
            ..Default::default()
        };
        let said = |status: UserStatType| {
            let pdu = Some(file(FileTypeOnline).encode_to_vec().into());
            let attach = Attach { kind: kind::FILE, handle: 7, service_type: 0, pdu };
            let answer = ImUsersStatRsp {
                user_id: 1,
                user_stat_list: vec![UserStat { user_id: 2, status: status as i32 }],
                attach_data: Some(attach.encode()),
            };
            Pdu::new(id::BUDDY_LIST_USERS_STATUS_RESPONSE, 5, &answer)
        };
        let transfer = |mode| Pdu::new(id::OTHER_FILE_TRANSFER_REQ, 5, &file(mode));
        tape.frame("msg1", End::Dialler, true, 91, transfer(FileTypeOnline));
        for (status, mode) in
            [(UserStatusOnline, FileTypeOnline), (UserStatusOffline, FileTypeOffline)]
        {
            tape.frame("msg1", End::Dialler, false, 90, said(status));
            tape.frame("msg1", End::Dialler, true, 91, transfer(mode));
        }
        assert_eq!(tape.found, [""; 0]);
        tape.frame("msg1", End::Dialler, false, 90, said(UserStatusOnline));
        tape.frame("msg1", End::Dialler, true, 91, transfer(FileTypeOffline));
        assert_eq!(tape.found, ["offers/mode/msg"]);
    }
}
