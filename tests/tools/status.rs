//! svstat on every kind of directory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use crate::common::{Pair, Run, cases, fifo, file, os, scratch};

/// What the directory holds.
#[derive(Clone, Debug)]
struct Service {
    down: &'static str,
    ok: &'static str,
    status: Option<Vec<u8>>,
}

fn status() -> impl Strategy<Value = Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs() + (1 << 62) + 10;
    let when = prop_oneof![8 => now - 100_000..now + 100, 1 => any::<u64>()];
    let pid = prop_oneof![Just(0), Just(1), 0..100_000_u32, any::<u32>()];
    let wish = prop::sample::select(&b"ud\0x"[..]);
    let length = prop::sample::select(&[18, 18, 18, 20, 35, 17, 0, 43][..]);
    let sound = (when, any::<u32>(), pid, 0..3_u8, wish, length).prop_map(|(when, nano, pid, paused, wish, length)| {
        let mut bytes = [&when.to_be_bytes()[..], &nano.to_be_bytes(), &pid.to_le_bytes(), &[paused, wish]].concat();
        bytes.resize(length, 1);
        bytes
    });
    prop_oneof![6 => sound, 1 => prop::collection::vec(any::<u8>(), 0..50)]
}

fn service() -> impl Strategy<Value = Service> {
    let down = prop::sample::select(&["none", "none", "file", "file", "dangling", "loop"][..]);
    let ok = prop::sample::select(&["read", "read", "read", "read", "fifo", "none", "file", "dir"][..]);
    let status = prop_oneof![8 => status().prop_map(Some), 1 => Just(None)];
    (down, ok, status).prop_map(|(down, ok, status)| Service { down, ok, status })
}

/// Makes the directory; gives the reading end of `ok` where there is one.
fn make(dir: &Path, service: &Service) -> Option<File> {
    let supervise = dir.join("supervise");
    fs::create_dir_all(&supervise).expect("a new directory can be made");
    match service.down {
        "file" => file(&dir.join("down"), "", 0o644),
        "dangling" => symlink("nowhere", dir.join("down")).expect("a new link can be made"),
        "loop" => symlink("down", dir.join("down")).expect("a new link can be made"),
        _ => {}
    }
    if let Some(status) = &service.status {
        file(&supervise.join("status"), status, 0o644);
    }
    let ok = supervise.join("ok");
    match service.ok {
        "read" | "fifo" => fifo(&ok),
        "file" => file(&ok, "", 0o644),
        "dir" => fs::create_dir(&ok).expect("a new directory can be made"),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    (service.ok == "read").then(|| options.open(&ok).expect("one's own FIFO can be read"))
}

#[test]
fn states_are_shown_as_by_the_original() {
    let Some(pair) = Pair::find("svstat") else { return };
    proptest!(cases(150), |(services in prop::collection::vec(service(), 0..5))| {
        let root = scratch();
        let names: Vec<String> = (0..services.len()).map(|index| format!("d{index}")).collect();
        let dirs = names.iter().zip(&services);
        let _ends: Vec<_> = dirs.map(|(dir, service)| make(&root.path().join(dir), service)).collect();
        let run = Run::new(&names).dir(root.path());
        // A second may be over between two runs: ours has to be like the one before or the one after it.
        let [before, ours] = pair.run(&run);
        if ours != before {
            let after = run.outcome(pair.programs()[0], "svstat");
            prop_assert_eq!(ours, after, "before: {:?}", before);
        }
    });
}

#[test]
fn directories_that_are_none() {
    let Some(pair) = Pair::find("svstat") else { return };
    let root = scratch();
    file(&root.path().join("plain"), "", 0o644);
    let long = [b'x'; 3000];
    let words = [&b"plain"[..], b"none", b"\xff", b"", &long, b".", b"-u", b"--"].map(os);
    pair.same(&Run::new(words).dir(root.path()));
}

/// The original shows what it read before instead, or zeroes.
#[test]
fn a_status_that_cannot_be_read() {
    let Some(pair) = Pair::find("svstat") else { return };
    let root = scratch();
    let _end = make(root.path(), &Service { down: "none", ok: "read", status: None });
    fs::create_dir(root.path().join("supervise/status")).expect("a new directory can be made");
    let [_, ours] = pair.run(&Run::new(["."]).dir(root.path()));
    assert_eq!(ours.stdout, b".: unable to read supervise/status: is a directory\n");
}
