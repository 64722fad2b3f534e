//! The configuration files of services: what is a change of them, and what is none.

use super::bench::{Bench, write};
use super::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A bench on which a service `web` follows `patterns`, where `{}` is a directory `etc` beside the watched one.
fn following(patterns: &str) -> (Bench, PathBuf) {
    let bench = Bench::new();
    let etc = bench.root.path().canonicalize().unwrap().join("etc");
    fs::create_dir(&etc).unwrap();
    bench.put("web.toml", &format!("1 watches {}", patterns.replace("{}", etc.to_str().unwrap())));
    (bench, etc)
}

/// Which files of which service are told to have changed, in the order of the telling.
fn told(bench: &Bench, patience: Duration) -> Option<(String, Vec<String>)> {
    let (service, files) = bench.changed.as_ref().unwrap().recv_timeout(patience).ok()?;
    let name = |file: String| Path::new(&file).file_name().unwrap().to_str().unwrap().to_owned();
    Some((service.to_string(), files.into_iter().map(name).collect()))
}

fn tells(bench: &Bench, files: &[&str]) {
    let expected = ("web".to_owned(), files.iter().map(|file| (*file).to_owned()).collect());
    assert_eq!(told(bench, Duration::from_secs(10)), Some(expected));
}

fn tells_nothing(bench: &mut Bench, probe: &str) {
    bench.settle(probe);
    assert_eq!(told(bench, Duration::from_millis(400)), None);
}

#[test]
fn other_content_is_a_change_and_a_touch_or_the_same_once_more_is_none() {
    let (mut bench, etc) = following("{}/web.conf");
    write(&etc.join("web.conf"), "1");
    bench.start();
    bench.until("web", |bench| bench.desired.contains_key("web"));
    tells_nothing(&mut bench, "there-before");
    fs::File::open(etc.join("web.conf")).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    write(&etc.join("web.conf"), "1");
    write(&etc.join("stage"), "1");
    fs::rename(etc.join("stage"), etc.join("web.conf")).unwrap();
    tells_nothing(&mut bench, "same");
    write(&etc.join("web.conf"), "2");
    tells(&bench, &["web.conf"]);
    write(&etc.join("stage"), "3");
    fs::rename(etc.join("stage"), etc.join("web.conf")).unwrap();
    tells(&bench, &["web.conf"]);
    tells_nothing(&mut bench, "once-each");
}

#[test]
fn a_file_that_goes_is_a_change_once_it_stays_away_and_one_that_comes_is_one() {
    let (mut bench, etc) = following("{}/web.conf");
    write(&etc.join("web.conf"), "1");
    bench.start();
    tells_nothing(&mut bench, "begun");
    fs::rename(etc.join("web.conf"), etc.join("backup")).unwrap();
    write(&etc.join("web.conf"), "1");
    tells_nothing(&mut bench, "came-back");
    let begun = Instant::now();
    fs::remove_file(etc.join("web.conf")).unwrap();
    tells(&bench, &["web.conf"]);
    assert!(begun.elapsed() >= Duration::from_millis(600), "it has its grace");
    write(&etc.join("web.conf"), "1");
    tells(&bench, &["web.conf"]);
}

#[test]
fn a_pattern_means_the_files_that_match_it_and_no_others() {
    let (mut bench, etc) = following("{}/*.d/[a-z]*.conf");
    fs::create_dir(etc.join("x.d")).unwrap();
    write(&etc.join("x.d/a.conf"), "1");
    bench.start();
    tells_nothing(&mut bench, "begun");
    let turns = |bench: &Bench| bench.deltas.as_ref().unwrap().0.mailbox.turns();
    let before = turns(&bench);
    for other in ["x.d/log", "x.d/.a.conf.swp", "x.d/9.conf", "x.d/a.conf~", "log"] {
        (0..20).for_each(|n| write(&etc.join(other), &n.to_string()));
    }
    assert_eq!(told(&bench, Duration::from_millis(400)), None);
    assert_eq!(turns(&bench), before, "nobody was woken");
    write(&etc.join("x.d/b.conf"), "1");
    tells(&bench, &["b.conf"]);
    fs::create_dir(etc.join("y.d")).unwrap();
    write(&etc.join("y.d/c.conf"), "1");
    tells(&bench, &["c.conf"]);
    // One batch is one change; on a machine that makes two of it by its slowness there is another try.
    let both = Some(("web".to_owned(), vec!["a.conf".to_owned(), "c.conf".to_owned()]));
    let one_change = (2..20).any(|version: u32| {
        while told(&bench, Duration::from_millis(400)).is_some() {}
        write(&etc.join("x.d/a.conf"), &version.to_string());
        write(&etc.join("y.d/c.conf"), &version.to_string());
        told(&bench, Duration::from_secs(10)) == both
    });
    assert!(one_change, "a batch of two was never told as one change");
}

#[test]
fn half_written_ones_are_waited_for() {
    let (mut bench, etc) = following("{}/*.conf");
    write(&etc.join("a.conf"), "1");
    bench.start();
    tells_nothing(&mut bench, "begun");
    let mut writer = fs::File::create(etc.join("a.conf")).unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(told(&bench, Duration::from_millis(500)), None);
    // Another one does not have to wait for it.
    write(&etc.join("b.conf"), "1");
    tells(&bench, &["b.conf"]);
    writer.write_all(b" and half").unwrap();
    drop(writer);
    tells(&bench, &["a.conf"]);
}

#[test]
fn a_swap_as_of_a_config_map_is_one_change() {
    let (mut bench, etc) = following("{}/*.conf");
    let fill = |version: &str, texts: [&str; 2]| {
        fs::create_dir(etc.join(version)).unwrap();
        write(&etc.join(version).join("a.conf"), texts[0]);
        write(&etc.join(version).join("b.conf"), texts[1]);
        symlink(version, etc.join("..data_tmp")).unwrap();
        fs::rename(etc.join("..data_tmp"), etc.join("..data")).unwrap();
    };
    fill("..v1", ["1", "1"]);
    symlink("..data/a.conf", etc.join("a.conf")).unwrap();
    symlink("..data/b.conf", etc.join("b.conf")).unwrap();
    bench.start();
    tells_nothing(&mut bench, "begun");
    fill("..v2", ["2", "2"]);
    fs::remove_dir_all(etc.join("..v1")).unwrap();
    tells(&bench, &["a.conf", "b.conf"]);
    fill("..v3", ["2", "3"]);
    fs::remove_dir_all(etc.join("..v2")).unwrap();
    tells(&bench, &["b.conf"]);
    write(&etc.join("..v3/a.conf"), "3");
    tells(&bench, &["a.conf"]);
}

#[test]
fn a_directory_may_come_later_and_go_and_come_again() {
    let (mut bench, etc) = following("{}/not/there/yet/*.conf");
    bench.start();
    tells_nothing(&mut bench, "begun");
    fs::create_dir_all(etc.join("not/there/yet")).unwrap();
    write(&etc.join("not/there/yet/a.conf"), "1");
    tells(&bench, &["a.conf"]);
    fs::rename(etc.join("not/there"), etc.join("away")).unwrap();
    fs::create_dir_all(etc.join("not/there/yet")).unwrap();
    write(&etc.join("not/there/yet/a.conf"), "2");
    tells(&bench, &["a.conf"]);
}

#[test]
fn a_file_may_lie_where_a_directory_comes_later() {
    let (mut bench, etc) = following("{}/not/there/*.conf");
    write(&etc.join("not"), "a file");
    bench.start();
    tells_nothing(&mut bench, "begun");
    fs::remove_file(etc.join("not")).unwrap();
    fs::create_dir_all(etc.join("not/there")).unwrap();
    write(&etc.join("not/there/a.conf"), "1");
    tells(&bench, &["a.conf"]);
}

#[test]
fn what_is_followed_is_what_the_accepted_definition_says() {
    let (mut bench, etc) = following("{}/a");
    write(&etc.join("a"), "1");
    write(&etc.join("b"), "1");
    bench.start();
    tells_nothing(&mut bench, "begun");
    let file = bench.path("web.toml");
    let text = |name: &str| format!("2 watches {}", etc.join(name).display());
    write(&file, &text("b"));
    bench.until_says("web", &text("b"));
    tells_nothing(&mut bench, "not-new");
    write(&etc.join("a"), "2");
    tells_nothing(&mut bench, "not-followed");
    write(&file, "bad");
    bench.until("it is bad", |bench| bench.desired["web"].is_err());
    write(&etc.join("b"), "2");
    tells(&bench, &["b"]);
    fs::remove_file(&file).unwrap();
    bench.until("it is gone", |bench| !bench.desired.contains_key("web"));
    write(&etc.join("b"), "3");
    tells_nothing(&mut bench, "nobody-cares");
}

#[test]
fn patterns_are_templates() {
    let (mut bench, etc) = following("{}/${CONF}-${ABIDE_INSTANCE}");
    write(&etc.join("conf-0"), "1");
    bench.start();
    tells_nothing(&mut bench, "begun");
    write(&etc.join("conf-0"), "2");
    tells(&bench, &["conf-0"]);
}

#[test]
fn where_no_event_tells_they_are_looked_at_again_and_again() {
    let (mut bench, etc) = following("{}/*.conf");
    write(&etc.join("a.conf"), "1");
    let directories = vec![bench.path("")];
    bench.start_with(directories, None, |mailbox| Watch::polled(mailbox, "for a test"));
    bench.until("web", |bench| bench.desired.contains_key("web"));
    assert_eq!(told(&bench, Duration::from_millis(400)), None);
    write(&etc.join("a.conf"), "2");
    tells(&bench, &["a.conf"]);
}

#[test]
fn a_file_of_somebody_elses_is_no_change_for_being_there() {
    // Of which a normal user cannot ask who writes to it.
    let (mut bench, _) = following("/etc/passwd");
    bench.start();
    tells_nothing(&mut bench, "begun");
    let (handle, _) = bench.deltas.as_ref().unwrap();
    handle.rescan();
    tells_nothing(&mut bench, "looked-again");
}
