//! The snapshot on disk: whole at every moment, bounded in rate, equal to the model.

mod sample;

use abide::daemon::publish::{PublishPolicy, Published, Publisher, Share, next_write};
use abide::model::name::ServiceName;
use abide::model::status::{AbideState, ServiceStatus, State, Status};
use abide::model::time::{Mono, Now, Wall};
use abide::render::snapshot::{INDEX, News, WHOLE};
use proptest::prelude::*;
use sample::{NOW, envelope, flaky, greedy, misspelt, mixed, service, workers};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn at(millis: u64) -> Now {
    Now { mono: Mono(millis * 1_000_000), wall: Wall(NOW.0 + millis as i64 * 1_000) }
}

/// Calls `poll` at each deadline until `until`, as the loop does; gives the times of the writes.
fn drive(publisher: &mut Publisher, from: u64, until: u64) -> Vec<u64> {
    let (mut now, mut writes) = (from, Vec::new());
    loop {
        if publisher.poll(at(now)).expect("writes") == Published::Written {
            writes.push(now);
        }
        match publisher.next_deadline() {
            Some(next) if next.0.div_ceil(1_000_000) <= until => now = next.0.div_ceil(1_000_000).max(now),
            _ => return writes,
        }
    }
}

fn read(dir: &Path) -> Status {
    let bytes = std::fs::read(dir.join("status.json")).expect("there");
    serde_json::from_slice(&bytes).expect("whole")
}

fn publisher(dir: &Path, policy: PublishPolicy) -> Publisher {
    Publisher::new(dir.to_owned(), policy, envelope())
}

fn many(count: usize) -> Vec<ServiceStatus> {
    (0..count).map(|n| service(&format!("app-{n:05}"), State::Running)).collect()
}

fn put(publisher: &mut Publisher, services: &[ServiceStatus]) {
    for service in services {
        publisher.update(&service.name, Some(service));
    }
}

#[test]
fn a_change_is_on_disk_at_once_and_further_ones_at_most_four_times_a_second() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    assert_eq!(drive(&mut publisher, 0, 100), [10]);
    publisher.update(&flaky().name, Some(&flaky()));
    assert_eq!(drive(&mut publisher, 1_000, 1_100), [1_010], "at once");
    let mut writes = Vec::new();
    for now in (2_000..4_000).step_by(5) {
        let mut changed = flaky();
        changed.instances[0].restarts = now;
        publisher.update(&changed.name, Some(&changed));
        writes.extend(drive(&mut publisher, now, now + 4));
    }
    assert!((7..=8).contains(&writes.len()), "{writes:?}");
    assert!(writes.windows(2).all(|pair| pair[1] - pair[0] >= 250), "{writes:?}");
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = PublishPolicy { heartbeat: Duration::ZERO, ..PublishPolicy::default() };
    let mut publisher = publisher(dir.path(), policy);
    put(&mut publisher, &mixed().services);
    drive(&mut publisher, 0, 1_000);
    put(&mut publisher, &mixed().services);
    assert_eq!(publisher.next_deadline(), None, "at rest nothing is armed");
    publisher.update(&ServiceName::new("nobody").expect("legal"), None);
    assert_eq!(publisher.next_deadline(), None);
}

#[test]
fn the_heartbeat_renews_the_age_of_both_files_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    drive(&mut publisher, 0, 100);
    let inodes = ["status.json", "status.prom"].map(|name| {
        let file = std::fs::File::options().write(true).open(dir.path().join(name)).expect("there");
        file.set_modified(std::time::UNIX_EPOCH).expect("ours");
        file.metadata().expect("open").ino()
    });
    assert_eq!(publisher.next_deadline(), Some(at(15_010).mono));
    assert_eq!(publisher.poll(at(15_010)).expect("touches"), Published::Heartbeat);
    for (name, inode) in ["status.json", "status.prom"].into_iter().zip(inodes) {
        let file = std::fs::metadata(dir.path().join(name)).expect("there");
        assert_eq!(file.ino(), inode);
        assert!(file.modified().expect("known") > std::time::UNIX_EPOCH);
    }
    assert_eq!(publisher.next_deadline(), Some(at(30_010).mono));
}

#[test]
fn files_that_somebody_removed_come_back_with_the_next_heartbeat() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = dir.path().join("abide");
    let mut publisher = publisher(&run, PublishPolicy::default());
    drive(&mut publisher, 0, 100);
    std::fs::remove_dir_all(&run).expect("ours");
    assert_eq!(publisher.poll(at(15_010)).expect("writes"), Published::Written);
    assert_eq!(read(&run).abide.snapshot_seq, 2);
}

#[test]
fn an_envelope_that_says_the_same_is_not_written_and_never_turns_the_number_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    drive(&mut publisher, 0, 100);
    let known = envelope();
    let news = |generation| News {
        state: known.abide.state,
        notes: &known.abide.notes,
        summary: known.summary,
        generation,
        sources: &known.sources,
        problems: &known.problems,
        withheld: &known.withheld,
        ignored: &known.ignored,
        now: NOW,
    };
    publisher.renew_envelope(&news(known.generation));
    assert_eq!(drive(&mut publisher, 1_000, 2_000), [0_u64; 0]);
    publisher.renew_envelope(&news(8));
    assert_eq!(drive(&mut publisher, 2_000, 3_000), [2_010]);
    assert_eq!((read(dir.path()).generation, read(dir.path()).abide.snapshot_seq), (8, 2));
}

#[test]
fn modes_are_for_everyone_to_read_and_nothing_is_left_lying_about() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = dir.path().join("deep/abide");
    std::fs::create_dir_all(&run).expect("made");
    std::fs::write(run.join(".status.json.1.tmp"), "half").expect("written");
    let mut publisher = publisher(&run, PublishPolicy::default());
    std::fs::remove_dir(&run).expect("empty: the left-over was swept");
    drive(&mut publisher, 0, 100);
    let mut names: Vec<_> = std::fs::read_dir(&run).expect("made again").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["status.json", "status.prom"]);
    assert_eq!(std::fs::metadata(run.join("status.json")).expect("there").permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_failing_disk_is_reported_once_and_tried_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("file/abide");
    std::fs::write(dir.path().join("file"), "in the way").expect("written");
    let mut publisher = publisher(&place, PublishPolicy::default());
    publisher.poll(at(0)).expect("settles");
    let error = publisher.poll(at(10)).expect_err("a file is no directory");
    assert!(error.to_string().starts_with("could not write "), "{error}");
    for _ in 0..5 {
        let next = publisher.next_deadline().expect("tries again");
        assert_eq!(publisher.poll(Now { mono: next, ..at(0) }).expect("said already"), Published::Nothing);
    }
    std::fs::remove_file(dir.path().join("file")).expect("ours");
    let next = publisher.next_deadline().expect("tries again");
    assert_eq!(publisher.poll(Now { mono: next, ..at(0) }).expect("writes"), Published::Written);
    assert_eq!(read(&place).schema, 1);
}

#[test]
fn the_last_word_is_stopped_and_numbers_never_go_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = publisher(dir.path(), PublishPolicy::default());
    put(&mut first, &mixed().services);
    drive(&mut first, 0, 1_000);
    first.stop(at(1_001)).expect("writes");
    let last = read(dir.path()).abide;
    assert_eq!(last.state, AbideState::Stopped);
    assert_eq!(first.next_deadline(), None);
    let mut second = publisher(dir.path(), PublishPolicy::default());
    drive(&mut second, 2_000, 2_100);
    assert!(read(dir.path()).abide.snapshot_seq > last.snapshot_seq);
    let prom = std::fs::read_to_string(dir.path().join("status.prom")).expect("there");
    let seq = format!("abide_status_snapshot_seq {}\n", read(dir.path()).abide.snapshot_seq);
    assert!(prom.contains(&seq), "the pair carries one number");
}

#[test]
fn above_the_bound_the_index_holds_all_and_the_snapshot_what_needs_attention() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = PublishPolicy { per_service: true, ..PublishPolicy::default() };
    let mut publisher = publisher(dir.path(), policy);
    put(&mut publisher, &many(WHOLE));
    publisher.update(&greedy().name, Some(&greedy()));
    drive(&mut publisher, 0, 60_000);
    let status = read(dir.path());
    assert!(status.abide.truncated);
    assert_eq!(status.services_index.as_deref(), Some(INDEX));
    assert_eq!(status.services, [greedy()]);
    let index = std::fs::read_to_string(dir.path().join(INDEX)).expect("there");
    let all: Vec<ServiceStatus> = index.lines().map(|line| serde_json::from_str(line).expect("one a line")).collect();
    assert_eq!(all.len(), WHOLE + 1);
    assert!(all.is_sorted_by_key(|service| service.name.clone()));
    let own = dir.path().join("services/greedy.json");
    let one: ServiceStatus = serde_json::from_slice(&std::fs::read(&own).expect("there")).expect("JSON");
    assert_eq!(one, greedy());
    let before = std::fs::metadata(dir.path().join("services/app-00000.json")).expect("there").ino();

    publisher.update(&greedy().name, None);
    drive(&mut publisher, 60_000, 120_000);
    assert_eq!(read(dir.path()).services.len(), WHOLE, "whole again");
    assert!(!own.exists() && !dir.path().join(INDEX).exists());
    assert_eq!(std::fs::metadata(dir.path().join("services/app-00000.json")).expect("there").ino(), before);
}

#[test]
fn a_reader_never_sees_a_short_or_invalid_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    put(&mut publisher, &many(300));
    drive(&mut publisher, 0, 100);
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut last) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let status = read(dir.path());
                assert_eq!(status.services.len(), 300);
                assert!(status.abide.snapshot_seq >= last);
                last = status.abide.snapshot_seq;
                let prom = std::fs::read_to_string(dir.path().join("status.prom")).expect("there");
                assert!(prom.ends_with("service=\"app-00299\"} 0\n"));
                reads += 1;
            }
            reads
        });
        for round in 1..200_u64 {
            let mut changed = service("app-00007", State::Running);
            changed.generation = round + 10;
            publisher.update(&changed.name, Some(&changed));
            drive(&mut publisher, round * 40_000, round * 40_000 + 500);
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("every read was whole")
    });
    assert!(reads > 0);
}

#[test]
fn who_reads_slowly_or_kept_a_second_name_has_what_was_there_when_they_came() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    put(&mut publisher, &many(300));
    drive(&mut publisher, 0, 100);
    let file = dir.path().join("status.json");
    let whole = std::fs::read(&file).expect("there");
    std::fs::hard_link(&file, dir.path().join("kept")).expect("a second name");
    let mut slow = std::fs::File::open(&file).expect("there");
    let mut first = vec![0; whole.len() / 2];
    slow.read_exact(&mut first).expect("half of it");
    for round in 1..5_u64 {
        let mut changed = service("app-00007", State::Running);
        changed.generation = round + 10;
        publisher.update(&changed.name, Some(&changed));
        drive(&mut publisher, round * 40_000, round * 40_000 + 500);
    }
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("the other half");
    assert!([first, rest].concat() == whole, "the slow reader sees what it opened");
    assert!(std::fs::read(dir.path().join("kept")).expect("kept") == whole, "the second name keeps what it named");
    assert_eq!(read(dir.path()).services.len(), 300);
}

#[test]
fn in_a_large_file_nothing_moves_and_what_others_did_to_it_is_undone() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut publisher = publisher(dir.path(), PublishPolicy::default());
    let mut services = many(300);
    put(&mut publisher, &services);
    let file = dir.path().join("status.json");
    let mut change = |round: u64| {
        services[7].generation = round + 1_000;
        publisher.update(&services[7].name, Some(&services[7]));
        drive(&mut publisher, round * 1_000, round * 1_000 + 500);
        assert_eq!(read(dir.path()).services, services, "round {round}");
        let found = std::fs::metadata(&file).expect("there");
        (found.ino(), found.size())
    };
    change(0);
    let one = change(1);
    let other = change(2);
    assert_eq!((change(3), change(4)), (one, other), "two files take turns, and nothing moves in them");
    let foreign = std::fs::OpenOptions::new().write(true).open(&file).expect("there");
    foreign.write_all_at(&b"x".repeat(50_000), 9_000).expect("writes");
    drop(foreign);
    for round in 5..9 {
        change(round);
    }
}

/// What comes from outside, in all its shapes.
fn any_service() -> impl Strategy<Value = ServiceStatus> {
    let kind = prop_oneof![
        Just(flaky()),
        Just(greedy()),
        Just(misspelt()),
        Just(workers("w", 3)),
        Just(service("s", State::Stopped))
    ];
    ("[a-c]{1,2}", kind, ".{0,12}", any::<u64>()).prop_map(|(name, mut service, text, number)| {
        service.name = ServiceName::new(&name).expect("legal");
        service.description = (!text.is_empty()).then(|| text.clone());
        service.source.file = text;
        service.generation = number;
        service
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_file_is_the_model_serialised(
        changes in prop::collection::vec((any_service(), any::<bool>()), 0..12),
        problem in prop::option::of(".{0,20}"),
        ignored in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut publisher = publisher(dir.path(), PublishPolicy::default());
        let mut model = BTreeMap::new();
        let mut whole = sample::status(Vec::new());
        if let Some(message) = problem {
            whole.problems.push(sample::error("services.d/x.toml", 3, &message, None));
        }
        if ignored {
            whole.ignored = mixed().ignored;
        }
        publisher.envelope_mut().problems.clone_from(&whole.problems);
        publisher.envelope_mut().ignored.clone_from(&whole.ignored);
        for (index, (service, stays)) in changes.into_iter().enumerate() {
            publisher.update(&service.name, stays.then_some(&service));
            if stays {
                model.insert(service.name.clone(), service);
            } else {
                model.remove(&service.name);
            }
            if index % 3 == 0 {
                drive(&mut publisher, index as u64 * 1_000, index as u64 * 1_000 + 900);
            }
        }
        publisher.stop(at(99_000)).expect("writes");
        whole.services = model.into_values().collect();
        let bytes = std::fs::read(dir.path().join("status.json")).expect("there");
        whole.abide = serde_json::from_slice::<Status>(&bytes).expect("whole").abide;
        prop_assert_eq!(String::from_utf8(bytes).expect("text"), serde_json::to_string(&whole).expect("serialises"));
    }

    #[test]
    fn writes_stay_within_four_a_second_five_percent_and_five_megabytes(
        bytes in 0..100_000_000_u32,
        millis in 0..1_000_u64,
    ) {
        let cost = Duration::from_millis(millis);
        let pause = |share| next_write(Mono(7), bytes.into(), cost, share).since(Mono(7)).as_secs_f64();
        let (whole, main, index) = (pause(Share::Whole), pause(Share::Main), pause(Share::Index));
        prop_assert!(whole >= 0.25 && index >= whole && main >= index);
        prop_assert!(whole <= 30.0 && main <= 30.0 && index <= 30.0);
        if whole < 30.0 {
            prop_assert!(f64::from(bytes) / whole <= 5.001e6 && cost.as_secs_f64() / whole <= 0.050_01);
        }
        if main < 30.0 {
            let rate = |of: f64| of / main + of / index;
            prop_assert!(rate(bytes.into()) <= 5.001e6 && rate(cost.as_secs_f64()) <= 0.050_01, "both together");
        }
    }
}

/// One service is so large from now on, or gone.
fn change(
    publisher: &mut Publisher,
    model: &mut BTreeMap<ServiceName, ServiceStatus>,
    index: u32,
    size: Option<usize>,
) {
    let mut service = service(&format!("app-{index:05}"), State::Running);
    service.description = Some("x".repeat(size.unwrap_or(0)));
    publisher.update(&service.name, size.is_some().then_some(&service));
    match size {
        Some(_) => drop(model.insert(service.name.clone(), service)),
        None => drop(model.remove(&service.name)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_large_file_is_the_model_too_whatever_changes_grows_and_goes(
        rounds in prop::collection::vec(
            (prop::collection::vec((0..400_u32, prop::option::of(0..3_000_usize)), 0..30), 0..6_000_usize),
            1..12,
        ),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut publisher = publisher(dir.path(), PublishPolicy::default());
        let mut model: BTreeMap<_, _> = many(200).into_iter().map(|service| (service.name.clone(), service)).collect();
        for service in model.values() {
            publisher.update(&service.name, Some(service));
        }
        for (round, (changes, problem)) in rounds.into_iter().enumerate() {
            for (index, size) in changes {
                change(&mut publisher, &mut model, index, size);
            }
            publisher.envelope_mut().problems = vec![sample::error("x.toml", 3, &"y".repeat(problem), None)];
            drive(&mut publisher, round as u64 * 40_000, round as u64 * 40_000 + 500);
            let status = read(dir.path());
            prop_assert!(status.services.iter().eq(model.values()), "round {}", round);
            prop_assert_eq!(status.problems[0].message.len(), problem);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn the_index_is_the_model_too_whatever_changes_grows_and_goes(
        rounds in prop::collection::vec(
            prop::collection::vec((0..2_400_u32, prop::option::of(0..3_000_usize)), 0..30),
            1..12,
        ),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut publisher = publisher(dir.path(), PublishPolicy::default());
        let mut model: BTreeMap<_, _> =
            many(WHOLE + 400).into_iter().map(|service| (service.name.clone(), service)).collect();
        for service in model.values() {
            publisher.update(&service.name, Some(service));
        }
        let mut inodes = Vec::new();
        for (round, changes) in rounds.into_iter().enumerate() {
            for (index, size) in changes {
                change(&mut publisher, &mut model, index, size);
            }
            drive(&mut publisher, round as u64 * 40_000, round as u64 * 40_000 + 500);
            let index = std::fs::read_to_string(dir.path().join(INDEX)).expect("there");
            let listed: Vec<ServiceStatus> =
                index.lines().map(|line| serde_json::from_str(line).expect("one a line")).collect();
            prop_assert!(listed.iter().eq(model.values()), "round {}", round);
            inodes.push(std::fs::metadata(dir.path().join(INDEX)).expect("there").ino());
        }
        inodes.dedup();
        inodes.sort_unstable();
        inodes.dedup();
        prop_assert!(inodes.len() <= 2, "two files take turns");
    }
}
