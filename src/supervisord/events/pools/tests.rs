use super::*;
use crate::supervisord::events::{Level, State, Type};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn pools(buffer_size: usize, listeners: &[&str]) -> Pools {
    let mut pools = Pools::new("supervisor");
    let settings = Settings { events: vec![Type::RemoteCommunication, Type::Event], buffer_size };
    pools.add("p", settings, listeners.iter().map(ToString::to_string).collect());
    for listener in listeners {
        pools.spawned("p", listener);
        pools.set_running("p", listener, true);
    }
    pools
}

fn remote(data: usize) -> Event {
    Event::Remote { kind: "t".into(), data: data.to_string() }
}

/// Who got which event, by serial.
fn sent(actions: &[Action]) -> Vec<(String, u64)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send { listener, text, .. } => {
            let serial = text.split(' ').find_map(|word| word.strip_prefix("serial:"));
            Some((listener.clone(), serial.expect("an envelope has a serial").parse().expect("a number")))
        }
        _ => None,
    });
    sent.collect()
}

fn lines(actions: &[Action], least: Level) -> Vec<&str> {
    let lines = actions.iter().filter_map(|action| match action {
        Action::Log { level, text } if *level == least => Some(text.as_str()),
        _ => None,
    });
    lines.collect()
}

fn to(listener: &str, serial: u64) -> Vec<(String, u64)> {
    vec![(listener.to_owned(), serial)]
}

#[test]
fn the_first_that_is_ready_gets_it_and_keeps_it_until_it_answers() {
    let mut pools = pools(10, &["a", "b"]);
    assert_eq!(sent(&pools.publish(&remote(0))), []);
    assert_eq!(sent(&pools.heard("p", "b", b"READY\n")), to("b", 0));
    assert_eq!(sent(&pools.heard("p", "a", b"READY\n")), []);
    assert_eq!(sent(&pools.publish(&remote(1))), to("a", 1));
    pools.publish(&remote(2));
    assert_eq!(sent(&pools.heard("p", "b", b"RESULT 2\nOKREA")), []);
    assert_eq!(sent(&pools.heard("p", "b", b"DY\n")), to("b", 2));
}

#[test]
fn a_rejected_event_is_first_again() {
    let mut pools = pools(10, &["a"]);
    pools.heard("p", "a", b"READY\n");
    (0..2).for_each(|n| drop(pools.publish(&remote(n))));
    let actions = pools.heard("p", "a", b"RESULT 4\nFAILREADY\n");
    assert_eq!(sent(&actions), to("a", 0));
    assert_eq!(lines(&actions, Level::Warn), ["a: event was rejected"]);
    assert_eq!(sent(&pools.heard("p", "a", b"RESULT 0\nREADY\n")), to("a", 0));
    assert_eq!(sent(&pools.heard("p", "a", b"RESULT 3\nOK\nREADY\n")), to("a", 0));
    assert_eq!(sent(&pools.heard("p", "a", b"FOOBAR  2 \nOKREADY\n")), to("a", 1));
}

#[test]
fn what_breaks_the_protocol() {
    for (before, said, state) in [
        ("", "x", State::Acknowledged),
        ("", "nope\n!", State::Unknown),
        ("READY\n", "x", State::Unknown),
        ("", "READY\nx", State::Unknown),
        ("READY\n!", "RESULT x\n", State::Unknown),
        ("READY\n!", "RESULT\n", State::Unknown),
        ("READY\n!", "RESULT -1\nREADY\n", State::Unknown),
        ("READY\n!", "RESULT 2\nOKRESULT 2\n", State::Unknown),
        ("READY\n!", "RESULT 99999999999999999999\n", State::Unknown),
        ("READY\n!", "RESULT 2", State::Busy),
    ] {
        let mut pools = pools(10, &["a"]);
        pools.heard("p", "a", before.trim_end_matches('!').as_bytes());
        if before.ends_with('!') {
            pools.publish(&remote(0));
        }
        let actions = pools.heard("p", "a", said.as_bytes());
        assert_eq!(pools.pool("p").and_then(|pool| pool.state("a")), Some(state), "{before:?} {said:?}");
        let unknown = actions.iter().any(|action| matches!(action, Action::Unknown { .. }));
        assert_eq!(unknown, state == State::Unknown);
    }
}

#[test]
fn an_event_outlives_the_listener_that_had_it() {
    let mut pools = pools(10, &["a", "b"]);
    pools.heard("p", "a", b"READY\n");
    pools.publish(&remote(0));
    pools.heard("p", "b", b"READY\n");
    assert_eq!(sent(&pools.ended("p", "a")), to("b", 0));
    let actions = pools.refused("p", "b");
    assert!(actions.iter().any(|action| matches!(action, Action::Unknown { .. })));
    pools.spawned("p", "a");
    assert_eq!(sent(&pools.heard("p", "a", b"READY\n")), []);
    assert_eq!(sent(&pools.set_running("p", "a", true)), to("a", 0));
}

#[test]
fn the_oldest_is_thrown_away() {
    let mut pools = pools(2, &["a"]);
    (0..2).for_each(|n| drop(pools.publish(&remote(n))));
    let actions = pools.publish(&remote(2));
    assert_eq!(lines(&actions, Level::Error), ["pool p event buffer overflowed, discarding event 0"]);
    pools.heard("p", "a", b"READY\n");
    pools.publish(&remote(3));
    let actions = pools.heard("p", "a", b"RESULT 1\nx");
    assert_eq!(lines(&actions, Level::Error), ["pool p event buffer overflowed, discarding event 2"]);
}

#[test]
fn events_nobody_wants_have_no_number() {
    let mut pools = Pools::new("s");
    pools.publish(&remote(0));
    pools.add("t", Settings { events: vec![Type::Tick], buffer_size: 1 }, vec!["t".into()]);
    pools.publish(&remote(0));
    pools.publish(&Event::Tick { period: crate::supervisord::events::Period::Five, when: 5 });
    let waiting: Vec<_> = pools.pool("t").expect("there").waiting().map(|notice| notice.serial).collect();
    assert_eq!(waiting, [0]);
    pools.start_over("s");
    assert!(pools.pool("t").is_none());
    pools.add("t", Settings { events: vec![Type::Event], buffer_size: 1 }, vec!["t".into()]);
    pools.publish(&remote(0));
    let waiting = pools.pool("t").expect("there").waiting().map(|notice| (notice.serial, notice.pool_serial));
    assert_eq!(waiting.collect::<Vec<_>>(), [(1, 0)]);
}

#[test]
fn a_flood_without_newline_is_not_kept() {
    let mut pools = pools(2, &["a"]);
    pools.heard("p", "a", b"READY\n");
    pools.publish(&remote(0));
    pools.heard("p", "a", &[b'x'; 200]);
    pools.heard("p", "a", &vec![b'x'; 1 << 20]);
    assert_eq!(pools.pool("p").and_then(|pool| pool.state("a")), Some(State::Unknown));
    assert!(serde_json::to_string(&pools).expect("plain data").len() < 1000);
    pools.spawned("p", "a");
    pools.set_running("p", "a", true);
    pools.heard("p", "a", b"READY\n");
    pools.heard("p", "a", format!("RESULT {}\n", u64::MAX).as_bytes());
    pools.heard("p", "a", &vec![b'x'; 1 << 20]);
    assert_eq!(pools.pool("p").and_then(|pool| pool.state("a")), Some(State::Busy));
    assert!(serde_json::to_string(&pools).expect("plain data").len() < 1000);
}

#[derive(Debug, Clone)]
enum Act {
    Publish,
    Hear(usize, Vec<u8>),
    Die(usize),
    Refuse(usize),
    Running(usize, bool),
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let said = prop_oneof![
        6 => prop_oneof![Just("READY\n"), Just("RESULT 2\nOK"), Just("RESULT 4\nFAIL"), Just("RESULT 2\nOKREADY\n"),
            Just("REA"), Just("DY\n"), Just("RESULT 2\n"), Just("OK")].prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
    ];
    prop_oneof![
        4 => Just(Act::Publish),
        9 => (0..3_usize, said).prop_map(|(who, said)| Act::Hear(who, said)),
        1 => (0..3_usize).prop_map(Act::Die),
        1 => (0..3_usize).prop_map(Act::Refuse),
        2 => (0..3_usize, any::<bool>()).prop_map(|(who, running)| Act::Running(who, running)),
        1 => Just(Act::Crash),
    ]
}

const WHO: [&str; 3] = ["a", "b", "c"];

/// What became of events, as a listener and the log tell it.
#[derive(Default)]
struct Fates {
    has: BTreeMap<String, u64>,
    accepted: BTreeSet<u64>,
    discarded: BTreeSet<u64>,
}

impl Fates {
    fn follow(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Send { listener, .. } => {
                    let serial = sent(std::slice::from_ref(action))[0].1;
                    assert!(!self.accepted.contains(&serial) && !self.discarded.contains(&serial));
                    self.has.insert(listener.clone(), serial);
                }
                Action::Log { text, .. } => {
                    if let Some(who) = text.strip_suffix(": event was processed") {
                        assert!(self.accepted.insert(self.has.remove(who).expect("it had one")), "accepted twice");
                    } else if let Some((_, serial)) = text.split_once("overflowed, discarding event ") {
                        assert!(self.discarded.insert(serial.parse().expect("a number")), "discarded twice");
                    }
                }
                Action::Unknown { .. } => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost(acts in prop::collection::vec(act(), 0..120), buffer_size in 1..5_usize) {
        let (mut pools, mut fates, mut published) = (pools(buffer_size, &WHO), Fates::default(), 0);
        for act in acts {
            let actions = match act {
                Act::Publish => { published += 1; pools.publish(&remote(published)) }
                Act::Hear(who, said) => pools.heard("p", WHO[who], &said),
                Act::Die(who) => [pools.ended("p", WHO[who]), pools.spawned("p", WHO[who])].concat(),
                Act::Refuse(who) => pools.refused("p", WHO[who]),
                Act::Running(who, running) => pools.set_running("p", WHO[who], running),
                Act::Crash => {
                    let kept = serde_json::to_string(&pools).expect("plain data");
                    pools = serde_json::from_str(&kept).expect("what was written is read");
                    Vec::new()
                }
            };
            fates.follow(&actions);
            let pool = pools.pool("p").expect("it was added");
            let held = pool.waiting().chain(WHO.iter().filter_map(|who| pool.busy_with(who)));
            let held: Vec<_> = held.map(|notice| notice.serial).collect();
            let all = held.iter().chain(&fates.accepted).chain(&fates.discarded).copied();
            let mut all: Vec<u64> = all.collect();
            all.sort_unstable();
            prop_assert!(pool.waiting().len() <= buffer_size);
            prop_assert_eq!(all, (0..published as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_listener_may_write_in_any_pieces(said in "(READY\n|RESULT [0-9]?\n|OK|x){0,8}", cuts in prop::collection::vec(0..9_usize, 0..9)) {
        let prepared = || {
            let mut pools = pools(10, &["a"]);
            pools.publish(&remote(0));
            pools.heard("p", "a", b"READY\n");
            pools.set_running("p", "a", false);
            pools
        };
        let (mut whole, mut cut) = (prepared(), prepared());
        whole.heard("p", "a", said.as_bytes());
        let mut rest = said.as_bytes();
        for at in cuts {
            let (now, later) = rest.split_at(at.min(rest.len()));
            cut.heard("p", "a", now);
            rest = later;
        }
        cut.heard("p", "a", rest);
        prop_assert_eq!(whole, cut);
    }
}
