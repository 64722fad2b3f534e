//! What a worker knows of its slots: their pipes, where what they hold goes, and how that fares.

use super::named::NamedSink;
use super::sink::Sink;
use super::trouble::Trouble;
use crate::log::lookout::Lookout;
use crate::log::order::Destination;
use crate::log::select::{Bucket, Sieve, Verdict};
use crate::model::logging::{NamedFiles, StderrTo};
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

/// How the writing of one file fares.
#[derive(Default)]
pub(super) struct Fare {
    pub(super) trouble: Option<Trouble>,
    /// When it is tried again, and after which time once more.
    pub(super) retry: Option<(Instant, Duration)>,
}

#[derive(Default)]
pub(super) struct Output {
    pub(super) sink: Sink,
    /// In its place, where somebody has named the files.
    pub(super) named: [NamedSink; 2],
    /// Of each of these; of the one file of both streams the first.
    pub(super) fares: [Fare; 2],
    pub(super) losses: Losses,
    pub(super) bucket: Bucket,
    /// When the log last said what came faster than it may.
    pub(super) last_limited: Option<Instant>,
    pub(super) last_used: Option<Instant>,
    pub(super) loss_unreported: bool,
    pub(super) last_report: Option<Instant>,
    /// Whether it stands in the worker's list.
    pub(super) active: bool,
}

impl Output {
    /// Lets go of every file.
    pub(super) fn close(&mut self) {
        self.sink.close();
        self.named.iter_mut().for_each(NamedSink::close);
    }

    /// Lets go of those that are not needed when nothing comes.
    pub(super) fn rest(&mut self) {
        self.sink.close();
        self.named.iter_mut().filter(|it| it.may_rest()).for_each(NamedSink::close);
    }

    /// Whether there are such files.
    pub(super) fn may_rest(&self) -> bool {
        self.sink.is_open() || self.named.iter().any(NamedSink::may_rest)
    }

    /// Whether a descriptor is held.
    pub(super) fn is_open(&self) -> bool {
        self.sink.is_open() || self.named.iter().any(NamedSink::is_open)
    }

    /// What is amiss with any of the files, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        self.fares.iter().find_map(|fare| fare.trouble.as_ref()).map(ToString::to_string)
    }

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

    /// Which of its files takes what comes by that pipe.
    pub(super) fn file_of(&self, second: bool) -> usize {
        file_of(&self.to, second)
    }

    /// When what comes by that pipe is tried again.
    pub(super) fn retry(&self, second: bool) -> Option<Instant> {
        self.output.as_ref()?.fares[self.file_of(second)].retry.map(|(at, _)| at)
    }
}

/// Which of the files of a destination takes what comes by that pipe: the second, where it is another than the first. What
/// a process still says by a way of its own that its next run will not have goes to the first.
pub(super) fn file_of(to: &Destination, second: bool) -> usize {
    let is_apart = |files: &NamedFiles| {
        let [out, err] = files.each().map(|file| file.map(|file| &file.path));
        to.policy.stderr != StderrTo::Merge && (out.is_none() || out != err)
    };
    usize::from(second && to.policy.files().is_some_and(is_apart))
}
