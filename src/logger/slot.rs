//! What a worker knows of its slots: their pipes, where what they hold goes, and how that fares.

use super::sink::Sink;
use super::trouble::Trouble;
use crate::log::lookout::Lookout;
use crate::log::order::Destination;
use crate::log::select::{Bucket, Sieve, Verdict};
use crate::model::select::Selection;
use crate::table::Losses;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The least time between two reports on what one slot lost.
pub(super) const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

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
    /// Patterns once understood take room, and many services have the same.
    sieves: HashMap<Selection, Weak<Sieve>>,
}

impl Memory {
    /// What that lets through. Fails with a pattern that is none, which the supervisor would not have sent.
    pub(super) fn sieve(&mut self, selection: Option<&Selection>) -> Result<Option<Arc<Sieve>>, String> {
        let Some(selection) = selection else { return Ok(None) };
        if let Some(known) = self.sieves.get(selection).and_then(Weak::upgrade) {
            return Ok(Some(known));
        }
        self.sieves.retain(|_, sieve| sieve.strong_count() > 0);
        let sieve = Sieve::new(selection)?.map(Arc::new);
        if let Some(sieve) = &sieve {
            self.sieves.insert(selection.clone(), Arc::downgrade(sieve));
        }
        Ok(sieve)
    }
}

pub(super) struct Slot {
    /// Of stdout, or of both; and of stderr alone.
    pub(super) ways: [Option<Way>; 2],
    pub(super) to: Destination,
    /// What of it goes through, if not all.
    pub(super) sieve: Option<Arc<Sieve>>,
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
    /// What became of the first part of the line that is under way.
    pub(super) within: Option<Verdict>,
}

impl Way {
    pub(super) fn new(pipe: Arc<OwnedFd>) -> Self {
        Self { pipe, edges: false, unfinished: None, grown: None, within: None }
    }
}

#[derive(Default)]
pub(super) struct Output {
    pub(super) sink: Sink,
    pub(super) losses: Losses,
    pub(super) bucket: Bucket,
    /// When the log last said what came faster than it may.
    pub(super) last_limited: Option<Instant>,
    pub(super) last_used: Option<Instant>,
    pub(super) loss_unreported: bool,
    pub(super) last_report: Option<Instant>,
    pub(super) trouble: Option<Trouble>,
    /// When it is tried again, and after which time once more.
    pub(super) retry: Option<(Instant, Duration)>,
    /// Whether it stands in the worker's list.
    pub(super) active: bool,
}

impl Output {
    /// Whether the log is to say now what came faster than it may, if there is something.
    pub(super) fn tells_limited(&self, now: Instant) -> bool {
        self.last_limited.is_none_or(|last| last + BETWEEN_REPORTS <= now)
    }

    /// When the log is to say what came faster than it may.
    pub(super) fn limited_at(&self, now: Instant) -> Option<Instant> {
        let owes = self.losses.unowned_limited().0 > 0;
        owes.then(|| self.last_limited.map_or(now, |last| last + BETWEEN_REPORTS))
    }
}

impl Slot {
    pub(super) fn new(pipes: [Option<Arc<OwnedFd>>; 2], to: Destination, sieve: Option<Arc<Sieve>>) -> Self {
        Self { ways: pipes.map(|pipe| pipe.map(Way::new)), to, sieve, output: None, watched: None }
    }
}
