//! supervisorctl: the client of a supervisord.
//!
//! Words to options, a line to a command, a command to calls and the answers to lines and an exit code. Only `http`,
//! `keyboard`, `wait`, `file` and `interactive` touch the world.

mod body;
mod change;
mod commands;
mod file;
mod help;
mod http;
mod interactive;
mod keyboard;
mod options;
mod remote;
mod session;
mod status;
mod tail;
#[cfg(test)]
mod tests;
mod update;
mod wait;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};

use http::Client;
use keyboard::Keyboard;
use options::Options;
use session::Session;

const DEFAULT_URL: &str = "http://localhost:9001";
const DEFAULT_PROMPT: &str = "supervisor";

/// The program. `words[0]` is `argv[0]`; gives the exit code. `own`: the URL of the server where nothing names one.
pub fn run(words: &[OsString], own: Option<&str>) -> u8 {
    let argv0 = words.first().map_or(OsStr::new("supervisorctl"), OsString::as_os_str);
    let shown = argv0.to_string_lossy();
    match prepare(words.get(1..).unwrap_or_default(), argv0, own) {
        Ok(Start::Help) => {
            let _ = io::stdout().write_all(usage(&shown).as_bytes());
            0
        }
        Ok(Start::Run { mut client, action: Some(line), .. }) => once(&mut client, &line),
        Ok(Start::Run { mut client, prompt, history, action: None }) => {
            interactive::run(&mut client, &prompt, history.as_deref());
            0
        }
        Err(why) => {
            let _ = writeln!(io::stderr(), "Error: {why}\nFor help, use {shown} -h");
            2
        }
    }
}

/// What there is to do.
enum Start {
    Help,
    /// `action`: the line to run; the shell if there is none.
    Run {
        client: Client,
        prompt: String,
        history: Option<String>,
        action: Option<String>,
    },
}

fn prepare(words: &[OsString], argv0: &OsStr, own: Option<&str>) -> Result<Start, String> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Options { configuration, url, username, password, history, interactive: _, help, action } =
        options::parse(&words)?;
    if help {
        return Ok(Start::Help);
    }
    let section = file::read(configuration.as_deref(), argv0)?;
    let own = own.filter(|_| section.is_none()).map(str::to_owned);
    let section = section.unwrap_or_default();
    let url = url.or(section.url).or(own).unwrap_or_else(|| DEFAULT_URL.to_owned());
    // A name without a password, or the other way round, is no login.
    let credentials = username.or(section.username).zip(password.or(section.password));
    Ok(Start::Run {
        client: Client::new(&url, credentials),
        prompt: section.prompt.unwrap_or_else(|| DEFAULT_PROMPT.to_owned()),
        history: history.map(|path| file::at_home(&path, std::env::home_dir())).or(section.history),
        action: (!action.is_empty()).then(|| action.join(" ")),
    })
}

/// Runs one line.
fn once(client: &mut Client, line: &str) -> u8 {
    let mut keyboard = Keyboard::default();
    let mut out = io::stdout();
    let mut session =
        Session { remote: client, out: &mut out, keyboard: &mut keyboard, interactive: false, code: 0, done: false };
    session.run(line);
    session.code
}

fn usage(argv0: &str) -> String {
    format!(
        "supervisorctl -- control applications run by supervisord from the cmd line.

Usage: {argv0} [options] [action [arguments]]

Options:
-c/--configuration FILENAME -- configuration file path (searches if not given)
-h/--help -- print usage message and exit
-i/--interactive -- start an interactive shell if no action is given
-s/--serverurl URL -- URL on which supervisord server is listening
     (default \"{DEFAULT_URL}\").
-u/--username USERNAME -- username to use for authentication with server
-p/--password PASSWORD -- password to use for authentication with server
-r/--history-file FILENAME -- keep the history of the shell in this file

action [arguments] -- see below

Actions are commands like \"tail\" or \"stop\".  Without an action on the command
line, a \"shell\" interpreting actions typed interactively is started.  Use the
action \"help\" to find out about available actions.
"
    )
}
