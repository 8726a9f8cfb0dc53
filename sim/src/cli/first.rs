//! The first seed of a campaign.

use std::{process::Command as Process, str::FromStr};

/// How many hexadecimal digits of a commit's hash make a seed: 48 bits, which every reader of JSON takes
/// as they are.
const DIGITS: usize = 12;

/// What `--from` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// A seed.
    Seed(u64),
    /// That of the git commit.
    Commit,
}

impl FromStr for First {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "commit" => Ok(Self::Commit),
            _ => text.parse().map(Self::Seed).map_err(|_| "expected a number or `commit`".into()),
        }
    }
}

impl First {
    /// The seed, and the hash of the commit that it is made of.
    ///
    /// # Errors
    /// A sentence if git does not name a commit.
    pub fn seed(self) -> Result<(u64, Option<String>), String> {
        match self {
            Self::Seed(seed) => Ok((seed, None)),
            Self::Commit => {
                let hash = commit().map_err(|why| format!("--from commit: {why}"))?;
                Ok((of_commit(&hash)?, Some(hash)))
            }
        }
    }
}

/// The hash of the commit that is checked out.
fn commit() -> Result<String, String> {
    let asked = "`git rev-parse HEAD`";
    let said = Process::new("git").args(["rev-parse", "HEAD"]).output();
    let said = said.map_err(|e| format!("{asked}: {e}"))?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        let why = why.lines().next().unwrap_or("it names no commit");
        return Err(format!("{asked}: {why}"));
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_string())
}

fn of_commit(hash: &str) -> Result<u64, String> {
    let digits = hash.get(..DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    digits.ok_or_else(|| format!("--from commit: `{hash}` is no commit's hash"))
}

#[cfg(test)]
mod tests {
    use super::{First, of_commit};

    #[test]
    fn a_commit_is_a_seed_of_48_bits() {
        let hash = "ffffffffffff1734a0ab5ae5eb0a3c6f1e8c4b2d";
        assert_eq!(of_commit(hash), Ok((1 << 48) - 1));
        assert_eq!(of_commit("00000000000a1734"), Ok(10));
        assert!(of_commit("HEAD").is_err() && of_commit("").is_err());
        assert_eq!("commit".parse(), Ok(First::Commit));
        assert_eq!("7".parse(), Ok(First::Seed(7)));
        assert!("-1".parse::<First>().is_err() && "HEAD".parse::<First>().is_err());
    }
}
