//! `supervise/`: what comes over `control`, and what `status` shows.

use crate::behaviour::{Behaviour, GOOD};
use crate::services::{name, running};
use crate::world::{World, instance, instance_status, state, world_with};
use abide::decide::effect::Effect;
use abide::decide::event::Event;
use abide::model::name::InstanceId;
use abide::model::order::Act;
use abide::model::outcome::Exit;
use abide::model::policy::{RestartPolicy, StopPolicy};
use abide::model::service::{Kind, Service};
use abide::model::status::State;
use abide::model::supervise::{Shown, Wish};
use std::collections::BTreeMap;

/// The directories, each with what it shows.
pub(crate) type Boards = BTreeMap<InstanceId, Shown>;

impl World {
    /// What is to be shown, and where nobody is to be listened to any more.
    pub(crate) fn display(&mut self, effect: Effect) {
        match effect {
            Effect::Supervise { instance, shown, .. } => drop(self.boards.insert(instance, shown)),
            Effect::Show { instance, shown } => {
                assert!(self.boards.insert(instance.clone(), shown).is_some(), "{instance} shows where nobody listens");
            }
            Effect::Unsupervise { instance } => {
                assert!(self.boards.remove(&instance).is_some(), "{instance} is let go of twice");
            }
            _ => {}
        }
    }

    pub(crate) fn letters(&mut self, text: &str, letters: &[u8]) {
        let of = instance(text);
        for process in self.processes.values_mut().filter(|process| process.instance == of) {
            process.excused = true;
        }
        self.deliver(Event::Commanded { instance: instance(text), letters: letters.to_vec() });
        self.pass(100);
    }

    fn shows(&self, text: &str) -> Option<(i32, Wish, bool)> {
        self.boards.get(&instance(text)).map(|shown| (shown.pid, shown.wish, shown.paused))
    }
}

pub(crate) fn legacy(text: &str) -> Service {
    let stop = StopPolicy { patient: true, ..StopPolicy::default() };
    Service { kind: Kind::Daemontools, restart: RestartPolicy::daemontools(), stop, ..running(text, "./run") }
}

fn pid(world: &World, text: &str) -> i32 {
    instance_status(world, text).pid.unwrap_or(0)
}

/// One that has run for a while.
fn begun(behaviour: Behaviour) -> World {
    let mut world = world_with(behaviour, legacy("web"));
    world.pass(3_000);
    world
}

#[test]
fn down_is_asked_for_and_never_forced_and_up_brings_it_back() {
    let mut world = begun(Behaviour { obeys: false, ..GOOD });
    let first = pid(&world, "web");
    assert_eq!(world.shows("web"), Some((first, Wish::Up, false)));
    world.letters("web", b"d");
    world.pass(100_000);
    let told = world.told();
    assert!(told.contains("TERM") && told.contains("CONT") && !told.contains("KILL"), "{told}");
    assert_eq!(world.shows("web"), Some((first, Wish::Down, false)));
    world.letters("web", b"k");
    world.pass(1_000);
    assert_eq!((state(&world, "web"), world.shows("web")), (State::Stopped, Some((0, Wish::Down, false))));
    // Nothing but a letter, a start, or the coming and going of `down` changes that.
    world.write(Service { umask: 0o027, ..legacy("web") });
    world.pass(10_000);
    assert_eq!(state(&world, "web"), State::Stopped);
    world.letters("web", b"u");
    assert_eq!(world.shows("web").map(|(pid, wish, _)| (pid != 0, wish)), Some((true, Wish::Up)));
    // The end of all has its time, whatever letters said.
    world.letters("web", b"d");
    world.deliver(Event::Shutdown);
    world.pass(30_000);
    assert!(world.finished && world.told().contains("KILL"));
    assert!(world.boards.values().all(|shown| shown.pid == 0));
}

#[test]
fn once_is_until_it_ends_and_a_file_down_is_only_how_it_begins() {
    let mut world = World::new();
    world.write(Service { enabled: false, ..legacy("web") });
    world.settle();
    assert_eq!(world.shows("web"), Some((0, Wish::Down, false)));
    world.letters("web", b"o");
    assert_eq!(world.shows("web").map(|(pid, wish, _)| (pid != 0, wish)), Some((true, Wish::Once)));
    world.pass(5_000);
    world.crash("web", Exit::Code(3));
    world.pass(10_000);
    assert_eq!((state(&world, "web"), world.shows("web")), (State::Stopped, Some((0, Wish::Once, false))));
    world.letters("web", b"u");
    world.pass(2_000);
    world.crash("web", Exit::Code(3));
    world.pass(2_000);
    assert_eq!(state(&world, "web"), State::Running);
    // It comes, it counts; it goes, it counts.
    world.write(legacy("web"));
    world.letters("web", b"d");
    world.write(Service { enabled: false, ..legacy("web") });
    world.write(legacy("web"));
    world.pass(2_000);
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn a_file_down_that_comes_after_the_end_of_one_that_was_to_run_once_keeps_it_down() {
    let mut world = begun(GOOD);
    world.letters("web", b"o");
    world.crash("web", Exit::Code(3));
    world.pass(5_000);
    world.told();
    world.write(Service { enabled: false, ..legacy("web") });
    world.pass(5_000);
    assert_eq!(state(&world, "web"), State::Stopped);
    assert!(!world.told().contains("starting"));
}

#[test]
fn starts_are_a_second_apart_and_no_more_when_it_ran_longer() {
    let mut world = begun(GOOD);
    let first = pid(&world, "web");
    world.crash("web", Exit::Code(1));
    world.pass(10);
    let second = pid(&world, "web");
    assert!(second != 0 && second != first, "it ran for longer than a second");
    world.letters("web", b"du");
    world.pass(500);
    assert_eq!((state(&world, "web"), pid(&world, "web")), (State::Backoff, 0));
    world.pass(600);
    assert_eq!(state(&world, "web"), State::Running);
}

#[test]
fn a_pause_is_shown_until_it_goes_on() {
    let mut world = begun(GOOD);
    let process = pid(&world, "web");
    world.letters("web", b"p");
    assert_eq!(world.shows("web"), Some((process, Wish::Up, true)));
    world.letters("web", b"c");
    assert_eq!(world.shows("web"), Some((process, Wish::Up, false)));
    let told = world.told();
    assert!(told.contains("STOP") && told.contains("CONT"), "{told}");
}

#[test]
fn let_go_of_it_ends_by_itself_and_is_found_again() {
    let mut world = begun(GOOD);
    world.letters("web", b"x");
    world.pass(10_000);
    assert_eq!(state(&world, "web"), State::Running, "it is not signalled");
    world.letters("web", b"t");
    world.pass(100);
    assert_eq!((state(&world, "web"), world.shows("web")), (State::Stopped, None));
    world.pass(6_000);
    assert_eq!(state(&world, "web"), State::Running);
    assert!(world.shows("web").is_some());
    // One that is gone from the directory is not.
    world.letters("web", b"dx");
    world.remove("web");
    world.pass(20_000);
    assert!(world.boards.is_empty() && world.fleet.names().all(|there| *there != name("web")));
}

#[test]
fn a_start_over_control_lifts_a_hold_and_a_start_of_an_operator_a_wish() {
    let mut world = begun(GOOD);
    world.order(crate::operator::stop(""), &["web"]);
    world.pass(3_000);
    assert_eq!((state(&world, "web"), world.shows("web")), (State::Held, Some((0, Wish::Down, false))));
    world.letters("web", b"u");
    assert_eq!(state(&world, "web"), State::Running);
    world.pass(3_000);
    world.letters("web", b"d");
    world.order(Act::Start, &["web"]);
    world.pass(3_000);
    assert_eq!(state(&world, "web"), State::Running);
    assert_eq!(world.shows("web").map(|(_, wish, _)| wish), Some(Wish::Up));
}

#[test]
fn what_was_wished_outlives_the_supervisor() {
    let mut world = begun(GOOD);
    world.letters("web", b"d");
    world.pass(3_000);
    world.succeed();
    // A letter that means nothing.
    world.letters("web", b"?");
    world.pass(10_000);
    assert_eq!((state(&world, "web"), world.shows("web")), (State::Stopped, Some((0, Wish::Down, false))));
    world.letters("web", b"o");
    world.succeed();
    world.letters("web", b"?");
    world.pass(3_000);
    assert_eq!(state(&world, "web"), State::Running);
    world.crash("web", Exit::Code(0));
    world.pass(3_000);
    assert_eq!(state(&world, "web"), State::Stopped);
}
