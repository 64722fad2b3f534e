//! Finding and becoming the child.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use crate::common::{Pair, Run, cases, file, scratch};

/// Directories for PATH, each with another sort of `x`.
fn furnish(root: &Path) {
    for dir in ["good", "good2", "plain", "text", "dir", "none", "loop", "bad", "closed"] {
        fs::create_dir(root.join(dir)).expect("a new directory can be made");
    }
    file(&root.join("good/x"), "#!/bin/sh\necho good \"$0\" \"$@\"\n", 0o755);
    file(&root.join("good2/x"), "#!/bin/sh\necho good2 \"$0\" \"$@\"\n", 0o755);
    file(&root.join("plain/x"), "#!/bin/sh\necho plain\n", 0o644);
    file(&root.join("text/x"), "echo text\n", 0o755);
    fs::create_dir(root.join("dir/x")).expect("a new directory can be made");
    symlink("x", root.join("loop/x")).expect("a new link can be made");
    file(&root.join("bad/x"), "#!/does/not/exist\n", 0o755);
    file(&root.join("file"), "", 0o644);
    file(&root.join("closed/x"), "#!/bin/sh\necho closed\n", 0o755);
    close(root, 0o000);
}

/// Sets the mode of the directory that is closed to all but root.
fn close(root: &Path, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(root.join("closed"), mode).expect("the mode of one's own directory can be set");
}

const ELEMENTS: [&str; 11] = ["good", "good2", "plain", "text", "dir", "none", "loop", "bad", "closed", "file", ""];

#[test]
fn children_are_found_as_ever() {
    let Some(pair) = Pair::find("pgrphack") else { return };
    let root = scratch();
    furnish(root.path());
    let elements = prop::collection::vec(prop::sample::select(&ELEMENTS[..]), 1..5);
    let names = prop::sample::select(&["x", "x", "x", "good/x", "plain/x", "./dir/x", "", "y", "text/x", "/"][..]);
    proptest!(cases(60), |(elements in elements, name in names, inside in "good|none|text")| {
        let absolute = |element: &&str| match *element {
            "" => String::new(),
            element => root.path().join(element).to_string_lossy().into_owned(),
        };
        let path = elements.iter().map(absolute).collect::<Vec<_>>().join(":");
        let run = Run::new([name, "a", ""]).environment(&[("PATH", path.as_str())]).dir(&root.path().join(inside));
        pair.same(&run);
    });
    close(root.path(), 0o700);
}

#[test]
fn without_path() {
    let Some(pair) = Pair::find("pgrphack") else { return };
    let none: [(&str, &str); 0] = [];
    assert_eq!(pair.same(&Run::new(["env"]).environment(&none)).stdout, b"");
    pair.same(&Run::new(["no-such-program"]).environment(&none));
}

#[test]
fn names_too_long() {
    let Some(pair) = Pair::find("pgrphack") else { return };
    for length in [255, 256, 4095, 4096, 70_000] {
        pair.same(&Run::new(["n".repeat(length)]));
        pair.same(&Run::new([format!("/{}", "n/".repeat(length / 2))]));
    }
}

#[test]
fn usage() {
    let none: [&str; 0] = [];
    for name in
        ["envdir", "envuidgid", "fghack", "pgrphack", "setlock", "setuidgid", "softlimit", "svok", "svc", "svstat"]
    {
        let Some(pair) = Pair::find(name) else { return };
        for run in [Run::new(none), Run::new(["/does/not/exist"]), Run::new(["--"]), Run::new(["-\u{e9}"])] {
            pair.same(&run);
        }
    }
}

#[test]
fn by_the_word_tool() {
    let abide = Path::new(env!("CARGO_BIN_EXE_abide"));
    let outcome = |words: &[&str]| Run::new(words).outcome(abide, "abide");
    assert_eq!(outcome(&["tool", "pgrphack", "echo", "x"]).stdout, b"x\n");
    assert!(outcome(&["tool", "svc", "-z"]).stderr.starts_with(b"svc: illegal option -- z\n"));
    assert_eq!(outcome(&["tool", "no-such-tool"]).code, Some(64));
    assert_eq!(outcome(&["tool"]).code, Some(64));
}
