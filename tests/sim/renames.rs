//! Legacy directories under other names.

use crate::behaviour::{Behaviour, GOOD};
use crate::services::name;
use crate::supervised::legacy;
use crate::world::{World, entry, instance, instance_status, state};
use abide::decide::event::Event;
use abide::model::desired::{Definition, Home};
use abide::model::logging::{LogPolicy, LogWay};
use abide::model::name::InstanceId;
use abide::model::outcome::Exit;
use abide::model::plan::Step;
use abide::model::policy::Order;
use abide::model::service::{Run, Service};
use abide::model::status::State;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A directory by its number, under a name.
pub(crate) fn directory(text: &str, number: u64) -> (Service, u64) {
    (Service { directory: format!("/sv/{number}"), ..legacy(text) }, number)
}

/// The same with a `log/`.
fn with_log(text: &str, number: u64) -> (Service, u64) {
    let (service, _) = directory(text, number);
    let own = name(&format!("{text}.log"));
    let reads = Some(service.name.clone());
    let reader = Service { directory: format!("/sv/{number}/log"), reads, ..legacy(own.as_str()) };
    let way = Some(Box::new(LogWay::Directory(Box::new(reader))));
    let order = Some(Box::new(Order { wants: vec![own], ..Order::default() }));
    (Service { log: LogPolicy { way, ..service.log.clone() }, order, ..service }, number)
}

impl World {
    /// Directories are linked, and names go, all in one delta.
    pub(crate) fn relink(&mut self, links: Vec<(Service, u64)>, gone: &[&str]) {
        let linked = links.into_iter().map(|(service, number)| {
            let home = Some(Box::new(Home { device: 1, inode: number, born: None }));
            let definition = Arc::new(Definition { home, ..Definition::from(service) });
            (definition.service.name.clone(), Some(entry(&definition.service.name, Some(definition.clone()))))
        });
        let changes: BTreeMap<_, _> = gone.iter().map(|text| (name(text), None)).chain(linked).collect();
        self.deliver_delta(changes.into_iter().collect());
    }

    /// Which directory is behind a link; a new one, if there is none.
    pub(crate) fn number_of(&mut self, text: &str) -> u64 {
        let home = self.written.get(&name(text)).and_then(|definition| definition.home.clone());
        home.map_or_else(
            || {
                self.sent += 1;
                self.sent
            },
            |home| home.inode,
        )
    }

    /// A link gets the name of another one, which is gone then.
    pub(crate) fn move_link(&mut self, from: &str, to: &str) {
        let Some(old) = self.written.get(&name(from)).filter(|_| from != to).cloned() else { return };
        let number = self.number_of(from);
        let (service, _) = directory(to, number);
        self.relink(vec![(Service { enabled: old.service.enabled, ..service }, number)], &[from]);
    }

    /// Everything that goes by the one name goes by the other: as it is written down, not as it is done.
    pub(crate) fn rename(&mut self, from: &InstanceId, to: &InstanceId, definition: &Arc<Definition>) {
        assert!(self.living(to).next().is_none(), "{to} lives already");
        self.note(&format!("{from} is {to}"));
        let Definition { service: Service { name, directory, reads, order, log, .. }, .. } = &**definition;
        for process in self.processes.values_mut().filter(|process| process.instance == *from) {
            process.instance = to.clone();
            let (name, directory, reads) = (name.clone(), directory.clone(), reads.clone());
            let (order, log, old) = (order.clone(), log.clone(), process.definition.service.clone());
            process.definition = Arc::new(Definition::from(Service { name, directory, reads, order, log, ..old }));
        }
        for task in self.tasks.values_mut().filter(|task| task.instance == *from) {
            task.instance = to.clone();
        }
        for event in self.flight.values_mut().chain(self.past.ends.values_mut()) {
            if let Event::Exited { instance, .. }
            | Event::TreeEmpty { instance, .. }
            | Event::InputHeld { instance, .. }
            | Event::Signed { instance, .. }
            | Event::Unheard { instance, .. }
            | Event::ErrandEnded { instance, .. } = event
                && instance == from
            {
                *instance = to.clone();
            }
        }
        if self.open.remove(from) {
            self.open.insert(to.clone());
            self.freeing.retain(|_, id| id != to);
        }
        for (reader, _) in self.ending_inputs.iter_mut().filter(|(reader, _)| reader == from) {
            *reader = to.clone();
        }
        let shown = self.boards.remove(from);
        self.boards.extend(shown.map(|shown| (to.clone(), shown)));
        let behaviour = self.behaviours.get(&from.service).copied();
        self.behaviours.extend(behaviour.map(|behaviour| (to.service.clone(), behaviour)));
        self.moved.extend([from.service.clone(), to.service.clone()]);
    }
}

/// What is announced of names that change is a word, where the files alone say that one stops and another starts.
pub(crate) fn less_those_that_moved(world: &World, steps: &[Step]) -> Vec<Step> {
    steps.iter().filter(|step| !world.moved.contains(&step.service)).cloned().collect()
}

fn pid(world: &World, text: &str) -> Option<i32> {
    instance_status(world, text).pid
}

fn is_there(world: &World, text: &str) -> bool {
    world.fleet.names().any(|there| there.as_str() == text)
}

#[test]
fn what_runs_goes_on_and_all_that_is_known_of_it_goes_along() {
    let mut world = World::new();
    world.relink(vec![with_log("a", 1)], &[]);
    world.settle();
    let before = (pid(&world, "a"), pid(&world, "a.log"));
    world.told();
    world.relink(vec![with_log("b", 1)], &["a"]);
    world.settle();
    assert_eq!((pid(&world, "b"), pid(&world, "b.log")), before);
    assert!(!is_there(&world, "a") && !is_there(&world, "a.log"));
    let told = world.told();
    assert!(!told.contains("->") && !told.contains("closed"), "{told}");
    assert!(world.announced.iter().any(|step| step.service == name("b") && step.reason == "renamed from a"));
    world.letters("b", b"d");
    world.settle();
    assert_eq!((state(&world, "b"), state(&world, "b.log")), (State::Stopped, State::Running));
    // Down it stays, and its end is its end under any name.
    world.relink(vec![with_log("c", 1)], &["b"]);
    world.settle();
    assert_eq!((state(&world, "c"), pid(&world, "c.log")), (State::Stopped, before.1));
    world.letters("c", b"u");
    world.pass(3_000);
    world.crash("c", Exit::Code(1));
    world.settle();
    assert_eq!(state(&world, "c"), State::Running);
    world.remove("c");
    world.settle();
    assert!(world.fleet.names().next().is_none());
}

#[test]
fn an_end_on_the_way_is_the_end_of_what_it_is_now() {
    let mut world = World::new();
    world.relink(vec![directory("a", 1)], &[]);
    world.pass(3_000);
    let first = pid(&world, "a");
    world.crash("a", Exit::Code(1));
    world.relink(vec![directory("b", 1)], &["a"]);
    world.settle();
    assert_eq!(state(&world, "b"), State::Running);
    assert_ne!(pid(&world, "b"), first);
}

#[test]
fn one_that_is_about_to_start_and_one_with_another_directory_are_started_anew() {
    let mut world = World::new();
    world.relink(vec![directory("a", 1)], &[]);
    world.relink(vec![directory("b", 1)], &["a"]);
    world.settle();
    assert_eq!((state(&world, "b"), is_there(&world, "a")), (State::Running, false));
    let first = pid(&world, "b");
    world.relink(vec![directory("c", 2)], &["b"]);
    world.settle();
    assert_ne!(pid(&world, "c"), first);
    // With an edit it is another version of the same.
    let (service, number) = directory("d", 2);
    let edited = Service { run: Run::Command(vec!["./run".into(), "anew".into()]), ..service };
    let second = pid(&world, "c");
    world.told();
    world.relink(vec![(edited, number)], &["c"]);
    world.settle();
    assert!(world.told().contains("d: running -> stopping: command changed"));
    assert_ne!(pid(&world, "d"), second);
}

#[test]
fn the_old_name_may_be_anothers_at_once() {
    let mut world = World::new();
    world.relink(vec![directory("a", 1)], &[]);
    world.settle();
    let first = pid(&world, "a");
    world.relink(vec![directory("a", 2), directory("b", 1)], &[]);
    world.settle();
    assert_eq!(pid(&world, "b"), first);
    assert!(state(&world, "a") == State::Running && pid(&world, "a") != first);
    assert!(world.boards.contains_key(&instance("a")) && world.boards.contains_key(&instance("b")));
}

#[test]
fn one_that_lingers_lingers_under_its_new_name() {
    let mut world = World::new();
    world.behaviours.insert(name("a"), Behaviour { obeys: false, ..GOOD });
    world.relink(vec![directory("a", 1)], &[]);
    world.settle();
    world.letters("a", b"d");
    world.relink(vec![directory("b", 1)], &["a"]);
    world.pass(100_000);
    assert_eq!(state(&world, "b"), State::Stopping);
    world.letters("b", b"k");
    world.settle();
    assert_eq!(state(&world, "b"), State::Stopped);
}
