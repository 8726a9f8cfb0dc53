//! Numbers of the command line, with what is allowed said in words.

/// No campaign has more threads.
const MOST_JOBS: u64 = 1_024;
/// A run is not waited for longer, in seconds: a day.
const MOST_SECONDS: u64 = 86_400;

/// How many of something that nobody asks for none of.
///
/// # Errors
/// A sentence that says what is expected.
pub fn one_or_more(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a whole number of at least 1".into())
}

/// How many threads.
///
/// # Errors
/// As [`one_or_more`].
pub fn jobs(text: &str) -> Result<u16, String> {
    let jobs = within(text, MOST_JOBS)?;
    u16::try_from(jobs).map_err(|e| e.to_string())
}

/// How many seconds a run may stand still.
///
/// # Errors
/// As [`one_or_more`].
pub fn seconds(text: &str) -> Result<u64, String> {
    within(text, MOST_SECONDS)
}

fn within(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}
