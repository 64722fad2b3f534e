//! `abide top`: a live view of all services, and the operator's hand in it.
//!
//! What is shown and what a key means is pure: [`Top::update`] takes what happens and gives wishes, [`view`] draws.
//! The terminal and the talk with the daemon are thin, and threads of their own, so that a slow answer holds up no key.

mod field;
mod keys;
mod mouse;
mod questions;
mod layout;
mod log;
mod rows;
mod samples;
mod sse;
mod state;
mod talk;
mod terminal;
mod threads;
mod update;
mod view;
mod words;

pub use rows::{Column, Filter, Row, Sort};
pub use samples::Used;
pub use sse::Told;
pub use state::Top;
pub use talk::{Change, Input, Refusal, Right, Rights, Said, Step, Verb, Wish};
pub use view::view;

use super::args::{PlaceArgs, TopCommand};
use super::{complain, exit, run, status};
use crate::api::client::Client;
use crate::host::clock;
use nix::sys::signal::Signal;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use terminal::{Heard, Screen};
use threads::Threads;

/// The screen is not drawn more often than this.
const FRAME: Duration = Duration::from_millis(33);
/// So much may wait to be heard before those who say it wait themselves.
const WAITING: usize = 1_024;

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
enum NoTop {
    #[error("top draws on a terminal, and standard output is none; `abide status` prints the same once")]
    NoTerminal,
    #[error("this terminal (TERM={0}) cannot place a cursor; `abide status --watch` needs none")]
    Dumb(String),
    #[error("the terminal cannot be used")]
    Terminal(#[from] io::Error),
}

/// Runs until it is left; the exit code.
pub(super) fn run(args: TopCommand) -> u8 {
    let term = std::env::var("TERM").unwrap_or_default();
    if !io::stdout().is_terminal() {
        return complain(&NoTop::NoTerminal, exit::USAGE);
    }
    if term == "dumb" {
        return complain(&NoTop::Dumb(term), exit::USAGE);
    }
    let places: PlaceArgs = args.places;
    let places = match run::places(places.into()) {
        Ok(places) => places,
        Err(error) => return complain(&error, exit::USAGE),
    };
    // Who is told the wrong directory learns it on their own screen and not on ours.
    let greeted = Client::new(&places.runtime).map(|client| client.get("/v1/whoami"));
    match greeted {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return complain(&error, exit::NO_DAEMON),
        Err(error) => return complain(&error, exit::ERRORS),
    }
    let filter = args.filter.as_deref().unwrap_or_default();
    match show(&places.runtime, filter, args.interval, !args.no_mouse) {
        Ok(()) => exit::OK,
        Err(error) => complain(&NoTop::from(error), exit::ERRORS),
    }
}

fn show(runtime: &Path, filter: &str, interval: Duration, mouse: bool) -> io::Result<()> {
    let (says, heard) = sync_channel(WAITING);
    terminal::hear_signals(says.clone())?;
    let mut screen = Screen::take(mouse)?;
    terminal::hear_keys(says.clone())?;
    let mut threads = Threads::start(runtime, &says)?;
    let mut top =
        Top::new(status::style(&status::StatusArgs::default()), screen.size()?, clock::now(), interval).showing(filter);
    let mut drawn = Instant::now();
    screen.draw(&top)?;
    loop {
        let due = top.deadline().since(clock::now().mono);
        let Some(first) = next(&heard, due) else { return Ok(()) };
        let mut more = Some(first);
        // What comes together is drawn together, and no more often than an eye can follow.
        while let Some(one) = more {
            if !take(one, &mut top, &mut screen, &mut threads)? {
                return Ok(());
            }
            more = match FRAME.checked_sub(drawn.elapsed()) {
                Some(left) if !left.is_zero() => heard.recv_timeout(left).ok(),
                _ => None,
            };
        }
        screen.draw(&top)?;
        drawn = Instant::now();
    }
}

fn next(heard: &Receiver<Heard>, within: Duration) -> Option<Heard> {
    match heard.recv_timeout(within) {
        Ok(one) => Some(one),
        Err(RecvTimeoutError::Timeout) => Some(Heard::Input(Input::Wake)),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// Whether it goes on.
fn take(heard: Heard, top: &mut Top, screen: &mut Screen, threads: &mut Threads) -> io::Result<bool> {
    let wishes = match heard {
        Heard::Input(input) => top.update(clock::now(), input),
        Heard::Signal(Signal::SIGTSTP) => vec![Wish::Suspend],
        Heard::Signal(Signal::SIGCONT) => {
            screen.resume()?;
            Vec::new()
        }
        Heard::Signal(_) => return Ok(false),
    };
    for wish in wishes {
        match wish {
            Wish::Quit => return Ok(false),
            Wish::Suspend => screen.suspend()?,
            Wish::Clear => screen.clear()?,
            other => threads.carry_out(other)?,
        }
    }
    // A terminal may change its size while nobody reads what it says.
    let size = screen.size()?;
    top.update(clock::now(), Input::Resize(size.0, size.1)).into_iter().try_for_each(|wish| threads.carry_out(wish))?;
    Ok(true)
}
