#!/usr/bin/env python3
"""Makes captures (docs/CAPTURES.md) of what tcpdump, MariaDB's general log and Redis' MONITOR wrote.

Nothing but Python 3.8 is needed. Written is FLOW.pdus.jsonl, FLOW.sql.jsonl and FLOW.redis.jsonl for each flow,
and, on standard error, what parity.toml has to say of them.
"""

import argparse
import json
import os
import re
import struct
import sys

HEADER = 16
LARGEST_PDU = 1 << 24
LOGIN = 0x0103
SOFTWARE = {1: "windows", 2: "mac", 0x11: "ios", 0x12: "android"}


def fail(sentence):
    sys.exit(f"error: {sentence}")


# tcpdump -w: packets.


def packets(path):
    """The IPv4 TCP segments of a pcap file: (time, source, target, sequence, flags, data)."""
    data = open(path, "rb").read()
    orders = {b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\xa1\xb2\xc3\xd4": (">", 1e6)}
    orders.update({b"\x4d\x3c\xb2\xa1": ("<", 1e9), b"\xa1\xb2\x3c\x4d": (">", 1e9)})
    if data[:4] not in orders:
        fail(f"{path}: no pcap file (pcapng: `tcpdump -r IN -w OUT` makes one of it)")
    order, unit = orders[data[:4]]
    link = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
    starts = {0: 4, 1: 14, 12: 0, 101: 0, 113: 16, 276: 20}
    if link not in starts:
        fail(f"{path}: link type {link}, expected one of {sorted(starts)}")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, kept, length = struct.unpack(order + "IIII", data[at : at + 16])
        packet, at = data[at + 16 : at + 16 + kept], at + 16 + kept
        if kept < length:
            fail(f"{path}: a packet of {length} bytes was cut to {kept}: tcpdump -s 0")
        ip = packet[starts[link] :]
        if link == 1 and packet[12:14] == b"\x81\x00":
            ip = packet[18:]
        segment = tcp(ip)
        if segment:
            yield (seconds + fraction / unit,) + segment


def tcp(ip):
    if len(ip) < 20 or ip[0] >> 4 != 4 or ip[9] != 6:
        return None
    segment = ip[(ip[0] & 15) * 4 : struct.unpack(">H", ip[2:4])[0]]
    if len(segment) < 20:
        return None
    ports = struct.unpack(">HH", segment[:4])
    ends = [(".".join(map(str, ip[n : n + 4])), port) for n, port in zip((12, 16), ports)]
    sequence, flags = struct.unpack(">I", segment[4:8])[0], segment[13]
    return ends[0], ends[1], sequence, flags, segment[(segment[12] >> 4) * 4 :]


class Half:
    """One direction of a connection: its bytes in order, cut into PDUs."""

    def __init__(self):
        self.next = None
        self.waiting = {}
        self.bytes = b""
        self.fin = None

    def take(self, sequence, data):
        """The PDUs that are whole with this segment."""
        if self.next is None:
            self.next = sequence
        self.waiting[sequence] = max(data, self.waiting.get(sequence, b""), key=len)
        moved = True
        while moved:
            moved = False
            for start in list(self.waiting):
                behind = (self.next - start) & 0xFFFFFFFF
                if behind < 1 << 31:
                    more = self.waiting.pop(start)[behind:]
                    self.bytes += more
                    self.next = (self.next + len(more)) & 0xFFFFFFFF
                    moved = moved or bool(more)
        pdus = []
        while len(self.bytes) >= HEADER:
            length = struct.unpack(">I", self.bytes[:4])[0]
            if not HEADER <= length <= LARGEST_PDU:
                raise ValueError(f"a PDU of {length} bytes: is this a link of the protocol?")
            if len(self.bytes) < length:
                break
            pdus.append(self.bytes[:length])
            self.bytes = self.bytes[length:]
        return pdus

    def is_over(self):
        return self.fin is not None and self.next == self.fin


class Connection:
    """A connection, from the side that made it."""

    def __init__(self, dialler, acceptor, at, seen):
        self.dialler, self.acceptor, self.at, self.seen = dialler, acceptor, at, seen
        self.halves = {dialler: Half(), acceptor: Half()}
        self.events = []
        self.closed = None

    def event(self, at, source, what):
        self.events.append((at, source == self.dialler, what))

    def segment(self, at, source, sequence, flags, data):
        half = self.halves[source]
        if flags & 2:
            half.next = (sequence + 1) & 0xFFFFFFFF
        for pdu in half.take(sequence, data) if data else []:
            self.event(at, source, pdu)
        if flags & 1:
            half.fin = (sequence + len(data)) & 0xFFFFFFFF
            half.next = half.fin if half.next is None else half.next
        # A FIN counts after the last byte before it.
        if half.is_over() or flags & 4:
            self.close(at, source)

    def close(self, at, source):
        """Once from each side."""
        if not any(what == "TCP FIN" and by == (source == self.dialler) for _, by, what in self.events):
            self.event(at, source, "TCP FIN")
        self.closed = self.closed or at


def connections(path, listening):
    open_ones, all_ones = {}, []
    for at, source, target, sequence, flags, data in packets(path):
        key = frozenset((source, target))
        if source not in listening and target not in listening:
            continue
        is_first = flags & 0x12 == 2
        one = open_ones.get(key)
        # The same SYN again is a packet that was seen twice.
        is_new = one is None or (is_first and (one.closed or one.dialler != source))
        if is_new:
            if not is_first and one is None and not data:
                continue
            ends = (source, target) if target in listening else (target, source)
            one = open_ones[key] = Connection(*ends, at, is_first)
            all_ones.append(one)
            if is_first:
                one.event(at, source, "TCP connect")
        try:
            one.segment(at, source, sequence, flags, data)
        except ValueError as e:
            fail(f"{path}: from {source[0]}:{source[1]} to {target[0]}:{target[1]}: {e}")
    for one in all_ones:
        for end, half in one.halves.items():
            if half.bytes or any(half.waiting.values()):
                fail(f"{path}: bytes from {end[0]}:{end[1]} are missing: tcpdump -B 65536 loses fewer packets")
    return all_ones


# Names of links.


def varint(body, at):
    value = shift = 0
    while True:
        byte = body[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def login(pdu):
    """User name and client type of a login."""
    body, at, name, kind = pdu[HEADER:], 0, "", 1
    while at < len(body):
        key, at = varint(body, at)
        value, at = varint(body, at)
        if key & 7 == 2:
            if key >> 3 == 1:
                name = body[at : at + value].decode("utf-8", "replace")
            at += value
        elif key >> 3 == 4:
            kind = value
    return name, SOFTWARE.get(kind, f"type{kind}")


def named(all_ones, roles):
    """Each connection with its link and the directions' names."""
    db_links, labels = {}, {}
    result = []
    for one in sorted(all_ones, key=lambda one: (one.at, one.dialler)):
        role, name = roles[one.acceptor]
        if role == "msg":
            link = label(one, name, labels)
            result.append((one, f"client:{link}", ("c2s", "s2c")))
            continue
        servers = [n for (address, _), (r, n) in roles.items() if r == "msg" and address == one.dialler[0]]
        if len(servers) != 1:
            fail(f"who is {one.dialler[0]}, which dials the {role} server? Expected the address of one --msg")
        server, link = servers[0], f"{servers[0]}-{role}"
        if role == "db":
            k = db_links[server] = db_links.get(server, -1) + 1
            if k > 1:
                fail(f"{server} made more than two connections to db_proxy: ConcurrentDBConnCnt=1, and none may be lost")
            link += f"[{k}]"
        result.append((one, link, (f"{server}->{role}", f"{role}->{server}")))
    return result


def label(one, server, labels):
    logins = [what for _, by, what in one.events if by and is_login(what)]
    who = "-".join(login(logins[0])) if logins else "nobody"
    n = 1
    while True:
        name = f"{who}-{server}" if n == 1 else f"{who}-{n}-{server}"
        last = labels.get(name)
        if last is None or (last.closed and last.closed < one.at):
            labels[name] = one
            return name
        n += 1


def is_login(what):
    return isinstance(what, bytes) and struct.unpack(">H", what[10:12])[0] == LOGIN


# Statements and commands.

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b"}


def unescaped(text):
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text, flags=re.S)


def statements(path):
    """Lines of `mysql -BN`: time, connection, command type, argument."""
    for n, line in enumerate(open(path, encoding="utf-8", errors="replace"), 1):
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 4:
            fail(f"{path}: line {n}: {len(fields)} columns, expected time, thread_id, command_type, argument")
        at, conn, kind, text = fields
        if kind in ("Query", "Execute"):
            yield float(at), {"conn": int(conn), "kind": kind.lower(), "sql": unescaped(text)}


def word(quoted):
    """A word of MONITOR, which escapes bytes."""
    def byte(m):
        return bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else ESCAPES.get(m[1].decode(), m[1].decode()).encode()
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", byte, quoted).decode("utf-8", "replace")


def commands(path, source):
    line_of = re.compile(rb'^(\d+\.\d+) \[(\d+) (\S+)\] (.*)$')
    for n, line in enumerate(open(path, "rb"), 1):
        line = line.strip()
        if line in (b"", b"OK"):
            continue
        found = line_of.match(line)
        if not found:
            fail(f"{path}: line {n}: expected a line of MONITOR")
        at, db, address, words = found.groups()
        if source and address.decode().rsplit(":", 1)[0] != source:
            continue
        words = [word(w) for w in re.findall(rb'"((?:[^"\\]|\\.)*)"', words)]
        yield float(at), {"db": int(db), "command": words}


# Flows.


def windows(path):
    """(name or None, begin, end) of each line `SECONDS NAME`; NAME `-` is what belongs to no flow."""
    marks = []
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not re.fullmatch(r"\d+(\.\d+)?", words[0]):
            fail(f"{path}: line {n}: expected seconds since 1970 and a flow's name, or `-`")
        marks.append((float(words[0]), words[1]))
    if marks != sorted(marks, key=lambda mark: mark[0]):
        fail(f"{path}: expected times in order")
    ends = [at for at, _ in marks[1:]] + [float("inf")]
    return [(name, at, end) for (at, name), end in zip(marks, ends) if name != "-"]


def write(folder, name, kind, lines):
    with open(os.path.join(folder, f"{name}.{kind}.jsonl"), "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def pdu_line(n, at, link, direction, what):
    line = {"n": n, "t": round(at, 6), "link": link, "dir": direction}
    if isinstance(what, str):
        return {**line, "event": what}
    command, seq = struct.unpack(">HH", what[10:14])
    line.update(command_id=f"{command:#06x}", seq_num=seq)
    return {**line, "header_hex": what[:HEADER].hex(), "body_hex": what[HEADER:].hex()}


def end_of(text):
    address, _, port = text.rpartition(":")
    if not re.fullmatch(r"\d+(\.\d+){3}", address) or not port.isdigit():
        raise argparse.ArgumentTypeError("expected an IPv4 address and a port, as 10.0.0.11:8000")
    return address, int(port)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out", help="the folder for the captures")
    ask.add_argument("--pcap", required=True, help="what `tcpdump -w` wrote")
    ask.add_argument("--flows", required=True, help="lines `SECONDS NAME`: when each flow began; NAME `-`: none")
    ask.add_argument("--sql", help="what `mysql -BN` says of mysql.general_log")
    ask.add_argument("--redis", help="what `redis-cli MONITOR` wrote")
    ask.add_argument("--redis-from", help="only commands from this address: db_proxy's")
    ask.add_argument("--msg", type=end_of, action="append", required=True, metavar="ADDRESS:PORT",
                     help="where msg1 listens; once more for msg2 and so on")
    for role in ("db", "route", "login"):
        ask.add_argument(f"--{role}", type=end_of, required=True, metavar="ADDRESS:PORT",
                         help=f"where the {role} server listens for msg_servers")
    args = ask.parse_args()
    roles = {end: ("msg", f"msg{n}") for n, end in enumerate(args.msg, 1)}
    roles.update({getattr(args, role): (role, role) for role in ("db", "route", "login")})
    links = named(connections(args.pcap, roles), roles)
    events = [(at, link, ways[0] if by else ways[1], what)
              for one, link, ways in links for at, by, what in one.events]
    events.sort(key=lambda event: event[0])
    sql = list(statements(args.sql)) if args.sql else []
    redis = list(commands(args.redis, args.redis_from)) if args.redis else []
    flows = windows(args.flows)
    os.makedirs(args.out, exist_ok=True)
    for name, begin, end in flows:
        inside = [event for event in events if begin <= event[0] < end]
        write(args.out, name, "pdus", [pdu_line(n, at - begin, *rest) for n, (at, *rest) in enumerate(inside)])
        # A file that is not there: there was none.
        for kind, lines in (("sql", sql), ("redis", redis)):
            of_flow = [line for at, line in lines if begin <= at < end]
            if of_flow:
                write(args.out, name, kind, of_flow)
    tell(flows, events, sql)


def tell(flows, events, sql):
    """What parity.toml has to say."""
    say = lambda text: print(text, file=sys.stderr)
    say("flows = " + json.dumps([name for name, _, _ in flows]))
    for at, link, direction, what in events:
        if any(begin <= at < end for _, begin, end in flows) or not link.startswith("client:"):
            continue
        before = [name for name, _, end in flows if end <= at]
        if what == "TCP FIN" and direction == "c2s" and before:
            say(f'closed: {{ after = "{before[-1]}", client = "{link[7:]}" }}')
        elif is_login(what):
            say(f"outside of the flows (`before`, if before the first): {link[7:]} logs in")
    conns = {}
    for _, line in sql:
        count = conns.setdefault(line["conn"], [0, 0])
        count[0] += 1
        count[1] += re.match(r"\s*(insert|update|delete|replace)\b", line["sql"], re.I) is not None
    for conn, (n, writes) in sorted(conns.items()):
        say(f"SQL connection {conn}: {n} statements, {writes} of them writes")


if __name__ == "__main__":
    main()
