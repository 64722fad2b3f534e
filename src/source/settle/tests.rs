//! Settling under virtual time: scenarios as people meet them, and what must hold for any.

use super::*;
use proptest::prelude::*;

fn ms(millis: u64) -> Mono {
    Mono(millis * 1_000_000)
}

fn settle() -> Settle<u8> {
    Settle::new(Duration::from_secs(2))
}

#[test]
fn a_rename_leads_at_once_and_what_follows_is_collected() {
    let mut settle = settle();
    settle.note(1, Seen::Arrived, ms(0));
    assert_eq!(settle.due(ms(0)), [1]);
    assert_eq!(settle.looked(1, Outcome::Good, ms(0)), Verdict::Publish);
    assert_eq!(settle.next(), None, "nothing is armed at rest");
    settle.note(2, Seen::Arrived, ms(10));
    settle.note(3, Seen::Arrived, ms(60));
    assert_eq!(settle.next(), Some(ms(160)));
    assert!(settle.due(ms(159)).is_empty());
    assert_eq!(settle.due(ms(160)), [2, 3]);
}

#[test]
fn names_that_arrive_in_one_moment_lead_together() {
    let mut settle = settle();
    for key in 0..5 {
        settle.note(key, Seen::Arrived, ms(7));
    }
    assert_eq!(settle.due(ms(7)), [0, 1, 2, 3, 4]);
}

#[test]
fn names_that_go_together_are_gone_together() {
    let mut settle = settle();
    settle.note(1, Seen::Vanished, ms(0));
    settle.note(2, Seen::Vanished, ms(90));
    settle.note(3, Seen::Vanished, ms(120));
    settle.note(4, Seen::Vanished, ms(400));
    settle.note(3, Seen::Arrived, ms(500));
    assert_eq!(settle.due(ms(500)), [3]);
    assert_eq!(settle.looked(3, Outcome::Same, ms(500)), Verdict::Nothing);
    assert_eq!(settle.next(), Some(ms(2120)));
    assert_eq!(settle.due(ms(2120)), [1, 2]);
    for key in [1, 2] {
        assert_eq!(settle.looked(key, Outcome::Gone { known: true }, ms(2120)), Verdict::Remove);
    }
    assert_eq!(settle.due(ms(2400)), [4]);
    assert_eq!(settle.looked(4, Outcome::Gone { known: true }, ms(2400)), Verdict::Remove);
    assert_eq!(settle.next(), None, "nothing is armed at rest");
}

#[test]
fn after_the_window_a_rename_leads_again() {
    let mut settle = settle();
    settle.note(1, Seen::Arrived, ms(0));
    settle.due(ms(0));
    settle.looked(1, Outcome::Good, ms(0));
    settle.note(1, Seen::Arrived, ms(100));
    assert_eq!(settle.due(ms(100)), [1]);
}

#[test]
fn a_closed_file_waits_for_fifty_quiet_milliseconds() {
    let mut settle = settle();
    settle.note(1, Seen::Written, ms(0));
    settle.note(1, Seen::Closed, ms(1));
    settle.note(1, Seen::Written, ms(20));
    settle.note(1, Seen::Closed, ms(21));
    assert_eq!(settle.next(), Some(ms(71)));
    assert_eq!(settle.due(ms(71)), [1]);
}

#[test]
fn a_stream_of_changes_starves_nobody() {
    let mut settle = settle();
    settle.note(0, Seen::Arrived, ms(0));
    settle.due(ms(0));
    settle.looked(0, Outcome::Good, ms(0));
    settle.note(1, Seen::Arrived, ms(50));
    let mut seen = None;
    for at in (50..4000).step_by(50) {
        settle.note(2, Seen::Arrived, ms(at));
        for key in settle.due(ms(at)) {
            settle.looked(key, Outcome::Good, ms(at));
            if key == 1 {
                seen.get_or_insert(at);
            }
        }
    }
    assert_eq!(seen, Some(2000));
}

#[test]
fn a_slow_writer_is_left_alone_until_its_close() {
    let mut settle = settle();
    settle.note(1, Seen::Written, ms(0));
    assert_eq!(settle.due(ms(100)), [1]);
    assert_eq!(settle.looked(1, Outcome::Busy, ms(100)), Verdict::Wait);
    assert_eq!(settle.next(), None);
    settle.note(1, Seen::Closed, ms(3000));
    assert_eq!(settle.due(ms(3050)), [1]);
}

#[test]
fn one_that_is_open_under_another_name_is_looked_at_until_it_is_closed() {
    let mut settle = settle();
    settle.note(1, Seen::Created, ms(0));
    assert_eq!(settle.due(ms(100)), [1]);
    assert_eq!(settle.looked(1, Outcome::Busy, ms(100)), Verdict::Wait);
    assert_eq!(settle.next(), Some(ms(220)));
    assert_eq!(settle.due(ms(220)), [1]);
    assert_eq!(settle.looked(1, Outcome::Good, ms(220)), Verdict::Publish);
}

#[test]
fn without_leases_a_written_file_waits_for_its_close_and_a_found_one_for_a_second_look() {
    let mut settle = settle();
    settle.note(1, Seen::Written, ms(0));
    settle.due(ms(100));
    settle.looked(1, Outcome::Doubtful, ms(100));
    assert_eq!(settle.next(), None);
    settle.note(2, Seen::Found, ms(200));
    assert_eq!(settle.due(ms(200)), [2]);
    settle.looked(2, Outcome::Doubtful, ms(200));
    assert_eq!(settle.next(), Some(ms(320)));
}

#[test]
fn absence_waits_and_a_return_ends_it() {
    let mut settle = settle();
    let gone = Outcome::Gone { known: true };
    settle.note(1, Seen::Vanished, ms(0));
    assert_eq!(settle.absent().collect::<Vec<_>>(), [1]);
    assert_eq!(settle.next(), Some(ms(2000)));
    settle.note(1, Seen::Arrived, ms(1000));
    assert_eq!(settle.absent().count(), 0);
    assert_eq!(settle.due(ms(1000)), [1]);
    assert_eq!(settle.looked(1, Outcome::Same, ms(1000)), Verdict::Nothing);
    assert_eq!(settle.next(), None);
    settle.note(1, Seen::Vanished, ms(5000));
    assert_eq!(settle.due(ms(7000)), [1]);
    assert_eq!(settle.looked(1, gone, ms(7000)), Verdict::Remove);
    assert!(!settle.is_pending(1));
}

#[test]
fn errors_stand_for_a_second_and_a_mended_file_is_taken_at_once() {
    let mut settle = settle();
    let bad = Outcome::Bad(ERRORS);
    settle.note(1, Seen::Arrived, ms(0));
    settle.due(ms(0));
    assert_eq!(settle.looked(1, bad, ms(0)), Verdict::Wait);
    settle.note(1, Seen::Changed, ms(300));
    assert_eq!(settle.due(ms(400)), [1]);
    assert_eq!(settle.looked(1, bad, ms(400)), Verdict::Wait);
    assert_eq!(settle.due(ms(1000)), [1]);
    assert_eq!(settle.looked(1, bad, ms(1000)), Verdict::Publish);
    settle.note(1, Seen::Arrived, ms(2000));
    settle.due(ms(2000));
    assert_eq!(settle.looked(1, Outcome::Good, ms(2000)), Verdict::Publish);
}

#[test]
fn without_leases_an_error_is_told_too() {
    let mut settle = settle();
    settle.note(1, Seen::Found, ms(0));
    let mut told = None;
    let mut doubtful = true;
    while let Some(at) = settle.next() {
        for key in settle.due(at) {
            let outcome = if doubtful { Outcome::Doubtful } else { Outcome::Bad(ERRORS) };
            doubtful = !doubtful;
            if settle.looked(key, outcome, at) == Verdict::Publish {
                told = Some(at);
            }
        }
    }
    assert_eq!(told, Some(ms(1240)));
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        Just(Seen::Changed),
        Just(Seen::Written),
        Just(Seen::Closed),
        Just(Seen::Arrived),
        Just(Seen::Vanished),
        Just(Seen::Found),
    ]
}

proptest! {
    /// Whatever happens to a few names, each completed change is looked at within the bound, and
    /// once all is quiet nothing is armed.
    #[test]
    fn every_completed_change_is_looked_at_in_time(history in proptest::collection::vec((0u8..4, seen(), 0u64..300), 1..60)) {
        let mut settle = settle();
        let mut owed: BTreeMap<u8, Mono> = BTreeMap::new();
        let mut now = ms(0);
        let look = |settle: &mut Settle<u8>, owed: &mut BTreeMap<u8, Mono>, now: Mono| {
            for key in settle.due(now) {
                owed.remove(&key);
                settle.looked(key, Outcome::Good, now);
            }
        };
        for (key, seen, pause) in history {
            let until = now.plus(Duration::from_millis(pause));
            while let Some(next) = settle.next().filter(|&next| next <= until) {
                now = now.max(next);
                look(&mut settle, &mut owed, now);
            }
            now = until;
            settle.note(key, seen, now);
            match seen {
                Seen::Arrived | Seen::Closed | Seen::Found => { owed.entry(key).or_insert(now); }
                Seen::Vanished => { owed.remove(&key); }
                _ => {}
            }
            look(&mut settle, &mut owed, now);
            for since in owed.values() {
                prop_assert!(now.since(*since) <= AT_MOST + QUIET, "{now:?} {owed:?}");
            }
        }
        while let Some(next) = settle.next() {
            now = now.max(next);
            look(&mut settle, &mut owed, now);
        }
        prop_assert!(owed.is_empty());
    }
}
