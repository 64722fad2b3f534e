//! The operator's hand: what must hold whatever is ordered, and named histories.

use crate::behaviour::{Behaviour, GOOD};
use crate::invariants;
use crate::services::{name, running, service};
use crate::world::{World, instance, instance_status, state, world_with};
use abide::decide::event::{CallId, Event};
use abide::model::name::{InstanceId, ServiceName};
use abide::model::order::{Act, Author, Done, Hold, Order};
use abide::model::outcome::Exit;
use abide::model::policy::{OnChange, Order as After, ReloadBy, ReloadPolicy, RestartLimit, ServiceType};
use abide::model::selector::{Selector, Target};
use abide::model::service::Service;
use abide::model::signal::Signal;
use abide::model::status::{ConditionKind, Desired, State, Worst};
use proptest::prelude::*;
use std::time::Duration;

impl World {
    /// An operator orders `act` for what `texts` mean; gives the answers.
    pub(crate) fn order(&mut self, act: Act, texts: &[&str]) -> Vec<Done> {
        let selectors: Vec<Selector> = texts.iter().map(|text| text.parse().expect("legal")).collect();
        let targets = self.fleet.select(&selectors).expect("there are such");
        let author = Author { name: "root".to_owned(), uid: Some(0), ..Author::default() };
        let is_of = |id: &InstanceId, target: &Target| {
            id.service == target.service && target.index.is_none_or(|index| index == id.index)
        };
        for process in self.processes.values_mut() {
            let meant = targets.iter().any(|target| is_of(&process.instance, target));
            process.excused |= act == Act::Restart && meant;
        }
        self.answers.clear();
        self.by_hand = if let Act::Signal(signal) = act { Some(signal) } else { None };
        let (count, crashes) = (targets.len(), self.past.crashes);
        self.deliver(Event::Ordered { call: CallId(1), order: Order { act, targets, author } });
        self.by_hand = None;
        // Who dies over it does not answer.
        let answered = self.answers.len() == count || crashes < self.past.crashes;
        assert!(answered, "one answer a target: {:?}", self.answers);
        self.answers.clone()
    }

    /// The same, where there is one target; gives the words of the answer.
    fn one(&mut self, act: Act, text: &str) -> String {
        let done = self.order(act, &[text]);
        assert_eq!(done.len(), 1, "{done:?}");
        let refused = if done[0].refused { "refused: " } else { "" };
        format!("{refused}{} {}", done[0].target, done[0].words)
    }

    /// Any order; that there is none of that name is none.
    pub(crate) fn obey(&mut self, Hand { act, who, index }: Hand, names: &[&str]) {
        let names = who.map_or("*", |who| names[who]);
        let text = index.map_or_else(|| names.to_owned(), |index| format!("{names}@{index}"));
        if self.fleet.select(&[text.parse().expect("legal")]).is_ok() {
            self.order(act, &[&text]);
        }
    }

    /// Whether the records say that this instance is to stay down.
    pub(crate) fn is_held(&self, service: &ServiceName, index: u32) -> bool {
        let held = |index| self.holds.contains_key(&Target { service: service.clone(), index });
        held(None) || held(Some(index))
    }

    /// abide ends and comes back, after so long: all that it has are the files and its records.
    fn come_back(&mut self, after_ms: u64) {
        self.deliver(Event::Shutdown);
        self.settle();
        assert!(self.finished, "it has not ended");
        let mut next = World::new();
        next.now = self.now + after_ms * 1_000_000;
        next.holds = self.holds.clone();
        let records: Vec<(Target, Hold)> = self.holds.clone().into_iter().collect();
        next.deliver(Event::Held(records));
        next.write_all(self.written.values().map(|definition| definition.service.clone()).collect::<Vec<_>>());
        *self = next;
    }
}

/// Stops for good, and says why.
pub(crate) fn stop(reason: &str) -> Act {
    Act::Stop { reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()), lasts: None }
}

pub(crate) fn stop_for(seconds: u64) -> Act {
    Act::Stop { reason: None, lasts: Some(Duration::from_secs(seconds)) }
}

/// What an operator orders, of whom: of one of so many, or of all; and of which instance.
#[derive(Debug, Clone)]
pub(crate) struct Hand {
    act: Act,
    who: Option<usize>,
    index: Option<u32>,
}

pub(crate) fn any_hand(count: usize) -> impl Strategy<Value = Hand> {
    let act = prop_oneof![
        3 => Just(Act::Start),
        3 => Just(stop("")),
        2 => prop_oneof![Just(1), Just(30), Just(400)].prop_map(stop_for),
        3 => Just(Act::Restart),
        1 => Just(Act::Reload),
        1 => Just(Act::Signal(Signal::TERM)),
    ];
    let whom = (prop::option::weighted(0.9, 0..count), prop::option::weighted(0.3, 0..3_u32));
    (act, whom).prop_map(|(act, (who, index))| Hand { act, who, index })
}

/// What is on record and what the status tells of holds are the same.
pub(crate) fn records_are_what_is_shown(world: &World) {
    for (name, status) in &world.fragments {
        let recorded = |index| world.holds.get(&Target { service: name.clone(), index });
        assert_eq!(status.hold.as_ref(), recorded(None), "{name}");
        for instance in &status.instances {
            let counts = world.accepted.get(name).is_some_and(|it| instance.id < it.service.instances);
            let recorded = recorded(Some(instance.id)).filter(|_| counts);
            assert_eq!(instance.hold.as_ref(), recorded, "{name}@{}", instance.id);
            let held = counts && world.is_held(name, instance.id);
            assert!(instance.state != State::Held || held, "{name}@{} says held, and nobody holds it", instance.id);
        }
        let told = status.conditions.iter().any(|condition| condition.kind == ConditionKind::NotHeld);
        let any = status.hold.is_some() || status.instances.iter().any(|instance| instance.hold.is_some());
        assert_eq!(told, any, "{name}");
        assert!(!any || !status.as_desired, "{name} is held and as desired");
    }
}

fn requires(text: &str, other: &str) -> Service {
    let requires = vec![name(other)];
    Service { order: Some(Box::new(After { requires, ..After::default() })), ..service(text) }
}

#[test]
fn a_stopped_service_stays_down_through_an_edit_a_crash_before_it_and_abides_own_end() {
    let mut world = world_with(GOOD, running("web", "/bin/a"));
    world.pass(1000);
    assert_eq!(world.one(stop("the disk is full"), "web"), "web stops and is held until `abide start web`");
    world.pass(1000);
    world.write(running("web", "/bin/b"));
    world.pass(1000);
    world.remove("web");
    world.pass(1000);
    world.write(running("web", "/bin/c"));
    world.settle();
    invariants::converged(&world);
    let status = &world.fragments[&name("web")];
    assert_eq!((status.state, status.desired, status.as_desired), (State::Held, Desired::Stopped, false));
    assert_eq!(status.instances[0].reason.as_deref(), Some("held by root: the disk is full"));
    assert_eq!((world.fleet.summary().held, world.fleet.summary().worst), (1, Worst::Warning));
    insta::assert_snapshot!(world.told(), @r"
    0.000 web: stopped -> starting: new
    0.001 web: starting -> running: started
    1.000 recorded: web is held
    1.000 web: running -> stopping: held by root: the disk is full
    1.002 web: stopping -> held: SIGTERM
    3.000 web: held -> stopped: removed
    3.000 closed web@0
    4.000 web: stopped -> held: held by root: the disk is full
    ");
    world.come_back(60_000);
    world.settle();
    assert_eq!(state(&world, "web"), State::Held);
    assert_eq!(world.one(Act::Start, "web"), "web starts");
    world.settle();
    assert!(world.holds.is_empty());
    assert_eq!(world.fleet.summary().held, 0);
    insta::assert_snapshot!(world.told(), @r"
    64.000 web: stopped -> held: held by root: the disk is full
    64.000 recorded: web is not held
    64.000 web: held -> starting: started by root
    64.001 web: starting -> running: started
    ");
}

#[test]
fn a_service_whose_file_is_gone_is_still_known_by_its_hold_and_can_be_forgotten() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(10);
    world.order(stop("old"), &["web"]);
    world.remove("web");
    world.settle();
    assert!(world.fragments.is_empty());
    let notes = world.fleet.idle_holds();
    assert!(notes.len() == 1 && notes[0].contains("`abide start web` lifts that"), "{notes:?}");
    assert_eq!(world.one(Act::Start, "web"), "web is not held any more, and there is no such service");
    assert!(world.holds.is_empty() && world.fleet.idle_holds().is_empty());
}

#[test]
fn a_hold_lifts_itself_when_its_time_is_over_even_if_abide_was_not_there() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(1000);
    assert_eq!(world.one(stop_for(7200), "web"), "web stops and is held for 2h");
    world.pass(3_600_000);
    assert_eq!(state(&world, "web"), State::Held);
    world.come_back(1_800_000);
    world.pass(1_700_000);
    assert_eq!(state(&world, "web"), State::Held);
    world.pass(200_000);
    assert_eq!((state(&world, "web"), world.holds.len()), (State::Running, 0));
    world.one(stop_for(60), "web");
    world.come_back(120_000);
    world.pass(10);
    assert_eq!((state(&world, "web"), world.holds.len()), (State::Running, 0));
    assert_eq!(world.fleet.next_deadline(), None);
}

#[test]
fn a_second_stop_has_a_new_reason_and_a_new_time() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(10);
    world.one(stop_for(60), "web");
    assert!(world.one(stop("for good"), "web").starts_with("web is held already: reason and time are new, until"));
    world.pass(120_000);
    assert_eq!(state(&world, "web"), State::Held);
    assert_eq!(instance_status(&world, "web").reason.as_deref(), Some("held by root: for good"));
}

#[test]
fn a_restart_of_one_of_four_leaves_the_others_alone() {
    let mut world = world_with(GOOD, Service { instances: 4, ..service("web") });
    world.pass(1000);
    world.told();
    assert_eq!(world.one(Act::Restart, "web@2"), "web@2 restarts");
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    1.000 web@2: running -> stopping: restarted by root
    1.002 web@2: stopping -> starting: restarted by root
    1.003 web@2: starting -> running: started
    ");
}

#[test]
fn one_of_four_can_be_held_and_the_service_counts_as_up() {
    let mut world = world_with(GOOD, Service { instances: 4, ..service("web") });
    world.write(requires("proxy", "web"));
    world.pass(3000);
    assert_eq!(world.one(stop(""), "web@1"), "web@1 stops and is held until `abide start web@1`");
    world.settle();
    invariants::converged(&world);
    assert_eq!(state(&world, "proxy"), State::Running);
    let states = |world: &World| world.fragments[&name("web")].instances.iter().map(|i| i.state).collect::<Vec<_>>();
    assert_eq!(states(&world), [State::Running, State::Held, State::Running, State::Running]);
    assert_eq!(world.fragments[&name("web")].desired, Desired::Running);
    world.one(stop(""), "web");
    world.settle();
    // A start of a part lifts the hold of that part alone.
    assert_eq!(world.one(Act::Start, "web@3"), "web@3 starts");
    world.settle();
    assert_eq!(states(&world), [State::Held, State::Held, State::Held, State::Running]);
    assert_eq!(world.one(Act::Start, "web"), "web 3 of 4 starts; 1 of 4 runs already");
    world.settle();
    assert!(world.holds.is_empty());
    invariants::converged(&world);
}

#[test]
fn what_failed_is_stopped_by_its_state_and_started_by_its_name() {
    let failing = Behaviour { life: Some(10), ..GOOD };
    let mut web = service("web");
    web.restart.limit = Some(RestartLimit { count: 1, window: Duration::from_secs(60) });
    let mut world = world_with(failing, web);
    world.write(service("db"));
    world.settle();
    assert_eq!(state(&world, "web"), State::Failed);
    world.told();
    let done = world.order(stop("not today"), &["@failed"]);
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].words, "did not run, and is held until `abide start web`");
    assert!(world.order(Act::Start, &["@failed"]).is_empty());
    world.behaviours.insert(name("web"), GOOD);
    world.order(Act::Start, &["@held"]);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    0.520 recorded: web is held
    0.520 web: failed -> held: held by root: not today
    0.520 recorded: web is not held
    0.520 web: held -> starting: started by root
    0.521 web: starting -> running: started
    ");
}

#[test]
fn a_start_does_not_wait_for_the_next_attempt() {
    let mut world = world_with(Behaviour { life: Some(10), ..GOOD }, service("web"));
    world.pass(8000);
    assert_eq!(state(&world, "web"), State::Backoff);
    world.behaviours.insert(name("web"), GOOD);
    assert_eq!(world.one(Act::Start, "web"), "web starts");
    world.pass(10);
    assert_eq!(state(&world, "web"), State::Running);
    assert_eq!(world.one(Act::Start, "web"), "web runs already");
}

#[test]
fn who_requires_what_is_held_goes_down_first_and_comes_back_with_it() {
    let mut world = world_with(GOOD, service("db"));
    world.write(requires("web", "db"));
    world.pass(3000);
    world.told();
    world.one(stop("upgrade"), "db");
    world.pass(1000);
    assert_eq!(instance_status(&world, "web").reason.as_deref(), Some("requires db, which is held"));
    assert_eq!(world.one(Act::Start, "web"), "refused: web cannot start: it requires db, which is held");
    world.order(Act::Start, &["web", "db"]);
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    3.000 recorded: db is held
    3.000 web: running -> stopping: requires db, which is held
    3.002 web: stopping -> waiting: requires db, which is held
    3.002 db: running -> stopping: held by root: upgrade
    3.004 db: stopping -> held: SIGTERM
    4.000 recorded: db is not held
    4.000 db: held -> starting: started by root
    4.001 db: starting -> running: started
    5.001 web: waiting -> starting: what it waited for is there
    5.002 web: starting -> running: started
    ");
}

#[test]
fn a_restart_leaves_those_alone_that_require_it_and_brings_up_in_order_what_is_restarted_together() {
    let mut world = world_with(GOOD, service("db"));
    world.write(requires("web", "db"));
    world.pass(3000);
    world.told();
    world.one(Act::Restart, "db");
    world.pass(3000);
    world.order(Act::Restart, &["*"]);
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    3.000 db: running -> stopping: restarted by root
    3.002 db: stopping -> starting: restarted by root
    3.003 db: starting -> running: started
    6.000 db: running -> stopping: restarted by root
    6.000 web: running -> stopping: restarted by root
    6.002 db: stopping -> starting: restarted by root
    6.002 web: stopping -> waiting: waits for db, which is starting
    6.003 db: starting -> running: started
    7.003 web: waiting -> starting: what it waited for is there
    7.004 web: starting -> running: started
    ");
}

#[test]
fn a_job_that_is_done_runs_again() {
    let job = |remain| Service { service_type: ServiceType::Oneshot { remain }, ..service("job") };
    let done = Behaviour { life: Some(10), exit: Exit::Code(0), ..GOOD };
    let mut world = world_with(done, job(false));
    world.settle();
    assert_eq!(state(&world, "job"), State::Stopped);
    assert_eq!(world.one(Act::Start, "job"), "job starts");
    world.settle();
    world.write(job(true));
    world.settle();
    world.told();
    assert!(world.one(Act::Start, "job").contains("is up already"));
    assert_eq!(world.one(Act::Restart, "job"), "job restarts");
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    0.020 job: ready -> starting: restarted by root
    0.030 job: starting -> ready: exit code 0, done
    ");
}

#[test]
fn what_the_files_keep_down_is_refused_with_what_to_do() {
    let mut world = World::new();
    world.write_all([Service { enabled: false, ..service("off") }, Service { instances: 0, ..service("none") }]);
    world.break_file("bad");
    let refused = [
        ("off", "has `enabled = false` in its file: change that, and it starts by itself"),
        ("none", "has `instances = 0` in its file: raise that"),
        ("bad", "has an error in its file (this is no TOML), and no version of it was ever good: mend the file"),
    ];
    for (text, words) in refused {
        assert_eq!(world.one(Act::Start, text), format!("refused: {text} {words}"));
        assert_eq!(world.one(Act::Restart, text), format!("refused: {text} {words}"));
    }
    assert_eq!(world.one(stop(""), "off"), "off did not run, and is held until `abide start off`");
    assert_eq!(state(&world, "off"), State::Held);
    assert!(world.one(Act::Start, "off").starts_with("off is not held any more, and does not start: it has `enabled"));
    assert_eq!(state(&world, "off"), State::Stopped);
    world.deliver(Event::Shutdown);
}

#[test]
fn nothing_is_obeyed_once_abide_ends() {
    let mut world = world_with(GOOD, service("web"));
    world.pass(10);
    world.deliver(Event::Shutdown);
    for act in [Act::Start, Act::Restart, stop(""), Act::Reload, Act::Signal(Signal::HUP)] {
        assert_eq!(world.one(act, "web"), "refused: web abide is ending all services");
    }
    world.settle();
    assert!(world.holds.is_empty());
}

#[test]
fn a_signal_goes_to_the_watched_process_and_its_end_is_its_own() {
    let mut world = world_with(GOOD, service("web"));
    assert!(world.one(Act::Signal(Signal::HUP), "web").contains("is being started"));
    world.pass(3000);
    world.told();
    assert_eq!(world.one(Act::Signal(Signal::TERM), "web"), "web SIGTERM sent to process 101");
    world.settle();
    invariants::converged(&world);
    insta::assert_snapshot!(world.told(), @r"
    3.000 SIGTERM by hand
    3.000 web: running -> running: SIGTERM sent by root
    3.002 web: running -> starting: SIGTERM, restarted at once
    3.003 web: starting -> running: started
    ");
    world.one(stop(""), "web");
    world.settle();
    let words = "refused: web does not run, so there is no process to send it to";
    assert_eq!(world.one(Act::Signal(Signal::HUP), "web"), words);
}

#[test]
fn a_reload_takes_the_way_that_the_file_names() {
    let reload = |how, on_change| {
        let policy = ReloadPolicy { how, watch: Vec::new(), on_change, timeout: Duration::from_secs(60) };
        Service { reload: Some(Box::new(policy)), ..service("web") }
    };
    let hup = ReloadBy::Signal(Signal::HUP);
    let mut world = world_with(GOOD, service("web"));
    world.pass(3000);
    assert!(world.one(Act::Reload, "web").starts_with("refused: web has no [reload]: add one"));
    world.write(reload(hup.clone(), OnChange::Reload));
    world.pass(100);
    world.told();
    assert_eq!(world.one(Act::Reload, "web"), "web reloads");
    world.write(reload(hup, OnChange::Restart));
    assert!(world.one(Act::Reload, "web").contains("takes up changes by a restart"));
    world.write(reload(ReloadBy::Command(vec!["/bin/reload".to_owned()]), OnChange::Reload));
    world.one(Act::Reload, "web");
    assert_eq!(state(&world, "web"), State::Reloading);
    assert_eq!(world.one(Act::Reload, "web"), "web is reloading, and does so once more after that");
    world.settle();
    insta::assert_snapshot!(world.told(), @r"
    3.100 web: running -> running: root asked for a reload; SIGHUP sent
    3.100 web runs Reload
    3.100 web: running -> reloading: root asked for a reload
    3.103 web: reloading -> running: reloaded
    3.103 web runs Reload
    3.103 web: running -> reloading: root asked for a reload
    3.106 web: reloading -> running: reloaded
    ");
    world.one(stop(""), "web");
    world.settle();
    assert_eq!(world.one(Act::Reload, "web"), "refused: web does not run, so there is nothing to reload");
}

#[test]
fn a_start_while_it_stops_and_a_stop_while_it_starts_end_as_the_last_word_said() {
    let slow = Behaviour { obeys: false, ..GOOD };
    let mut world = world_with(slow, service("web"));
    world.pass(3000);
    world.one(stop(""), "web");
    world.pass(100);
    assert_eq!(state(&world, "web"), State::Stopping);
    assert_eq!(world.one(Act::Start, "web"), "web starts as soon as it has stopped");
    world.settle();
    assert_eq!(state(&world, "web"), State::Running);
    world.one(Act::Restart, "web");
    world.pass(100);
    assert_eq!(world.one(Act::Restart, "web"), "web is being restarted already");
    world.pass(9_902);
    world.one(stop(""), "web");
    world.settle();
    assert_eq!(state(&world, "web"), State::Held);
    assert!(world.living(&instance("web")).next().is_none());
}

#[test]
fn what_is_not_as_the_files_say_is_a_plan_with_reasons() {
    let mut world = World::new();
    world.behaviours.insert(name("ill"), Behaviour { life: Some(10), ..GOOD });
    world.behaviours.insert(name("slow"), Behaviour { obeys: false, ..GOOD });
    let mut ill = service("ill");
    ill.restart.limit = Some(RestartLimit { count: 1, window: Duration::from_secs(60) });
    world.write_all([ill, service("db"), requires("web", "db"), running("slow", "/bin/a"), service("well")]);
    world.break_file("bad");
    world.pass(3000);
    world.one(stop("upgrade"), "db");
    world.write(running("slow", "/bin/b"));
    world.pass(100);
    let plan = world.fleet.pending(world.now());
    let shown: Vec<String> =
        plan.steps.iter().map(|it| format!("{} {}: {}", it.action.as_str(), it.service, it.reason)).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    nothing bad: its file has an error (this is no TOML); no version of it was ever good
    nothing db: is held by root: upgrade; `abide start db` lifts that
    nothing ill: has failed: has used up its 1 restart within 60 s; last: exit code 1
    restart slow: is stopping: command changed
    start web: waits: requires db, which is held
    ");
    assert_eq!(world.fleet.file_findings().len(), 1);
}
