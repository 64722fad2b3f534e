//! The forms that output has in its files, and how it is read from them again.

use super::world::{World, said, service};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// What `abide logs` answers.
fn logs(world: &World, words: &[&str]) -> String {
    let out = world.abide(&[&["logs"], words].concat());
    assert!(out.status.success(), "{}", said(&out));
    String::from_utf8(out.stdout).expect("text")
}

const TALKS: &str = "script = '''\n\
    echo INFO begun; echo ERROR broken >&2; echo '  at main.c:7' >&2; echo '{\"level\":\"warn\",\"msg\":\"odd\"}'\n\
    printf 'caf\\351\\n'; printf 'no end'; exec sleep 86400'''\n";

#[test]
fn each_form_holds_all_that_was_said_and_is_read_back_the_same() {
    let forms = ["text", "json", "tai64n", "plain"];
    let files: Vec<(String, String)> =
        forms.iter().map(|form| ((*form).to_owned(), format!("{TALKS}[log]\nformat = \"{form}\"\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let world = World::with(&files);
    for form in forms {
        world.pid(form);
        let current = world.logs().join(form).join("current");
        let read = || String::from_utf8_lossy(&fs::read(&current).unwrap_or_default()).into_owned();
        // A line whose end does not come is written after a second.
        world.until_true("all of it is there", || read().contains("no end"));
        let (file, shown) = (read(), world.abide(&["logs", form, "-o", "cat"]));
        let wanted = b"INFO begun\nERROR broken\n  at main.c:7\n{\"level\":\"warn\",\"msg\":\"odd\"}\ncaf\xe9\nno end";
        assert!(shown.stdout.starts_with(wanted), "{form}: {}\n{file}", said(&shown));
        match form {
            "text" => assert!(file.contains("Z - INFO begun\n") && file.contains("Z -+ no end\n"), "{file}"),
            "tai64n" => assert!(file.starts_with("@40000000") && file.contains(" INFO begun\n"), "{file}"),
            "plain" => assert!(file.starts_with("INFO begun\nERROR broken\n"), "{file}"),
            _ => {
                let pid = world.pid("json");
                let lines: Vec<serde_json::Value> =
                    file.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
                assert_eq!((&lines[0]["service"], &lines[0]["msg"]), (&"json".into(), &"INFO begun".into()));
                assert_eq!((&lines[0]["pid"], &lines[3]["data"]["level"]), (&pid.into(), &"warn".into()));
                assert_eq!(lines[4]["bytes"], "Y2Fm6Q==", "what is no text is not lost");
            }
        }
    }
}

#[test]
fn stderr_goes_a_way_of_its_own_or_none() {
    let own = format!("{TALKS}[log]\nstderr = \"separate\"\n");
    let none = format!("{TALKS}[log]\nstderr = \"discard\"\n");
    let world = World::with(&[("own", &own), ("none", &none)]);
    world.pid("own");
    world.pid("none");
    world.logged("own", "at main.c:7");
    world.logged("own", "begun");
    world.logged("none", "odd");
    let errors = logs(&world, &["own", "--stream", "err", "-o", "cat"]);
    assert_eq!(errors, "ERROR broken\n  at main.c:7\n");
    assert!(!world.said("none").contains("broken"), "{}", world.said("none"));
    // It is settled when a process is made, so another way is a restart.
    let before = world.pid("own");
    world.drop_file("own.toml", TALKS);
    world.until("it is another process", |status| {
        service(status, "own").is_some_and(|it| it.as_desired && it.instances[0].pid != Some(before))
    });
    world.logged("own", "ERROR broken\n");
}

#[test]
fn lines_are_chosen_by_level_words_and_time_through_compressed_files() {
    let talks = "script = '''\n\
        i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo \"INFO line $i of many that fill the file\"; done\n\
        echo ERROR it broke; echo '  because'; exec sleep 86400'''\n\
        [log]\nmax_size = \"16KiB\"\nmax_files = 50\n";
    let world = World::with(&[("a", talks), ("b", talks)]);
    world.pid("a");
    world.pid("b");
    let compressed = |name: &str| {
        let listed = fs::read_dir(world.logs().join(name)).into_iter().flatten().flatten();
        let names: Vec<String> = listed.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.len() > 2 && names.iter().all(|name| name == "current" || name.strip_suffix(".zst").is_some())
    };
    world.until_true("rotated files are compressed", || compressed("a") && compressed("b"));
    let all = logs(&world, &["a", "-n", "1000", "-o", "cat"]);
    assert_eq!(all.lines().count(), 602);
    assert_eq!(all.lines().nth(41), Some("INFO line 42 of many that fill the file"));
    assert_eq!(logs(&world, &["a", "--level", "error", "-o", "cat"]), "ERROR it broke\n  because\n");
    assert_eq!(logs(&world, &["a", "--grep", "line 7[0-9] ", "-o", "cat"]).lines().count(), 10);
    assert_eq!(logs(&world, &["a", "--since", "1h", "-o", "cat"]), all);
    assert_eq!(logs(&world, &["a", "--until", "2020-01-01", "-n", "5"]), "");
    let both = logs(&world, &["a", "b", "--since", "1h"]);
    assert_eq!(both.lines().count(), 1204);
    let times: Vec<&str> = both.lines().filter_map(|line| line.split(" | ").nth(1)?.split(' ').next()).collect();
    assert!(times.len() == 1204 && times.is_sorted(), "in the order of time");
    let json: serde_json::Value =
        serde_json::from_str(logs(&world, &["a", "-n", "1", "-o", "json"]).trim()).expect("a document");
    assert_eq!((&json["service"], &json["line"], &json["stream"]), (&"a".into(), &"  because".into(), &"-".into()));
    let wrong = world.abide(&["logs", "a", "--since", "yesterday"]);
    assert!(wrong.status.code() == Some(64) && said(&wrong).contains("is no time"), "{}", said(&wrong));
}

#[test]
fn a_log_is_rotated_and_opened_anew_by_command() {
    let talks = "script = '''echo one; while read word; do echo $word; done <talk; exec sleep 86400'''\n";
    let world = World::with(&[]);
    nix::unistd::mkfifo(&world.root().join("talk"), nix::sys::stat::Mode::S_IRWXU).expect("the world is writable");
    let mut talk = fs::OpenOptions::new().read(true).write(true).open(world.root().join("talk")).expect("it is there");
    world.drop_file("a.toml", &format!("{talks}directory = {:?}\n[log]\ncompress = \"none\"\n", world.root()));
    world.pid("a");
    world.logged("a", "one\n");
    let directory = world.logs().join("a");
    let rotated = || fs::read_dir(&directory).expect("it is there").count() - 1;
    let out = world.abide(&["rotate", "a"]);
    assert!(out.status.success() && said(&out).contains("is rotated"), "{}", said(&out));
    writeln!(talk, "two").expect("it is read");
    assert_eq!((world.logged("a", "two\n"), rotated()), ("two\n".to_owned(), 1));
    // As logrotate does it: moved away, then told.
    fs::rename(directory.join("current"), world.root().join("taken")).expect("it is there");
    assert!(world.abide(&["reopen", "a"]).status.success());
    writeln!(talk, "three").expect("it is read");
    assert_eq!(world.logged("a", "three\n"), "three\n");
    let taken = fs::read_to_string(world.root().join("taken")).expect("it is there");
    assert!(taken.ends_with(" - two\n"), "{taken}");
    assert_eq!(logs(&world, &["a", "-o", "cat"]), "one\nthree\n");
    // Nothing in it: nothing to rotate.
    assert!(world.abide(&["rotate", "a"]).status.success());
    assert!(world.abide(&["rotate", "a"]).status.success());
    writeln!(talk, "four").expect("it is read");
    world.logged("a", "four\n");
    assert_eq!(rotated(), 2);
}

#[test]
fn only_what_is_wanted_is_kept_and_a_flood_is_counted_to_one() {
    let mut world = World::empty();
    let go = world.root().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let says = format!(
        "script = '''\nprintf '\\033[31mERROR\\033[0m key=hunter2 at 1\\n'; echo GET /health; echo done\n\
        while read -r _; do seq 5000; echo all; done <{}'''\n[log]\nformat = \"plain\"\n\
        exclude = [\"^GET /health\"]\nredact = ['key=(\\S+)']\nansi = \"strip\"\n",
        go.display()
    );
    world.drop_file("flood.toml", &format!("{says}rate_limit = \"100/h\"\n"));
    world.start();
    let pid = world.pid("flood");
    let current = world.logs().join("flood/current");
    let text = || fs::read_to_string(&current).unwrap_or_default();
    world.until_true("it has begun", || text() == "ERROR key=[redacted] at 1\ndone\n");
    let go = fs::File::options().read(true).write(true).open(&go).expect("a FIFO");
    (&go).write_all(b"\n").expect("it is read");
    // Of 5,001 lines 98 go through, and the log says what is missing.
    let told = || -> u64 {
        let text = text();
        let owned = text.lines().filter(|line| line.ends_with("over the rate limit of 100/h are left out"));
        owned.filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
    };
    world.until_true("the log owns up", || told() >= 4903);
    assert_eq!(told(), 4903);
    assert!(text().contains("\n98\n") && !text().contains("\n99\n"), "{}", text());
    world.until("the status knows", |status| {
        service(status, "flood")
            .is_some_and(|it| it.instances[0].log.as_ref().is_some_and(|log| log.dropped_lines == 4903))
    });
    // Nothing of it needs another process.
    world.drop_file("flood.toml", &says);
    world.until_true("a flood comes through", || {
        (&go).write_all(b"\n").expect("it is read");
        text().contains("\n5000\nall\n")
    });
    assert_eq!(world.pid("flood"), pid);
}

#[test]
fn a_real_multilog_and_abide_take_turns_in_one_directory() {
    let Some(multilog) = super::process::wanted("multilog") else { return };
    let web = "script = \"for i in $(seq 40); do echo line $i of those that fill a file; done; exec sleep 86400\"\n";
    let mut world = World::empty();
    let directory = world.logs().join("web");
    fs::create_dir_all(&directory).expect("a new directory");
    let run = |input: &str| {
        let (action, size) = (directory.display().to_string(), "s4096");
        let mut real =
            Command::new(&multilog).args(["t", size, "n5", &action]).stdin(Stdio::piped()).spawn().expect("it starts");
        // One that may not have the directory has ended, and reads nothing.
        let _ = real.stdin.take().expect("piped").write_all(input.as_bytes());
        real.wait().expect("it ends").success()
    };
    assert!(run("said to multilog\n"));
    world.drop_file("web.toml", &format!("{web}[log]\nformat = \"multilog\"\nmax_size = \"4KiB\"\nmax_files = 5\n"));
    world.start();
    world.pid("web");
    let text = |names: &[&str]| -> String {
        let out = world.abide(&[&["logs", "web", "-n", "1000", "-o", "cat"], names].concat());
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    world.until_true("all is written", || text(&[]).contains("line 40 of"));
    assert!(text(&[]).starts_with("said to multilog\nline 1 of"), "{}", text(&[]));
    // Two do not write at once,
    assert!(!run("not now\n"));
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&directory).expect("it is there").map(|entry| entry.expect("listed"));
        entries.map(|entry| entry.file_name().into_string().expect("text")).collect()
    };
    world.remove("web.toml");
    world.gone("web");
    // and whoever comes next goes on, and takes nothing for cut off.
    world.until_true("the lock is free", || run("said to multilog again\n"));
    assert!(
        names().iter().all(|name| name.rsplit('.').next() != Some("u")) && names().iter().any(|name| name == "state"),
        "{:?}",
        names()
    );
    let mut all: Vec<String> = names().into_iter().filter(|name| name == "current" || name.starts_with('@')).collect();
    all.sort();
    let all: String = all.iter().map(|name| fs::read_to_string(directory.join(name)).expect("it is there")).collect();
    assert!(all.contains("line 40 of") && all.ends_with(" said to multilog again\n"), "{all}");
}
