//! `log/run`: who writes the output of a service, and how.
//!
//! multilog is understood, under a user of its own or not. Where abide's logger does the very same it becomes keys of
//! `[log]`; else multilog stays, as `[log] command`.

use super::Left;
use super::chain::program;
use super::options::options;
use super::script::{self, joined};

const FILE: &str = "log/run";

/// What becomes of the output of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Logger {
    /// abide's logger writes it, in the form of multilog.
    Own {
        /// The directory that holds the one that is called like the service.
        directory: String,
        /// The size at which a file is full.
        size: u64,
        /// How many rotated files are kept.
        files: u64,
    },
    /// A program, and what stands before it.
    Command {
        /// What stands before multilog.
        before: Vec<String>,
        /// multilog and its actions.
        words: Vec<String>,
        /// Whether it runs commands of a shell over what it has written.
        processes: bool,
    },
}

/// Reads the script of the logger that runs in `directory`, for the service `name`.
pub(super) fn read(name: &str, bytes: &[u8], directory: &str) -> Result<Logger, Left> {
    let script = script::read(FILE, bytes, directory)?;
    let left = |why: &str| Err(Left { file: FILE, line: Some(script.line), why: why.to_owned() });
    if !(script.environment.is_empty() && script.limits.is_empty() && script.umask.is_none() && script.stdin.is_none())
    {
        return left("it sets variables, limits or a mask, which a log command has from its service");
    }
    let Some(at) = before_multilog(&script.words) else {
        return left("only multilog, after `setuidgid USER` or `softlimit`, is understood as a logger");
    };
    let (before, words) = script.words.split_at(at);
    let actions = &words[1..];
    if let Some(own) = own(name, actions, &script.directory).filter(|_| before.is_empty()) {
        return Ok(own);
    }
    let absolute = |word: &String| match word.as_bytes().first() {
        Some(b'.') => joined(&script.directory, word),
        Some(b'=') => format!("={}", joined(&script.directory, &word[1..])),
        _ => word.clone(),
    };
    let words = std::iter::once(words[0].clone()).chain(actions.iter().map(absolute)).collect();
    let processes = actions.iter().any(|word| word.starts_with('!'));
    Ok(Logger::Command { before: before.to_vec(), words, processes })
}

/// Where in `words` multilog stands, if what is before it depends on no place.
fn before_multilog(words: &[String]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = words.get(at + 1..)?;
        at += 1 + match program(&words[at]) {
            "multilog" => return Some(at),
            "setuidgid" | "s6-setuidgid" => 1,
            "pgrphack" => 0,
            "softlimit" => options(rest, "acdflmoprst", "")?.1,
            "chpst" => options(rest, "umdoprtcfn", "P")?.1,
            _ => return None,
        };
    }
}

/// The keys that do what `actions` do, if some do.
fn own(name: &str, actions: &[String], directory: &str) -> Option<Logger> {
    let (last, others) = actions.split_last()?;
    let (label, sizes) = others.split_first()?;
    if label != "t" {
        return None;
    }
    let (mut size, mut files) = (99_999, 10);
    for word in sizes {
        let digits = word.get(1..).filter(|digits| digits.len() < 10 && !digits.is_empty())?;
        let number: u64 = digits.parse().ok()?;
        match word.as_bytes()[0] {
            b's' => size = number.clamp(4096, 16_777_215),
            b'n' => files = number.max(2),
            _ => return None,
        }
    }
    let path = Some(last).filter(|word| word.starts_with(['.', '/'])).map(|word| joined(directory, word))?;
    let (parent, own) = path.trim_end_matches('/').rsplit_once('/')?;
    let is_straight = !path.split('/').any(|part| part == "." || part == "..");
    let directory = if parent.is_empty() { "/" } else { parent }.to_owned();
    // `current` is one of the files that multilog counts.
    (own == name && is_straight).then_some(Logger::Own { directory, size, files: files - 1 })
}
