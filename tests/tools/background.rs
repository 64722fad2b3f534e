//! fghack, pgrphack, readproctitle.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use proptest::prelude::*;

use crate::common::{Pair, Run, cases, fifo, scratch, wait_until};

#[test]
fn fghack_ends_as_its_child_ends() {
    let Some(pair) = Pair::find("fghack") else { return };
    for script in
        ["exit 0", "exit 7", "exit 255", "kill -9 $$", "kill $$", "ls /proc/$$/fd", "(exec sleep 0.1) & exit 3"]
    {
        pair.same(&Run::new(["sh", "-c", script]));
    }
    for program in ["no-such-program", "/", "", "/etc/passwd"] {
        pair.same(&Run::new([program]));
    }
    pair.same(&Run::new(["true"]).before(r#"trap "" CHLD; exec "$0" "$@""#));
    pair.same(&Run::new(["sh", "-c", "ls /proc/$$/fd"]).before(r#"ulimit -n 20; exec "$0" "$@""#));
}

/// Whether the only child of the process is dead and not collected.
fn child_is_dead(pid: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", children.trim())).unwrap_or_default();
    stat.contains(") Z ")
}

#[test]
fn fghack_waits_for_what_is_in_the_background() {
    let Some(pair) = Pair::find("fghack") else { return };
    for program in pair.programs() {
        let root = scratch();
        fifo(&root.path().join("gate"));
        let script = "(read line <gate) & exit 3";
        let mut child = Run::new(["sh", "-c", script]).dir(root.path()).command(program, "fghack").spawn().unwrap();
        wait_until("the child is dead", || child_is_dead(child.id()));
        assert_eq!(child.try_wait().unwrap(), None);
        fs::write(root.path().join("gate"), "\n").expect("the gate is waited at");
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}

#[test]
fn pgrphack_makes_a_session() {
    let Some(pair) = Pair::find("pgrphack") else { return };
    let script = r#"set -- $(sed "s/.*) . //" /proc/$$/stat); [ $2 = $$ ] && echo group; [ $3 = $$ ] && echo session"#;
    assert_eq!(pair.same(&Run::new(["sh", "-c", script])).stdout, b"group\nsession\n");
    // The leader of a group cannot.
    let outcomes = pair.programs().map(|program| {
        let mut command = Run::new(["sh", "-c", script]).command(program, "pgrphack");
        command.process_group(0).output().expect("the tool can be started").stdout
    });
    assert_eq!(outcomes, [b"group\n", b"group\n"]);
}

/// What `ps` sees.
fn shown(child: &Child) -> Vec<u8> {
    fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default()
}

fn start(program: &Path, words: &[String]) -> Child {
    let mut command = Run::new(words).command(program, "readproctitle");
    command.stdin(Stdio::piped()).spawn().expect("the tool can be started")
}

#[test]
fn readproctitle_shows_the_end_of_its_input() {
    let Some(pair) = Pair::find("readproctitle") else { return };
    let pieces = prop::collection::vec(prop::collection::vec(prop::sample::select(&b"abc \n\0\xff"[..]), 0..30), 1..4);
    proptest!(cases(15), |(words in prop::collection::vec("[ab]{0,3}", 0..3), last in "[ab]{5,40}", pieces in pieces)| {
        let words = [words, vec![last.clone()]].concat();
        let mut children = pair.programs().map(|program| start(program, &words));
        let mut text = vec![b'.'; last.len()];
        for piece in pieces {
            text.extend(piece.iter().filter(|&&byte| byte != 0));
            let title = [b"...", &text[text.len() - last.len() + 3..]].concat();
            let mut expected = b"readproctitle\0".to_vec();
            words[..words.len() - 1].iter().for_each(|word| expected.extend([word.as_bytes(), b"\0"].concat()));
            expected.extend([title.as_slice(), b"\0"].concat());
            for child in &mut children {
                child.stdin.as_mut().expect("it is a pipe").write_all(&piece).expect("the tool reads");
                wait_until("the title is as expected", || shown(child) == expected);
            }
        }
        for mut child in children {
            drop(child.stdin.take());
            prop_assert_eq!(child.wait().expect("it is our child").code(), Some(0));
        }
    });
}

#[test]
fn readproctitle_without_room() {
    let Some(pair) = Pair::find("readproctitle") else { return };
    let none: [&str; 0] = [];
    pair.same(&Run::new(none).input(b"x"));
    for words in [&["1234"][..], &[""], &["12345", "x"], &["x", "12345"], &["12345"]] {
        pair.same(&Run::new(words).input(b"x"));
    }
    pair.same(&Run::new(["12345"]).before(r#"exec "$0" "$@" </"#));
    pair.same(&Run::new(["12345"]).before(r#"exec "$0" "$@" <&-"#));
}
