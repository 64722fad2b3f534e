//! abide as `svscan` and `supervise`, beside the real ones and with the real clients.

use super::process::{alive, children, is_root, send, shell, skip_for_users, wanted};
use super::world::{DEADLINE, binary};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A directory that is scanned, directories of services beside it, and what was started on them.
struct Stage {
    root: tempfile::TempDir,
    started: Vec<Child>,
}

const SLEEPER: &str = "exec sleep 86400";

impl Stage {
    /// `None`: the clients are not installed.
    fn new() -> Option<Self> {
        for name in ["svc", "svstat", "svok", "svscan", "supervise"] {
            wanted(name)?;
        }
        let root = tempfile::Builder::new().prefix("abide-e2e-").tempdir().expect("a directory for temporary files");
        for name in ["scan", "sv", "run"] {
            fs::create_dir(root.path().join(name)).expect("the parent is new");
        }
        let stage = Self { root, started: Vec::new() };
        let made = Command::new(binary()).arg("links").arg(stage.at("bin")).output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
        Some(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A service `sv/NAME`, or the `log` of one, that is linked to by nothing.
    fn put(&self, name: &str, run: &str) {
        let directory = self.at("sv").join(name);
        fs::create_dir_all(&directory).expect("the stage is writable");
        fs::write(directory.join("run"), format!("#!/bin/sh\n{run}\n")).expect("the stage is writable");
        shell("chmod 755 run", &directory);
    }

    fn link(&self, name: &str) {
        symlink(self.at("sv").join(name), self.at("scan").join(name)).expect("it is new");
    }

    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.root.path()).env("ABIDE_RUNTIME_DIR", self.at("run"));
        for name in ["ABIDE_CONFIG", "ABIDE_STATE_DIR", "ABIDE_LOG_DIR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts abide under that name; what it and its services say is in the files `out` and `err`.
    fn start(&mut self, name: &str, words: &[&str]) -> i32 {
        let append = |name: &str| File::options().append(true).create(true).open(self.at(name)).expect("it is ours");
        let mut command = self.command(&self.at("bin").join(name), words);
        let child = command.stdout(append("out")).stderr(append("err")).spawn().expect("it can be executed");
        let pid = child.id() as i32;
        self.started.push(child);
        pid
    }

    /// How the one that was started last ended.
    fn ended(&mut self) -> std::process::ExitStatus {
        let mut child = self.started.pop().expect("one was started");
        let until = Instant::now() + DEADLINE;
        loop {
            match child.try_wait().expect("it is ours") {
                Some(status) => return status,
                None if Instant::now() > until => panic!("it does not end\n{}", self.said("err")),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.at(file)).unwrap_or_default()
    }

    fn until(&self, claim: &str, holds: impl Fn() -> bool) {
        let until = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < until, "{claim}\n--- out\n{}--- err\n{}", self.said("out"), self.said("err"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a real client says, and its exit code.
    fn client(&self, name: &str, words: &[&str]) -> (i32, String) {
        let program = wanted(name).expect("it was there");
        let output = self.command(Path::new(&program), words).output().expect("it can be executed");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().expect("it ended by itself"), said)
    }

    fn pid_now(&self, path: &str) -> Option<i32> {
        let (_, said) = self.client("svstat", &[path]);
        let pid = said.split("(pid ").nth(1)?.split(')').next()?.parse().ok()?;
        Some(pid)
    }

    /// The process of a service, as svstat sees it, once there is one.
    fn pid(&self, path: &str) -> i32 {
        self.until(&format!("svstat sees {path} up"), || self.pid_now(path).is_some());
        self.pid_now(path).expect("it was up")
    }

    fn is_supervised(&self, path: &str) -> bool {
        self.client("svok", &[path]).0 == 0
    }

    fn svc(&self, letters: &str, path: &str) {
        assert_eq!(self.client("svc", &[letters, path]), (0, String::new()));
    }

    /// svscan has done something that came later than what is to be without an effect.
    fn fence(&self, name: &str) {
        self.put(name, SLEEPER);
        self.link(name);
        self.pid(&format!("scan/{name}"));
    }

    /// Every process that a status under `sv` names.
    fn pids(&self) -> Vec<i32> {
        let all = fs::read_dir(self.at("sv")).into_iter().flatten().flatten();
        let places = all.flat_map(|entry| [entry.path(), entry.path().join("log")]);
        let status = |place: PathBuf| fs::read(place.join("supervise/status")).ok();
        let pid = |status: Vec<u8>| Some(i32::from_le_bytes(status.get(12..16)?.try_into().ok()?));
        places.filter_map(status).filter_map(pid).filter(|pid| *pid > 0 && alive(*pid)).collect()
    }

    /// An abide that finds nothing to do where another was takes away what that left.
    fn clear(&self, place: &Path) {
        let state = place.join("state");
        let boot = abide::daemon::paths::boot_id().unwrap_or_default();
        for table in [place.join("table"), state.join(boot).join("table")] {
            let _ = fs::remove_file(table);
        }
        let refused = self.at("refused");
        let _ = fs::create_dir(&refused);
        let _ = fs::write(refused.join("abide.toml"), "]");
        let place = place.to_string_lossy();
        let (state, log) = (format!("{place}/state"), format!("{place}/log"));
        let words = [
            "run",
            "--runtime-dir",
            &place,
            "--state-dir",
            &state,
            "--log-dir",
            &log,
            "--config",
            "refused/abide.toml",
            "refused",
        ];
        let _ = self.command(&binary(), &words).output();
    }
}

impl Drop for Stage {
    /// Who would start them again goes first.
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
        let pids = self.pids();
        for pid in &pids {
            send(*pid, Signal::SIGKILL);
        }
        let until = Instant::now() + DEADLINE;
        while pids.iter().any(|pid| alive(*pid)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        for place in fs::read_dir(self.at("run")).into_iter().flatten().flatten() {
            self.clear(&place.path());
        }
    }
}

#[test]
fn what_they_refuse_they_refuse_as_the_real_ones_do() {
    let Some(mut stage) = Stage::new() else { return };
    stage.put("web", SLEEPER);
    fs::write(stage.at("sv/file"), "").expect("the stage is writable");
    fs::create_dir(stage.at("sv/odd")).expect("the stage is writable");
    fs::write(stage.at("sv/odd/supervise"), "").expect("the stage is writable");
    stage.start("supervise", &["sv/web"]);
    stage.pid("sv/web");
    let calls: [&[&str]; 8] = [
        &["svscan", "nowhere"],
        &["svscan", "sv/file", "more"],
        &["supervise"],
        &["supervise", "sv/web", "more"],
        &["supervise", "nowhere"],
        &["supervise", "sv/file"],
        &["supervise", "sv/odd"],
        &["supervise", "sv/web"],
    ];
    for words in calls {
        let theirs = stage.client(words[0], &words[1..]);
        let ours = stage.command(&stage.at("bin").join(words[0]), &words[1..]).output().expect("it can be executed");
        assert_eq!((ours.status.code(), &*String::from_utf8_lossy(&ours.stderr)), (Some(theirs.0), &*theirs.1));
        let tool = stage.command(&binary(), &[&["tool"], words].concat()).output().expect("it can be executed");
        assert_eq!((tool.status.code(), &*String::from_utf8_lossy(&tool.stderr)), (Some(theirs.0), &*theirs.1));
    }
    stage.start("svscan", &["scan"]);
    stage.fence("fence");
    let second = stage.command(&stage.at("bin/svscan"), &["scan"]).output().expect("it can be executed");
    assert_eq!(second.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&second.stderr).starts_with("svscan: fatal: process "), "{second:?}");
}

#[test]
fn output_goes_where_that_of_svscan_goes_and_that_for_a_log_there() {
    let Some(mut stage) = Stage::new() else { return };
    stage.put("plain", "echo plain out; echo plain err >&2; umask; exec sleep 86400");
    stage.put("logged", "echo logged out; echo logged err >&2; exec sleep 86400");
    stage.put("logged/log", "exec sed -u 's/^/taken: /'");
    stage.link("plain");
    stage.link("logged");
    let svscan = stage.start("svscan", &["scan"]);
    stage.until("all was said", || {
        let (out, err) = (stage.said("out"), stage.said("err"));
        out.contains("plain out\n") && out.contains("taken: logged out\n") && err.contains("logged err\n")
    });
    assert!(stage.said("err").contains("plain err\n") && !stage.said("out").contains("\nlogged out\n"));
    // No file, no pipe: the very descriptors.
    let descriptor = |pid: i32, number: u32| fs::read_link(format!("/proc/{pid}/fd/{number}")).expect("it is ours");
    for number in 0..3 {
        assert_eq!(descriptor(stage.pid("scan/plain"), number), descriptor(svscan, number), "descriptor {number}");
    }
    // The same from a later supervisor.
    let is_supervisor =
        |pid: &i32| super::process::arguments(*pid).get(1).is_some_and(|word| word == "role-supervisor");
    let supervisor = children(svscan).into_iter().find(is_supervisor).expect("there is one");
    send(supervisor, Signal::SIGKILL);
    stage.until("another supervises", || children(svscan).iter().any(|pid| *pid != supervisor && is_supervisor(pid)));
    let before = stage.pid("scan/plain");
    stage.until("svc is heard", || stage.client("svc", &["-t", "scan/plain"]).1.is_empty());
    stage.until("it is started again", || stage.pid_now("scan/plain").is_some_and(|pid| pid != before));
    stage.until("and heard again", || stage.said("out").matches("plain out\n").count() == 2);
    assert!(stage.at("run").read_dir().expect("it is there").flatten().all(|it| !it.path().join("log/plain").exists()));
}

#[test]
fn a_link_that_goes_or_is_renamed_stops_nothing_and_dx_lets_go() {
    let Some(mut stage) = Stage::new() else { return };
    for name in ["one", "two"] {
        stage.put(name, SLEEPER);
        stage.link(name);
    }
    stage.put("two/log", "exec cat");
    stage.put("plain", SLEEPER);
    fs::rename(stage.at("sv/plain"), stage.at("scan/plain")).expect("it is there");
    stage.start("svscan", &["scan"]);
    let plain = stage.pid("scan/plain");
    let (one, two, log) = (stage.pid("scan/one"), stage.pid("scan/two"), stage.pid("scan/two/log"));
    fs::remove_file(stage.at("scan/one")).expect("it is there");
    fs::rename(stage.at("scan/two"), stage.at("scan/renamed")).expect("it is there");
    fs::rename(stage.at("scan/plain"), stage.at("scan/moved")).expect("it is there");
    // A third name of the same directory is none either.
    symlink(stage.at("sv/two"), stage.at("scan/again")).expect("it is new");
    // What is gone is believed to be gone after a while.
    for fence in ["a", "b"] {
        stage.fence(fence);
        stage.until("a second has passed", || stage.client("svstat", &[&format!("scan/{fence}")]).1.contains(" 3 s"));
    }
    assert_eq!((stage.pid("sv/one"), stage.pid("scan/renamed"), stage.pid("sv/two/log")), (one, two, log));
    assert_eq!(stage.pid("scan/moved"), plain);
    // It is started again as before.
    for (place, pid) in [("sv/two", two), ("scan/moved", plain)] {
        send(pid, Signal::SIGKILL);
        stage.until("it is started again", || stage.pid_now(place).is_some_and(|now| now != pid));
    }
    stage.svc("-dx", "sv/one");
    stage.until("it is let go of", || !stage.is_supervised("sv/one"));
    assert!(!alive(one));
    assert_eq!(stage.said("err"), "");
}

#[test]
fn an_edit_restarts_nothing_and_down_counts_once() {
    let Some(mut stage) = Stage::new() else { return };
    stage.put("web", SLEEPER);
    stage.put("idle", SLEEPER);
    fs::write(stage.at("sv/idle/down"), "").expect("the stage is writable");
    stage.link("web");
    stage.link("idle");
    stage.start("svscan", &["scan"]);
    let web = stage.pid("scan/web");
    stage.put("web", "echo edited; exec sleep 86400");
    fs::write(stage.at("sv/web/down"), "").expect("the stage is writable");
    fs::remove_file(stage.at("sv/idle/down")).expect("it is there");
    stage.fence("fence");
    stage.until("a while has passed", || stage.client("svstat", &["scan/fence"]).1.contains(" 2 s"));
    assert_eq!(stage.pid("scan/web"), web);
    assert!(stage.client("svstat", &["scan/web"]).1.ends_with("seconds, normally down\n"));
    assert!(stage.client("svstat", &["scan/idle"]).1.ends_with("seconds, normally up\n"));
    stage.svc("-t", "scan/web");
    stage.until("the new one runs", || stage.said("out") == "edited\n");
    // Found again after it was let go of: then it counts.
    stage.svc("-dx", "scan/web");
    stage.until("it is let go of", || !stage.is_supervised("scan/web"));
    stage.until("it is found again", || stage.is_supervised("scan/web"));
    assert_eq!(stage.pid_now("scan/web"), None);
}

#[test]
fn who_comes_after_a_svscan_that_was_killed_goes_on_with_what_runs() {
    let Some(mut stage) = Stage::new() else { return };
    stage.put("web", "echo begins; exec sleep 86400");
    stage.put("web/log", "exec sed -u 's/^/taken: /'");
    stage.link("web");
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let svscan = stage.start("svscan", &["scan"]);
        let (web, log) = (stage.pid("scan/web"), stage.pid("scan/web/log"));
        send(svscan, signal);
        assert_eq!(stage.ended().signal(), Some(signal as i32));
        stage.until("nobody supervises", || !stage.is_supervised("scan/web"));
        assert!(alive(web) && alive(log));
        stage.start("svscan", &["scan"]);
        assert_eq!((stage.pid("scan/web"), stage.pid("scan/web/log")), (web, log));
        // And it is its supervisor in all.
        let said = stage.said("out").len();
        stage.svc("-t", "scan/web");
        stage.until("it is started again", || stage.pid_now("scan/web").is_some_and(|pid| pid != web));
        stage.until("and logged", || stage.said("out").len() > said);
        let last = stage.started.pop().map(|mut child| child.kill().and_then(|()| child.wait()));
        assert!(last.is_some_and(|ended| ended.is_ok()));
        stage.until("nobody supervises", || !stage.is_supervised("scan/web"));
    }
    assert!(stage.said("out").lines().all(|line| line == "taken: begins"), "{}", stage.said("out"));
}

#[test]
fn supervise_ends_as_it_lets_go_and_its_successor_goes_on() {
    let Some(mut stage) = Stage::new() else { return };
    stage.put("web", "echo begins; exec sleep 86400");
    // Not its business.
    stage.put("web/log", SLEEPER);
    let first = stage.start("supervise", &["sv/web"]);
    let web = stage.pid("sv/web");
    stage.until("it is heard", || stage.said("out") == "begins\n");
    assert!(!stage.is_supervised("sv/web/log"));
    send(first, Signal::SIGTERM);
    assert_eq!(stage.ended().signal(), Some(Signal::SIGTERM as i32));
    stage.until("nobody supervises", || !stage.is_supervised("sv/web"));
    stage.start("supervise", &["sv/web"]);
    stage.until("somebody supervises", || stage.is_supervised("sv/web"));
    assert_eq!(stage.pid("sv/web"), web);
    stage.svc("-x", "sv/web");
    stage.svc("-t", "sv/web");
    assert_eq!(stage.ended().code(), Some(0));
    assert!(!alive(web) && !stage.is_supervised("sv/web"));
    // Down, it ends at once.
    fs::write(stage.at("sv/web/down"), "").expect("the stage is writable");
    stage.start("supervise", &["sv/web"]);
    stage.until("somebody supervises", || stage.is_supervised("sv/web"));
    assert_eq!(stage.pid_now("sv/web"), None);
    stage.svc("-x", "sv/web");
    assert_eq!(stage.ended().code(), Some(0));
    assert_eq!((stage.said("out").as_str(), stage.said("err").as_str()), ("begins\n", ""));
}

#[test]
fn what_cannot_be_started_is_told_each_second_in_the_words_of_the_original() {
    let Some(mut stage) = Stage::new() else { return };
    fs::create_dir(stage.at("sv/none")).expect("the stage is writable");
    stage.put("closed", SLEEPER);
    shell("chmod 644 run", &stage.at("sv/closed"));
    stage.put("odd", SLEEPER);
    fs::write(stage.at("sv/odd/run"), "no script").expect("the stage is writable");
    let supervise = wanted("supervise").expect("it was there");
    for name in ["none", "closed", "odd"] {
        let path = format!("sv/{name}");
        let mut real = stage.command(Path::new(&supervise), &[&path]);
        let mut real = real.stderr(File::create(stage.at("real")).expect("it is ours")).spawn().expect("it is there");
        stage.until("it says why", || stage.said("real").matches('\n').count() >= 2);
        real.kill().and_then(|()| real.wait()).expect("it is ours");
        stage.start("supervise", &[&path]);
        stage.until("we say why", || stage.said("err").matches('\n').count() >= 2);
        stage.svc("-dx", &path);
        assert_eq!(stage.ended().code(), Some(0));
        assert_eq!(stage.said("err").lines().next(), stage.said("real").lines().next());
        fs::remove_file(stage.at("err")).expect("it is there");
    }
}

/// A root of its own, in which there is a `/service`: of a machine that runs svscanboot.
const ROOT: &str = r#"set -e
stage=$1 program=$2 root=$1/root
mkdir "$root"
mount -t tmpfs abide "$root"
for name in usr bin sbin lib lib64 etc dev tmp; do
    if [ -L /$name ]; then cp -P /$name "$root/"; elif [ -d /$name ]; then mkdir "$root/$name"; mount --rbind /$name "$root/$name"; fi
done
mkdir "$root/proc" "$root/service" "$root/var"
mount -t proc proc "$root/proc"
mkdir -p "$root${program%/*}"
mount --bind "${program%/*}" "$root${program%/*}"
cp -a "$stage"/sv/* "$root/service/"
exec chroot "$root" "$stage/bin/svscanboot"
"#;

#[test]
fn svscanboot_starts_what_the_machine_has_and_shows_its_errors() {
    if !is_root() {
        return skip_for_users("a root directory of its own");
    }
    let Some(unshare) = wanted("unshare") else { return };
    let Some(mut stage) = Stage::new() else { return };
    let up = stage.at("up");
    stage.put("web", &format!("echo up >{}\nexec sleep 86400", up.display()));
    stage.put("loud", "echo something is wrong >&2\nexec sleep 86400");
    let script = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", ROOT, "sh"];
    let mut command = stage.command(Path::new(&unshare), &script);
    let child = command.arg(stage.root.path()).arg(binary()).stderr(Stdio::piped()).spawn().expect("it runs");
    let first = i32::try_from(child.id()).expect("a pid");
    stage.started.push(child);
    // What is below it, however deep.
    let below = || {
        let mut all = vec![first];
        let mut at = 0;
        while let Some(pid) = all.get(at) {
            all.extend(children(*pid));
            at += 1;
        }
        all
    };
    let titles = || below().into_iter().map(|pid| super::process::arguments(pid).join(" ")).collect::<Vec<_>>();
    let until = Instant::now() + DEADLINE;
    while !(up.exists()
        && titles()
            .iter()
            .any(|title| title.contains("readproctitle service errors: ") && title.contains("something is wrong")))
    {
        assert!(Instant::now() < until, "{:?}", titles());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(titles().iter().any(|title| title.contains("sleep 86400")), "{:?}", titles());
}
