//! `abide import`: what comes of real service directories starts the very processes that the real daemontools start.

mod supervisord;

use super::process::{arguments, children, is_root, send, shell, skip_for_users, wanted};
use super::world::{World, code, said, service};
use abide::model::status::State;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file that can be executed.
fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the world is writable");
    fs::write(path, text).expect("the world is writable");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
}

/// Service directories below `dirs`, and links to them in `service`.
fn directories(world: &World, services: &[(&str, &str)]) {
    let links = world.root().join("service");
    fs::create_dir_all(&links).expect("the world is writable");
    for (name, run) in services {
        let directory = world.root().join("dirs").join(name);
        script(&directory.join("run"), run);
        symlink(directory, links.join(name)).expect("new");
    }
}

/// A real svscan on `service`, and its end with all that it has started.
struct Svscan {
    child: Child,
    services: Vec<PathBuf>,
}

impl Svscan {
    fn start(world: &World, names: &[&str]) -> Self {
        // What is not said is as abide has it by default.
        let child = Command::new("/bin/sh")
            .args(["-c", "umask 022; exec svscan \"$0\""])
            .arg(world.root().join("service"))
            .env("FROM_SVSCAN", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("svscan is there");
        let services = names.iter().map(|name| world.root().join(name)).collect();
        Self { child, services }
    }

    /// The process of a service, once it has become `program`.
    fn pid(world: &World, directory: &str, program: &str) -> i32 {
        let status = world.root().join(directory).join("supervise/status");
        let pid = || {
            let bytes = fs::read(&status).ok()?;
            let pid = i32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
            (pid != 0 && comm(pid) == program).then_some(pid)
        };
        world.until_true(&format!("{directory} runs as {program}"), || pid().is_some());
        pid().expect("just seen")
    }

    /// As its manual says: first nobody who starts them again, then each of them.
    fn end(&mut self) {
        send(self.child.id() as i32, Signal::SIGKILL);
        let _ = self.child.wait();
        let runs = |directory: &PathBuf| {
            let ok = directory.join("supervise/ok");
            OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(ok).is_ok()
        };
        let until = std::time::Instant::now() + super::world::DEADLINE;
        while self.services.iter().any(runs) && std::time::Instant::now() < until {
            let _ = Command::new("svc").arg("-dx").args(&self.services).output();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.services.clear();
    }
}

impl Drop for Svscan {
    fn drop(&mut self) {
        self.end();
    }
}

fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// What the kernel says of a process that its program could notice.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    arguments: Vec<String>,
    directory: PathBuf,
    /// Users, groups and mask, as `/proc/PID/status` has them.
    identity: Vec<String>,
    limits: String,
    nice: String,
    environment: BTreeMap<String, String>,
}

fn facts(pid: i32) -> Facts {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it lives");
    let status = read("status");
    let of = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().trim_end().to_owned();
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("it lives");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let pairs = environment.split('\0').filter_map(|pair| pair.split_once('='));
    Facts {
        arguments: arguments(pid),
        directory: fs::read_link(format!("/proc/{pid}/cwd")).expect("it lives"),
        identity: ["Uid:", "Gid:", "Groups:", "Umask:"].map(of).to_vec(),
        limits: read("limits"),
        nice: super::process::stat(pid).expect("it lives")[16].clone(),
        environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// What abide gives every service, and what shells leave behind.
const BASE: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"];
const OF_SHELLS: [&str; 3] = ["_", "SHLVL", "OLDPWD"];

/// That `new` is `old`, but for the variables that abide promises to every service.
fn assert_same(name: &str, mut old: Facts, mut new: Facts, other_user: bool) {
    for facts in [&mut old, &mut new] {
        // Others a shell does not hand on.
        facts.environment.retain(|name, _| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        facts.environment.retain(|name, _| !OF_SHELLS.contains(&name.as_str()) && !name.starts_with("ABIDE_"));
    }
    for variable in BASE {
        let (was, is) = (old.environment.remove(variable), new.environment.remove(variable));
        // There abide's services find the commands of daemontools, should nobody else have them.
        let without_tools = |value: String| {
            let rest = value.strip_suffix("/tools").and_then(|rest| rest.rsplit_once(':'));
            rest.map_or(value.clone(), |(rest, _)| rest.to_owned())
        };
        let (was, is) = (was.map(without_tools), is.map(without_tools));
        let personal = other_user && variable != "PATH" && variable != "LANG";
        assert!(was.is_none() || was == is || personal, "{name}: {variable} was {was:?} and is {is:?}");
    }
    // To programs of supervisord's own files abide says where supervisord's clients find it.
    old.environment.remove("SUPERVISOR_SERVER_URL");
    // A supervisor of the test's own is nothing that abide hands on.
    old.environment.retain(|name, _| name != "NOTIFY_SOCKET" && !name.starts_with("LISTEN_"));
    assert_eq!(new, old, "{name}");
}

const LOOP: &str = "/bin/sh -c 'echo out; echo err >&2; exec sleep 86400' \"it's\" '$HOME'";

#[test]
fn imported_services_run_as_the_real_supervise_ran_them() {
    if ["svscan", "supervise", "multilog", "softlimit", "envdir", "setuidgid"].iter().any(|it| wanted(it).is_none()) {
        return;
    }
    let mut world = World::empty();
    let become_nobody = if is_root() { "setuidgid nobody " } else { "" };
    if !is_root() {
        skip_for_users("only root has setuidgid");
    }
    let web = format!(
        "#!/bin/sh\n# the shop\nexec 2>&1\numask 027\nexport TITLE='a \"b\" $c'\n\
         exec {become_nobody}softlimit -o 77 -c 0 envdir ./env {LOOP}\n"
    );
    // Of a priority that is added to the test's own, no file can say what comes of it.
    let nice =
        if super::process::stat(std::process::id() as i32).expect("it is us")[16] == "0" { "nice -n 3" } else { "" };
    let plain = format!(
        "#!/bin/sh -e\nLEVEL=3; export LEVEL\nulimit -Sn 99\ncd work || exit 1\n\
                 exec pgrphack {nice} softlimit -m 90000000 \\\n  env SIZE=9 sleep 86400\n"
    );
    directories(&world, &[("web", &web), ("plain", &plain)]);
    let dirs = world.root().join("dirs");
    script(&dirs.join("web/log/run"), &format!("#!/bin/sh\nexec {become_nobody}multilog t s8192 n3 ./main\n"));
    shell("mkdir -p web/env web/log/main plain/work; echo 'from a file ' >web/env/FILE; >web/env/HOME", &dirs);
    if is_root() {
        shell("chown nobody web/log/main", &dirs);
    }
    let log = || fs::read_to_string(dirs.join("web/log/main/current")).unwrap_or_default();
    let mut svscan = Svscan::start(&world, &["dirs/web", "dirs/web/log", "dirs/plain"]);
    let old_web = facts(Svscan::pid(&world, "dirs/web", "sleep"));
    let old_plain = facts(Svscan::pid(&world, "dirs/plain", "sleep"));
    world.until_true("multilog has written", || log().contains(" err\n"));
    // abide was not started by svscan, and yet each has its variables.
    world.start_as(&super::world::Start { variables: &[("FROM_SVSCAN", "1")], ..Default::default() });
    let import = ["import", "daemontools", "service", "--to", "services.d"];
    let refused = world.abide(&import);
    assert!(code(&refused) == 1 && said(&refused).contains("it would run twice"), "{}", said(&refused));
    svscan.end();
    let before = log().matches(" err\n").count();
    let done = world.abide(&import);
    assert_eq!(code(&done), 0, "{}", said(&done));
    let checked = world.abide(&["check", "services.d"]);
    assert_eq!(code(&checked), 0, "{}", said(&checked));
    let (web, plain) = (world.pid("web"), world.pid("plain"));
    world.until_true("both are what they were", || comm(web) == "sleep" && comm(plain) == "sleep");
    assert_same("web", old_web, facts(web), is_root());
    assert_same("plain", old_plain, facts(plain), false);
    world.pid("web.log");
    world.until_true("multilog goes on with its file", || log().matches(" err\n").count() == before + 1);
    assert_eq!(super::process::uid(world.pid("web.log")), super::process::uid(web));
    assert!(children(web).is_empty());
}

/// What `abide import` says, and its exit code.
fn import(world: &World, words: &[&str]) -> (i32, String) {
    let all: Vec<&str> = ["import", "daemontools"].iter().chain(words).copied().collect();
    let output = world.abide(&all);
    (code(&output), said(&output))
}

#[test]
fn files_are_printed_or_written_and_the_report_says_what_became_of_each() {
    let world = World::empty();
    directories(
        &world,
        &[
            ("good", "#!/bin/sh\nexec 2>&1\nexec sleep 86400\n"),
            ("odd", "#!/bin/sh\n\nif [ -e x ]; then :; fi\nexec sleep 1\n"),
            ("gone", "#!/bin/sh\nexec /no/such/program\n"),
        ],
    );
    symlink(world.root().join("dirs/good"), world.root().join("service/same")).expect("new");
    fs::create_dir(world.root().join("service/.hidden")).expect("new");
    let (exit, text) = import(&world, &["service"]);
    assert_eq!(exit, 1, "{text}");
    for words in [
        "# ---- good.toml ---",
        "command = [\"sleep\", \"86400\"]",
        "good: imported\n",
        "odd: left as it is: run, line 3: `if`",
        "gone: left as it is: as a service file it would have an error",
        "same: left as it is: it is the same directory as good",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    assert!(!text.contains("hidden") && !text.contains("To switch"), "{text}");
    let (exit, text) = import(&world, &["service/good", "--to", "services.d", "--dry-run"]);
    assert!(exit == 0 && text.contains("good: would be imported to services.d/good.toml"), "{text}");
    assert_eq!(fs::read_dir(world.services()).expect("ours").count(), 0);
    let (exit, text) = import(&world, &["service/good", "--to", "services.d"]);
    assert!(exit == 0 && text.contains("rm service/good && svc -dx "), "{text}");
    assert_eq!(fs::read_dir(world.services()).expect("ours").count(), 1, "nothing else is left there");
    let (exit, text) = import(&world, &["service/good", "--to", "services.d"]);
    assert!(exit == 1 && text.contains("is there already; --force replaces it"), "{text}");
    fs::write(world.file("good.toml"), "x").expect("ours");
    let (exit, text) = import(&world, &["service/good", "--to", "services.d", "--force"]);
    assert!(exit == 0 && fs::read_to_string(world.file("good.toml")).expect("ours").contains("sleep"), "{text}");
    for (words, wrong) in [
        (["nowhere", "--to", "services.d"], "could not read nowhere"),
        (["services.d", "--to", "services.d"], "there is no service in services.d"),
        (["service", "--to", "nowhere"], "nowhere is no directory"),
    ] {
        let (exit, text) = import(&world, &words);
        assert!(exit == 1 && text.contains(wrong), "{text}");
    }
    assert_eq!(code(&world.abide(&["import", "upstart", "service"])), 64);
}

#[test]
fn in_the_place_of_the_old_the_file_takes_over_and_that_is_said() {
    let mut world = World::empty();
    script(&world.file("web/run"), "#!/bin/sh\nexec sleep 86400\n");
    world.start();
    let old = world.pid("web");
    let (exit, text) = import(&world, &["services.d", "--to", "services.d"]);
    assert!(exit == 0 && text.contains("now holds each of them twice"), "{text}");
    assert!(text.contains("/web/down"), "what the program runs in is not removed: {text}");
    let new = world.pid_after("web", old);
    let status = world.until("it is of the file", |status| {
        service(status, "web").is_some_and(|it| it.source.file.ends_with("web.toml"))
    });
    assert_eq!(service(&status, "web").map(|it| it.state), Some(State::Running));
    assert_eq!(arguments(new), ["sleep", "86400"]);
}

/// What a shell and abide's reader may disagree about.
const PARTS: [&str; 48] = [
    "a",
    "b c",
    " ",
    " ",
    " ",
    "'",
    "\"",
    "\\",
    "\\\n",
    "\\\n",
    "\n",
    "$A",
    "${A}",
    "$B",
    "\"$A\"",
    "\"$B\"",
    "'$A'",
    "\"${B}\"",
    "\\$A",
    "$",
    "#",
    "=",
    "x=y",
    "%s",
    "*",
    "~",
    "{a,b}",
    ";",
    "A=1",
    "A='1 2'",
    "\nB=$A\n",
    "\nB=\"$A x\"\n",
    "\nexport A=$B\n",
    "\nA=\n",
    "\t",
    "ü",
    "!",
    "[x]",
    "2>&1",
    "'it\"s'",
    "\"it's\"",
    "\"a\\\"b\\c\\$d\"",
    "''",
    "\"\"",
    "\"$\"",
    "\\ ",
    "'\n'",
    "\"\\\n\"",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_shell_reads_every_script_as_it_was_read(
        before in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..8),
        behind in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..10),
        prefix in proptest::sample::select(vec!["", "A=1\n", "A='x y'\nB=z\n", "export A=1 B='*'\n", "A='*'; B=\"a'b\"\n"]),
    ) {
        let text = format!("#!/bin/sh\n{prefix}{}\nexec printf '%s\\0' {}\n", before.concat(), behind.concat());
        let Some(expected) = as_imported(&text) else { return Ok(()) };
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("run"), &text).expect("it is new");
        let output = Command::new("/bin/sh").arg("./run").current_dir(place.path()).output().expect("sh is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words: Vec<&str> = said.split('\0').collect();
        words.pop();
        // Without an argument it prints as of an empty one.
        let expected = if expected.is_empty() { vec![String::new()] } else { expected };
        proptest::prop_assert_eq!(words, expected, "{}", text);
    }
}

/// The arguments that printf would get behind its format, if the script is understood.
fn as_imported(text: &str) -> Option<Vec<String>> {
    let account = |_: &str| None;
    let machine = abide::import::Machine { account: &account, hard: BTreeMap::new() };
    let name = abide::model::name::ServiceName::new("web").expect("a name");
    let directory = abide::import::daemontools::Directory {
        name: name.clone(),
        path: "/srv/web".into(),
        run: text.into(),
        down: false,
        log: None,
        log_is_down: false,
        entries: Vec::new(),
    };
    let made = abide::import::daemontools::import(&directory, &machine).ok()?;
    let ceilings = abide::host::limits::ceilings_of(None).expect("/proc is there");
    let around = abide::source::surroundings(ceilings, false, false);
    let main = abide::source::Text { path: "web.toml".into(), bytes: made.text.into() };
    let entry = abide::source::load::load_file(&around, &abide::source::config::Config::default(), &name, &main, &[]);
    let service = entry.service.unwrap_or_else(|| panic!("{:?}\n{text}", entry.diagnostics));
    let launch = abide::model::launch::Launch::prepare(&service.service, 0).expect("templates were checked");
    assert_eq!(launch.argv[..2], ["printf", "%s\\0"], "{text}");
    Some(launch.argv[2..].to_vec())
}
