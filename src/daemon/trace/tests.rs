//! The log with pipes and pretended terminals; no test needs a real one.

use super::*;
use crate::model::name::{InstanceId, ServiceName};
use crate::model::outcome::Exit;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde_json::Value;
use std::sync::mpsc::{Sender, channel};

fn info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap()
}

fn drain(fd: &OwnedFd) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = nix::unistd::read(fd, &mut chunk) {
        all.extend_from_slice(&chunk[..count]);
    }
    all
}

fn parsed(bytes: &[u8]) -> Vec<Value> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn json_only(pipe: OwnedFd) -> (impl Subscriber + Send + Sync, Trace) {
    assemble(Some(pipe), None::<Vec<u8>>, Manner::Own { is_terminal: false }, info())
}

fn example(to: State) -> Transition {
    Transition {
        instance: InstanceId::new(ServiceName::new("web").unwrap(), 1),
        numbered: true,
        from: State::Running,
        to,
        reason: "exit code 1, restart in 0.5 s".into(),
        pid: Some(4711),
        exit: Some(Exit::Code(1)),
        grave: false,
    }
}

/// Hands over every line that is written.
struct Teller(Sender<String>);

impl Write for Teller {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn told(is_terminal: bool, work: impl FnOnce()) -> Vec<String> {
    let (teller, lines) = channel();
    let (subscriber, trace) = assemble(None, Some(Teller(teller)), Manner::Own { is_terminal }, info());
    tracing::subscriber::with_default(subscriber, work);
    trace.flush();
    assert_eq!(trace.unshown(), 0);
    lines.try_iter().collect()
}

#[test]
fn what_is_said_of_the_log_itself_reaches_people_and_not_the_file() {
    let (reader, writer) = pipe();
    let (teller, lines) = channel();
    let (subscriber, trace) = assemble(Some(writer), Some(Teller(teller)), Manner::Own { is_terminal: false }, info());
    tracing::subscriber::with_default(subscriber, || {
        crate::daemon::report::own_log("the disk is full");
        tracing::warn!("something else");
    });
    trace.flush();
    let in_file = parsed(&drain(&reader));
    assert_eq!(in_file.len(), 1);
    assert_eq!(in_file[0]["message"], "something else");
    assert!(lines.try_iter().next().unwrap().contains("the disk is full"));
}

#[test]
fn a_transition_is_one_json_line_whose_fields_are_at_the_top() {
    let (reader, writer) = pipe();
    let (subscriber, trace) = json_only(writer);
    tracing::subscriber::with_default(subscriber, || {
        transition(&example(State::Backoff), true);
        transition(&Transition { numbered: false, pid: None, exit: None, ..example(State::Stopped) }, true);
        tracing::debug!("not asked for");
    });
    let lines = parsed(&drain(&reader));
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["service"], "web");
    assert_eq!(lines[0]["instance"], 1);
    assert_eq!(lines[0]["from"], "running");
    assert_eq!(lines[0]["to"], "backoff");
    assert_eq!(lines[0]["level"], "WARN");
    assert_eq!(lines[0]["pid"], 4711);
    assert_eq!(lines[0]["exit"], "exit code 1");
    let stamp = lines[0]["timestamp"].as_str().unwrap();
    assert!(stamp.len() == 27 && stamp.parse::<jiff::Timestamp>().is_ok(), "{stamp}");
    let mut keys: Vec<_> = lines[1].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["from", "level", "reason", "service", "timestamp", "to"]);
    assert_eq!(trace.dropped(), 0);
}

#[test]
fn a_full_pipe_drops_whole_lines_and_counts_them() {
    let (reader, writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let (subscriber, trace) = json_only(writer);
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..200 {
            tracing::info!(number, "a line among many");
        }
        let first = parsed(&drain(&reader));
        assert_eq!(first.len() as u64 + trace.dropped(), 200);
        assert!(first.iter().zip(0..).all(|(line, number)| line["number"] == number));
        tracing::info!("room again");
        assert_eq!(parsed(&drain(&reader))[0]["message"], "room again");
    });
}

#[test]
fn a_line_longer_than_the_pipe_is_completed_before_the_next() {
    let (reader, writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let (subscriber, trace) = json_only(writer);
    let long = "x".repeat(10_000);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("{long}");
        let mut all = drain(&reader);
        while !all.contains(&b'\n') {
            tracing::info!("dropped, since the long line comes first");
            all.extend(drain(&reader));
        }
        let dropped = trace.dropped();
        assert!(dropped >= 1);
        tracing::info!("after");
        all.extend(drain(&reader));
        let lines = parsed(&all);
        assert_eq!(lines[0]["message"], long);
        assert_eq!(lines.last().unwrap()["message"], "after");
        assert_eq!(trace.dropped(), dropped);
    });
}

#[test]
fn a_terminal_shows_transitions_shortly_and_in_colour() {
    let lines = told(true, || transition(&example(State::Backoff), true));
    let bare = lines[0].replace(['\x1b'], "");
    for colour in ["[0m", "[1m", "[2m", "[33m"] {
        assert!(bare.contains(colour), "{bare}");
    }
    assert!(lines[0].contains("running → backoff: exit code 1, restart in 0.5 s (pid 4711)\n"), "{}", lines[0]);
}

#[test]
fn elsewhere_only_warnings_and_errors_are_shown_and_without_colour() {
    let lines = told(false, || {
        tracing::info!("all is well");
        tracing::warn!(file = "web.toml", "cannot read it");
        transition(&example(State::Failed), true);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(&lines[0][9..], " ! web.toml: cannot read it\n");
    assert_eq!(&lines[1][9..], " ! web@1 running → failed: exit code 1, restart in 0.5 s (pid 4711)\n");
}

#[test]
fn an_error_in_a_file_is_its_place_a_sentence_and_what_to_do() {
    let lines = told(true, || {
        let help = "did you mean `command`?";
        tracing::error!(
            code = "unknown-key",
            file = "s.d/web.toml",
            line = 3,
            column = 1,
            help,
            "unknown key `comand`"
        );
        tracing::info!(service = "web", action = "restart", reason = "command changed", "plan");
    });
    assert!(lines[0].ends_with(" s.d/web.toml:3:1: unknown key `comand`; did you mean `command`?\n"), "{lines:?}");
    assert!(lines[1].ends_with(" plan: restart: command changed\n"), "{lines:?}");
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let lines = told(false, || tracing::warn!(name = "a\x1b[2Jb\n", "odd\rname"));
    assert_eq!(&lines[0][9..], " ! odd\\rname name=a\\u{1b}[2Jb\\n\n");
}

#[test]
fn a_stopped_terminal_stalls_nobody() {
    let (_reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let terminal = std::fs::File::from(writer);
    let (subscriber, trace) = assemble(None, Some(terminal), Manner::Own { is_terminal: true }, info());
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5_000 {
            tracing::info!("to a terminal that nobody reads");
        }
    });
    assert!(trace.unshown() > 1_000);
    assert_eq!(trace.dropped(), 0);
    trace.flush();
}

#[test]
fn a_filter_that_cannot_be_read_is_said_and_info_holds() {
    assert!(filter_of("").1.is_none());
    assert!(filter_of("abide=debug,warn").1.is_none());
    let (filter, complaint) = filter_of("web=loud");
    assert_eq!(filter, info());
    assert!(complaint.unwrap().contains("ABIDE_LOG=\"web=loud\""));
}

/// A figure for the closing note, not a claim: run with `--ignored --nocapture`, optimised.
#[test]
#[ignore = "measures"]
fn cost_of_an_event() {
    let (reader, writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    let (subscriber, _trace) = json_only(writer);
    tracing::subscriber::with_default(subscriber, || {
        let transition_of = example(State::Running);
        let begin = std::time::Instant::now();
        for _ in 0..4_000 {
            transition(&transition_of, true);
        }
        println!("{:?} an event", begin.elapsed() / 4_000);
    });
    drain(&reader);
}

#[test]
fn what_is_held_back_comes_at_once_in_order_and_where_there_is_no_room_line_by_line() {
    let (reader, writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let (subscriber, trace) = json_only(writer);
    let say = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            tracing::info!(number, "a line among many");
        }
    };
    tracing::subscriber::with_default(subscriber, || {
        trace.hold();
        say(0..3);
        assert!(drain(&reader).is_empty());
        trace.release();
        let told: Vec<_> = parsed(&drain(&reader)).iter().map(|line| line["number"].as_u64().unwrap()).collect();
        assert_eq!(told, [0, 1, 2]);
        trace.hold();
        say(0..200);
        trace.release();
        assert_eq!(parsed(&drain(&reader)).len() as u64 + trace.dropped(), 200);
        assert!(trace.dropped() > 0);
    });
}
