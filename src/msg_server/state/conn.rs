//! Clients: their connections, and the users behind them.

use super::send_list::SendList;
use crate::env::ConnId;
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};

/// Client types of the mobile class have this bit set (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;

/// One device's connection.
#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    /// Its number in this msg_server, as attach data carries it.
    pub handle: u32,
    pub opened_at: Duration,
    pub last_recv: Duration,
    /// Empty until a login was asked for.
    pub login_name: Bytes,
    /// 0 until a login was asked for.
    pub client_type: u32,
    /// The online status that the device asked for.
    pub online_status: i32,
    /// Which one it is of the logins that were asked for here, from 1; 0 until one is.
    pub asked_as: u64,
    /// A login of its name and class that was asked for here after its own has a number and was let in
    /// before it (switch `ordered-logins`): its own is the older one, whatever db_proxy draws for it.
    pub overtaken: bool,
    /// 0 until the login succeeded: the original serves such connections as user 0.
    pub user: u32,
    /// Whether the login succeeded. It stays true when the connection is kicked.
    pub open: bool,
    /// Which one of its user's logins it is, or the higher number of one that it put off here (switch
    /// `ordered-logins`); 0, older than any, if its db_proxy did not say, or if it was overtaken.
    pub login_number: u32,
    /// Messages since the last tick.
    pub sent_in_window: u32,
    pub send_list: SendList,
}

impl Conn {
    pub fn is_mobile(&self) -> bool {
        self.client_type & MOBILE != 0
    }

    /// Whether a login of `client_type` displaces this connection.
    pub fn same_class(&self, client_type: u32) -> bool {
        (self.client_type ^ client_type) >> 4 == 0
    }
}

/// A user with open connections here.
#[derive(Debug, Default)]
pub struct User {
    /// Handle to connection: broadcasts go in handle order.
    pub conns: BTreeMap<u32, ConnId>,
    /// Whether the last 070e said that a PC of the user is online.
    pub pc_on: bool,
    /// The nickname as the last login had it.
    pub nick: Bytes,
}
