//! `abide status` as a command: what it reads, when it trusts it, what it exits with.

mod sample;

use abide::cli::status::{Answer, Life, Reading, SnapshotError, StatusArgs, answer, read};
use abide::model::status::{AbideState, State, Status};
use abide::render::status::Style;
use sample::{NOW, greedy, misspelt, mixed, service, status};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn write(dir: &Path, status: &Status, age: u64) {
    let path = dir.join("status.json");
    std::fs::write(&path, serde_json::to_vec(status).expect("serialises")).expect("written");
    let file = File::options().write(true).open(path).expect("there");
    file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("ours");
}

fn life(dir: &Path, lock: Option<&Path>) -> Life {
    read(dir, lock).expect("readable").life
}

fn ask(status: Status, args: &[&str]) -> Answer {
    let bytes = serde_json::to_vec(&status).expect("serialises");
    let reading = Reading { status, bytes, merged: false, life: Life::Alive, closer: Vec::new() };
    answer(&parse(args), &reading, NOW, &Style::default())
}

fn parse(args: &[&str]) -> StatusArgs {
    use clap::{Args, Command, FromArgMatches};
    let command = StatusArgs::augment_args(Command::new("status").no_binary_name(true));
    StatusArgs::from_arg_matches(&command.get_matches_from(args)).expect("parsed")
}

#[test]
fn a_snapshot_is_fresh_for_three_heartbeats() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), &mixed(), 40);
    assert_eq!(life(dir.path(), None), Life::Alive);
    write(dir.path(), &mixed(), 50);
    assert!(matches!(life(dir.path(), None), Life::Gone(sentence) if sentence.contains("should be renewed every 15s")));
}

#[test]
fn another_boot_and_a_last_word_are_told_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut other = mixed();
    other.abide.boot_id = "0-0-0".into();
    write(dir.path(), &other, 0);
    assert!(matches!(life(dir.path(), None), Life::Gone(sentence) if sentence.contains("reboot")));
    other.abide.state = AbideState::Stopped;
    write(dir.path(), &other, 4_000);
    assert!(matches!(life(dir.path(), None), Life::Stopped(sentence) if sentence.contains("on purpose")));
}

#[test]
fn without_a_heartbeat_the_lock_tells_and_else_the_pid() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = dir.path().join("lock");
    File::create(&lock).expect("made");
    let mut still = mixed();
    still.abide.heartbeat_interval_ms = 0;
    write(dir.path(), &still, 100_000);
    assert!(matches!(life(dir.path(), Some(&lock)), Life::Gone(sentence) if sentence.contains("is gone")));
    still.abide.pid = std::process::id().cast_signed();
    write(dir.path(), &still, 100_000);
    assert_eq!(life(dir.path(), Some(&dir.path().join("unreadable"))), Life::Alive, "this process lives");
    still.abide.pid = i32::MAX;
    write(dir.path(), &still, 100_000);
    assert!(matches!(life(dir.path(), None), Life::Gone(_)));
}

#[test]
fn a_held_lock_means_alive() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = dir.path().join("lock");
    let file = File::create(&lock).expect("made");
    let mut still = mixed();
    still.abide.heartbeat_interval_ms = 0;
    write(dir.path(), &still, 100_000);
    let mut holder = std::process::Command::new("python3")
        .arg("-c")
        .arg("import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); sys.stdin.read()")
        .arg(&lock)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(holder) = holder.as_mut() else {
        eprintln!("NOT CHECKED: python3, which holds the lock here, is not installed");
        return;
    };
    let mut line = String::new();
    let out = holder.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("it says so");
    let seen = life(dir.path(), Some(&lock));
    drop(holder.stdin.take());
    holder.wait().expect("ends");
    drop(file);
    assert_eq!((line.trim(), seen), ("held", Life::Alive));
}

#[test]
fn what_cannot_be_read_is_a_sentence_with_a_way_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let absent = read(dir.path(), None).expect_err("nothing there");
    assert!(matches!(absent, SnapshotError::Absent(_)) && absent.to_string().contains("start `abide run DIR`"));
    std::fs::write(dir.path().join("status.json"), r#"{"schema": 2, "new": true}"#).expect("written");
    assert!(read(dir.path(), None).expect_err("newer").to_string().contains("schema 2"));
    std::fs::write(dir.path().join("status.json"), "{\"schema\": 1").expect("written");
    assert!(matches!(read(dir.path(), None), Err(SnapshotError::Malformed { .. })));
}

#[test]
fn exit_codes_follow_the_contract() {
    let calm = || status(vec![service("db", State::Running), service("down", State::Stopped)]);
    assert_eq!(ask(calm(), &[]).code, 0);
    assert_eq!(ask(mixed(), &[]).code, 1);
    assert_eq!(ask(mixed(), &["clock", "worker"]).code, 0, "only these were asked for");
    assert_eq!(ask(status(vec![greedy(), misspelt()]), &["web"]).code, 1);
    let mut bad_file = calm();
    bad_file.problems = mixed().problems;
    assert_eq!(ask(bad_file, &[]).code, 1);
    let gone = Reading {
        status: calm(),
        bytes: Vec::new(),
        merged: false,
        life: Life::Gone("abide is gone".into()),
        closer: Vec::new(),
    };
    let answer_of = |args: &[&str]| answer(&parse(args), &gone, NOW, &Style::default());
    assert_eq!(answer_of(&[]).code, 3);
    assert!(answer_of(&[]).text.starts_with("Last known state:"));
    assert_eq!(
        (answer_of(&["--nagios"]).code, answer_of(&["--nagios"]).text),
        (3, "ABIDE UNKNOWN: abide is gone\n".into())
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let answer = ask(mixed(), &["wbe", "clock"]);
    assert_eq!(answer.code, 1);
    assert_eq!(answer.complaints, ["there is no service wbe; did you mean web?"]);
    assert!(answer.text.contains("clock") && !answer.text.contains("flaky"));
    assert!(ask(mixed(), &["zzzz"]).complaints[0].contains("`abide status` lists them all"));
    assert_eq!(ask(mixed(), &["zz*"]).complaints, ["zz* means no service; `abide status` lists them all"]);
    assert_eq!(ask(mixed(), &["web@7"]).complaints, ["web has no instance 7; it has 1"]);
    assert!(ask(mixed(), &["worker@2"]).text.starts_with("worker"), "as the table has it");
    assert_eq!(ask(mixed(), &["--nagios", "wbe"]).code, 3);
}

#[test]
fn patterns_instances_and_states_choose_services() {
    let named = |args: &[&str]| {
        let part: Status = serde_json::from_str(&ask(mixed(), &[&["--json"], args].concat()).text).expect("JSON");
        part.services.iter().map(|service| service.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(named(&["w*", "clock"]), ["clock", "web", "worker", "workers-many"]);
    assert_eq!(named(&["@failed"]), ["greedy"]);
    assert_eq!(named(&["*@backoff"]), ["flaky"]);
    let some = ask(mixed(), &["workers-many@3", "clock"]).text;
    assert!(some.contains("workers-many") && !some.contains("@0-63"), "{some}");
    let none = ask(mixed(), &["@starting"]);
    assert_eq!((none.code, none.text.as_str()), (0, "No service is in that state.\n"));
}

#[test]
fn json_is_the_file_itself_or_the_chosen_part_of_it() {
    let all = mixed();
    assert_eq!(ask(all.clone(), &["--json"]).text, serde_json::to_string(&all).expect("serialises") + "\n");
    let part: Status = serde_json::from_str(&ask(all, &["--json", "web"]).text).expect("JSON");
    assert_eq!(part.services, [misspelt()]);
}

#[test]
fn the_index_fills_in_what_the_snapshot_leaves_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut short = status(vec![greedy()]);
    short.abide.truncated = true;
    short.services_index = Some("services.jsonl".into());
    write(dir.path(), &short, 0);
    assert!(matches!(read(dir.path(), None), Err(SnapshotError::Unreadable { .. })));
    let lines = [service("a", State::Running), service("greedy", State::Running), service("z", State::Running)];
    let text: Vec<String> = lines.iter().map(|s| serde_json::to_string(s).expect("serialises")).collect();
    std::fs::write(dir.path().join("services.jsonl"), text.join("\n") + "\n").expect("written");
    let reading = read(dir.path(), None).expect("readable");
    let names: Vec<_> = reading.status.services.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["a", "greedy", "z"]);
    assert_eq!(reading.status.services[1], greedy(), "the snapshot is the newer word");
}
