//! The links to db_proxies (SYSTEM.md section 2): which one serves a request.

use super::turn::Turn;
use crate::{
    catalogue::Half,
    env::{ConnId, draw_id},
    wire::{
        Pdu,
        attach::{self, Attach},
        edit::Edit,
    },
};
use std::collections::BTreeMap;

/// The links to db_proxies.
#[derive(Debug)]
pub struct DbLinks {
    /// How many places are of the login half: the first ones.
    split: usize,
    /// Links that may be picked, by their place.
    open: BTreeMap<usize, ConnId>,
    /// All links that are up, also those after a 0702: their replies still count.
    up: BTreeMap<ConnId, usize>,
}

impl DbLinks {
    pub fn new(entries: usize, conns_per_entry: usize) -> Self {
        Self { split: entries / 2 * conns_per_entry, open: BTreeMap::new(), up: BTreeMap::new() }
    }

    pub fn opened(&mut self, index: usize, conn: ConnId) {
        self.open.insert(index, conn);
        self.up.insert(conn, index);
    }

    pub fn closed(&mut self, conn: ConnId) {
        self.stopped(conn);
        self.up.remove(&conn);
    }

    /// After a 0702 this link is picked no more.
    pub fn stopped(&mut self, conn: ConnId) {
        self.open.retain(|_, &mut open| open != conn);
    }

    pub fn is_up(&self, conn: ConnId) -> bool {
        self.up.contains_key(&conn)
    }

    pub fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// One of the open links of a half, or else of the other half, uniformly. The draw is keyed
    /// by what the request is: its command, user, seq_num and body without attach.
    pub fn pick(&self, turn: &Turn<'_>, half: Half, user: u32, request: &Pdu) -> Option<ConnId> {
        let header = &request.header;
        self.draw(turn, half, || {
            let body = Edit::of(&request.body).clear(attach::FIELD).done();
            draw_id(&[
                &header.command_id.to_be_bytes(),
                &user.to_be_bytes(),
                &header.seq_num.to_be_bytes(),
                &body,
            ])
        })
    }

    /// The same for a request about a message that it carries as attach data.
    pub fn pick_about(
        &self,
        turn: &Turn<'_>,
        half: Half,
        command: u16,
        message: &[u8],
    ) -> Option<ConnId> {
        self.draw(turn, half, || {
            let message = Edit::of(message).clear(attach::FIELD).done();
            draw_id(&[&command.to_be_bytes(), &message])
        })
    }

    fn draw(&self, turn: &Turn<'_>, half: Half, id: impl Fn() -> u64) -> Option<ConnId> {
        let of = |half| -> Vec<ConnId> {
            let is_of = |index: usize| (index < self.split) == (half == Half::Login);
            self.open.iter().filter(|(index, _)| is_of(**index)).map(|(_, conn)| *conn).collect()
        };
        let mut links = of(half);
        if links.is_empty() {
            links = of(if half == Half::Login { Half::Other } else { Half::Login });
        }
        if links.len() < 2 {
            return links.first().copied();
        }
        let drawn = turn.draw.random("db-link", &id) % links.len() as u64;
        Some(links[drawn as usize])
    }

    /// The attach data of a reply; a reply whose attach data is too short closes the link
    /// (SYSTEM.md section 1).
    pub fn attach_of(
        &mut self,
        turn: &mut Turn<'_>,
        link: ConnId,
        attach: Option<&[u8]>,
    ) -> Option<Attach> {
        let attach = Attach::decode(attach.unwrap_or_default());
        if attach.is_none() {
            turn.close(link, "a reply whose attach data is too short");
            self.closed(link);
        }
        attach
    }
}
