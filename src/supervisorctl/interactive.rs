//! The shell: a prompt, lines, and commands.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use super::help;
use super::http::Client;
use super::keyboard::Keyboard;
use super::remote::{Info, Remote, array};
use super::session::Session;
use super::wait::{self, Interrupt};

/// How many lines a history keeps.
const HISTORY: usize = 1000;

/// Runs lines until there are no more.
pub(super) fn run(client: &mut Client, prompt: &str, history: Option<&str>) {
    let mut keyboard = Keyboard::default();
    obey(client, &mut keyboard, "status");
    let prompt = format!("{prompt}> ");
    if io::stdin().is_terminal() && io::stdout().is_terminal() && edited(client, &mut keyboard, &prompt, history) {
        return;
    }
    plain(client, &mut keyboard, &prompt);
}

/// Runs a line; whether there may be others.
fn obey(client: &mut Client, keyboard: &mut Keyboard, line: &str) -> bool {
    let mut out = io::stdout();
    let mut session = Session { remote: client, out: &mut out, keyboard, interactive: true, code: 0, done: false };
    session.run(line);
    !session.done
}

/// Lines from anything but a terminal.
fn plain(client: &mut Client, keyboard: &mut Keyboard, prompt: &str) {
    loop {
        let line = {
            let Ok(interrupt) = Interrupt::catch() else { return };
            let _ = io::stdout().write_all(prompt.as_bytes());
            let _ = io::stdout().flush();
            wait::line(keyboard, &interrupt)
        };
        match line {
            Some(line) if obey(client, keyboard, &line) => {}
            Some(_) => return,
            None => break,
        }
    }
    println_quietly();
}

fn println_quietly() {
    let _ = io::stdout().write_all(b"\n");
}

/// Lines from a terminal. `false`: it cannot be edited on.
fn edited(client: &mut Client, keyboard: &mut Keyboard, prompt: &str, history: Option<&str>) -> bool {
    let config = Config::builder().completion_type(rustyline::CompletionType::List).build();
    let Ok(mut editor) = Editor::<Names, DefaultHistory>::with_config(config) else { return false };
    let mut lines = load(history);
    for line in &lines {
        let _ = editor.add_history_entry(line);
    }
    loop {
        editor.set_helper(Some(Names { client: RefCell::new(client.another()) }));
        let Ok(line) = editor.readline(prompt) else {
            // Ctrl-C or Ctrl-D.
            println_quietly();
            break;
        };
        if !line.trim().is_empty() {
            let _ = editor.add_history_entry(&line);
            lines.push(line.clone());
        }
        if !obey(client, keyboard, &line) {
            break;
        }
    }
    save(&lines, history);
    true
}

/// The lines of a history. One that cannot be read or written is no reason not to work.
fn load(file: Option<&str>) -> Vec<String> {
    let Some(Ok(file)) = file.map(File::open) else { return Vec::new() };
    BufReader::new(file).lines().map_while(Result::ok).collect()
}

fn save(lines: &[String], file: Option<&str>) {
    use std::os::unix::fs::OpenOptionsExt as _;

    let Some(file) = file else { return };
    let kept = &lines[lines.len().saturating_sub(HISTORY)..];
    let text: String = kept.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    let _ = opened.and_then(|mut file| file.write_all(text.as_bytes()));
}

/// Completes names.
struct Names {
    client: RefCell<Client>,
}

impl Names {
    fn ask(&self) -> Vec<Info> {
        let mut client = self.client.borrow_mut();
        let answer = client.call("getAllProcessInfo", &[]);
        client.rest();
        let infos = answer.and_then(|answer| array(&answer)?.iter().map(Info::read).collect());
        infos.unwrap_or_default()
    }
}

impl Completer for Names {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(line.get(..at).unwrap_or(line), || self.ask()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

/// Where the last word of a line begins, and what it may become.
fn complete(line: &str, ask: impl FnOnce() -> Vec<Info>) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(start);
    let fitting = |name: &String| name.starts_with(word);
    let topics = || help::TOPICS.iter().map(|(name, _)| (*name).to_owned()).chain(["help".to_owned()]);
    let mut earlier = before.split_whitespace();
    let names: Vec<String> = match (earlier.next(), earlier.next()) {
        (None, _) => topics().filter(fitting).map(|name| name + " ").collect(),
        (Some("help"), None) => topics().filter(fitting).collect(),
        (Some("add" | "remove" | "update"), _) => {
            let mut groups: Vec<String> = ask().into_iter().map(|info| info.group).filter(fitting).collect();
            groups.dedup();
            groups
        }
        (Some("clear" | "fg" | "pid" | "restart" | "signal" | "start" | "status" | "stop" | "tail"), _) => {
            processes(&ask()).into_iter().filter(fitting).collect()
        }
        _ => Vec::new(),
    };
    (start, names)
}

fn processes(infos: &[Info]) -> Vec<String> {
    let mut names: Vec<String> = infos.iter().map(|info| info.namespec().to_string()).collect();
    let grouped = infos.iter().filter(|info| info.group != info.name);
    names.extend(grouped.map(|info| format!("{}:*", info.group)));
    names.push("all".to_owned());
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infos() -> Vec<Info> {
        [("a", "a"), ("g", "x"), ("g", "y")]
            .map(|(group, name)| Info {
                group: group.into(),
                name: name.into(),
                state: 20,
                state_name: String::new(),
                description: String::new(),
                pid: 1,
            })
            .into()
    }

    #[test]
    fn names_are_completed() {
        let ask = |line: &str| complete(line, infos);
        assert_eq!(ask("sta"), (0, vec!["start ".to_owned(), "status ".to_owned()]));
        assert_eq!(ask("start g"), (6, vec!["g:*".to_owned(), "g:x".to_owned(), "g:y".to_owned()]));
        assert_eq!(ask("stop g:x a"), (9, vec!["a".to_owned(), "all".to_owned()]));
        assert_eq!(ask("update g"), (7, vec!["g".to_owned()]));
        assert_eq!(ask("help m"), (5, vec!["maintail".to_owned()]));
        assert_eq!(ask("version "), (8, Vec::new()));
    }
}
