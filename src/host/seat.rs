//! Which instance sits in which slot of the table, and how far its present run has come.

use crate::decide::event::RunId;
use crate::model::check::Sign;
use crate::model::desired::Definition;
use crate::model::launch::expand_for;
use crate::model::name::InstanceId;
use crate::model::outcome::{Exit, Failure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An instance's place: its slot, its output, its present run.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) slot: u32,
    pub(super) definition: Arc<Definition>,
    /// Whether its service has more than one instance.
    pub(super) numbered: bool,
    pub(super) log: PathBuf,
    /// Whether the slot has its pipe and the logger was told to read it.
    pub(super) attached: bool,
    /// Its instance is gone for good, and only an errand that is still being made keeps the pipe.
    pub(super) leaving: bool,
    pub(super) run: Run,
    /// The last run whose whole tree got KILL: what it still bears has to get it too.
    pub(super) killed: RunId,
}

/// How far the present run of an instance has come. Its exit and the answer of the spawn thread
/// come by different ways, in any order.
#[derive(Debug)]
pub(super) enum Run {
    /// None was ordered, or all of the last one is gone.
    None,
    /// The spawn thread works on it; the process may already have said something, or ended.
    Ordered { run: RunId, exit: Option<Exit>, signs: Vec<Sign> },
    /// It did not reach its program; the process that failed has still to be reaped.
    Refused { run: RunId, failure: Failure },
    /// It executes.
    Living { run: RunId },
    /// It ended and left processes behind.
    Leftovers { run: RunId },
}

impl Run {
    /// Which run that is.
    pub(super) fn id(&self) -> Option<RunId> {
        match self {
            Self::None => None,
            Self::Ordered { run, .. } | Self::Refused { run, .. } | Self::Living { run } | Self::Leftovers { run } => {
                Some(*run)
            }
        }
    }
}

/// All seats, by instance and by slot.
#[derive(Debug)]
pub(super) struct Seats {
    /// Boxed: a hash map keeps room for twice what it holds.
    by_instance: HashMap<InstanceId, Box<Seat>>,
    by_slot: Vec<Option<InstanceId>>,
    free: Vec<u32>,
    slots: u32,
}

impl Seats {
    /// No seat taken, of `slots` in all; slot 0 is abide's own log.
    pub(super) fn new(slots: u32) -> Self {
        Self { by_instance: HashMap::new(), by_slot: vec![None], free: Vec::new(), slots }
    }

    /// The seat of `instance`.
    pub(super) fn get_mut(&mut self, instance: &InstanceId) -> Option<&mut Seat> {
        self.by_instance.get_mut(instance).map(Box::as_mut)
    }

    /// The seat of `instance`.
    pub(super) fn get(&self, instance: &InstanceId) -> Option<&Seat> {
        self.by_instance.get(instance).map(Box::as_ref)
    }

    /// Who sits in `slot`.
    pub(super) fn at(&mut self, slot: u32) -> Option<(InstanceId, &mut Seat)> {
        let instance = self.by_slot.get(slot as usize)?.clone()?;
        let seat = self.by_instance.get_mut(&instance)?;
        Some((instance, seat))
    }

    /// Who sits in `slot`.
    pub(super) fn sitting(&self, slot: u32) -> Option<(&InstanceId, &Seat)> {
        let instance = self.by_slot.get(slot as usize)?.as_ref()?;
        Some((instance, self.by_instance.get(instance)?))
    }

    /// All slots below `slot` are taken, if only by who is not known yet.
    pub(super) fn skip_to(&mut self, slot: u32) {
        self.by_slot.resize(self.by_slot.len().max(slot as usize), None);
    }

    /// Seats `instance` where it sat before.
    pub(super) fn put(&mut self, instance: &InstanceId, seat: Seat) {
        self.skip_to(seat.slot + 1);
        self.by_slot[seat.slot as usize] = Some(instance.clone());
        self.by_instance.insert(instance.clone(), Box::new(seat));
    }

    /// A slot that nobody sits in, for as long as an errand takes; `None` when all are taken.
    pub(super) fn slot(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let next = self.by_slot.len() as u32;
            (next < self.slots).then(|| self.by_slot.push(None))?;
            Some(next)
        })
    }

    /// Takes a seat for `instance`; `None` when all are taken.
    pub(super) fn take(&mut self, instance: &InstanceId, seat: impl FnOnce(u32) -> Seat) -> Option<&mut Seat> {
        let slot = self.slot()?;
        self.by_slot[slot as usize] = Some(instance.clone());
        Some(self.by_instance.entry(instance.clone()).or_insert_with(|| Box::new(seat(slot))))
    }

    /// The instance leaves; its slot stays taken until [`Seats::free`].
    pub(super) fn leave(&mut self, instance: &InstanceId) -> Option<Seat> {
        let seat = self.by_instance.remove(instance)?;
        self.by_slot[seat.slot as usize] = None;
        Some(*seat)
    }

    /// Who sits as `from` is `to` from now on.
    pub(super) fn rename(&mut self, from: &InstanceId, to: &InstanceId) -> Option<&mut Seat> {
        let seat = self.by_instance.remove(from)?;
        self.by_slot[seat.slot as usize] = Some(to.clone());
        self.by_instance.insert(to.clone(), seat);
        self.get_mut(to)
    }

    /// The slot can be taken again.
    pub(super) fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Everybody, by name.
    pub(super) fn each(&self) -> impl Iterator<Item = (&InstanceId, &Seat)> {
        self.by_instance.iter().map(|(instance, seat)| (instance, &**seat))
    }

    /// Everybody, for telling a new logger.
    pub(super) fn all(&self) -> impl Iterator<Item = &Seat> {
        self.by_instance.values().map(Box::as_ref)
    }
}

/// Where an instance's output goes: `<log directory>/NAME`, or `NAME@n` where there are several.
/// A template that no longer expands was refused when the file was loaded.
pub(super) fn log_directory(base: &Path, definition: &Definition, instance: &InstanceId, numbered: bool) -> PathBuf {
    let service = &definition.service;
    let own = service.log.directory.as_deref().and_then(|text| expand_for(service, instance.index, text).ok());
    let directory = own.map_or_else(|| base.to_owned(), PathBuf::from);
    if numbered { directory.join(instance.to_string()) } else { directory.join(instance.service.as_str()) }
}
