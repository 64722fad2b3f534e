//! What a worker knows of its slots: their pipes, where what they hold goes, and how that fares.

use super::sink::Sink;
use super::trouble::Trouble;
use crate::log::lookout::Lookout;
use crate::log::order::Destination;
use crate::table::Losses;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What it knows of its slots.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) slots: HashMap<u32, Slot>,
    /// Slots with an open file, an unreported loss or an unfinished line: those that need a clock.
    pub(super) active: Vec<u32>,
    /// When to look at them.
    pub(super) deadline: Option<Instant>,
    /// What is looked at, and what it becomes: touched only as far as there is something.
    pub(super) look: Vec<u8>,
    pub(super) scratch: Vec<u8>,
    /// How many pipes hold more than others.
    pub(super) grown: usize,
}

pub(super) struct Slot {
    /// Of stdout, or of both; and of stderr alone.
    pub(super) ways: [Option<Way>; 2],
    pub(super) to: Destination,
    /// Made with the first byte: most slots of a machine are silent.
    pub(super) output: Option<Box<Output>>,
    /// What is looked for in it, and for which run.
    pub(super) watched: Option<Box<(u64, Lookout)>>,
}

/// One pipe.
pub(super) struct Way {
    pub(super) pipe: Arc<OwnedFd>,
    /// Something is in it that is not taken now: it is told of by edges, since it would be readable for ever.
    pub(super) edges: bool,
    /// Since when there is a line in it without its end.
    pub(super) unfinished: Option<Instant>,
    /// Whether it holds more than others do; `None`: that was not tried.
    pub(super) grown: Option<bool>,
}

impl Way {
    pub(super) fn new(pipe: Arc<OwnedFd>) -> Self {
        Self { pipe, edges: false, unfinished: None, grown: None }
    }
}

#[derive(Default)]
pub(super) struct Output {
    pub(super) sink: Sink,
    pub(super) losses: Losses,
    pub(super) last_used: Option<Instant>,
    pub(super) loss_unreported: bool,
    pub(super) last_report: Option<Instant>,
    pub(super) trouble: Option<Trouble>,
    /// When it is tried again, and after which time once more.
    pub(super) retry: Option<(Instant, Duration)>,
    /// Whether it stands in the worker's list.
    pub(super) active: bool,
}

impl Slot {
    pub(super) fn new(pipes: [Option<Arc<OwnedFd>>; 2], to: Destination) -> Self {
        Self { ways: pipes.map(|pipe| pipe.map(Way::new)), to, output: None, watched: None }
    }
}
