//! The fake Redis is held to a real one: generated sequences of commands run on both through the
//! `redis` crate, and every reply and every error has to be equal.
//!
//! Needs `redis-server` on PATH; `FAKE_REDIS=skip` leaves the test out. 500 sequences, or as many
//! as `FAKE_REDIS_SEQUENCES` says.

mod commands;
mod pair;
mod server;

use commands::sequence;
use pair::{Answer, Answered, Pair};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::{cell::RefCell, collections::BTreeMap, io::Write as _};
use teamtalk_sim::fakes::redis::COMMANDS;

const SEED: &[u8; 32] = b"the fake Redis and the real one.";

/// How many sequences are run by default, and are enough to meet every command in every way.
const ENOUGH: u32 = 500;

#[test]
fn the_fake_answers_as_a_real_server_does() {
    match std::env::var("FAKE_REDIS").as_deref() {
        Err(_) => {}
        Ok("skip") => {
            // Past libtest, which keeps to itself what a passing test prints.
            let _ = writeln!(std::io::stderr(), "FAKE_REDIS=skip: the fake Redis was NOT tested");
            return;
        }
        Ok(other) => panic!("FAKE_REDIS=`{other}`: expected `skip`, or no such variable"),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let pair = runtime.block_on(Pair::start()).unwrap_or_else(|why| panic!("{why}"));

    let sequences = sequences();
    let counts = RefCell::new(Counts::default());
    let config = Config {
        cases: sequences,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, SEED);
    let result = TestRunner::new_with_rng(config, rng).run(&sequence(), |steps| {
        let answered = runtime.block_on(pair.run(&steps));
        counts.borrow_mut().add(&answered);
        if answered.iter().all(Answered::equal) {
            Ok(())
        } else {
            Err(TestCaseError::fail("the answers differ"))
        }
    });
    match result {
        Ok(()) if sequences >= ENOUGH => counts.borrow().require_all(),
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let answered = runtime.block_on(pair.run(&steps));
            panic!("{why}; the real server is {}.\n{}", pair.version(), report(&answered));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn sequences() -> u32 {
    match std::env::var("FAKE_REDIS_SEQUENCES") {
        Err(_) => ENOUGH,
        Ok(text) => text.parse().unwrap_or_else(|_| {
            panic!("FAKE_REDIS_SEQUENCES=`{text}`: expected a number of sequences, such as 500")
        }),
    }
}

/// The steps with their answers; only the last one's differ.
fn report(answered: &[Answered]) -> String {
    if answered.iter().all(Answered::equal) {
        return "Run once more, it did not differ: something is not the same each time."
            .to_string();
    }
    let mut text = String::new();
    for answer in answered {
        let Answered { step, reads_back, real, fake } = answer;
        if !answer.equal() {
            text += &format!("  {step:?}\n    real: {real:?}\n    fake: {fake:?}\n");
        } else if !reads_back || step.command[0] == b"SELECT" {
            text += &format!("  {step:?} -> {real:?}\n");
        }
    }
    text
}

/// How often each command of the fake was answered with a value and with an error.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, (u64, u64)>);

impl Counts {
    fn add(&mut self, answered: &[Answered]) {
        for Answered { step, real, .. } in answered {
            let known =
                COMMANDS.iter().find(|c| step.command[0].eq_ignore_ascii_case(c.as_bytes()));
            if let Some(name) = known {
                let (values, errors) = self.0.entry(name).or_default();
                match real {
                    Answer::Value(_) => *values += 1,
                    Answer::Error { .. } => *errors += 1,
                }
            }
        }
    }

    /// A generator that leaves a command out proves nothing about it.
    fn require_all(&self) {
        for name in COMMANDS {
            let (values, errors) = self.0.get(name).copied().unwrap_or_default();
            assert!(
                values > 0 && errors > 0,
                "`{name}` was answered with {values} values and {errors} errors: generate both"
            );
        }
    }
}
