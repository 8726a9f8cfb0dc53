//! Where in the stores the things are kept that a violation is about.

use crate::{
    properties::{About, Named, Rows, Subject},
    record::{Frame, Kind, Line},
};
use std::{collections::BTreeSet, ops::RangeInclusive};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    wire::im::{
        buddy::{ImRecentContactSessionReq, ImRemoveSessionReq},
        message::{ImGetLatestMsgIdReq, ImGetMsgByIdReq, ImGetMsgListReq, ImUnreadMsgCntReq},
    },
};

/// Rows and keys that count for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What is kept there.
    pub of: Kept,
    /// The lines of the trace, by number, at which it counts.
    pub during: RangeInclusive<u64>,
}

/// What is kept in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// What gives a conversation's messages their ids: its relation, and the counter.
    Ids(Conversation),
    /// The row of a message.
    Message(Conversation, u32),
    /// What is read to list a conversation's messages: its relation and the rows.
    Messages(Conversation),
    /// A user's unread count of a conversation.
    Unread(u32, Conversation),
    /// A user's sessions and all of their unread counts.
    Lists(u32),
    /// A user's row of IMSession with a peer, which is a user or a group.
    Session(u32, u32),
    /// A user's place among a group's members: the group, the user.
    Member(u32, u32),
    /// A user's push token.
    Token(u32),
    /// Whatever a store has: of a request of which nothing closer is known.
    Anything,
}

/// The places of a violation, of which these lines of a trace touch it. They count from the first of these lines
/// on, and those of a question from its first line to its last.
pub fn places(about: &About, touched: &[&Line], lines: &[Line]) -> Vec<Place> {
    let (Some(first), Some(last)) = (touched.first(), lines.last()) else { return Vec::new() };
    let mut kept = BTreeSet::new();
    let mut places = Vec::new();
    for subject in about.subjects() {
        match subject {
            Subject::Message(conversation, msg_id) => {
                kept.extend([Kept::Ids(*conversation), Kept::Message(*conversation, *msg_id)]);
            }
            Subject::Content(content) => {
                let named = touched.iter().map(|line| Named::by(line));
                let said = named.filter(|named| named.content.as_deref() == Some(&**content));
                kept.extend(said.filter_map(|named| named.conversation).map(Kept::Ids));
            }
            Subject::Unread { user, conversation } => {
                kept.insert(Kept::Unread(*user, *conversation));
            }
            Subject::Rows(Rows::Relation(conversation)) => {
                kept.insert(Kept::Ids(*conversation));
            }
            Subject::Rows(Rows::Session { user, peer }) => {
                kept.insert(Kept::Session(*user, *peer));
            }
            Subject::Rows(Rows::Member { group, user }) => {
                kept.insert(Kept::Member(*group, *user));
            }
            Subject::User(user) => {
                kept.insert(Kept::Token(*user));
            }
            Subject::Question { .. } | Subject::Request { .. } => {
                let alone: About = [subject.clone()].into();
                let mut of_it = touched.iter().filter(|line| is_said(line) && alone.touches(line));
                let read = of_it.clone().find_map(|line| asked(line));
                // A server that was asked does nothing else for it than what stores do meanwhile.
                let read =
                    read.or(matches!(subject, Subject::Request { .. }).then_some(Kept::Anything));
                if let (Some(of), Some(from)) = (read, of_it.next()) {
                    let to = of_it.next_back().map_or(last.n, |line| line.n);
                    places.push(Place { of, during: from.n..=to });
                }
            }
            Subject::Connection(_)
            | Subject::Ends(_)
            | Subject::Device(_)
            | Subject::Host(_)
            | Subject::Queue(..) => {}
        }
    }
    places.extend(kept.into_iter().map(|of| Place { of, during: first.n..=last.n }));
    places
}

/// Whether a line is of the exchange itself: a PDU, or a fact of an attempt.
fn is_said(line: &Line) -> bool {
    matches!(line.kind, Kind::PduSent(_) | Kind::PduReceived(_) | Kind::Fact(_))
}

/// What a question reads.
fn asked(line: &Line) -> Option<Kept> {
    let (Kind::PduSent(pdu) | Kind::PduReceived(pdu)) = &line.kind else { return None };
    in_pdu(pdu)
}

fn in_pdu(pdu: &Frame) -> Option<Kept> {
    let of = |user: u32, session_type: i32, session_id: u32| {
        Kept::Messages(Chat::of(session_type, session_id).conversation(user))
    };
    Some(match pdu.command() {
        command::MSG_LIST_REQUEST => {
            let asked = pdu.view::<ImGetMsgListReq>().ok()?;
            of(asked.user_id, asked.session_type, asked.session_id)
        }
        command::MSG_GET_BY_MSG_ID_REQ => {
            let asked = pdu.view::<ImGetMsgByIdReq>().ok()?;
            of(asked.user_id, asked.session_type, asked.session_id)
        }
        command::MSG_GET_LATEST_MSG_ID_REQ => {
            let asked = pdu.view::<ImGetLatestMsgIdReq>().ok()?;
            of(asked.user_id, asked.session_type, asked.session_id)
        }
        command::MSG_UNREAD_CNT_REQUEST => {
            Kept::Lists(pdu.view::<ImUnreadMsgCntReq>().ok()?.user_id)
        }
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST => {
            Kept::Lists(pdu.view::<ImRecentContactSessionReq>().ok()?.user_id)
        }
        command::BUDDY_LIST_REMOVE_SESSION_REQ => {
            let asked = pdu.view::<ImRemoveSessionReq>().ok()?;
            Kept::Session(asked.user_id, asked.session_id)
        }
        _ => return None,
    })
}
