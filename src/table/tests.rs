#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const MACHINE: Machine = Machine { boot_id: [1, 2], pid_namespace: 3, init_start: 4 };

fn fresh() -> Table {
    Table::create(tempfile::tempfile().unwrap(), MACHINE).unwrap()
}

fn ended(table: &Table, slot: usize, status: i32) {
    table.mark_exited(slot, &Ending { status, user_us: 5, ..Ending::default() });
    table.mark_reaped(slot);
}

#[test]
fn an_exit_code_is_handed_on_only_once_it_is_set() {
    let table = fresh();
    assert_eq!(table.exit_code(), None);
    for code in [0, 255] {
        table.set_exit_code(code);
        assert_eq!(table.exit_code(), Some(code));
    }
}

#[test]
fn a_second_mapping_sees_what_the_first_wrote() {
    let table = fresh();
    table.set_originals(&std::array::from_fn(|n| (n as u64, u64::MAX)));
    table.set_role(Role::Logger, 77, 88);
    let other = Table::open(table.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(other.machine(), MACHINE);
    assert_eq!(other.originals()[7], (7, u64::MAX));
    assert_eq!(other.role(Role::Logger), (77, 88));
    table.beat();
    assert_eq!(other.heartbeat(), 1);
}

#[test]
fn an_exit_is_told_once_with_its_run() {
    let table = fresh();
    table.arm(300, 9, 0, 0);
    assert_eq!(table.running(300, 9), None, "no pid yet");
    table.pid_cell(300).store(4242, Relaxed);
    assert_eq!(table.running(300, 9), Some(4242));
    assert_eq!(table.running(300, 8), None, "another run");
    assert_eq!(table.slot_of(4242), Some(300));
    assert_eq!(table.take_exits(), []);
    ended(&table, 300, 7 << 8);
    assert_eq!(table.running(300, 9), None);
    assert_eq!(table.slot_of(4242), None);
    let ending = Ending { status: 7 << 8, user_us: 5, ..Ending::default() };
    assert_eq!(table.take_exits(), [Notice::Exited { slot: 300, run: 9, pid: 4242, ending }]);
    assert_eq!(table.take_exits(), []);
}

#[test]
fn what_a_group_left_behind_is_told_until_nobody_cares() {
    let table = fresh();
    table.arm(1, 1, 0, 0);
    table.pid_cell(1).store(50, Relaxed);
    ended(&table, 1, 0);
    table.take_exits();
    assert_eq!((table.group(1), table.slot_of_group(50)), (Some(50), Some(1)));
    table.mark_dirty(1);
    assert_eq!(table.take_exits(), [Notice::Stray { slot: 1 }]);
    table.clear_group(1);
    assert_eq!((table.group(1), table.slot_of_group(50)), (None, None));
}

#[test]
fn an_end_is_not_told_before_the_reap_whatever_else_is_told_of_its_slot() {
    let table = fresh();
    table.arm(1, 1, 0, 0);
    table.pid_cell(1).store(50, Relaxed);
    // One of the run before ended just now.
    table.mark_dirty(1);
    table.mark_exited(1, &Ending::default());
    assert_eq!(table.take_exits(), [Notice::Stray { slot: 1 }]);
    table.mark_reaped(1);
    assert!(matches!(table.take_exits()[..], [Notice::Exited { slot: 1, run: 1, pid: 50, .. }]));
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(Table::open(file.try_clone().unwrap().into()), Err(TableError::Foreign)));
    file.set_len(8 << 20).unwrap();
    assert!(matches!(Table::open(file.into()), Err(TableError::Foreign)));
}

#[test]
fn marking_and_taking_at_once_loses_nothing() {
    let table = std::sync::Arc::new(fresh());
    let keeper = std::sync::Arc::clone(&table);
    for slot in 1..SLOTS {
        table.arm(slot, slot as u64, 0, 0);
        table.pid_cell(slot).store(slot as i32, Relaxed);
    }
    let marking = std::thread::spawn(move || (1..SLOTS).for_each(|slot| ended(&keeper, slot, 0)));
    let mut told = vec![0; SLOTS];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while told.iter().sum::<i32>() < SLOTS as i32 - 1 && std::time::Instant::now() < deadline {
        for notice in table.take_exits() {
            let Notice::Exited { slot, .. } = notice else { panic!("no strays here") };
            told[slot] += 1;
        }
    }
    marking.join().unwrap();
    assert!(told[1..].iter().all(|times| *times == 1));
}

fn taken(table: &Table, slot: usize, run: u64, pid: i32) {
    table.arm(slot, run, 0, 0);
    table.pid_cell(slot).store(pid, Relaxed);
    ended(table, slot, 0);
    table.take_exits();
}

#[test]
fn an_adopted_process_is_as_one_that_was_made_in_its_slot() {
    let table = fresh();
    taken(&table, 1, 7, 50);
    assert!(!table.adopt(1, 6, 60, 3), "another run");
    assert!(table.adopt(1, 7, 60, 3));
    assert!(!table.adopt(1, 7, 61, 3), "there is one");
    assert_eq!((table.running(1, 7), table.slot_of(60)), (Some(60), Some(1)));
    assert!(!table.replace(1, 7, 50, 70, 4), "another former one");
    assert!(table.replace(1, 7, 60, 70, 4));
    assert_eq!((table.running(1, 7), table.slot_of(60), table.resident(1)), (Some(70), None, Some((70, 4, 0))));
    assert!(!table.is_over(1, 7));
    ended(&table, 1, 9);
    assert!(table.is_over(1, 7) && !table.disown(1, 7), "that is told");
    assert!(matches!(table.take_exits()[..], [Notice::Exited { slot: 1, run: 7, pid: 70, .. }]));
}

#[test]
fn one_that_nobody_will_tell_of_is_disowned_and_the_slot_is_as_before() {
    let table = fresh();
    taken(&table, 1, 7, 50);
    assert!(table.adopt(1, 7, 60, 3));
    assert!(!table.disown(1, 6) && table.disown(1, 7) && !table.disown(1, 7));
    assert_eq!((table.running(1, 7), table.slot_of(60)), (None, None));
    assert!(table.adopt(1, 7, 61, 3));
}

/// The keeper and the one who adopts, many times at once: each end is told by exactly one of them.
#[test]
fn a_process_that_is_reaped_while_it_is_adopted_is_told_once() {
    use std::sync::atomic::{AtomicBool, AtomicI32};
    const ROUNDS: i32 = 20_000;
    let table = std::sync::Arc::new(fresh());
    // The round that the keeper may begin, and the last one that it has reaped.
    let (round, reaped) = (AtomicI32::new(0), AtomicI32::new(0));
    let stop = AtomicBool::new(false);
    let (mut by_keeper, mut by_us) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut done = 0;
            while !stop.load(Acquire) {
                let pid = round.load(Acquire);
                if pid == done {
                    std::thread::yield_now();
                    continue;
                }
                table.take_leave(pid);
                let slot = table.slot_of(pid);
                slot.inspect(|slot| table.mark_exited(*slot, &Ending::default()));
                reaped.store(pid, Release);
                slot.inspect(|slot| table.mark_reaped(*slot));
                table.left();
                done = pid;
            }
        });
        for pid in 1..=ROUNDS {
            taken(&table, 1, pid as u64, i32::MAX);
            round.store(pid, Release);
            (0..pid % 50).for_each(|_| std::hint::spin_loop());
            assert!(table.adopt(1, pid as u64, pid, 1));
            while table.is_taking_leave_of(pid) {
                std::thread::yield_now();
            }
            if reaped.load(Acquire) == pid && table.disown(1, pid as u64) {
                by_us += 1;
                assert_eq!(table.take_exits(), []);
                continue;
            }
            let told = loop {
                match table.take_exits()[..] {
                    [] => std::thread::yield_now(),
                    [told] => break told,
                    _ => panic!("told twice"),
                }
            };
            assert!(matches!(told, Notice::Exited { run, pid: whose, .. } if run == pid as u64 && whose == pid));
            by_keeper += 1;
        }
        stop.store(true, Release);
    });
    assert_eq!(by_keeper + by_us, ROUNDS);
    assert!(by_keeper > 0, "{by_us} by us");
}

#[test]
fn what_became_of_a_run_is_there_for_who_comes_after() {
    let table = fresh();
    assert_eq!(table.fate(3, 9), Fate::Nothing);
    table.arm(3, 9, 77, 0);
    assert_eq!((table.fate(3, 9), table.owner(3)), (Fate::Nothing, 77), "no child yet");
    table.pid_cell(3).store(4242, Relaxed);
    assert!(table.begin_signal(3, 1) && !table.begin_signal(3, 1));
    assert_eq!(table.told(3, 9), None);
    assert_eq!((table.fate(3, 9), table.fate(3, 8)), (Fate::Process(4242), Fate::Nothing));
    ended(&table, 3, 7 << 8);
    let told = |table: &Table| matches!(table.fate(3, 9), Fate::Ended { pid: 4242, ending } if ending.status == 7 << 8);
    assert!(told(&table));
    assert_eq!(table.take_exits().len(), 1);
    assert!(told(&table), "also after it was taken note of");
    assert_eq!((table.told(3, 9), table.told(3, 8)), (Some(7 << 8), None));
    assert!(!table.begin_signal(3, 1) && table.begin_signal(3, 2));
    table.arm(3, 10, 77, 0);
    assert_eq!(table.fate(3, 9), Fate::Nothing);
    assert!(table.begin_signal(3, 1));
}

#[test]
fn an_end_that_a_keeper_marked_and_did_not_tell_is_told_by_the_next() {
    let table = fresh();
    table.arm(3, 9, 0, 0);
    table.pid_cell(3).store(4242, Relaxed);
    table.mark_exited(3, &Ending { status: UNKNOWN, ..Ending::default() });
    assert_eq!(table.take_exits(), []);
    table.tell_marked(3);
    assert_eq!(table.take_exits().len(), 1);
    table.tell_marked(3);
    assert_eq!(table.take_exits(), []);
}

#[test]
fn an_end_over_whose_taking_a_supervisor_died_is_told_to_the_next() {
    let table = fresh();
    table.arm(3, 9, 0, 0);
    table.pid_cell(3).store(4242, Relaxed);
    ended(&table, 3, 7 << 8);
    // It had taken the bit, and not the end.
    table.cells().dirty[0].store(0, Relaxed);
    assert_eq!(table.take_exits(), []);
    table.remind();
    assert_eq!(table.take_exits().len(), 1);
    table.remind();
    assert_eq!(table.take_exits(), [], "once");
}

#[test]
fn what_was_being_loaded_is_told_once() {
    let table = fresh();
    assert_eq!(table.take_loading(), None);
    let name = "n".repeat(128);
    table.begin_loading("a-long-name-that-is-over", 5);
    table.begin_loading("web", 7);
    assert_eq!(table.take_loading(), Some(("web".to_owned(), 7)));
    assert_eq!(table.take_loading(), None);
    table.begin_loading(&name, 7);
    assert_eq!(table.take_loading(), Some((name, 7)));
    table.begin_loading("web", 7);
    table.end_loading();
    assert_eq!(table.take_loading(), None);
}

#[test]
fn who_signs_in_is_the_one_who_plays_the_role() {
    let table = fresh();
    assert!(!table.is_signed_in(Role::Supervisor));
    table.sign_in(Role::Supervisor);
    table.set_role(Role::Supervisor, std::process::id() as i32, 1);
    assert!(table.is_signed_in(Role::Supervisor) && !table.is_signed_in(Role::Logger));
    table.set_role(Role::Supervisor, 78, 2);
    assert!(!table.is_signed_in(Role::Supervisor));
    assert_eq!(table.take_request(), None);
    for request in [Request::Detach, Request::Attach, Request::Upgrade, Request::UpgradeAll] {
        table.set_request(request);
        assert_eq!((table.take_request(), table.take_request()), (Some(request), None));
    }
    for mode in [Mode::Safe, Mode::Detached, Mode::Normal] {
        table.set_mode(mode);
        assert_eq!(table.mode(), mode);
    }
    for upgrade in [Upgrade::UnderWay, Upgrade::Done, Upgrade::Unfit, Upgrade::FellBack, Upgrade::None] {
        table.set_upgrade(upgrade);
        assert_eq!(table.upgrade(), upgrade);
    }
}

#[test]
fn a_table_of_another_layout_is_told_from_what_is_no_table() {
    use std::io::{Seek, SeekFrom, Write};
    let table = fresh();
    let mut file = File::from(table.as_fd().try_clone_to_owned().unwrap());
    assert_eq!(Table::machine_of(&file), Some(MACHINE));
    for (magic, other) in [(*b"abidetb\xff", true), (*b"ABIDETB\x03", false)] {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&u64::from_be_bytes(magic).to_ne_bytes()).unwrap();
        let opened = Table::open(file.try_clone().unwrap().into());
        assert_eq!(matches!(opened, Err(TableError::OtherLayout(0xff))), other);
        assert!(other || matches!(opened, Err(TableError::Foreign)));
    }
}
