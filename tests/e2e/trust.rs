//! Delegated sources: what a user who may write one directory can make a root's abide do, and all that it cannot.

use super::process::{cgroup_of, group_of, has_cgroups, is_root, send, skip_for_users, uid};
use super::world::{LONGER, SLEEPER, Start, World, said_in, service};
use abide::model::status::{GuardState, SourceState, State, Status};
use nix::sys::signal::Signal;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The user who may write; in no database.
const DEPLOY: u32 = 54_321;
/// What nobody but root may read.
const SECRET: &str = "TOP_SECRET=hunter2";

/// A world with a directory that is, or is to be, the user's.
struct Attack {
    world: World,
    tried: AtomicU32,
}

impl Attack {
    /// With the directory handed to the user; `more` stands below that in `abide.toml`.
    fn handed(more: &str) -> Option<Self> {
        let attack = Self::unnamed()?;
        attack.name(more);
        Some(attack)
    }

    fn started(more: &str) -> Option<Self> {
        let mut attack = Self::handed(more)?;
        attack.world.start();
        Some(attack)
    }

    /// Nobody has handed it to anybody.
    fn unnamed() -> Option<Self> {
        if !is_root() {
            skip_for_users("only root's abide can act as somebody else");
            return None;
        }
        let attack = Self { world: World::empty(), tried: AtomicU32::new(0) };
        fs::create_dir(attack.theirs()).expect("the root is ours");
        chown(attack.theirs(), Some(DEPLOY), Some(DEPLOY)).expect("we are root");
        fs::write(attack.secret(), format!("{SECRET}\n")).expect("the root is ours");
        fs::set_permissions(attack.secret(), Permissions::from_mode(0o600)).expect("it is ours");
        Some(attack)
    }

    fn name(&self, more: &str) {
        let text = format!("[[source]]\npath = \"{}\"\nrun_as = {DEPLOY}\n{more}", self.theirs().display());
        self.world.replace(&self.world.root().join("abide.toml"), &text);
    }

    fn theirs(&self) -> PathBuf {
        self.world.root().join("theirs")
    }

    fn secret(&self) -> PathBuf {
        self.world.root().join("secret")
    }

    /// A file of the user's appears at once.
    fn drop(&self, name: &str, text: &str) {
        let fresh = self.world.root().join(format!(".fresh-{}", name.replace('/', "-")));
        fs::write(&fresh, text).expect("the root is ours");
        chown(&fresh, Some(DEPLOY), Some(DEPLOY)).expect("we are root");
        fs::rename(fresh, self.theirs().join(name)).expect("the directory is there");
    }

    fn make(&self, name: &str) -> PathBuf {
        let path = self.theirs().join(name);
        fs::create_dir(&path).expect("the directory is there");
        chown(&path, Some(DEPLOY), Some(DEPLOY)).expect("we are root");
        path
    }

    /// The text, which is an error of this code; nothing runs for it.
    fn refused(&self, text: &str, code: &str) -> String {
        let name = format!("bad-{}", self.tried.fetch_add(1, Ordering::Relaxed));
        self.drop(&format!("{name}.toml"), text);
        let said = self.world.error(&name, code);
        assert_eq!(self.world.pid_now(&name), None, "{text}");
        said
    }

    /// Waits until an error of the service says so.
    fn says(&self, name: &str, words: &str) {
        let said = |status: &Status| {
            service(status, name).is_some_and(|it| it.errors.iter().any(|it| it.message.contains(words)))
        };
        self.world.until(words, said);
    }

    /// Waits until the log of abide says so of the service.
    fn told(&self, name: &str, words: &str) {
        let is_it = |event: &serde_json::Value| {
            event["service"] == name && event["message"].as_str().is_some_and(|message| message.contains(words))
        };
        self.world.until_true(words, || self.world.events().iter().any(is_it));
    }

    fn source(&self, holds: impl Fn(&abide::model::status::SourceStatus) -> bool, claim: &str) -> Status {
        let path = self.theirs().display().to_string();
        self.world.until(claim, |status| status.sources.iter().any(|source| source.path == path && holds(source)))
    }

    /// Whatever it was: nothing that only root may read came out.
    fn nothing_leaked(&self) {
        let out = std::process::Command::new("grep")
            .args(["-rlI", "hunter2", "--exclude=secret", "--exclude=there", "--exclude-dir=.abide"])
            .arg(self.world.root())
            .output()
            .expect("grep is there");
        assert_eq!(String::from_utf8_lossy(&out.stdout), "", "the secret came out\n{}", self.world.story());
    }
}

fn facts(pid: i32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_directory_that_nobody_named_is_refused_with_the_lines_that_would_name_it() {
    let Some(mut attack) = Attack::unnamed() else { return };
    attack.drop("web.toml", SLEEPER);
    let directories = Some(vec![attack.world.services(), attack.theirs()]);
    attack.world.start_as(&Start { directories, ..Start::default() });
    let status = attack.source(|source| source.state == SourceState::Suspect, "it is suspect");
    let reason = status.sources[1].reason.clone().expect("a reason");
    let lines = format!("[[source]]\npath = {:?}\nrun_as = \"{DEPLOY}\"", attack.theirs().display().to_string());
    assert!(reason.ends_with(&lines), "{reason}");
    assert!(service(&status, "web").is_none());
    // Those very lines are enough.
    fs::write(attack.world.root().join("abide.toml"), lines).expect("the root is ours");
    assert_eq!(uid(attack.world.pid("web")), Some(DEPLOY));
}

#[test]
fn everything_runs_as_the_user_with_its_groups_and_no_others_without_rights_and_without_our_environment() {
    let Some(mut attack) = Attack::handed("") else { return };
    let mark = attack.make("marks");
    let hook = format!("[\"sh\", \"-c\", \"id -u > {}/hook\"]", mark.display());
    let check = format!("ready.exec = [\"sh\", \"-c\", \"id -u > {}/check\"]\n", mark.display());
    attack.drop("web.toml", &format!("{SLEEPER}{check}[start]\nbefore = [{hook}]\n"));
    attack.world.start_as(&Start { variables: &[("TOP_SECRET", "hunter2")], ..Start::default() });
    attack.world.until("it is ready", |status| service(status, "web").is_some_and(|it| it.state == State::Ready));
    let pid = attack.world.pid_now("web").expect("it is ready");
    let me = DEPLOY.to_string();
    assert_eq!(facts(pid, "Uid:"), format!("{me} {me} {me} {me}"));
    assert_eq!(facts(pid, "Gid:"), format!("{me} {me} {me} {me}"));
    assert_eq!(facts(pid, "Groups:"), me);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(facts(pid, set), "0000000000000000", "{set}");
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
    assert!(!String::from_utf8_lossy(&environment).contains("hunter2"));
    for who in ["hook", "check"] {
        assert_eq!(fs::read_to_string(mark.join(who)).expect("it ran").trim(), me, "{who}");
    }
    let status = attack.source(|source| source.run_as.is_some(), "the status says as whom");
    assert_eq!(status.sources.iter().find_map(|source| source.run_as.clone()), Some(me));
}

#[test]
fn keys_that_need_root_are_errors_of_the_file() {
    let Some(attack) = Attack::started("") else { return };
    let bad = [
        ("user = \"root\"", "cannot-become"),
        ("user = 0", "cannot-become"),
        ("group = \"root\"", "cannot-become"),
        ("group = 0", "cannot-become"),
        ("groups = [0]", "cannot-become"),
        ("security.chroot = \"/\"", "missing-right"),
        ("security.ambient_capabilities = [\"NET_BIND_SERVICE\"]", "missing-right"),
        ("security.private_tmp = true", "missing-right"),
        ("security.private_network = true", "missing-right"),
        ("security.hostname = \"x\"", "missing-right"),
        ("security.read_only_paths = [\"/usr\"]", "missing-right"),
        ("schedule.nice = -5", "missing-right"),
        ("schedule.realtime = \"fifo:10\"", "missing-right"),
        ("schedule.io_class = \"realtime:0\"", "missing-right"),
        ("schedule.oom_score_adjust = -500", "missing-right"),
        ("limits.open_files = 999999999", "limit-above-hard"),
    ];
    for (at, (key, _)) in bad.iter().enumerate() {
        attack.drop(&format!("bad{at}.toml"), &format!("{SLEEPER}{key}\n"));
    }
    for (at, (key, code)) in bad.iter().enumerate() {
        let said = attack.world.error(&format!("bad{at}"), code);
        assert!(!said.contains("run abide as root"), "{said}");
        assert_eq!(attack.world.pid_now(&format!("bad{at}")), None, "{key}");
    }
    attack.drop("good.toml", &format!("{SLEEPER}user = {DEPLOY}\nsecurity.no_new_privileges = true\n"));
    attack.world.pid("good");
}

#[test]
fn limits_reach_as_far_as_they_were_granted() {
    let Some(attack) = Attack::started("[source.limits]\neach.open_files = 4000\n") else { return };
    let said = attack.refused(&format!("{SLEEPER}limits.open_files = 4001\n"), "limit-above-hard");
    assert!(said.contains("4000") && said.contains("[source.limits.each]"), "{said}");
    attack.drop("web.toml", &format!("{SLEEPER}limits.open_files = 4000\n"));
    attack.world.pid("web");
}

#[test]
fn files_are_read_with_the_users_eyes() {
    let Some(attack) = Attack::started("") else { return };
    let secret = attack.secret();
    let said = attack.refused(&format!("{SLEEPER}environment_files = [{secret:?}]\n"), "environment-file");
    assert!(said.contains("ermission denied"), "{said}");
    // Not even whether it is there, where the user cannot look.
    let hidden = attack.world.root().join("hidden");
    fs::create_dir(&hidden).expect("the root is ours");
    fs::set_permissions(&hidden, Permissions::from_mode(0o700)).expect("it is ours");
    fs::write(hidden.join("there"), SECRET).expect("it is ours");
    for name in ["there", "nowhere"] {
        let said =
            attack.refused(&format!("{SLEEPER}environment_files = [{:?}]\n", hidden.join(name)), "environment-file");
        assert!(said.contains("ermission denied"), "{said}");
        let said = attack.refused(&format!("command = [{:?}]\n", hidden.join(name)), "no-program");
        assert!(said.contains("ermission denied"), "{said}");
    }
    symlink(&secret, attack.theirs().join("own.toml")).expect("the directory is there");
    std::os::unix::fs::lchown(attack.theirs().join("own.toml"), Some(DEPLOY), None).expect("we are root");
    attack.world.error("own", "unreadable");
    // A drop-in is no other way.
    attack.drop("web.toml", SLEEPER);
    attack.world.pid("web");
    let parts = attack.make("web.toml.d");
    symlink(&secret, parts.join("1.toml")).expect("the directory is there");
    std::os::unix::fs::lchown(parts.join("1.toml"), Some(DEPLOY), None).expect("we are root");
    attack.world.error("web", "unreadable");
    attack.nothing_leaked();
}

#[test]
fn what_others_can_write_is_not_the_users_word() {
    let Some(attack) = Attack::started("") else { return };
    attack.drop("web.toml", SLEEPER);
    let pid = attack.world.pid("web");
    fs::set_permissions(attack.theirs().join("web.toml"), Permissions::from_mode(0o666)).expect("we are root");
    attack.world.error("web", "untrusted");
    attack.drop("other.toml", SLEEPER);
    chown(attack.theirs().join("other.toml"), Some(DEPLOY + 1), None).expect("we are root");
    attack.world.error("other", "untrusted");
    fs::set_permissions(attack.theirs(), Permissions::from_mode(0o777)).expect("we are root");
    attack.source(|source| source.state == SourceState::Suspect, "the directory is suspect");
    assert_eq!(attack.world.pid_now("web"), Some(pid), "the last good one goes on");
}

#[test]
fn no_swap_of_links_while_they_are_looked_at_gets_anything() {
    let Some(attack) = Attack::started("") else { return };
    let root_only = attack.world.root().join("root.toml");
    fs::write(&root_only, "command = [\"/bin/sh\", \"-c\", \"echo hunter2; sleep 1000\"]\nuser = \"root\"\n")
        .expect("the root is ours");
    fs::set_permissions(&root_only, Permissions::from_mode(0o600)).expect("it is ours");
    let (theirs, stop) = (attack.theirs(), AtomicBool::new(false));
    let swap = || {
        // As fast as can be: the user's good file, a link to root's, a link to a directory of root's.
        let place = |name: &str| theirs.join(name);
        let mut round = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            match round % 3 {
                0 => fs::write(place(".new"), SLEEPER).expect("it is there"),
                1 => symlink(&root_only, place(".new")).expect("it is there"),
                _ => symlink(attack.world.services().join("own.toml"), place(".new")).expect("it is there"),
            }
            std::os::unix::fs::lchown(place(".new"), Some(DEPLOY), Some(DEPLOY)).expect("we are root");
            fs::rename(place(".new"), place("web.toml")).expect("it is there");
        }
        round
    };
    attack.world.drop_file("own.toml", &format!("{SLEEPER}user = \"root\"\n"));
    attack.world.pid("own");
    std::thread::scope(|scope| {
        let swapping = scope.spawn(swap);
        for edit in 0..3 {
            attack.world.drop_file("fence.toml", &format!("{SLEEPER}environment = {{ EDIT = \"{edit}\" }}\n"));
            attack.world.fence();
            if let Some(pid) = attack.world.pid_now("web") {
                assert!(uid(pid).is_none_or(|uid| uid == DEPLOY));
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(swapping.join().expect("it swaps") > 100);
    });
    let _ = fs::remove_file(theirs.join("web.toml"));
    attack.drop("web.toml", LONGER);
    assert_eq!(uid(attack.world.pid("web")), Some(DEPLOY));
    fs::remove_file(&root_only).expect("it is ours");
    attack.nothing_leaked();
}

#[test]
fn logs_are_written_with_the_users_hands() {
    let Some(attack) = Attack::started("") else { return };
    let closed = attack.world.root().join("closed");
    fs::create_dir(&closed).expect("the root is ours");
    let echo = "command = [\"/bin/sh\", \"-c\", \"echo hello; sleep 1000\"]\n";
    attack.drop("web.toml", &format!("{echo}log.directory = {closed:?}\n"));
    attack.world.pid("web");
    attack.told("web", "cannot open the log directory");
    assert_eq!(fs::read_dir(&closed).expect("it is ours").count(), 0, "nothing was made there");
    // A link of the user's leads nowhere else either.
    let way = attack.make("way");
    symlink(&closed, way.join("logs")).expect("the directory is there");
    std::os::unix::fs::lchown(way.join("logs"), Some(DEPLOY), None).expect("we are root");
    attack.drop("link.toml", &format!("{echo}log.directory = {:?}\n", way.join("logs")));
    attack.world.pid("link");
    attack.told("link", "cannot open the log directory");
    assert_eq!(fs::read_dir(&closed).expect("it is ours").count(), 0, "nothing was made there");
    // Where the user may write it is the user's file.
    let own = attack.make("logs");
    attack.drop("own.toml", &format!("{echo}log.directory = {own:?}\n"));
    attack.world.pid("own");
    let current = own.join("own/current");
    attack
        .world
        .until_true("the line is there", || fs::read_to_string(&current).is_ok_and(|text| said_in(&text) == "hello\n"));
    assert_eq!(fs::metadata(&current).expect("it is there").uid(), DEPLOY);
    // And without a word about it, abide's own.
    attack.drop("plain.toml", echo);
    let current = attack.world.logs().join("plain/current");
    attack
        .world
        .until_true("the line is there", || fs::read_to_string(&current).is_ok_and(|text| said_in(&text) == "hello\n"));
    assert_eq!(fs::metadata(&current).expect("it is there").uid(), 0);
}

#[test]
fn a_pid_file_is_read_with_the_users_eyes() {
    let Some(attack) = Attack::started("") else { return };
    let hidden = attack.world.root().join("hidden");
    fs::create_dir(&hidden).expect("the root is ours");
    fs::set_permissions(&hidden, Permissions::from_mode(0o700)).expect("it is ours");
    fs::write(hidden.join("pid"), std::process::id().to_string()).expect("it is ours");
    let text = format!(
        "command = [\"/bin/sh\", \"-c\", \"sleep 1000 &\"]\ntype = \"forking\"\npid_file = {:?}\n[ready]\ntimeout = \"1s\"\n",
        hidden.join("pid")
    );
    attack.drop("web.toml", &text);
    let said = |status: &Status| service(status, "web").map(|it| serde_json::to_string(it).expect("it is plain"));
    attack.world.until("it says why it has no process", |status| {
        said(status).is_some_and(|it| it.contains("ermission denied"))
    });
}

#[test]
fn names_of_our_own_cannot_be_taken() {
    let Some(attack) = Attack::started("") else { return };
    attack.world.drop_file("db.toml", SLEEPER);
    let pid = attack.world.pid("db");
    attack.drop("db.toml", LONGER);
    attack.drop("fence.toml", SLEEPER);
    attack.world.pid("fence");
    let status = attack
        .world
        .until("the name is taken", |status| status.problems.iter().any(|problem| problem.code == "duplicate-name"));
    assert_eq!(service(&status, "db").and_then(|it| it.instances[0].pid), Some(pid));
    // Nor by being first.
    attack.drop("late.toml", SLEEPER);
    let theirs = attack.world.pid("late");
    assert_eq!(uid(theirs), Some(DEPLOY));
    attack.world.drop_file("late.toml", LONGER);
    let ours = attack.world.pid_after("late", theirs);
    assert_eq!(uid(ours), Some(0));
}

#[test]
fn services_of_others_are_out_of_reach() {
    let Some(attack) = Attack::started("") else { return };
    attack.world.drop_file("db.toml", SLEEPER);
    attack.world.drop_file("rescue.toml", &format!("{SLEEPER}enabled = false\n"));
    let pid = attack.world.pid("db");
    for key in ["requires = [\"db\"]", "after = [\"db\"]", "restart.on_give_up = \"rescue\""] {
        let said = attack.refused(&format!("{SLEEPER}{key}\n"), "unknown-service");
        assert!(said.contains("beyond which it does not reach"), "{said}");
    }
    // What it merely wants is nothing to it.
    attack.drop(
        "slow.toml",
        "script = \"trap '' TERM; while :; do sleep 1; done\"\nwants = [\"db\"]\nstop.timeout = \"60s\"\n",
    );
    let slow = attack.world.pid("slow");
    attack.world.remove("db.toml");
    fs::remove_file(attack.theirs().join("slow.toml")).expect("it is there");
    attack.world.gone("db");
    assert!(!super::process::alive(pid));
    assert!(!attack.world.story().contains("waits for db"), "nor is it told how db is");
    attack.drop("mine.toml", SLEEPER);
    attack.drop("friend.toml", &format!("{SLEEPER}requires = [\"mine\"]\n"));
    attack.world.pid("friend");
    send(slow, Signal::SIGKILL);
}

#[test]
fn there_are_no_more_of_it_than_were_granted() {
    let Some(attack) = Attack::started("[source.limits]\nservices = 2\ninstances = 5\nfiles = \"4KiB\"\n") else {
        return;
    };
    attack.drop("a.toml", SLEEPER);
    attack.drop("b.toml", &format!("{SLEEPER}instances = 4\n"));
    attack.world.until("four run", |status| {
        service(status, "b").is_some_and(|it| it.instances.iter().filter(|it| it.pid.is_some()).count() == 4)
    });
    let said = attack.refused(SLEEPER, "over-quota");
    assert!(said.contains("3 services") && said.contains("`services`"), "{said}");
    attack.drop("b.toml", &format!("{SLEEPER}instances = 5\n"));
    attack.says("b", "6 instances");
    attack.drop("b.toml", &format!("{SLEEPER}# {}\n", "x".repeat(4096)));
    attack.says("b", "bytes of files");
    attack.drop("c.toml", SLEEPER);
    attack.world.error("c", "over-quota");
    let out = attack.world.abide(&["check", &text(&attack.theirs())]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("error[over-quota]"), "check says so too");
    // Room that is made is room.
    fs::remove_file(attack.theirs().join("bad-0.toml")).expect("it is there");
    attack.world.gone("bad-0");
    fs::remove_file(attack.theirs().join("b.toml")).expect("it is there");
    attack.world.pid("c");
}

#[test]
fn a_file_that_allows_removals_speaks_of_its_own_source() {
    let Some(attack) = Attack::started("") else { return };
    for name in ["a", "b", "c", "d"] {
        attack.world.drop_file(&format!("{name}.toml"), SLEEPER);
        attack.world.pid(name);
    }
    attack.drop(".abide-allow-removals", "a\nb\nc\nd\n");
    attack.drop("web.toml", SLEEPER);
    attack.world.pid("web");
    for name in ["a", "b", "c", "d"] {
        attack.world.remove(&format!("{name}.toml"));
    }
    attack.world.until("all four are held", |status| {
        status.withheld.guard.state == GuardState::Holding && status.withheld.guard.removals.len() == 4
    });
}

#[test]
fn what_root_once_said_under_a_name_does_not_come_back_for_who_has_it_now() {
    let Some(mut attack) = Attack::handed("") else { return };
    attack.world.drop_file("web.toml", SLEEPER);
    attack.world.start();
    assert_eq!(uid(attack.world.pid("web")), Some(0));
    attack.world.signal(Signal::SIGTERM);
    attack.world.ended();
    attack.world.remove("web.toml");
    attack.drop("web.toml", "command = [");
    attack.world.start();
    attack.world.error("web", "syntax");
    attack.world.drop_file("fence.toml", SLEEPER);
    attack.world.pid("fence");
    assert_eq!(attack.world.pid_now("web"), None, "nothing of root's runs for it");
    let out = attack.world.abide(&["history", "web"]);
    let history = String::from_utf8_lossy(&out.stdout).into_owned();
    let version =
        history.lines().flat_map(str::split_whitespace).find(|it| it.len() == 16).expect("a version").to_owned();
    let out = attack.world.abide(&["rollback", "web", "--to", &version]);
    assert!(!out.status.success(), "{history}");
    assert_eq!(attack.world.pid_now("web"), None, "nothing of root's runs for it");
}

#[test]
fn legacy_directories_run_as_the_user_too() {
    let Some(attack) = Attack::started("") else { return };
    let make = |name: &str, owner: u32, place: PathBuf| {
        let directory = place.join(name);
        fs::create_dir(&directory).expect("it is there");
        let run = directory.join("run");
        fs::write(&run, "#!/bin/sh\nexec sleep 1000\n").expect("it is there");
        fs::set_permissions(&run, Permissions::from_mode(0o755)).expect("we are root");
        chown(&run, Some(owner), Some(owner)).expect("we are root");
        chown(&directory, Some(owner), Some(owner)).expect("we are root");
        directory
    };
    make("old", DEPLOY, attack.theirs());
    assert_eq!(uid(attack.world.pid("old")), Some(DEPLOY));
    // Whoever may write what `run` reads says what it does: root's are root's throughout.
    let own = make("ours", 0, attack.world.services());
    let pid = attack.world.pid("ours");
    for part in ["env", "supervise", "log"] {
        // `supervise` is there already.
        let at = own.join(part);
        fs::create_dir_all(&at).expect("it is there");
        fs::set_permissions(&at, Permissions::from_mode(0o777)).expect("it is ours");
        fs::write(own.join("run"), format!("#!/bin/sh\n# {part}\nexec sleep 1000\n")).expect("it is ours");
        let said = attack.world.error("ours", "untrusted");
        assert!(said.contains(part), "{said}");
        assert_eq!(attack.world.pid_now("ours"), Some(pid));
        fs::set_permissions(&at, Permissions::from_mode(0o700)).expect("it is ours");
        fs::write(own.join("run"), "#!/bin/sh\nexec sleep 1000\n").expect("it is ours");
        attack.world.mended("ours");
    }
}

#[test]
fn what_is_handed_to_nobody_any_more_runs_on_and_says_nothing_new() {
    let Some(attack) = Attack::started("") else { return };
    attack.drop("web.toml", SLEEPER);
    let pid = attack.world.pid("web");
    attack.world.replace(&attack.world.root().join("abide.toml"), "");
    attack.source(|source| source.state == SourceState::Suspect && source.run_as.is_none(), "it is refused");
    attack.drop("web.toml", LONGER);
    // Root's own file in it is not root's word.
    fs::write(attack.theirs().join("mine.toml"), SLEEPER).expect("we are root");
    attack.world.fence();
    assert_eq!((attack.world.pid_now("web"), attack.world.pid_now("mine")), (Some(pid), None));
    attack.name("");
    attack.world.pid_after("web", pid);
}

#[test]
fn a_supervisor_that_comes_after_goes_on_as_before() {
    let Some(attack) = Attack::started("") else { return };
    attack.drop("web.toml", SLEEPER);
    let pid = attack.world.pid("web");
    let before = attack.world.status().expect("it runs").abide.supervisor_pid;
    send(before, Signal::SIGKILL);
    attack.world.until("another supervisor is there", |status| status.abide.supervisor_pid != before);
    attack.world.fence();
    assert_eq!(attack.world.pid_now("web"), Some(pid));
    attack.drop("web.toml", LONGER);
    assert_eq!(uid(attack.world.pid_after("web", pid)), Some(DEPLOY));
}

#[test]
fn the_command_line_hands_a_directory_to_its_owner() {
    let Some(mut attack) = Attack::unnamed() else { return };
    attack.drop("web.toml", SLEEPER);
    let theirs = attack.theirs().display().to_string();
    let (directories, options) = (Some(Vec::new()), &["--trust-owner", &theirs][..]);
    attack.world.start_as(&Start { directories, options, ..Start::default() });
    assert_eq!(uid(attack.world.pid("web")), Some(DEPLOY));
}

#[test]
fn check_says_what_the_supervisor_would() {
    let Some(attack) = Attack::handed("") else { return };
    attack.drop("web.toml", &format!("{SLEEPER}user = \"root\"\n"));
    let mut words = String::new();
    let config = attack.world.root().join("abide.toml");
    let out = attack.world.abide(&["check", "--config", &text(&config), &text(&attack.theirs())]);
    let _ = write!(words, "{}", String::from_utf8_lossy(&out.stdout));
    assert!(words.contains("everything in this directory runs as"), "{words}");
    let out = attack.world.abide(&["check", &text(&attack.theirs())]);
    let words = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.code() == Some(1), "beside the directory there is the same abide.toml: {words}");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn all_that_a_source_runs_lives_in_a_group_of_its_own_and_within_its_bounds() {
    let Some(attack) = Attack::started("[source.limits]\ntogether.pids_max = 64\n") else { return };
    if !has_cgroups(&attack.world) {
        return;
    }
    attack.drop("web.toml", SLEEPER);
    attack.drop("api.toml", &format!("{SLEEPER}resources.pids_max = 10\n"));
    let (web, api) = (attack.world.pid("web"), attack.world.pid("api"));
    let home = cgroup_of(web).rsplit_once("/s.").expect("a group of the service").0.to_owned();
    assert!(home.rsplit('/').next().is_some_and(|name| name.starts_with("d.")), "{home}");
    assert!(cgroup_of(api).starts_with(&home));
    attack.world.drop_file("own.toml", SLEEPER);
    assert!(!cgroup_of(attack.world.pid("own")).contains("/d."));
    let around = |pid: i32| {
        let group = group_of(pid, "pids");
        let is_home = |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("d."));
        group.ancestors().find(is_home).expect("the group of the source").to_owned()
    };
    assert_eq!(around(web), around(api));
    let most = || fs::read_to_string(around(web).join("pids.max")).unwrap_or_default();
    assert_eq!(most().trim(), "64");
    attack.name("[source.limits]\ntogether.pids_max = 32\n");
    attack.world.until_true("the new bound holds", || most().trim() == "32");
    // Found again by the supervisor that comes after, and gone with the last.
    let before = attack.world.status().expect("it runs").abide.supervisor_pid;
    send(before, Signal::SIGKILL);
    attack.world.until("another supervisor is there", |status| status.abide.supervisor_pid != before);
    attack.drop("web.toml", LONGER);
    assert!(cgroup_of(attack.world.pid_after("web", web)).starts_with(&home));
}

#[test]
fn who_runs_as_root_without_a_word_about_it_is_told_of() {
    if !is_root() {
        return skip_for_users("only root's services run as root");
    }
    let world = World::with(&[("plain", SLEEPER), ("meant", &format!("{SLEEPER}user = \"root\"\n"))]);
    world.pid("meant");
    world.pid("plain");
    let status = world.status().expect("it runs");
    let is_told = |name: &str| service(&status, name).expect("it is there").unnamed_root;
    assert_eq!((is_told("plain"), is_told("meant")), (true, false));
    let page = world.abide(&["status", "plain"]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("its file does not say so"), "{page}");
}

#[test]
fn check_asks_the_supervisor_where_its_abide_toml_lies() {
    let Some(mut attack) = Attack::unnamed() else { return };
    let far = attack.world.root().join("far/away");
    fs::create_dir_all(&far).expect("the root is ours");
    chown(&far, Some(DEPLOY), Some(DEPLOY)).expect("we are root");
    attack.drop("web.toml", &format!("{SLEEPER}user = \"root\"\n"));
    fs::rename(attack.theirs().join("web.toml"), far.join("web.toml")).expect("they are there");
    let lines = format!("[[source]]\npath = \"{}\"\nrun_as = {DEPLOY}\n", far.display());
    attack.world.replace(&attack.world.root().join("abide.toml"), &lines);
    attack.world.start();
    attack.world.error("web", "cannot-become");
    for asked in [far.clone(), far.join("web.toml")] {
        let out = attack.world.abide(&["check", &text(&asked)]);
        let words = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(words.contains("error[cannot-become]"), "{words}");
    }
}
