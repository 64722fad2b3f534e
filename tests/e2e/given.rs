//! What a process is given is what its file asks for, row by row, and nothing else.

use super::probe::{self, WORD};
use super::process::{has_capability, is_root, shell, skip_for_users};
use super::world::{Start, World};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::Write as _;

/// For whom a row holds.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    /// For everybody.
    All,
    /// For root; a user is refused with this finding.
    Root(&'static str),
    /// For who has this capability; all others are refused with this finding.
    Capable(u32, &'static str),
}

/// A service: its name, for whom it holds, its keys, paths that it looks at, and what it must then find.
struct Row(&'static str, Who, &'static str, &'static str, fn(&Seen));

const RIGHT: &str = "missing-right";
pub(crate) const SYS_ADMIN: u32 = 21;
const SYS_NICE: u32 = 23;
const SYS_RESOURCE: u32 = 24;

/// `WORLD` is the world's root. `[security]` of a row is the last of its tables.
const ROWS: &[Row] = &[
    Row("plain", Who::All, "", "", |seen| {
        assert_eq!(seen.status("Umask"), "0022");
        assert_eq!(seen.limits(), std::fs::read_to_string("/proc/self/limits").expect("limits"), "as abide's own");
        assert_eq!((seen.number("policy"), seen.number("io"), seen.text("oom_score_adjust")), (0, 0, own_oom_score()));
        let root = nix::unistd::geteuid().as_raw().to_string();
        assert!(seen.status("Uid").split(' ').all(|uid| uid == root));
        assert_eq!(seen.text("root"), "/");
    }),
    Row("files", Who::All, "umask = \"0027\"\ndirectory = \"/usr\"\nstdin = \"file:WORLD/input\"\n", "", |seen| {
        assert_eq!((seen.status("Umask"), seen.text("directory")), ("0027", "/usr"));
        assert_eq!(seen.text("input"), "what it reads\n");
    }),
    Row("environment", Who::All, "environment = { PORT = 80, X = \"${LANG}\" }\n", "", |seen| {
        assert_eq!((seen.variable("PORT"), seen.variable("X")), (Some("80"), seen.variable("LANG")));
        assert_eq!(seen.variable("FROM_ABIDE"), None);
    }),
    Row("inherits", Who::All, "inherit_environment = [\"FROM_ABIDE\"]\n", "", |seen| {
        assert_eq!((seen.variable("FROM_ABIDE"), seen.variable("ALSO")), (Some("1"), None));
    }),
    Row("inherits-all", Who::All, "inherit_environment = true\n", "", |seen| {
        assert_eq!((seen.variable("FROM_ABIDE"), seen.variable("ALSO")), (Some("1"), Some("2")));
        assert_eq!(seen.variable("NOTIFY_SOCKET"), None, "that one is abide's alone");
    }),
    Row(
        "limits",
        Who::All,
        "[limits]\nopen_files = 100\nprocesses = { soft = 1000, hard = 1001 }\ncore = 0\nfile_size = \"1GiB\"\n\
         stack = \"4MiB\"\nmemory_lock = \"32KiB\"\naddress_space = \"64GiB\"\ndata = \"32GiB\"\nresident_set = \"1GiB\"\n\
         cpu_time = \"1h\"\nnice = 0\nrealtime_priority = 0\nrealtime_cpu = \"1s\"\npending_signals = 99\n\
         message_queue = 1000\nlocks = 55\n",
        "",
        |seen| {
            for (name, soft, hard) in [
                ("Max open files", "100", "100"),
                ("Max processes", "1000", "1001"),
                ("Max core file size", "0", "0"),
                ("Max file size", "1073741824", "1073741824"),
                ("Max stack size", "4194304", "4194304"),
                ("Max locked memory", "32768", "32768"),
                ("Max address space", "68719476736", "68719476736"),
                ("Max data size", "34359738368", "34359738368"),
                ("Max resident set", "1073741824", "1073741824"),
                ("Max cpu time", "3600", "3600"),
                ("Max nice priority", "0", "0"),
                ("Max realtime priority", "0", "0"),
                ("Max realtime timeout", "1000000", "1000000"),
                ("Max pending signals", "99", "99"),
                ("Max msgqueue size", "1000", "1000"),
                ("Max file locks", "55", "55"),
            ] {
                let line = seen.limits().lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let words: Vec<&str> = line.split_whitespace().take(2).collect();
                assert_eq!(words, [soft, hard], "{name}");
            }
        },
    ),
    Row(
        "schedule",
        Who::All,
        "[schedule]\nnice = 10\nio_class = \"idle\"\ncpu_affinity = [0]\noom_score_adjust = 500\n",
        "",
        |seen| {
            assert_eq!((seen.number("nice"), seen.number("io"), seen.status("Cpus_allowed_list")), (10, 3 << 13, "0"));
            assert_eq!(seen.text("oom_score_adjust"), "500");
        },
    ),
    Row("best-effort", Who::All, "[schedule]\nio_class = \"best-effort:7\"\n", "", |seen| {
        assert_eq!(seen.number("io"), 2 << 13 | 7);
    }),
    Row(
        "realtime",
        Who::Capable(SYS_NICE, RIGHT),
        "[schedule]\nnice = -5\nio_class = \"realtime:3\"\nrealtime = \"round-robin:10\"\n",
        "",
        |seen| {
            assert_eq!((seen.number("nice"), seen.number("io")), (-5, 1 << 13 | 3));
            assert_eq!((seen.number("policy"), seen.number("realtime_priority")), (2, 10));
        },
    ),
    Row("precious", Who::Capable(SYS_RESOURCE, RIGHT), "[schedule]\noom_score_adjust = -500\n", "", |seen| {
        assert_eq!(seen.text("oom_score_adjust"), "-500");
    }),
    Row("no-gain", Who::All, "[security]\nno_new_privileges = true\n", "", |seen| {
        assert_eq!(seen.status("NoNewPrivs"), "1");
    }),
    Row("named", Who::Root("cannot-become"), "user = \"daemon\"\n", "", |seen| {
        let daemon = nix::unistd::User::from_name("daemon").expect("a database").expect("every machine has it");
        assert_eq!(seen.status("Uid"), [daemon.uid.to_string().as_str(); 4].join(" "));
        assert_eq!(seen.status("Gid"), [daemon.gid.to_string().as_str(); 4].join(" "));
        assert_eq!((seen.caps("CapPrm"), seen.caps("CapEff"), seen.caps("CapInh")), (0, 0, 0));
        assert_eq!((seen.variable("USER"), seen.variable("LOGNAME")), (Some("daemon"), Some("daemon")));
    }),
    Row("numbered", Who::Root("cannot-become"), "user = 4242\ngroup = 4243\ngroups = [7, 4244]\n", "", |seen| {
        assert_eq!(seen.status("Uid"), "4242 4242 4242 4242");
        assert_eq!(seen.status("Gid"), "4243 4243 4243 4243");
        assert_eq!(seen.status("Groups"), "7 4243 4244");
    }),
    Row(
        "bounded",
        Who::Root(RIGHT),
        "[security]\ncapabilities = [\"CHOWN\", \"CAP_NET_BIND_SERVICE\"]\n",
        "",
        |seen| {
            for set in ["CapBnd", "CapPrm", "CapEff"] {
                assert_eq!(seen.caps(set), 1 << 10 | 1, "{set}");
            }
            assert_eq!((seen.caps("CapAmb"), seen.caps("CapInh")), (0, 0));
        },
    ),
    Row("joined", Who::Root("cannot-become"), "groups = [7]\n", "", |seen| {
        assert!(seen.status("Groups").split(' ').any(|group| group == "7"), "{}", seen.status("Groups"));
        assert_eq!((seen.status("Uid"), seen.status("Gid")), ("0 0 0 0", "0 0 0 0"));
    }),
    Row("ambient-root", Who::Root(RIGHT), "[security]\nambient_capabilities = [\"KILL\"]\n", "", |seen| {
        assert_eq!((seen.caps("CapAmb"), seen.caps("CapInh")), (1 << 5, 1 << 5));
        assert_eq!(seen.caps("CapPrm"), seen.caps("CapBnd"), "it is root, all the same");
    }),
    Row(
        "ambient",
        Who::Root("cannot-become"),
        "user = 4242\ngroup = 4242\n[security]\nambient_capabilities = [\"NET_BIND_SERVICE\"]\ncapabilities = [\"NET_BIND_SERVICE\", \"KILL\"]\n",
        "",
        |seen| {
            for set in ["CapAmb", "CapPrm", "CapEff", "CapInh"] {
                assert_eq!(seen.caps(set), 1 << 10, "{set}");
            }
            assert_eq!(seen.caps("CapBnd"), 1 << 10 | 1 << 5);
            assert_eq!(seen.status("Uid"), "4242 4242 4242 4242");
        },
    ),
    Row("powerless", Who::Root(RIGHT), "[security]\ncapabilities = []\nno_new_privileges = true\n", "", |seen| {
        for set in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(seen.caps(set), 0, "{set}");
        }
        assert_eq!(seen.status("NoNewPrivs"), "1");
    }),
    Row(
        "own-tmp",
        Who::Capable(SYS_ADMIN, RIGHT),
        "[security]\nprivate_tmp = true\nread_only_paths = [\"/\"]\n",
        "/tmp /usr",
        |seen| {
            assert_eq!(seen.path("/tmp")["names"], serde_json::json!([]));
            assert_eq!((&seen.path("/tmp")["mode"], &seen.path("/tmp")["write"]), (&0o1777.into(), &"done".into()));
            assert_eq!(seen.path("/usr")["write"], "read-only filesystem or storage medium");
        },
    ),
    Row(
        "kept-out",
        Who::Capable(SYS_ADMIN, RIGHT),
        "[security]\nread_only_paths = [\"WORLD/link\"]\ninaccessible_paths = [\"WORLD/secret\", \"WORLD/input\"]\n",
        "WORLD/shelf WORLD/secret WORLD/input WORLD/state",
        |seen| {
            let all: Vec<&Value> = ["shelf", "secret", "input", "state"].iter().map(|it| seen.path_below(it)).collect();
            assert_eq!(all[0]["write"], "read-only filesystem or storage medium", "the link's target");
            assert_eq!(all[0]["names"], serde_json::json!(["book"]));
            assert_eq!((&all[1]["names"], &all[1]["mode"]), (&serde_json::json!([]), &0.into()));
            assert_eq!(all[2]["text"], "");
            assert_eq!(all[3]["write"], "done", "what is not named is as it was");
        },
    ),
    Row("own-network", Who::Capable(SYS_ADMIN, RIGHT), "[security]\nprivate_network = true\n", "", |seen| {
        assert_eq!(seen.0["interfaces"], serde_json::json!(["lo"]));
        assert_eq!(seen.0["loopback"], true);
    }),
    Row(
        "own-name",
        Who::Capable(SYS_ADMIN, RIGHT),
        "[security]\nhostname = \"probe-${ABIDE_INSTANCE}\"\n",
        "",
        |seen| {
            assert_eq!(seen.text("hostname"), "probe-0");
        },
    ),
    Row(
        "own-root",
        Who::Capable(SYS_ADMIN, RIGHT),
        "user = 4242\ngroup = 4242\nstdin = \"file:/srv/input\"\n[security]\nchroot = \"WORLD/root\"\n\
         private_tmp = true\nread_only_paths = [\"/srv\"]\ninaccessible_paths = [\"/hidden\"]\n",
        "/ /tmp /srv /hidden",
        |seen| {
            let here = seen.path("/")["names"].to_string();
            assert!(here.contains("i-am-the-root") && !here.contains("proc"), "{here}");
            assert_eq!((seen.text("directory"), seen.text("input")), ("/", "from within\n"));
            assert_eq!(seen.path("/tmp")["write"], "done");
            assert_eq!(seen.path("/srv")["write"], "read-only filesystem or storage medium");
            assert_eq!(seen.path("/hidden")["names"], Value::Null, "who is not root cannot even list it");
        },
    ),
];

fn own_oom_score() -> &'static str {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj").expect("it is there");
    Box::leak(text.trim().to_owned().into_boxed_str())
}

/// What a probe said of itself.
struct Seen(Value);

impl Seen {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }
    fn number(&self, key: &str) -> i64 {
        self.0[key].as_i64().unwrap_or(i64::MIN)
    }
    fn status(&self, key: &str) -> &str {
        self.0["status"][key].as_str().unwrap_or_default()
    }
    fn caps(&self, key: &str) -> u64 {
        u64::from_str_radix(self.status(key), 16).unwrap_or(u64::MAX)
    }
    fn limits(&self) -> &str {
        self.text("limits")
    }
    fn variable(&self, name: &str) -> Option<&str> {
        self.0["environment"][name].as_str()
    }
    fn path(&self, path: &str) -> &Value {
        &self.0["paths"][path]
    }
    /// That of the paths that ends with this name.
    fn path_below(&self, name: &str) -> &Value {
        let all = self.0["paths"].as_object().expect("paths");
        all.iter()
            .find(|(path, _)| path.ends_with(&format!("/{name}")))
            .map(|(_, seen)| seen)
            .expect("it was asked for")
    }

    /// What holds for every process that abide starts, whatever its file says.
    fn is_clean(&self, keeper: i32, keys: &str) {
        let pid = self.number("pid");
        assert_eq!((self.number("session"), self.number("group")), (pid, pid), "a session of its own");
        assert_eq!(self.number("parent"), i64::from(keeper));
        for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
            assert_eq!(u64::from_str_radix(self.status(set), 16), Ok(0), "{set}");
        }
        let descriptors = self.0["descriptors"].as_object().expect("a list");
        assert_eq!(descriptors.keys().collect::<Vec<_>>(), ["0", "1", "2"], "{descriptors:?}");
        let output = descriptors["1"].as_str().unwrap_or_default();
        assert!(output.contains("/pipes/") && descriptors["2"] == output, "{descriptors:?}");
        assert_eq!(descriptors["0"] == "/dev/null", !keys.contains("stdin"), "{descriptors:?}");
        assert_eq!(self.number("securebits"), 0);
        assert_eq!(self.status("NoNewPrivs") == "1", keys.contains("no_new_privileges"));
        assert_eq!(self.caps("CapAmb") != 0, keys.contains("ambient"));
        assert_eq!(self.status("Threads"), "1");
        if !keys.contains("environment") {
            let names: Vec<&String> = self.0["environment"].as_object().expect("a map").keys().collect();
            assert_eq!(names, ["ABIDE_INSTANCE", "ABIDE_RUN", "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
        }
        assert!(!self.text("cgroup").is_empty());
    }
}

/// What the probe of this service wrote to its log.
fn seen(world: &World, name: &str) -> Seen {
    let log = world.logged(name, "\"status\":{");
    let line = log.lines().rfind(|line| line.contains("\"status\":{")).expect("just seen");
    Seen(serde_json::from_str(&line[line.find('{').expect("it begins")..]).expect("the probe writes JSON"))
}

/// A world with the probe and what it looks at.
pub(crate) fn with_probe() -> World {
    let world = World::empty();
    probe::install(world.root());
    shell(
        "mkdir shelf secret; touch shelf/book secret/plan; echo what it reads >input; ln -s shelf link; \
         mkdir -p root/hidden root/srv; touch root/i-am-the-root root/hidden/x; echo from within >root/srv/input",
        world.root(),
    );
    world
}

/// The text of a service that runs the probe, which looks at `paths`.
pub(crate) fn command(world: &World, paths: &str, keys: &str) -> String {
    let program = if keys.contains("chroot") {
        "/bin/probe".into()
    } else if keys.contains("private_tmp") {
        // Where the world lies is not to be seen then.
        std::env::current_exe().expect("we run")
    } else {
        world.root().join("probe")
    };
    let mut text = format!("command = [\"{}\", {WORD:?}", program.display());
    for path in paths.split_whitespace() {
        let _ = write!(text, ", {path:?}");
    }
    let text = format!("{text}]\n{keys}");
    text.replace("WORLD", &world.root().display().to_string())
}

#[test]
fn a_process_is_given_what_its_file_asks_for_and_nothing_else() {
    let mut world = with_probe();
    if is_root() {
        probe::install_root(&world.root().join("root"));
    }
    for Row(name, _, keys, paths, _) in ROWS {
        world.drop_file(&format!("{name}.toml"), &command(&world, paths, keys));
    }
    let run = format!("#!/bin/sh\nexec {}/probe {WORD}\n", world.root().display());
    std::fs::create_dir(world.services().join("legacy")).expect("the world is writable");
    std::fs::write(world.services().join("legacy/run"), run).expect("the world is writable");
    shell("chmod 755 legacy/run", &world.services());
    let variables = [("FROM_ABIDE", "1"), ("ALSO", "2"), ("NOTIFY_SOCKET", "/none")];
    world.start_as(&Start { variables: &variables, ..Start::default() });
    let keeper = world.keeper();
    for Row(name, who, keys, _, check) in ROWS {
        let refused = match who {
            Who::All => None,
            Who::Root(code) => (!is_root()).then_some(code),
            Who::Capable(capability, code) => (!has_capability(*capability)).then_some(code),
        };
        if let Some(code) = refused {
            skip_for_users(&format!("what `{name}` asks for cannot be had here; that it is refused is tested"));
            world.error(name, code);
            assert_eq!(world.pid_now(name), None, "{name} does not start with less");
            continue;
        }
        let own = std::env::current_exe().expect("we run");
        if *name == "own-tmp" && ["/tmp", "/var/tmp"].iter().any(|it| own.starts_with(it)) {
            world.error(name, "bad-value");
            skip_for_users("the tests were built in a directory that `own-tmp` does not see");
            continue;
        }
        let seen = seen(&world, name);
        // Without /proc there is little to be seen.
        if !keys.contains("chroot") {
            assert_eq!(seen.number("pid"), i64::from(world.pid(name)), "{name}");
            seen.is_clean(keeper, keys);
        }
        check(&seen);
    }
    if !is_root() {
        use std::os::unix::fs::MetadataExt as _;
        let supervisor = world.status().expect("it runs").abide.supervisor_pid;
        let environment = std::fs::metadata(format!("/proc/{supervisor}/environ")).expect("it runs");
        assert_eq!(environment.uid(), 0, "nobody may read the supervisor's memory, whatever its children did");
    }
    let legacy = seen(&world, "legacy");
    assert_eq!((legacy.variable("FROM_ABIDE"), legacy.variable("ALSO")), (Some("1"), Some("2")), "all, as ever");
    assert_eq!(legacy.variable("NOTIFY_SOCKET"), None);
}

#[test]
fn check_knows_what_the_running_supervisor_may_do_and_not_what_it_could_itself() {
    if !is_root() {
        return skip_for_users("only root has rights to give up");
    }
    let mut world = World::empty();
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"60\"]\nuser = \"root\"\nsecurity.chroot = \"/\"\n");
    let capabilities = "security.capabilities = [\"SYS_CHROOT\", \"KILL\"]\n";
    world.drop_file("b.toml", &format!("command = [\"/bin/sleep\", \"60\"]\nuser = \"root\"\n{capabilities}"));
    let wrapper = ["setpriv", "--bounding-set=-sys_chroot", "--inh-caps=-sys_chroot"];
    world.start_as(&Start { wrapper: &wrapper, ..Start::default() });
    assert!(world.error("a", RIGHT).contains("`chroot` needs CAP_SYS_CHROOT"));
    assert!(world.error("b", RIGHT).contains("does not have SYS_CHROOT and cannot hand it on"));
    let check = world.abide(&["check", "services.d"]);
    let text = super::world::said(&check);
    assert!(super::world::code(&check) == 1 && text.matches("missing-right").count() == 2, "{text}");
    world.signal(Signal::SIGTERM);
    world.ended();
    let check = world.abide(&["check", "services.d"]);
    assert_eq!(super::world::code(&check), 0, "{}", super::world::said(&check));
}

#[test]
fn check_says_beforehand_what_cannot_be_had() {
    if is_root() && has_capability(SYS_RESOURCE) {
        return skip_for_users("root of this machine can have everything");
    }
    let world = World::empty();
    world.drop_file("a.toml", "command = [\"/bin/sleep\", \"1\"]\n[schedule]\noom_score_adjust = -900\n");
    let output = world.abide(&["check", "services.d"]);
    let text = super::world::said(&output);
    assert_eq!(super::world::code(&output), 1, "{text}");
    for words in ["services.d/a.toml:3:20", "CAP_SYS_RESOURCE", "oom_score_adjust = -900", "help: "] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
}
