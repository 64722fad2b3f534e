//! A pool: events that wait, and the listeners that they wait for.

use super::listener::{Heard, Listener};
use super::{Notice, State, Type};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What an `[eventlistener:x]` section asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The events that it wants, with all below them.
    pub events: Vec<Type>,
    /// How many events may wait.
    pub buffer_size: usize,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the text to the standard input of the listener.
    Send {
        /// The pool.
        pool: String,
        /// The process of the pool.
        listener: String,
        /// Envelope and payload.
        text: String,
    },
    /// Write a line to the main log.
    Log {
        /// How grave it is.
        level: Level,
        /// The line.
        text: String,
    },
    /// The listener broke the protocol. It stays RUNNING and gets nothing more.
    Unknown {
        /// The pool.
        pool: String,
        /// The process of the pool.
        listener: String,
    },
}

/// How grave a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of use to who looks for a fault.
    Debug,
    /// Something is not as it should be.
    Warn,
    /// Something was lost.
    Error,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    name: String,
    settings: Settings,
    /// The number of the next event.
    serial: u64,
    /// The oldest first; who came back is before all.
    waiting: VecDeque<Notice>,
    listeners: Vec<Listener>,
}

impl Pool {
    /// A pool of these processes, in the order in which they are asked.
    pub(super) fn new(name: String, settings: Settings, listeners: Vec<String>) -> Self {
        let listeners = listeners.into_iter().map(Listener::new).collect();
        Self { name, settings, serial: 0, waiting: VecDeque::new(), listeners }
    }

    /// The events that wait, the next one first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Notice> {
        self.waiting.iter()
    }

    /// Where a listener is.
    pub fn state(&self, listener: &str) -> Option<State> {
        self.listeners.iter().find(|known| known.name == listener).map(Listener::state)
    }

    /// The event that a listener has.
    pub fn busy_with(&self, listener: &str) -> Option<&Notice> {
        self.listeners.iter().find(|known| known.name == listener)?.notice()
    }

    pub(super) fn wants(&self, kind: Type) -> bool {
        self.settings.events.iter().any(|wanted| wanted.covers(kind))
    }

    /// A new event.
    pub(super) fn offer(&mut self, serial: u64, kind: Type, payload: String, actions: &mut Vec<Action>) {
        let notice = Notice { serial, pool_serial: self.serial, kind, payload };
        self.serial = self.serial.wrapping_add(1);
        self.make_room(actions);
        self.waiting.push_back(notice);
    }

    /// The process was spawned anew, or is gone. What it had goes to another one.
    pub(super) fn begin_again(&mut self, listener: &str, actions: &mut Vec<Action>) {
        let Some(listener) = self.find(listener) else { return };
        if let Some(notice) = listener.begin_again() {
            self.put_back(notice, actions);
        }
    }

    pub(super) fn set_running(&mut self, listener: &str, running: bool) {
        if let Some(listener) = self.find(listener) {
            listener.running = running;
        }
    }

    /// The process closed its standard input: it can be told nothing more.
    pub(super) fn refused(&mut self, listener: &str, actions: &mut Vec<Action>) {
        let Some(found) = self.find(listener) else { return };
        if found.state() == State::Unknown {
            return;
        }
        let from = found.state();
        let notice = found.distrust();
        self.tell_broken(listener, from, "it closed its standard input", actions);
        if let Some(notice) = notice {
            self.put_back(notice, actions);
        }
    }

    /// The process wrote something.
    pub(super) fn hear(&mut self, name: &str, mut bytes: &[u8], actions: &mut Vec<Action>) {
        while let Some(listener) = self.find(name) {
            let from = listener.state();
            let Some(heard) = listener.hear(&mut bytes) else { return };
            match heard {
                Heard::Ready => actions.push(moved(name, from, State::Ready)),
                Heard::Accepted => {
                    actions.push(log(Level::Debug, format!("{name}: event was processed")));
                    actions.push(moved(name, from, State::Acknowledged));
                }
                Heard::Rejected(notice) => {
                    actions.push(log(Level::Warn, format!("{name}: event was rejected")));
                    actions.push(moved(name, from, State::Acknowledged));
                    self.put_back(notice, actions);
                }
                Heard::Broke(said, notice) => {
                    let said = String::from_utf8_lossy(&said);
                    if let Some(notice) = notice {
                        actions.push(log(Level::Warn, format!("{name}: bad result line: {said:?}")));
                        self.put_back(notice, actions);
                    }
                    self.tell_broken(name, from, &format!("it wrote {said:?}"), actions);
                }
            }
        }
    }

    /// Gives events to who waits for them.
    pub(super) fn dispatch(&mut self, identifier: &str, actions: &mut Vec<Action>) {
        while let Some(listener) = self.listeners.iter_mut().find(|listener| listener.takes_events()) {
            let Some(notice) = self.waiting.pop_front() else { return };
            let text = notice.envelope(identifier, &self.name);
            actions.push(log(Level::Debug, format!("event {} sent to listener {}", notice.serial, listener.name)));
            actions.push(Action::Send { pool: self.name.clone(), listener: listener.name.clone(), text });
            listener.take(notice);
        }
    }

    fn find(&mut self, listener: &str) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|known| known.name == listener)
    }

    fn put_back(&mut self, notice: Notice, actions: &mut Vec<Action>) {
        self.make_room(actions);
        self.waiting.push_front(notice);
    }

    /// Throws away the oldest events that wait until there is room for one.
    fn make_room(&mut self, actions: &mut Vec<Action>) {
        while self.waiting.len() >= self.settings.buffer_size.max(1) {
            let Some(lost) = self.waiting.pop_front() else { return };
            let (pool, serial) = (&self.name, lost.serial);
            let text = format!("pool {pool} event buffer overflowed, discarding event {serial}");
            actions.push(log(Level::Error, text));
        }
    }

    fn tell_broken(&self, listener: &str, from: State, why: &str, actions: &mut Vec<Action>) {
        actions.push(moved(listener, from, State::Unknown));
        let text = format!(
            "{listener}: has entered the UNKNOWN state and will no longer receive events until it is restarted: {why} while {}",
            from.name()
        );
        actions.push(log(Level::Warn, text));
        actions.push(Action::Unknown { pool: self.name.clone(), listener: listener.to_owned() });
    }
}

fn moved(listener: &str, from: State, to: State) -> Action {
    log(Level::Debug, format!("{listener}: {} -> {}", from.name(), to.name()))
}

fn log(level: Level, text: String) -> Action {
    Action::Log { level, text }
}
