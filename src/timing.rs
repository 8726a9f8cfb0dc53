//! Every duration of SYSTEM.md, named.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Durations that roles and clients wait for. Seconds of the wall clock, hours of the day and
/// network latencies are not here: they are never scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    divisor: u32,
}

macro_rules! durations {
    ($($(#[$doc:meta])* $name:ident = $millis:literal;)*) => {
        impl Timing { $($(#[$doc])* pub fn $name(&self) -> Duration { self.scaled($millis) })* }
    };
}

impl Timing {
    /// SYSTEM.md to the letter.
    pub fn original() -> Self {
        Self { divisor: 1 }
    }

    /// Everything five times faster: a campaign's default (DESIGN.md, "Cost").
    pub fn brisk() -> Self {
        Self { divisor: 5 }
    }

    fn scaled(&self, millis: u64) -> Duration {
        Duration::from_micros(millis * 1000 / u64::from(self.divisor))
    }

    /// After how many ticks a server link is dialled for try number `tries` (0 is the first):
    /// 4, 8, 16, 32, 64, 4 … (SYSTEM.md section 2). Ticks run on by themselves, so the wait is up to
    /// one tick shorter than as many.
    pub fn server_reconnect_ticks(tries: u32) -> u32 {
        4 << (tries % 5)
    }

    /// The longest wait before reconnect try number `tries` of a server link.
    pub fn server_reconnect(&self, tries: u32) -> Duration {
        self.tick() * Self::server_reconnect_ticks(tries)
    }

    /// The wait of a Windows client before reconnect try `tries` (0 is the first): 3 s, one
    /// second more each, at most 15 s (SYSTEM.md section 7).
    pub fn windows_reconnect(&self, tries: u32) -> Duration {
        self.scaled((3_000 + 1_000 * u64::from(tries)).min(15_000))
    }

    /// The wait of an Android client before reconnect try `tries`: none, then 6, 12, 24, 48, 96
    /// and from then on 60 s (SYSTEM.md section 7).
    pub fn android_reconnect(&self, tries: u32) -> Duration {
        self.scaled(match tries {
            0 => 0,
            1..=5 => 3_000 << tries,
            _ => 60_000,
        })
    }

    /// The wait of an iOS client before reconnect try `tries`: none, then 2^n × 5 s with n from
    /// 0 (SYSTEM.md section 7); our own bound: n stays at 10, which is 85 minutes.
    pub fn ios_reconnect(&self, tries: u32) -> Duration {
        self.scaled(tries.checked_sub(1).map_or(0, |n| 5_000 << n.min(10)))
    }

    /// The wait of a Mac client before each reconnect try: a second (SYSTEM.md section 7).
    pub fn mac_reconnect(&self, _tries: u32) -> Duration {
        self.scaled(1_000)
    }
}

durations! {
    /// All role timers run on this tick (SYSTEM.md section 2).
    tick = 1_000;
    /// Both sides of a server link send a heartbeat this long after their own last send.
    server_heartbeat = 5_000;
    /// A server link without a byte for this long is closed.
    server_timeout = 30_000;
    /// A PC client silent for this long is closed.
    pc_timeout = 120_000;
    /// A mobile client silent for this long is closed.
    mobile_timeout = 300_000;
    /// A connection that has not finished its login by now is closed.
    login_timeout = 15_000;
    /// A send-list entry older than this is dropped at the next tick.
    send_list_expiry = 15_000;
    /// `resend-until-acked`: an entry that is not acked is pushed again this often (ours).
    resend_interval = 3_000;
    /// The window of the rate limit: 20 messages each (SYSTEM.md section 3).
    rate_window = 1_000;
    /// How long a db_proxy goes on after SIGTERM.
    stop_grace = 4_000;
    /// The group job of each db_proxy.
    group_job = 5_000;
    /// db_proxy forgets old tokens of sends (switch `idempotent-send`).
    token_job = 3_600_000;
    /// Failed logins of a name are counted over this long.
    login_failure_window = 1_800_000;
    /// Deadline of connecting a link, handshake included (ours; the kernel's in the original).
    connect_timeout = 5_000;
    /// Deadline of one Redis command (ours).
    cache_timeout = 2_000;
    /// The wait before a transaction that has lost a lock twice is run again; twice as long before each further run
    /// (ours).
    lost_lock_pause = 20;
    /// Deadline of one SQL statement (ours).
    sql_timeout = 5_000;
    /// How long a SQL statement waits for a lock (ours): it gives up before its client gives it up, since a server does not
    /// look for a client meanwhile.
    sql_lock_wait = 4_000;
    /// How long msg_server waits for a db_proxy or route_server before it tells the client that
    /// no answer came (ours).
    request_timeout = 12_000;
    /// How long a Windows client waits for the ack of a message.
    windows_ack_timeout = 6_000;
    /// How long our client waits for any answer before it asks again (ours).
    client_answer_timeout = 6_000;
    /// Heartbeat of Windows and of our client.
    client_heartbeat = 5_000;
    /// Our client takes a connection without a byte from the server for this long (three
    /// heartbeats without their echo) for dead (ours).
    client_silence = 15_000;
    /// A Windows client refuses a second message within this (SYSTEM.md section 7).
    windows_send_gap = 100;
    /// An Android client gives a message up at its first look after this ...
    android_ack_timeout = 6_000;
    /// ... and looks this often: after 6 to 11 s (SYSTEM.md section 7).
    android_ack_look = 5_000;
    /// Heartbeat of Android.
    android_heartbeat = 240_000;
    /// How long an iOS client waits for the ack of a message.
    ios_ack_timeout = 10_000;
    /// How long a Mac client waits for the ack of a message.
    mac_ack_timeout = 8_000;
    /// Heartbeat of iOS and Mac.
    apple_heartbeat = 30_000;
}
