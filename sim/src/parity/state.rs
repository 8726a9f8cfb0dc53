//! The states from which runs begin.

use super::{
    settings::{Cell, Run, Settings, Step, User},
    stage::Stage,
};
use crate::{fakes::sql, plan::case::ProtocolSpec, world::Setup};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::{collections::BTreeMap, time::Duration};
use teamtalk::{
    catalogue::{id, limits::Limits},
    msg_server::DEFAULT_TEXT_KEY,
    protocol::Protocol,
    store::sql::Value,
    timing::Timing,
    wire::{
        Pdu,
        im::{login::ImLoginReq, message::ImMsgData},
    },
};

/// Long enough for the start of the servers, a login or a text.
const A_WHILE: Duration = Duration::from_millis(600);

/// The password of users of whom no capture has a login: only those of `before` send it.
const UNCAPTURED: &str = "not captured";

/// What is held to captures.
#[derive(Debug, Clone)]
pub struct Base {
    /// The switches of every role.
    pub protocol: Protocol,
    /// The values of all limits.
    pub limits: Limits,
}

impl Base {
    /// A protocol by its preset and switches.
    ///
    /// # Errors
    /// A sentence about what of it this build does not have.
    pub fn of(spec: &ProtocolSpec) -> Result<Self, String> {
        Ok(Self { protocol: spec.resolve()?, limits: spec.resolve_limits()? })
    }
}

/// What a run's servers and stores are before their start.
pub fn setup(settings: &Settings, run: &Run, base: &Base) -> Setup {
    let words = |command: &Vec<String>| command.iter().cloned().map(Bytes::from).collect();
    let text_key = settings.text_key.as_ref().and_then(|key| key.as_bytes().try_into().ok());
    let own = settings.users.iter().flat_map(row);
    Setup {
        msg_servers: settings.msg_servers,
        protocol: base.protocol,
        limits: base.limits.clone(),
        timing: Timing::original(),
        text_key: text_key.unwrap_or(DEFAULT_TEXT_KEY),
        epoch: settings.epoch,
        users: settings.users.iter().map(user).collect(),
        statements: own.chain(run.sql.iter().map(|text| (text.clone(), Vec::new()))).collect(),
        commands: run.redis.iter().map(words).collect(),
    }
}

fn user(user: &User) -> sql::User {
    let sent = user.sent.as_deref().unwrap_or(UNCAPTURED);
    let digest = Md5::digest(format!("{sent}{}", sql::User::salt(user.id)));
    let password = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    sql::User { id: user.id, name: user.name.clone(), password }
}

/// The statements that bring a user's row to what the settings say of it.
fn row(user: &User) -> impl Iterator<Item = (String, Vec<Value>)> {
    user.row.iter().map(|(column, cell)| {
        let value = match cell {
            Cell::Number(n) => (*n).into(),
            Cell::Text(text) => text.as_str().into(),
        };
        (format!("update IMUser set {column} = ? where id = ?"), vec![value, user.id.into()])
    })
}

/// The stage on which a run's first flow is played.
///
/// # Panics
/// If a store refuses what it is to hold.
pub fn before(settings: &Settings, run: &Run, base: &Base, starts_servers: bool) -> Stage {
    let mut stage = Stage::new(&setup(settings, run, base));
    if !starts_servers {
        stage.pass(A_WHILE);
    }
    let mut users = BTreeMap::new();
    for step in &run.before {
        match step {
            Step::Login { client, user, software } => {
                users.insert(client, *user);
                let user = settings.user(*user).expect("settings are checked");
                stage.connect(client);
                stage.send(client, &login(user, software.client_type()));
            }
            Step::Text { client, to } => stage.send(client, &text(users[client], *to)),
        }
        stage.pass(A_WHILE);
    }
    stage
}

fn login(user: &User, client_type: i32) -> Pdu {
    let message = ImLoginReq {
        user_name: user.name.clone().into(),
        password: user.sent.clone().unwrap_or_else(|| UNCAPTURED.into()).into(),
        online_status: 1,
        client_type,
        client_version: None,
    };
    Pdu::new(id::LOGIN_REQ_USERLOGIN, 1, &message)
}

/// A text to a user, with sequence number 2.
fn text(from: u32, to: u32) -> Pdu {
    let message = ImMsgData {
        from_user_id: from,
        to_session_id: to,
        msg_id: 0,
        create_time: 0,
        msg_type: 1,
        msg_data: Bytes::from_static(b"INqtQ+fevIKmn/jpkKaaVAr+GZ43+2mMfQMFqTsGBjY="),
        ..Default::default()
    };
    Pdu::new(id::MSG_DATA, 2, &message)
}
