//! What a child gets that is easily changed on the way: signals and descriptors.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::common::{Pair, Run, scratch, wait_until};

const CARRIERS: [(&str, &[&str]); 6] = [
    ("envdir", &["."]),
    ("envuidgid", &["root"]),
    ("fghack", &[]),
    ("pgrphack", &[]),
    ("setlock", &["lock"]),
    ("softlimit", &["-c0"]),
];

/// Runs a child by every tool that runs one, after a shell did `before`.
fn everywhere(before: &'static str, child: &[&str]) {
    for (name, words) in CARRIERS {
        let Some(pair) = Pair::find(name) else { return };
        let dir = scratch();
        pair.same(&Run::new(words.iter().chain(child)).before(before).dir(dir.path()));
    }
}

#[test]
fn signals() {
    let child = ["grep", "-E", "^(Sig(Blk|Ign|Cgt)|ShdPnd):", "/proc/self/status"];
    everywhere(r#"exec "$0" "$@""#, &child);
    everywhere(r#"trap "" PIPE; exec "$0" "$@""#, &child);
    everywhere(r#"trap "" HUP SEGV BUS CHLD; exec "$0" "$@""#, &child);
    everywhere(r#"exec env --block-signal=USR1,PIPE --ignore-signal=PIPE "$0" "$@""#, &child);
}

#[test]
fn descriptors() {
    // Where a descriptor leads to differs from run to run for pipes and for standard input.
    let list = r#"for fd in 0 1 2 3 4 5 6 7 8 9; do
        [ -e /proc/$$/fd/$fd ] && echo "$fd $(readlink /proc/$$/fd/$fd | sed 's/[:#].*//')"; done >out; cat out; ls /proc/$$/fd"#;
    let child = ["sh", "-c", list];
    everywhere(r#"exec "$0" "$@""#, &child);
    everywhere(r#"exec "$0" "$@" <&-"#, &child);
    everywhere(r#"exec "$0" "$@" 2>&-"#, &child);
    everywhere(r#"exec "$0" "$@" <&- 2>&-"#, &child);
    everywhere(r#"exec "$0" "$@" 5</dev/null 7>&1"#, &child);
}

#[test]
fn closed_output_does_no_harm() {
    for name in ["svc", "svok", "svstat", "envdir", "tai64n", "tai64nlocal"] {
        let Some(pair) = Pair::find(name) else { return };
        for before in [
            r#"exec "$0" "$@" >&-"#,
            r#"exec "$0" "$@" >/dev/null 2>&-"#,
            r#"exec "$0" "$@" >&- 2>&-"#,
            r#"exec "$0" "$@" >/dev/full"#,
            r#"exec "$0" "$@" >/dev/null <&-"#,
            r#"exec "$0" "$@" </"#,
        ] {
            pair.same(&Run::new(["-x", "/does/not/exist"]).before(before).input(b"@400000003b4a39c23294b13c x\n"));
        }
    }
}

/// How the tool ends when nobody reads what it writes.
fn unread(program: &Path, name: &str, before: &'static str) -> (Option<i32>, Option<i32>) {
    let (reader, writer) = io::pipe().expect("pipes can be made");
    let end = || Stdio::from(writer.try_clone().expect("descriptors can be had"));
    let mut command = Run::new(["-z", "/does/not/exist"]).before(before).command(program, name);
    let mut child = command.stdin(Stdio::piped()).stdout(end()).stderr(end()).spawn().expect("a shell can be started");
    drop(command);
    drop(reader);
    // A child of another test may have the reading end until it is executed. The tool starts when it is gone.
    wait_until("there is no reader", || {
        let mut polled = [PollFd::new(writer.as_fd(), PollFlags::empty())];
        poll(&mut polled, PollTimeout::ZERO).expect("a pipe can be polled");
        polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR))
    });
    let mut input = child.stdin.take().expect("it is a pipe");
    input.write_all(b"go\nx\n").expect("the shell reads");
    drop(input);
    let status = child.wait().expect("it is our child");
    (status.code(), status.signal())
}

#[test]
fn nobody_reads_any_more() {
    for name in ["tai64n", "tai64nlocal", "svstat", "svc"] {
        let Some(pair) = Pair::find(name) else { return };
        for before in [r#"read go; exec "$0" "$@""#, r#"trap "" PIPE; read go; exec "$0" "$@""#] {
            let [theirs, ours] = pair.programs().map(|program| unread(program, name, before));
            assert_eq!(ours, theirs, "{name} after {before}");
        }
    }
}
