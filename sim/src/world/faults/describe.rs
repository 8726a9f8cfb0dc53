//! Faults in words.

use crate::plan::{Cut, Fate, Fault, Plant, Trouble, ahead};

/// A fault in a few words.
pub fn describe(fault: &Fault) -> String {
    let ms = fault.for_ms;
    match &fault.trouble {
        Trouble::Partition { a, b, cut, fate } => {
            let arrow = match cut {
                Cut::Both => "<->",
                Cut::AToB => "-->",
                Cut::BToA => "<--",
            };
            format!("partition {a} {arrow} {b} for {ms} ms; {}", fated(*fate))
        }
        Trouble::Isolate { host, fate } => {
            format!("isolate {host} for {ms} ms; {}", fated(*fate))
        }
        Trouble::Stall { a, b } => format!("stall {a} <-> {b} for {ms} ms"),
        Trouble::Drop { a, b, fate } => {
            format!("drop what is first in flight {a} <-> {b} within {ms} ms; {}", fated(*fate))
        }
        Trouble::Reset { a, b } => format!("reset all streams {a} <-> {b}"),
        Trouble::Jitter { a, b, ticks } => {
            format!("jitter {a} <-> {b} for {ms} ms, 1 to {ticks} ticks")
        }
        Trouble::SlowLink { a, b, ticks } => {
            format!("slow link {a} <-> {b} for {ms} ms, {ticks} ticks each way")
        }
        Trouble::TinyIo { host, bytes } => {
            format!("{host} reads and writes {bytes} bytes at once for {ms} ms")
        }
        Trouble::SlowReader { host, peer, bytes } => {
            let from = peer.as_ref().map_or(String::new(), |peer| format!(" from {peer}"));
            format!("{host} reads {bytes} bytes a tick{from} for {ms} ms")
        }
        Trouble::Crash { host, refuses } => {
            let how = if *refuses { "refused" } else { "unanswered" };
            format!("crash {host}, back after {ms} ms; connects are {how} meanwhile")
        }
        Trouble::Stop { host } => format!("tell {host} to stop, back after {ms} ms"),
        Trouble::PowerCut { host } => format!("cut the power of {host}, back after {ms} ms"),
        Trouble::Planted { host, does } => {
            let does = match does {
                Plant::Panics => "panics",
                Plant::Yields => "is ready again and again",
                Plant::Calls => "calls the world again and again",
                Plant::Hangs => "never lets others run",
            };
            format!("planted: a task of {host} {does}")
        }
        Trouble::Pause { host } => format!("{host} stands still for {ms} ms"),
        Trouble::StoreFails { host, error, one_in } => {
            let (share, said) = (share(*one_in, "that it can meet"), error.words());
            format!("{host} answers {share} with {said} for {ms} ms")
        }
        Trouble::ReplyLost { host, one_in } => {
            let share = share(*one_in, "that it does");
            format!("{host} breaks the connection before the reply to {share}, for {ms} ms")
        }
        Trouble::ClockStep { host, ahead_ms } => {
            format!("the clock of {host} {} for {ms} ms", ahead(*ahead_ms))
        }
        Trouble::SlowStore { host, ticks } => {
            format!("{host} takes {ticks} ticks more for each request, for {ms} ms")
        }
    }
}

fn share(one_in: u32, of: &str) -> String {
    match one_in {
        1 => format!("everything {of}"),
        _ => format!("one in {one_in} of what {of}"),
    }
}

fn fated(fate: Fate) -> String {
    match fate {
        Fate::Reset => "streams that lost data are reset after it".into(),
        Fate::ResetWithin { ms } => format!("streams that lost data are reset within {ms} ms"),
        Fate::Silent => "streams that lost data stay dead in silence".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::plan::{Fault, Trouble};

    #[test]
    fn who_is_told_to_stop_is_read_back() {
        let words = |trouble| describe(&Fault { id: 7, at_ms: 0, for_ms: 5, trouble });
        let stop = words(Trouble::Stop { host: "db1".into() });
        assert_eq!(Trouble::told_to_stop(&stop), Some("db1"));
        assert_eq!(Trouble::told_to_stop(&words(Trouble::PowerCut { host: "db1".into() })), None);
    }
}
