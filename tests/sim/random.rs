//! Any sequence of edits, ends, delays, doubled facts and shutdowns.

use crate::behaviour::{Behaviour, GOOD, Start};
use crate::invariants;
use crate::operator::{Hand, any_hand};
use crate::renames::directory;
use crate::services::{open_files, running};
use crate::tasks::{Tasks, Way};
use crate::traits::{Traits, any_traits};
use crate::world::World;
use abide::decide::event::Event;
use abide::model::check::Sign;
use abide::model::outcome::Exit;
use abide::model::policy::{RestartLimit, RestartWhen, StopScope};
use abide::model::service::Service;
use proptest::prelude::*;
use std::time::Duration;

const NAMES: [&str; 3] = ["cache", "mail", "web"];

/// Those of legacy directories, which may change.
const LINKS: [&str; 3] = ["east", "north", "west"];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Write(File),
    Break(usize),
    Remove(usize),
    Behave(usize, Behaviour),
    Crash(usize, Exit),
    Deafen(usize),
    Pass(u64),
    Echo(usize),
    Slots(usize),
    LimitsFail(bool),
    Sign(usize, Sign),
    Change(usize),
    Link(usize, bool),
    Move(usize, usize),
    Order(Hand),
    Shutdown,
}

/// What makes one service file of these histories differ from another.
#[derive(Debug, Clone)]
pub(crate) struct File {
    who: usize,
    enabled: bool,
    instances: u32,
    command: usize,
    open_files: u64,
    when: RestartWhen,
    scope: StopScope,
    few: bool,
    delay: usize,
    files: u32,
    traits: Traits,
}

impl File {
    fn service(&self) -> Service {
        let mut service = running(NAMES[self.who], ["/bin/a", "/bin/b", "/bin/c"][self.command]);
        (service.enabled, service.instances) = (self.enabled, self.instances);
        service.restart.when = self.when;
        service.restart.delay = Duration::from_millis([100, 500, 5000][self.delay]);
        service.restart.max_delay = Duration::from_secs([1, 60, 10][self.delay]);
        service.restart.jitter = [0.0, 0.1, 1.0][self.delay];
        service.restart.limit = self.few.then_some(RestartLimit { count: 2, window: Duration::from_secs(60) });
        service.stop.scope = self.scope;
        service.stop.timeout = Duration::from_secs(2);
        service.log.max_files += self.files;
        if self.open_files > 0 {
            service.limits = open_files(self.open_files * 1024);
        }
        self.traits.lend(&mut service);
        service
    }
}

fn any_file() -> impl Strategy<Value = File> {
    let shape = (0..NAMES.len(), prop::bool::weighted(0.85), 0..4_u32, 0..3_usize, 0..3_u64);
    let when = prop_oneof![Just(RestartWhen::Always), Just(RestartWhen::OnFailure), Just(RestartWhen::Never)];
    let scope = prop_oneof![Just(StopScope::Tree), Just(StopScope::Group), Just(StopScope::Process)];
    let policy = (when, scope, prop::bool::weighted(0.2), 0..3_usize, 0..2_u32);
    (shape, policy, any_traits()).prop_map(|(shape, (when, scope, few, delay, files), traits)| {
        let (who, enabled, instances, command, open_files) = shape;
        File { who, enabled, instances, command, open_files, when, scope, few, delay, files, traits }
    })
}

fn any_behaviour() -> impl Strategy<Value = Behaviour> {
    let start = prop_oneof![6 => Just(Start::Well), 2 => Just(Start::Fails), 1 => Just(Start::Hangs)];
    let life = prop_oneof![2 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(300)), 1 => Just(Some(3000))];
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    (start, life, any_exit(), flags, any_tasks()).prop_map(|(start, life, exit, flags, tasks)| Behaviour {
        start,
        life,
        exit,
        obeys: flags.0,
        leaves: flags.1,
        immortal: flags.2,
        tasks,
    })
}

fn any_tasks() -> impl Strategy<Value = Tasks> {
    let ready = prop_oneof![Just(Some(0)), Just(Some(5)), Just(Some(1500)), Just(None)];
    let commands =
        prop_oneof![3 => Just(Way::Well(2)), 1 => Just(Way::Well(700)), 1 => Just(Way::Fails), 1 => Just(Way::Hangs)];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.7));
    let sizes = (prop_oneof![Just(0_u64), Just(300), Just(5000)], prop_oneof![Just(1_u64 << 20), Just(1 << 30)]);
    (ready, commands, flags, sizes).prop_map(|(ready, commands, (deaf, well), (daemon, memory))| Tasks {
        ready,
        deaf,
        well,
        commands,
        daemon,
        memory,
    })
}

fn any_sign() -> impl Strategy<Value = Sign> {
    prop_oneof![
        Just(Sign::Ready),
        Just(Sign::Reloading),
        Just(Sign::Stopping),
        Just(Sign::Unwell),
        Just(Sign::Alive),
        Just(Sign::Status("at work".to_owned())),
        Just(Sign::Extend(Duration::from_secs(3))),
    ]
}

fn any_exit() -> impl Strategy<Value = Exit> {
    prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1)), Just(Exit::from_wait_status(11)), Just(Exit::Unknown)]
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let who = || 0..NAMES.len();
    prop_oneof![
        8 => any_file().prop_map(Op::Write),
        2 => who().prop_map(Op::Break),
        2 => who().prop_map(Op::Remove),
        5 => (who(), any_behaviour()).prop_map(|(who, behaviour)| Op::Behave(who, behaviour)),
        4 => (who(), any_exit()).prop_map(|(who, exit)| Op::Crash(who, exit)),
        1 => who().prop_map(Op::Deafen),
        8 => prop_oneof![Just(0), Just(1), Just(2), Just(400), Just(2500), Just(20_000)].prop_map(Op::Pass),
        3 => (0..8_usize).prop_map(Op::Echo),
        1 => (1..6_usize).prop_map(Op::Slots),
        1 => any::<bool>().prop_map(Op::LimitsFail),
        3 => (who(), any_sign()).prop_map(|(who, sign)| Op::Sign(who, sign)),
        3 => who().prop_map(Op::Change),
        1 => (0..LINKS.len(), any::<bool>()).prop_map(|(link, enabled)| Op::Link(link, enabled)),
        1 => (0..LINKS.len(), 0..LINKS.len()).prop_map(|(from, to)| Op::Move(from, to)),
        6 => any_hand(NAMES.len()).prop_map(Op::Order),
    ]
}

pub(crate) fn perform(world: &mut World, op: Op) {
    match op {
        Op::Write(file) => world.write(file.service()),
        Op::Break(who) => world.break_file(NAMES[who]),
        Op::Remove(who) => world.remove(NAMES[who]),
        Op::Behave(who, behaviour) => {
            world.behaviours.insert(crate::services::name(NAMES[who]), behaviour);
        }
        Op::Deafen(who) => world.deafen(NAMES[who]),
        Op::Crash(who, exit) => world.crash(NAMES[who], exit),
        Op::Pass(time) => world.pass(time),
        Op::Echo(back) => {
            let again: Option<Event> = world.heard.iter().rev().nth(back).cloned();
            if let Some(event) = again {
                world.deliver(event);
            }
        }
        Op::Slots(slots) => world.slots = slots,
        Op::LimitsFail(fail) => world.limits_fail = fail,
        Op::Sign(who, sign) => world.sign(NAMES[who], sign),
        Op::Change(who) => world.change_files(NAMES[who]),
        Op::Link(link, enabled) => {
            let (service, number) = directory(LINKS[link], world.number_of(LINKS[link]));
            world.relink(vec![(Service { enabled, ..service }, number)], &[]);
        }
        Op::Move(from, to) => world.move_link(LINKS[from], LINKS[to]),
        Op::Order(hand) => world.obey(hand, &NAMES),
        Op::Shutdown => world.deliver(Event::Shutdown),
    }
}

proptest! {
    // Twice what PROPTEST_CASES says, or proptest's 256: some seconds, since checks go on for as long as is looked.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases * 2,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_fleet_converges_to_the_files_once_they_rest(ops in prop::collection::vec(any_op(), 1..50)) {
        let mut world = World::new();
        for op in ops {
            perform(&mut world, op);
        }
        world.mend();
        world.settle();
        invariants::converged(&world);
    }

    #[test]
    fn a_shutdown_at_any_moment_ends_all_and_starts_nothing(
        before in prop::collection::vec(any_op(), 1..30),
        between in prop::collection::vec(any_op(), 0..8),
        after in prop::collection::vec(any_op(), 0..8),
        hurry in any::<bool>(),
    ) {
        let mut world = World::new();
        for op in before.into_iter().chain([Op::Shutdown]).chain(between).chain(hurry.then_some(Op::Shutdown)).chain(after) {
            perform(&mut world, op);
        }
        world.mend();
        world.settle();
        invariants::converged(&world);
        prop_assert!(world.processes.values().all(|process| !process.main));
    }
}

#[test]
fn a_service_that_behaves_needs_no_deadline() {
    let mut world = World::new();
    world.write(running("web", "/bin/a"));
    world.behaviours.insert(crate::services::name("web"), GOOD);
    world.pass(10);
    assert_eq!(world.fleet.next_deadline(), None);
}
