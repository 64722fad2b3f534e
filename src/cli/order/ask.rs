//! One question before much is stopped: whether those are meant that a pattern stands for.

use super::{Refusal, Talk, listed};
use crate::model::selector::Selector;
use crate::model::status::Status;
use std::io::{BufRead, IsTerminal, Write};

/// So many are named in the question.
const NAMED: usize = 20;

/// Whether to go on. Asks only who can answer, and only where more than one service is meant by a pattern or a state:
/// who has written each name has said it already.
pub(super) fn may_go_on(talk: &Talk, word: &str, names: &[Selector]) -> Result<bool, Refusal> {
    let one_by_one = names.iter().all(|name| name.state.is_none() && !name.names.is_pattern());
    if one_by_one || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let status: Status = talk.get(&format!("/v1/status?names={}", listed(names)))?;
    let meant: Vec<&str> = status.services.iter().map(|service| service.name.as_str()).collect();
    if meant.len() < 2 {
        return Ok(true);
    }
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{}", question(word, &meant)).and_then(|()| out.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn question(word: &str, meant: &[&str]) -> String {
    let more = match meant.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = meant[..meant.len().min(NAMED)].join(", ");
    format!("{word} {} services: {named}{more}?\nGo on? [y/N] ", meant.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_those_who_are_meant_as_far_as_can_be_read() {
        assert_eq!(question("stop", &["a", "b"]), "stop 2 services: a, b?\nGo on? [y/N] ");
        let many = ["x"; 25];
        assert!(question("restart", &many).contains("restart 25 services: x, x"));
        assert!(question("restart", &many).contains(" and 5 more?"));
    }
}
