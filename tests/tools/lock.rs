//! setlock.

use std::fs::{self, File};
use std::io;
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use proptest::prelude::*;

use crate::common::{Pair, Run, cases, fifo, file, scratch, wait_until};

const CHILD: [&str; 3] = ["sh", "-c", "ls /proc/$$/fd; stat -c '%a %s' file 2>&1; echo x >>file; exit 7"];

#[test]
fn locks_as_the_original_takes_them() {
    let Some(pair) = Pair::find("setlock") else { return };
    let options = prop::collection::vec("-[nNxX]{1,3}|-[nNxXz-]{0,2}", 0..3);
    let target = prop::sample::select(&["file", "locked", "dir", "none/file", "fifo", "new", ""][..]);
    proptest!(cases(100), |(options in options, target in target, words in 0..4_usize)| {
        let mut options: Vec<String> = options;
        if target == "locked" {
            // Else it waits for ever.
            options.push("-n".to_owned());
        }
        let [theirs, ours] = pair.programs().map(|program| {
            let root = scratch();
            file(&root.path().join("file"), "content", 0o640);
            fs::create_dir(root.path().join("dir")).expect("a new directory can be made");
            fifo(&root.path().join("fifo"));
            let held = File::create(root.path().join("locked")).expect("a new file can be made");
            let _held = Flock::lock(held, FlockArg::LockExclusive).expect("a new file can be locked");
            let options = options.iter().map(String::as_str);
            let run = Run::new(options.chain([target]).chain(CHILD.into_iter().take(words))).dir(root.path());
            let outcome = run.outcome(program, "setlock");
            let new = root.path().join("new").metadata().map(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()));
            (outcome, new.ok())
        });
        prop_assert_eq!(ours, theirs);
    });
}

#[test]
fn no_program_to_run() {
    let Some(pair) = Pair::find("setlock") else { return };
    let root = scratch();
    for option in ["-x", "-X"] {
        pair.same(&Run::new([option, "file", "no-such-program"]).dir(root.path()));
    }
}

/// Whether the process waits for a lock.
fn waits(pid: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").expect("the kernel tells of locks");
    locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|word| word == pid.to_string()))
}

#[test]
fn a_held_lock_is_waited_for() {
    let Some(pair) = Pair::find("setlock") else { return };
    for program in pair.programs() {
        let root = scratch();
        let held = File::create(root.path().join("lock")).expect("a new file can be made");
        let held = Flock::lock(held, FlockArg::LockExclusive).expect("a new file can be locked");
        let mut command = Run::new(["lock", "echo", "mine"]).dir(root.path()).command(program, "setlock");
        let child = command.stdout(Stdio::piped()).spawn().expect("the tool can be started");
        wait_until("the tool waits for the lock", || waits(child.id()));
        drop(held);
        let output = child.wait_with_output().expect("it is our child");
        assert_eq!(output.stdout, b"mine\n");
    }
}

/// The lock lasts as long as someone has the descriptor.
#[test]
fn the_child_holds_the_lock() {
    let Some(pair) = Pair::find("setlock") else { return };
    for program in pair.programs() {
        let root = scratch();
        let mut command =
            Run::new(["lock", "sh", "-c", "echo ready; read line"]).dir(root.path()).command(program, "setlock");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the tool can be started");
        let ready = io::Read::read(child.stdout.as_mut().expect("it is a pipe"), &mut [0; 9]);
        assert_eq!(ready.expect("the child writes"), 6);
        for other in pair.programs() {
            let refused = Run::new(["-n", "lock", "true"]).dir(root.path()).outcome(other, "setlock");
            assert_eq!(refused.stderr, b"setlock: fatal: unable to lock lock: temporary failure\n");
        }
        drop(child.stdin.take());
        child.wait().expect("it is our child");
    }
}
