//! svc and svok.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;

use crate::common::{Pair, Run, cases, fifo, file, installed, os, scratch, wait_until};

/// What a directory has in the place of `supervise/control` or `supervise/ok`.
#[derive(Clone, Copy, Debug)]
enum Place {
    Missing,
    Fifo,
    Read,
    File,
    Directory,
    Loop,
    NoSupervise,
    SuperviseIsFile,
    NoDirectory,
}

const PLACES: [Place; 9] = [
    Place::Missing,
    Place::Fifo,
    Place::Read,
    Place::File,
    Place::Directory,
    Place::Loop,
    Place::NoSupervise,
    Place::SuperviseIsFile,
    Place::NoDirectory,
];

/// Makes a directory; gives the reading end of the FIFO where there is one.
fn make(dir: &Path, name: &str, place: Place) -> Option<File> {
    let supervise = dir.join("supervise");
    let path = supervise.join(name);
    match place {
        Place::NoDirectory => return None,
        Place::NoSupervise => fs::create_dir(dir).expect("a new directory can be made"),
        Place::SuperviseIsFile => {
            fs::create_dir(dir).expect("a new directory can be made");
            file(&supervise, "", 0o644);
        }
        _ => fs::create_dir_all(&supervise).expect("a new directory can be made"),
    }
    match place {
        Place::Fifo | Place::Read => fifo(&path),
        Place::File => file(&path, "", 0o644),
        Place::Directory => fs::create_dir(&path).expect("a new directory can be made"),
        Place::Loop => symlink(name, &path).expect("a new link can be made"),
        _ => {}
    }
    matches!(place, Place::Read).then(|| reader(&path))
}

fn reader(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    options.open(path).expect("one's own FIFO can be read")
}

fn read(mut end: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    end.read_to_end(&mut bytes).expect("nobody writes any more");
    bytes
}

#[test]
fn svc_sends_what_the_original_sends() {
    let Some(pair) = Pair::find("svc") else { return };
    let options = prop::collection::vec("-[udopchaitkx]{1,4}|-[udx]{1,3}|-[udxzq-]{0,3}|--[a-z]{0,2}", 0..4);
    let places = prop::collection::vec(prop::sample::select(&PLACES[..]), 0..4);
    proptest!(cases(150), |(options in options, places in places)| {
        let [theirs, ours] = pair.programs().map(|program| {
            let root = scratch();
            let names: Vec<String> = (0..places.len()).map(|index| format!("d{index}")).collect();
            let dirs = names.iter().zip(&places);
            let ends: Vec<_> = dirs.map(|(dir, &place)| make(&root.path().join(dir), "control", place)).collect();
            let outcome = Run::new(options.iter().chain(&names)).dir(root.path()).outcome(program, "svc");
            (outcome, ends.into_iter().map(|end| end.map(read)).collect::<Vec<_>>())
        });
        prop_assert_eq!(ours, theirs);
    });
}

#[test]
fn svok_answers_as_the_original() {
    let Some(pair) = Pair::find("svok") else { return };
    let root = scratch();
    for (index, place) in PLACES.into_iter().enumerate() {
        let dir = root.path().join(format!("d{index}"));
        let _end = make(&dir, "ok", place);
        pair.same(&Run::new([dir.as_os_str(), os(b"ignored")]));
    }
    pair.same(&Run::new([os(b"\xff/none")]));
}

/// A supervise that is killed when the test is over.
struct Supervise(Child);

impl Drop for Supervise {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_real_supervise_obeys() {
    let (Some(svc), Some(svok), Some(svstat)) = (Pair::find("svc"), Pair::find("svok"), Pair::find("svstat")) else {
        return;
    };
    let Some(program) = installed("supervise") else { return };
    let root = scratch();
    let dir = root.path().join("service");
    fs::create_dir(&dir).expect("a new directory can be made");
    file(&dir.join("run"), "#!/bin/sh\nexec sleep 60\n", 0o755);
    file(&dir.join("down"), "", 0o644);
    let supervise = Command::new(program).arg(&dir).stdin(Stdio::null()).spawn().expect("supervise can be started");
    let mut supervise = Supervise(supervise);
    let run = |option: &str| Run::new([os(option.as_bytes()), dir.as_os_str()]);
    let ours = svc.programs()[1];
    wait_until("supervise is there", || svok.run(&Run::new([&dir])).iter().all(|outcome| outcome.code == Some(0)));
    assert_eq!(svok.same(&Run::new([&dir])).code, Some(0));

    run("-u").outcome(ours, "svc");
    let state = |outcome: &[u8]| String::from_utf8_lossy(outcome).into_owned();
    let says = |what: &str| {
        wait_until(what, || {
            let shown = svstat.run(&Run::new([&dir])).map(|outcome| state(&outcome.stdout));
            shown.iter().all(|line| line.contains(what))
        });
    };
    says("seconds, normally down\n");
    run("-p").outcome(ours, "svc");
    says(", normally down, paused\n");
    run("-dx").outcome(ours, "svc");
    assert_eq!(supervise.0.wait().expect("it is our child").code(), Some(0));
    assert_eq!(svok.same(&Run::new([&dir])).code, Some(100));
    svc.same(&run("-u"));
    assert!(state(&svstat.same(&Run::new([&dir])).stdout).ends_with(": supervise not running\n"));
}
