//! What happens, for people: one line an event. Pure.

use crate::model::diagnostic::escaped;
use crate::model::news::News;
use crate::model::order::{Author, Done};
use crate::model::status::State;
use crate::model::time::Wall;
use std::fmt::Write as _;

const BAD: &str = "\x1b[1;31m";
const BUSY: &str = "\x1b[33m";
const GOOD: &str = "\x1b[32m";
const FAINT: &str = "\x1b[2m";

/// One event as a line that ends in a newline: when, of what, what.
pub fn line(at: Wall, news: &News, coloured: bool) -> String {
    let paint = |colour: &str, text: &str| {
        if coloured { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    };
    let (colour, who, what) = told(news);
    let who = if who.is_empty() { String::new() } else { format!("{}  ", paint("\x1b[1m", &escaped(&who))) };
    let what = escaped(&what);
    let what = if colour.is_empty() { what } else { paint(colour, &what) };
    format!("{}  {who}{what}\n", paint(FAINT, &at.rfc3339()))
}

/// Its colour, of what it is, and what happened.
fn told(news: &News) -> (&'static str, String, String) {
    match news {
        News::Transition { service, instance, from, to, reason, pid, exit, grave } => {
            let who = instance.map_or_else(|| service.clone(), |index| format!("{service}@{index}"));
            let mut what =
                if from == to { to.as_str().to_owned() } else { format!("{} → {}", from.as_str(), to.as_str()) };
            if let Some(pid) = pid.filter(|_| to.is_running()) {
                let _ = write!(what, ", pid {pid}");
            }
            let why: Vec<&str> = [reason.as_str(), exit.as_deref().unwrap_or_default()]
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect();
            if !why.is_empty() {
                what = format!("{what}: {}", why.join(", "));
            }
            let colour = match to {
                _ if *grave => BAD,
                State::Failed | State::Backoff => BAD,
                State::Running | State::Ready => GOOD,
                _ => "",
            };
            (colour, who, what)
        }
        News::Plan { service, action, reason } => (FAINT, service.clone(), format!("plan: {action}, {reason}")),
        News::File { service, file, line, column, message, help, error, .. } => {
            let place =
                [line, column].into_iter().flatten().fold(String::new(), |place, number| format!("{place}:{number}"));
            let help = help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
            let word = if *error { "error" } else { "warning" };
            let colour = if *error { BAD } else { BUSY };
            (colour, service.clone().unwrap_or_default(), format!("{word} in {file}{place}: {message}{help}"))
        }
        News::Mended { service, file } => (GOOD, service.clone().unwrap_or_default(), format!("{file} is mended")),
        News::Order { act, targets, author } => (BUSY, said_of(targets), order(act, targets, author)),
        News::Missed { count, why } => {
            let count = count.map_or_else(|| "some".to_owned(), |count| count.to_string());
            (BUSY, String::new(), format!("{count} events are missing here: {why}"))
        }
    }
}

fn said_of(targets: &[Done]) -> String {
    match targets {
        [only] => only.target.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.target, rest.len()),
        [] => String::new(),
    }
}

fn order(act: &str, targets: &[Done], author: &Author) -> String {
    let refused = targets.iter().filter(|done| done.refused).count();
    let what = match targets {
        [only] => only.words.clone(),
        _ if refused > 0 => format!("{refused} of {} refused", targets.len()),
        _ => "done".to_owned(),
    };
    let who = if author.name.is_empty() { "somebody" } else { author.name.as_str() };
    format!("{act} by {who}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Wall = Wall(1_795_360_176_123_000);

    fn transition(from: State, to: State) -> News {
        let (service, reason) = ("web".to_owned(), "exited by itself\x1b[2J".to_owned());
        let exit = Some("exit code 1".to_owned());
        News::Transition { service, instance: Some(2), from, to, reason, pid: Some(7), exit, grave: false }
    }

    #[test]
    fn each_event_is_one_line_that_cannot_drive_a_terminal() {
        let done = |target: &str| Done {
            target: target.to_owned(),
            done: true,
            words: "stopped and held".to_owned(),
            refused: false,
        };
        let author = Author { name: "ann".to_owned(), ..Author::default() };
        let all = [
            transition(State::Running, State::Backoff),
            News::Plan { service: "web".into(), action: "restart".into(), reason: "command changed".into() },
            News::File {
                service: None,
                file: "abide.toml".into(),
                line: Some(3),
                column: Some(1),
                code: "syntax".into(),
                message: "no TOML".into(),
                help: Some("close the quote".into()),
                error: true,
            },
            News::Mended { service: Some("web".into()), file: "web.toml".into() },
            News::Order { act: "stop".into(), targets: vec![done("web")], author: author.clone() },
            News::Order { act: "stop".into(), targets: vec![done("web"), done("db")], author },
            News::Missed { count: Some(12), why: "this reader was too slow".into() },
        ];
        let text: String = all.iter().map(|news| line(AT, news, false)).collect();
        insta::assert_snapshot!(text, @r"
        2026-11-22T15:09:36.123Z  web@2  running → backoff: exited by itself\u{1b}[2J, exit code 1
        2026-11-22T15:09:36.123Z  web  plan: restart, command changed
        2026-11-22T15:09:36.123Z  error in abide.toml:3:1: no TOML; close the quote
        2026-11-22T15:09:36.123Z  web  web.toml is mended
        2026-11-22T15:09:36.123Z  web  stop by ann: stopped and held
        2026-11-22T15:09:36.123Z  web and 1 more  stop by ann: done
        2026-11-22T15:09:36.123Z  12 events are missing here: this reader was too slow
        ");
        assert!(all.iter().all(|news| line(AT, news, true).contains("\x1b[")));
    }
}
