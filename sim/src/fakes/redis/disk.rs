//! What a power cut leaves of the data.

use super::Engine;
use crate::record::Changed;

/// The disk under a Redis: what is on it survives everything.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Simulated milliseconds from one flush to the next; `None`: each command is on the disk
    /// before it is answered.
    every_ms: Option<u64>,
    /// How many flushes have been due.
    flushes: u64,
    flushed: Engine,
}

impl Disk {
    /// A disk with what `engine` has at time 0. `every_ms` is `appendfsync`: `None` is `always`,
    /// else a flush is due at each multiple of it, which is at least 1.
    pub fn new(every_ms: Option<u64>, engine: &Engine) -> Self {
        Self { every_ms, flushes: 0, flushed: engine.clone() }
    }

    /// Flushes if that is due. `now_ms` never falls.
    pub fn tick(&mut self, engine: &Engine, now_ms: u64) {
        let Some(every) = self.every_ms else { return };
        let due = now_ms / every;
        if due > self.flushes {
            self.flushes = due;
            if engine.changes() != self.flushed.changes() {
                self.flushed.clone_from(engine);
            }
        }
    }

    /// The machine loses its power: what was not flushed is gone. How many commands that had
    /// changed something are undone, and what is there in place of what they made.
    pub fn power_cut(&self, engine: &mut Engine) -> (u64, Vec<Changed>) {
        if self.every_ms.is_none() {
            return (0, Vec::new());
        }
        let lost = engine.changes() - self.flushed.changes();
        let changed = engine.changed_to(&self.flushed);
        engine.clone_from(&self.flushed);
        (lost, changed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Disk, Engine};
    use crate::{
        fakes::redis::{Session, Stored},
        record::Changed,
    };
    use bytes::Bytes;

    fn run(engine: &mut Engine, words: &str) {
        let words: Vec<_> =
            words.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
        engine.run(&mut Session::default(), &words);
    }

    fn value(engine: &Engine, key: &'static str) -> Option<String> {
        match engine.get(0, key.as_bytes()) {
            Some(Stored::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_power_cut_takes_what_came_after_the_last_flush() {
        let mut engine = Engine::new();
        let mut disk = Disk::new(Some(1_000), &engine);
        run(&mut engine, "INCR n");
        disk.tick(&engine, 999);
        disk.tick(&engine, 1_000);
        run(&mut engine, "INCR n");
        run(&mut engine, "SET other 1");
        run(&mut engine, "GET n");
        run(&mut engine, "HDEL none f");
        disk.tick(&engine, 1_995);
        let (lost, changed) = disk.power_cut(&mut engine);
        assert_eq!(lost, 2, "only what changed something is lost");
        let key = |key: &'static str, before: &'static str, after: Option<&'static str>| {
            let text = |text: &'static str| Bytes::from_static(text.as_bytes());
            Changed::key(0, &text(key), None, Some(&text(before)), after.map(text).as_ref())
        };
        assert_eq!(changed, [key("n", "2", Some("1")), key("other", "1", None)]);
        assert_eq!((value(&engine, "n").as_deref(), value(&engine, "other")), (Some("1"), None));
        assert_eq!(disk.power_cut(&mut engine).0, 0);
        run(&mut engine, "INCR n");
        disk.tick(&engine, 3_100);
        assert_eq!(disk.power_cut(&mut engine).0, 0, "a flush that was due late is not left out");
    }

    #[test]
    fn always_loses_nothing() {
        let mut engine = Engine::new();
        let disk = Disk::new(None, &engine);
        run(&mut engine, "INCR n");
        assert_eq!(disk.power_cut(&mut engine).0, 0);
        assert_eq!(value(&engine, "n").as_deref(), Some("1"));
    }
}
