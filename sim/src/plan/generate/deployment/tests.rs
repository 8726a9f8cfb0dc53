use super::Deployment;
use crate::plan::{Between, Client, Durability, Pace, case::ProtocolSpec};

const ALL: &str = r#"
pace = "original"
redis = "never"
db_workers = 3
latency_ms = 10
[links]
client-msg = 40
db-sql = 5
[hosts]
msg = 8
route = 3
db = 4
client = 5
[users]
count = 10
devices = 20
operations = 100
[clients]
ours_pc = 3
android = 1
[operations]
send = 500
read = 0
[limits]
"send-list" = 9
"#;

#[test]
fn every_field_is_read_and_an_empty_file_fixes_nothing() {
    let all = Deployment::parse(ALL).expect("a deployment");
    assert_eq!((all.pace, all.redis), (Some(Pace::Original), Some(Durability::Never)));
    assert_eq!((all.db_workers, all.latency_ms), (Some(3), Some(10)));
    assert_eq!(all.links, [(Between::ClientMsg, 40), (Between::DbSql, 5)].into());
    let hosts = [all.hosts.msg, all.hosts.route, all.hosts.db, all.hosts.client];
    assert_eq!(hosts, [8, 3, 4, 5].map(Some));
    let users = [all.users.count, all.users.devices, all.users.operations];
    assert_eq!(users, [10, 20, 100].map(Some));
    assert_eq!(all.clients, [(Client::OursPc, 3), (Client::Android, 1)].into());
    assert_eq!(all.operations, [("send".to_string(), 500), ("read".to_string(), 0)].into());
    assert_eq!(all.limits, [("send-list".to_string(), 9)].into());
    assert!(!all.is_empty() && Deployment::parse("").is_ok_and(|none| none.is_empty()));
}

/// The place, what was given, and what is allowed.
#[test]
fn what_can_not_be_is_refused_with_its_place() {
    for (text, place, given, allowed) in [
        ("[hosts]\nmsg = 0", "field `hosts.msg`", "0", "1 to 16"),
        ("[hosts]\nmsg = 10_000", "field `hosts.msg`", "10000", "1 to 16"),
        ("[hosts]\ndb = 17", "field `hosts.db`", "17", "1 to 16"),
        ("[hosts]\nroute = 5", "field `hosts.route`", "5", "1 to 4"),
        ("[hosts]\nclient = 0", "field `hosts.client`", "0", "1 to 16"),
        ("[hosts]\nmsg = -1", "field `hosts.msg`", "-1", "1 to 16"),
        ("[hosts]\nmsg = 1.5", "field `hosts.msg`", "1.5", "1 to 16"),
        ("[hosts]\nmsg = \"two\"", "field `hosts.msg`", "two", "1 to 16"),
        ("[users]\noperations = -5", "field `users.operations`", "-5", "1 to 2000"),
        ("db_workers = -1", "field `db_workers`", "-1", "1 to 64"),
        ("[clients]\nmac = -1", "field `clients.mac`", "-1", "0 to 10000"),
        ("[links]\ndb-sql = -5", "line 2", "-5", "a whole number from 0 to"),
        ("[hosts]\nmsgs = 2", "line 2", "msgs", "`msg`, `route`, `db`, `client`"),
        ("worker = 2", "line 1", "worker", "db_workers"),
        ("db_workers = 65", "field `db_workers`", "65", "1 to 64"),
        ("pace = \"slow\"", "line 1", "slow", "`brisk`"),
        ("redis = \"sometimes\"", "line 1", "sometimes", "`every_second`"),
        ("latency_ms = 0", "field `latency_ms`", "0", "5 to 15"),
        ("latency_ms = 20", "field `latency_ms`", "20", "5 to 15"),
        ("pace = \"original\"\nlatency_ms = 80", "field `latency_ms`", "80", "5 to 75"),
        ("[links]\ndb-sql = 20", "field `links.db-sql`", "20", "5 to 15"),
        ("[links]\nmsg-db = 45", "field `links.msg-db`", "45", "5 to 40"),
        ("latency_ms = 12", "field `latency_ms`", "12", "multiple of 5"),
        ("[links]\nclient-msg = 80", "field `links.client-msg`", "80", "5 to 75"),
        ("[links]\nclient-db = 5", "line 2", "client-db", "`client-msg`"),
        ("[users]\ncount = 1", "field `users.count`", "1", "2 to 50"),
        ("[users]\ndevices = 121", "field `users.devices`", "121", "2 to 120"),
        ("[users]\noperations = 0", "field `users.operations`", "0", "1 to 2000"),
        ("[users]\ncount = 3\ndevices = 2", "field `users.devices`", "2", "3 to 12"),
        ("[users]\ncount = 3\ndevices = 13", "field `users.devices`", "13", "3 to 12"),
        (
            "[users]\ncount = 3\ndevices = 7\n[clients]\nours_pc = 1\nios = 0",
            "field `users.devices`",
            "7",
            "3 to 6",
        ),
        ("[clients]\nwinphone = 1", "line 2", "winphone", "`ours_phone`"),
        ("[clients]\nmac = 10_001", "field `clients.mac`", "10001", "0 to 10000"),
        ("[clients]\nmac = 0", "table `clients`", "all weights are 0", "one that is not"),
        ("[operations]\nsent = 1", "table `operations`", "`sent`", "send, read, pull"),
        ("[operations]\nread = 10_001", "field `operations.read`", "10001", "0 to 10000"),
        ("[operations]\nsend = 0", "field `operations.send`", "0", "1 to 10000"),
        ("[limits]\nsend-lists = 5", "limits", "`send-lists`", "cargo sim limits"),
        ("[limits]\nsend-list = 0", "limits", "`send-list` = 0", "1 to 65536"),
        ("pace = ", "line 1", "", ""),
    ] {
        let refused = Deployment::parse(text).expect_err(text);
        for part in [place, given, allowed] {
            assert!(refused.contains(part), "{text}: {refused} (expected {part})");
        }
    }
}

#[test]
fn its_limits_hold_under_a_protocol_but_for_those_that_this_sets() {
    let deployment =
        Deployment::parse("[limits]\nsend-list = 9\nin-flight = 8").expect("it is one");
    let mut protocol = ProtocolSpec::preset("teamtalk");
    protocol.limits.insert("in-flight".into(), 5);
    let under = deployment.under(&protocol).expect("they fit");
    assert_eq!(under.limits, [("in-flight".into(), 5), ("send-list".into(), 9)].into());
    // One of a device's is over one of a server's.
    let deployment =
        Deployment::parse("[limits]\n\"link.unsent\" = 33_000_000").expect("it is one");
    protocol.limits = [("device.unsent".into(), 40_000_000)].into();
    let refused = deployment.under(&protocol).expect_err("they do not fit");
    assert!(refused.contains("device.unsent (40000000 bytes) has to be under"), "{refused}");
}

#[test]
fn a_deployment_is_told_and_two_are_told_apart() {
    let all = Deployment::parse(ALL).expect("a deployment");
    let label = all.label();
    assert!(label.starts_with("8 msg_servers, 3 route_servers, 4 db_proxies, "), "{label}");
    assert!(label.contains("20 devices") && label.contains("links.client-msg = 40"), "{label}");
    assert_eq!(Deployment::default().label(), "nothing is fixed");
    let other = Deployment::parse(&ALL.replace("msg = 8", "msg = 7")).expect("a deployment");
    assert_eq!(all.difference(&all), None);
    let said = all.difference(&other).expect("they differ");
    assert_eq!(said, "`hosts.msg` is `7` there, and `8` here");
    let said = Deployment::default().difference(&all).expect("they differ");
    assert!(said.ends_with("there, and not fixed here"), "{said}");
    assert_ne!(all.fingerprint(), other.fingerprint());
}
