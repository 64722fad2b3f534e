//! The supervisor dies after every single thing that it does, and another one goes on.
//!
//! What outlives it: the records, processes and commands, their ends in the table, what services say over a socket that
//! the keeper holds. What dies with it: what it had decided and not written down, what it had ordered and not done,
//! and every answer of its own threads.

use crate::invariants;
use crate::random::{Op, any_op, perform};
use crate::world::{MILLI, World, entry};
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::model::desired::Delta;
use abide::model::name::InstanceId;
use abide::model::outcome::Failure;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What outlives a supervisor, and when the next one dies.
#[derive(Debug, Default)]
pub(crate) struct Past {
    records: BTreeMap<String, Vec<u8>>,
    /// How the runs ended whose end was told.
    pub(crate) ends: BTreeMap<RunId, Event>,
    /// Ends that are told a second time, since the first may be forgotten.
    pub(crate) told_again: BTreeSet<(u64, u64)>,
    /// How many signals each run got.
    signals: BTreeMap<RunId, u32>,
    /// After how many things more it dies; and after that, the last first.
    dies_after: Option<usize>,
    later: Vec<usize>,
    pub(crate) crashes: u32,
    /// How many things were done.
    pub(crate) done: usize,
}

impl Past {
    /// Whether this signal was not sent before.
    pub(crate) fn is_first(&mut self, run: RunId, nth: u32) -> bool {
        let sent = self.signals.entry(run).or_default();
        let first = *sent < nth;
        *sent = (*sent).max(nth);
        first
    }
}

impl World {
    /// A world whose supervisors die after so many things, one after the other.
    pub(crate) fn dying(mut after: Vec<usize>) -> Self {
        after.reverse();
        let mut world = Self::new();
        world.past.dies_after = after.pop();
        world.past.later = after;
        world
    }

    /// Whether it dies just here.
    fn dies(&mut self) -> bool {
        self.past.done += 1;
        match &mut self.past.dies_after {
            None => false,
            Some(0) if !self.finished => {
                self.past.dies_after = self.past.later.pop();
                self.past.crashes += 1;
                true
            }
            Some(left) => {
                *left = left.saturating_sub(1);
                false
            }
        }
    }

    /// Writes down what was decided, and does it. False: the supervisor has died over that.
    pub(crate) fn carry_out(&mut self) -> bool {
        if self.dies() {
            return false;
        }
        let effects = self.fleet.take_effects();
        for (key, text) in self.fleet.take_records() {
            match text {
                Some(text) => self.past.records.insert(key, text),
                None => self.past.records.remove(&key),
            };
        }
        for effect in &effects {
            // Whose the slot is stands in the same frame.
            if let Effect::Rename { from, to, definition } = effect {
                self.rename(from, to, definition);
            }
        }
        if self.dies() {
            return false;
        }
        for effect in effects {
            self.perform(effect);
            if self.dies() {
                return false;
            }
        }
        true
    }

    /// Another supervisor goes on, and another one, until one lives.
    pub(crate) fn succeed(&mut self) {
        while !self.try_to_succeed() {}
    }

    fn try_to_succeed(&mut self) -> bool {
        self.note("the supervisor dies");
        // Answers of its threads die with it; ends, and what services say, do not.
        self.flight.retain(|_, event| {
            matches!(
                event,
                Event::Exited { .. } | Event::TreeEmpty { .. } | Event::ErrandEnded { .. } | Event::Signed { .. }
            )
        });
        self.probes.clear();
        self.boards.clear();
        self.fragments.clear();
        self.fleet = crate::world::unguarded(7);
        let now = self.now();
        self.fleet.handle(now, Event::Held(self.holds.clone().into_iter().collect()));
        let last = self.processes.keys().chain(self.tasks.keys()).chain(self.past.ends.keys()).max().copied();
        let broken = self.fleet.recover(now, &self.past.records, last.unwrap_or_default());
        assert_eq!(broken, [""; 0], "records that cannot be read");
        let gone: Vec<InstanceId> = self.open.iter().filter(|id| self.fleet.output_of(id).is_none()).cloned().collect();
        for instance in gone {
            if !self.freeing.values().any(|id| *id == instance) {
                self.perform(Effect::Close { instance });
            }
        }
        if !self.carry_out() {
            return false;
        }
        for _ in 0..self.shutdowns.min(2) {
            self.fleet.handle(now, Event::Shutdown);
        }
        let good =
            self.written.iter().map(|(name, definition)| (name.clone(), Some(entry(name, Some(definition.clone())))));
        let bad = self.bad.iter().map(|name| (name.clone(), Some(entry(name, None))));
        let changes: BTreeMap<_, _> = good.chain(bad).collect();
        let delta = Delta { changes: changes.into_iter().collect(), generation: self.generation, ..Delta::default() };
        self.fleet.handle(now, Event::Delta(delta));
        self.take_what_was_judged();
        self.carry_out()
    }

    /// The table keeps how a run ended.
    pub(crate) fn note_end(&mut self, event: &Event) {
        if let Event::Exited { run, .. } | Event::ErrandEnded { run, .. } = event {
            self.past.ends.insert(*run, event.clone());
        }
    }

    /// Whether a process was made for this run.
    pub(crate) fn is_known(&self, run: RunId) -> bool {
        self.processes.contains_key(&run)
    }

    /// Whether a command was begun as this run.
    pub(crate) fn is_begun(&self, run: RunId) -> bool {
        self.tasks.contains_key(&run) || self.past.ends.contains_key(&run)
    }

    /// Its end is told once more, if it was told.
    pub(crate) fn tell_again(&mut self, run: RunId) {
        if let Some(end) = self.past.ends.get(&run).cloned() {
            self.send(0, end);
            self.past.told_again.insert((self.now, self.sent));
        }
    }

    /// A start that was carried out before.
    pub(crate) fn spawned_before(&mut self, instance: &InstanceId, run: RunId) {
        let Some(process) = self.processes.get_mut(&run) else { return };
        if process.hangs {
            // It had not begun.
            (process.main, process.rest) = (false, false);
            let failure = Failure::Prepare("abide ended before it began".to_owned());
            return self.send(1, Event::SpawnFailed { instance: instance.clone(), run, failure });
        }
        let limits = process.definition.service.limits.clone();
        let ended = self.past.ends.contains_key(&run);
        if !ended {
            let (pid, start_ticks) = (100 + run.0 as i32, run.0);
            self.send(1, Event::Spawned { instance: instance.clone(), run, pid, start_ticks, limits });
        }
        self.tell_again(run);
    }

    /// A start that was not carried out before, and is not wanted any more.
    pub(crate) fn not_spawned(&mut self, instance: InstanceId, run: RunId) {
        let failure = Failure::Prepare("it is not wanted any more".to_owned());
        self.send(1, Event::SpawnFailed { instance, run, failure });
    }

    /// A run of an earlier supervisor.
    pub(crate) fn resume(&mut self, instance: InstanceId, run: RunId, ended: bool) {
        let process = self.processes.get(&run).unwrap_or_else(|| panic!("{instance}: {run:?} never was"));
        if !ended {
            self.tell_again(run);
        } else if !process.rest && !process.main {
            self.flight.insert((self.now + MILLI, self.sent + 1), Event::TreeEmpty { instance, run });
            self.sent += 1;
        }
    }
}

/// What is done before all is left alone: long enough histories, few enough for each to die everywhere.
fn history() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any_op(), 1..14)
}

fn play(world: &mut World, ops: &[Op]) {
    for op in ops {
        perform(world, op.clone());
    }
    world.mend();
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn wherever_the_supervisor_dies_the_next_one_goes_on(ops in history()) {
        let mut whole = World::new();
        for op in &ops {
            perform(&mut whole, op.clone());
        }
        for after in 0..whole.past.done {
            let mut world = World::dying(vec![after]);
            play(&mut world, &ops);
            prop_assert_eq!(world.past.crashes, 1);
            invariants::converged(&world);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn supervisors_may_die_one_after_the_other(
        ops in prop::collection::vec(any_op(), 1..40),
        after in prop::collection::vec(prop_oneof![3 => 0..6_usize, 1 => 0..60_usize], 1..20),
    ) {
        let mut world = World::dying(after);
        play(&mut world, &ops);
        invariants::converged(&world);
    }
}
