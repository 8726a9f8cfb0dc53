//! scripts/captures.py, where there is a Python 3: captures of the original are made into what tcpdump, MariaDB's general
//! log and Redis' MONITOR write of such a run, and what the script makes of that is played again.

mod folder;

use folder::Folder;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// When the first flow begins.
const BEGIN: f64 = 1_795_404_600.0;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn golden(name: &str) -> Option<String> {
    fs::read_to_string(repository().join("tests/golden").join(name)).ok()
}

fn lines(name: &str) -> Vec<Value> {
    let text = golden(name).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// An end of a connection: the last two bytes of its address, and its port.
type End = ([u8; 2], u16);

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 0x10;

/// A connection: who made it, to whom, and the next sequence number of each.
struct Connection {
    ends: [End; 2],
    next: [u32; 2],
}

/// What tcpdump writes.
struct Pcap {
    packets: Vec<(f64, Vec<u8>)>,
    open: BTreeMap<String, Connection>,
    port: u16,
}

impl Pcap {
    fn packet(&mut self, at: f64, from: End, to: End, sequence: u32, flags: u8, data: &[u8]) {
        let length = u16::try_from(40 + data.len()).expect("a small packet").to_be_bytes();
        let mut ip = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 6, 0, 0];
        for ([a, b], _) in [from, to] {
            ip.extend([10, 0, a, b]);
        }
        for (_, port) in [from, to] {
            ip.extend(port.to_be_bytes());
        }
        ip.extend(sequence.to_be_bytes());
        ip.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        ip.extend(data);
        self.packets.push((at, ip));
    }

    /// Takes a line of a capture whose flow began at `begin`.
    fn event(&mut self, begin: f64, line: &Value) {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_string();
        let (link, dir) = (text("link"), text("dir"));
        let at = begin + line["t"].as_f64().expect("a time");
        let side = usize::from(!(dir == "c2s" || dir.starts_with("msg")));
        match text("event").as_str() {
            "TCP connect" => {
                self.port += 1;
                let ends = ends(&link, self.port);
                // So that numbers of bytes go through zero.
                let first = [u32::MAX - 9, 7];
                self.packet(at, ends[0], ends[1], first[0], SYN, &[]);
                self.packet(at, ends[1], ends[0], first[1], SYN | ACK, &[]);
                let next = first.map(|n| n.wrapping_add(1));
                self.open.insert(link, Connection { ends, next });
            }
            "TCP FIN" => self.write(at, &link, side, FIN, &[]),
            _ => {
                let bytes = unhex(&(text("header_hex") + &text("body_hex")));
                self.write(at, &link, side, 0, &bytes);
            }
        }
    }

    /// What one side writes comes in two pieces, the second one first and the first one twice.
    fn write(&mut self, at: f64, link: &str, side: usize, flags: u8, bytes: &[u8]) {
        let Connection { ends, next } = &self.open[link];
        let (from, to, start) = (ends[side], ends[1 - side], next[side]);
        let half = bytes.len() / 2;
        let (one, two) = bytes.split_at(half);
        let behind = start.wrapping_add(half as u32);
        self.packet(at, from, to, behind, flags | ACK, two);
        for _ in 0..2 {
            self.packet(at, from, to, start, ACK, one);
        }
        let end = start.wrapping_add(bytes.len() as u32 + u32::from(flags & FIN));
        self.open.get_mut(link).expect("just seen").next[side] = end;
    }

    fn file(mut self) -> Vec<u8> {
        self.packets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let head: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 18, 101];
        let mut out: Vec<u8> = head.iter().flat_map(|n| n.to_le_bytes()).collect();
        for (at, packet) in self.packets {
            let length = packet.len() as u32;
            let micros = (at.fract() * 1e6).round() as u32;
            out.extend([at as u32, micros, length, length].iter().flat_map(|n| n.to_le_bytes()));
            out.extend(packet);
        }
        out
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |n| u8::from_str_radix(&text[n..n + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Who makes a link, from which port, and who takes it.
fn ends(link: &str, port: u16) -> [End; 2] {
    let server = |name: &str| [0, name[3..].parse().expect("a number")];
    if let Some(label) = link.strip_prefix("client:") {
        return [([1, 1], port), (server(label.rsplit('-').next().expect("a server")), 8000)];
    }
    let (dialler, role) = link.split_once('-').expect("two ends");
    let acceptor = match &role[..2] {
        "db" => ([0, 10], 10600),
        "ro" => ([0, 11], 8200),
        _ => ([0, 12], 8100),
    };
    [(server(dialler), port), acceptor]
}

/// A text as `mysql -BN` writes it.
fn tabbed(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

/// A command as MONITOR writes it.
fn monitored(command: &Value) -> String {
    let words = command.as_array().expect("words").iter().map(|word| word.as_str().expect("text"));
    let quoted =
        words.map(|word| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")));
    quoted.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_made_of_raw_files_is_what_was_captured() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        println!("there is no python3");
        return;
    }
    let folder = Folder::new("raw");
    let settings = golden("parity.toml").expect("the settings");
    let (settings, _) = settings.split_once("# Nobody is logged in.").expect("the first run's end");
    let flows: Vec<_> = settings
        .lines()
        .filter_map(|line| line.strip_prefix("    \"")?.strip_suffix("\","))
        .collect();
    assert_eq!(flows.len(), 26);
    let mut pcap = Pcap { packets: Vec::new(), open: BTreeMap::new(), port: 40_000 };
    let (mut sql, mut redis, mut marks) = (String::new(), String::from("OK\n"), String::new());
    let mut begin = BEGIN;
    for flow in &flows {
        writeln!(marks, "{begin} {flow}").expect("a string");
        let events = lines(&format!("{flow}.pdus.jsonl"));
        events.iter().for_each(|line| pcap.event(begin, line));
        for (n, line) in lines(&format!("{flow}.sql.jsonl")).iter().enumerate() {
            let kind = if n % 2 == 0 { "Query" } else { "Execute" };
            let (at, text) = (begin + 0.001 * n as f64, tabbed(line["sql"].as_str().expect("SQL")));
            writeln!(sql, "{at:.6}\t{}\t{kind}\t{text}", line["conn"]).expect("a string");
        }
        writeln!(sql, "{begin:.6}\t5\tConnect\tsomebody@10.0.0.10 on teamtalk").expect("a string");
        for (n, line) in lines(&format!("{flow}.redis.jsonl")).iter().enumerate() {
            let (at, words) = (begin + 0.001 * n as f64, monitored(&line["command"]));
            writeln!(redis, "{at:.6} [{} 10.0.0.10:4000] {words}", line["db"]).expect("a string");
        }
        writeln!(redis, "{begin:.6} [0 10.0.0.99:4000] \"PING\"").expect("a string");
        begin += events.last().expect("events")["t"].as_f64().expect("a time") + 1.0;
        // Marks have whole seconds.
        begin = begin.ceil();
        writeln!(marks, "{begin} -").expect("a string");
        // As parity.toml has it under `closed`.
        for (after, client) in [("22_", "alice-PC-msg1"), ("23_", "alice-PC-2-msg2")] {
            if flow.starts_with(after) {
                pcap.write(begin + 0.1, &format!("client:{client}"), 0, FIN, &[]);
            }
        }
        begin += 1.0;
    }
    for (name, bytes) in [
        ("run.pcap", pcap.file()),
        ("sql.tsv", sql.into_bytes()),
        ("redis.txt", redis.into_bytes()),
        ("flows.txt", marks.into_bytes()),
    ] {
        fs::write(folder.0.join(name), bytes).expect("writes");
    }
    let script = repository().join("scripts/captures.py");
    let args = "--pcap run.pcap --flows flows.txt --sql sql.tsv --redis redis.txt --redis-from 10.0.0.10 \
                --msg 10.0.0.1:8000 --msg 10.0.0.2:8000 --db 10.0.0.10:10600 --route 10.0.0.11:8200 \
                --login 10.0.0.12:8100 made";
    let mut python = Command::new("python3");
    python.arg(script).args(args.split_whitespace()).current_dir(&folder.0);
    let made = python.output().expect("it starts");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    let closed: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("closed: ")).collect();
    assert_eq!(closed.len(), 2, "{said}");
    assert!(said.contains("SQL connection 1457: "), "{said}");

    // Clients have names of another kind there.
    let told = |line: &Value| {
        let of = |name: &str| line[name].as_str().unwrap_or_default().to_string();
        [of("dir"), of("event"), of("header_hex"), of("body_hex")]
    };
    for flow in &flows {
        let name = format!("{flow}.pdus.jsonl");
        let made = folder.read(&format!("made/{name}"));
        let made = made.lines().map(|line| told(&serde_json::from_str(line).expect("JSON")));
        let captured: Vec<_> = lines(&name).iter().map(told).collect();
        assert_eq!(made.collect::<Vec<_>>(), captured, "{flow}");
    }

    let (before, after) = settings.split_once("closed = [").expect("the clients that were closed");
    let (_, after) = after.split_once("]\n").expect("their end");
    let settings = format!("{before}closed = [{}]\n{after}", closed.join(", "));
    fs::write(folder.0.join("made/parity.toml"), settings).expect("writes");
    let output = folder.sim(&["parity", "made"]).output().expect("it starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.ends_with("\n26 flows: teamtalk does what was captured\n"), "{out}");
}
