//! Bounds of the search for causes that were reached: what was not looked at any more.

use super::{MOST_CAUSES, ROUNDS, TRIED};
use std::fmt;

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capped {
    /// So many runs were led back to a cause: no others were.
    Causes,
    /// Of a signature so many runs were looked at that no cause explains: the others were not.
    Tried,
    /// So often the order was run, and the last one loses something, too.
    Rounds,
}

impl Capped {
    /// In a word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Causes => "causes",
            Self::Tried => "tried",
            Self::Rounds => "rounds",
        }
    }
}

impl fmt::Display for Capped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Causes => {
                write!(
                    f,
                    "{MOST_CAUSES} causes were looked for: for what else went wrong, none was"
                )
            }
            Self::Tried => write!(
                f,
                "of some signatures {TRIED} runs were led back to no cause that is sure: their other runs were not looked at"
            ),
            Self::Rounds => {
                write!(
                    f,
                    "{ROUNDS} orders were run, each but the first corrected by what the one before lost: no further one was"
                )
            }
        }
    }
}
