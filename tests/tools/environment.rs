//! envdir, envuidgid, setuidgid.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use crate::common::{Pair, Run, cases, fifo, file, os, root_for, scratch};

/// An entry of the directory.
#[derive(Clone, Debug)]
enum Entry {
    File(Vec<u8>),
    Link(Vec<u8>),
    Fifo,
    Directory,
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(&b"ab= \t\n\0\xff\r"[..]);
    prop_oneof![
        8 => prop::collection::vec(byte, 0..8),
        1 => (0..9000_usize).prop_map(|length| vec![b'x'; length]),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        20 => content().prop_map(Entry::File),
        3 => content().prop_map(Entry::Link),
        1 => Just(Entry::Fifo),
        1 => Just(Entry::Directory),
    ]
}

fn name() -> impl Strategy<Value = OsString> {
    let odd = prop::collection::vec(prop::sample::select(&b"AB=._ \xff\n"[..]), 1..4);
    let odd = odd.prop_filter("not the directory", |name| name != b"." && name != b"..").prop_map(OsString::from_vec);
    let known = prop::sample::select(&["A", "B", "AB", "PATH", "HOME", "A=B", ".A"][..]).prop_map(OsString::from);
    prop_oneof![2 => known, 1 => odd]
}

fn make(dir: &Path, entries: &[(OsString, Entry)]) {
    for (name, entry) in entries {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match entry {
            Entry::File(content) => file(&path, content, 0o644),
            Entry::Link(content) => {
                let target = dir.join(os(&[b".target-", name.as_encoded_bytes()].concat()));
                file(&target, content, 0o644);
                symlink(target, path).expect("a new link can be made");
            }
            Entry::Fifo => fifo(&path),
            Entry::Directory => fs::create_dir(path).expect("a new directory can be made"),
        }
    }
}

#[test]
fn envdir_sets_what_the_original_sets() {
    let Some(pair) = Pair::find("envdir") else { return };
    let entries = prop::collection::vec((name(), entry()), 0..8);
    proptest!(cases(100), |(entries in entries)| {
        let root = scratch();
        let dir = root.path().join("dir");
        fs::create_dir(&dir).expect("a new directory can be made");
        make(&dir, &entries);
        let base = [("A", "1"), ("AB", "2"), ("C", ""), ("HOME", "/"), ("PATH", "/usr/bin:/bin"), ("Z", "z=z")];
        pair.same(&Run::new(["dir", "env", "-0"]).environment(&base).dir(root.path()));
    });
}

#[test]
fn envdir_in_trouble() {
    let Some(pair) = Pair::find("envdir") else { return };
    let root = scratch();
    file(&root.path().join("plain"), "", 0o644);
    fs::create_dir(root.path().join("dir")).expect("a new directory can be made");
    file(&root.path().join("dir/PATH"), "/does/not/exist", 0o644);
    for words in [&["plain", "env"][..], &["none", "env"], &["dir", "no-such-program"], &["dir"], &["", "env"]] {
        pair.same(&Run::new(words).dir(root.path()));
    }
    assert_eq!(pair.same(&Run::new(["dir", "sh", "-c", "echo $PATH; pwd"]).dir(root.path())).code, Some(0));
}

#[test]
fn envdir_takes_a_dangling_link_for_nothing() {
    let Some(pair) = Pair::find("envdir") else { return };
    let root = scratch();
    symlink("nowhere", root.path().join("A")).expect("a new link can be made");
    let [_, ours] = pair.run(&Run::new([root.path().as_os_str(), os(b"env")]).environment(&[("A", "1")]));
    assert_eq!((ours.stdout.as_slice(), ours.code), (&b"A=1\n"[..], Some(0)));
}

#[test]
fn envuidgid_of_all_accounts() {
    let Some(pair) = Pair::find("envuidgid") else { return };
    for name in [&b"root"[..], b"daemon", b"nobody", b"no-such-account", b"0", b"", b"r\xffoot"] {
        pair.same(&Run::new([os(name), os(b"env")]).environment(&[("A", "1"), ("UID", "x"), ("GID", "y"), ("Z", "z")]));
    }
    pair.same(&Run::new(["root", "no-such-program"]));
}

#[test]
fn setuidgid_to_all_accounts() {
    let Some(pair) = Pair::find("setuidgid") else { return };
    root_for("change to another account (so only the refusals are compared)");
    let ids = "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|Sig...):' /proc/self/status; env";
    for name in [&b"root"[..], b"daemon", b"nobody", b"no-such-account", b"0", b"", b"r\xffoot"] {
        pair.same(&Run::new([os(name), os(b"sh"), os(b"-c"), os(ids.as_bytes())]).dir(Path::new("/")));
        pair.same(&Run::new([os(name), os(b"no-such-program")]).dir(Path::new("/")));
    }
}
