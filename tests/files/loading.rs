//! What good files amount to, and where findings about merged values point.

use super::{load_with, machine};
use abide::model::desired::{Entry, Home};
use abide::model::diagnostic::Code;
use abide::model::launch::Launch;
use abide::model::limits::{Bound, Limit, LimitKind};
use abide::model::name::ServiceName;
use abide::model::policy::{RestartPolicy, RestartWhen, StopScope};
use abide::model::resources::Resources;
use abide::model::schedule::{IoClass, Realtime, Schedule};
use abide::model::security::Security;
use abide::model::service::{Kind, Run, Service};
use abide::model::signal::Signal;
use abide::source::config::{self, Config};
use abide::source::load::load;
use abide::source::toml::schema;
use abide::source::toml::shape::{self, Limits};
use abide::source::{Material, ServiceDirectory, Surroundings, Text};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn good(entry: Entry) -> Service {
    assert_eq!(entry.diagnostics, vec![]);
    entry.service.expect("good").service.clone()
}

fn plain(main: &str) -> Service {
    good(load_with(&machine(), &Config::default(), main.as_bytes(), &[]))
}

fn configured(text: &str) -> Config {
    let (config, findings) = config::parse(&Text { path: "abide.toml".into(), bytes: text.into() });
    assert_eq!(findings, vec![]);
    config.expect("good")
}

/// `(code, file, line, column)` of each finding.
fn places(entry: &Entry) -> Vec<(Code, String, u32, u32)> {
    let place = |at: &abide::model::diagnostic::Diagnostic| {
        let (line, column) = at.place.as_ref().map_or((0, 0), |place| (place.line, place.column));
        (at.code, at.file.display().to_string(), line, column)
    };
    entry.diagnostics.iter().map(place).collect()
}

#[test]
fn one_line_is_a_whole_service() {
    let service = plain("command = \"sleep 60\"");
    assert_eq!(service.run, Run::Command(vec!["sleep".into(), "60".into()]));
    assert_eq!((service.enabled, service.instances, service.umask), (true, 1, 0o022));
    assert_eq!((service.directory.as_str(), service.identity.change), ("/", false));
    assert_eq!(service.restart, RestartPolicy::default());
    let names: Vec<&str> = service.base.keys().map(String::as_str).collect();
    assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
    assert_eq!(service.base["LANG"], "C.UTF-8");
}

#[test]
fn every_key_has_its_meaning() {
    let service = plain(
        r#"
        script = "exec sleep ${UNTOUCHED}"
        description = "d"
        enabled = true
        instances = 4
        directory = "/tmp"
        umask = "0027"
        environment = { PORT = 80, DEBUG = true, RATE = 0.5, URL = "http://x:${ABIDE_INSTANCE}" }
        inherit_environment = false
        restart = { policy = "on-failure", delay = "1s", max_delay = "2m", factor = 3, jitter = 0, reset_after = "5s", limit = { count = 3, window = "1m" } }
        stop = { signal = "SIGINT", timeout = "3s", scope = "group" }
        limits = { open_files = 1024, stack = "1MiB", cpu_time = "2m", realtime_cpu = "1ms", processes = { soft = 5, hard = "unlimited" }, nice = 30, realtime_priority = 7 }
        log = { directory = "/var/log/${USER}", max_size = "1MB", max_files = 2 }
        stdin = "file:/etc/${NAME:-passwd}"
        schedule = { nice = 5, io_class = "best-effort", cpu_affinity = [1, 0, 1], oom_score_adjust = 100, realtime = "fifo:7" }
        [security]
        no_new_privileges = true
        capabilities = ["CAP_CHOWN", "net_bind_service"]
        ambient_capabilities = ["NET_BIND_SERVICE"]
        "#,
    );
    assert_eq!(service.run, Run::Script("exec sleep ${UNTOUCHED}".into()));
    assert_eq!((service.instances, service.umask, service.description.as_deref()), (4, 0o027, Some("d")));
    assert_eq!(service.environment["PORT"], "80");
    assert_eq!(service.environment["DEBUG"], "true");
    assert_eq!(service.environment["RATE"], "0.5");
    assert_eq!(service.restart.when, RestartWhen::OnFailure);
    assert_eq!((service.restart.factor, service.restart.jitter), (3.0, 0.0));
    assert_eq!(service.restart.limit.expect("a limit").count, 3);
    assert_eq!((service.stop.signal, service.stop.scope), (Signal::INT, StopScope::Group));
    let both = |number| Limit { soft: Bound(number), hard: Bound(number) };
    assert_eq!(service.limits[&LimitKind::Stack], both(1 << 20));
    assert_eq!(service.limits[&LimitKind::CpuTime], both(120));
    assert_eq!(service.limits[&LimitKind::RealtimeCpu], both(1000));
    assert_eq!(service.limits[&LimitKind::Processes], Limit { soft: Bound(5), hard: Bound::UNLIMITED });
    assert_eq!((service.log.max_size, service.log.max_files), (1_000_000, 2));
    let schedule = Schedule {
        nice: Some(5),
        io: Some(IoClass::BestEffort(4)),
        cpu_affinity: Some(vec![0, 1]),
        oom_score_adjust: Some(100),
        realtime: Some(Realtime::Fifo(7)),
    };
    assert_eq!(service.schedule.as_deref(), Some(&schedule));
    let security = Security {
        no_new_privileges: true,
        capabilities: Some(1 << 10 | 1),
        ambient_capabilities: Some(1 << 10),
        ..Security::default()
    };
    assert_eq!(service.security.as_deref(), Some(&security));
    let launch = Launch::prepare(&service, 3).expect("ready");
    assert_eq!(launch.environment["URL"], "http://x:3");
    assert_eq!(launch.stdin.as_deref(), Some("/etc/passwd"));
}

#[test]
fn what_asks_for_nothing_is_nothing() {
    let service = plain("command = \"sleep 60\"\nstdin = \"null\"\n[security]\nprivate_tmp = false\n[schedule]\n");
    assert_eq!((service.stdin, service.security, service.schedule), (None, None, None));
}

#[test]
fn what_can_be_had_depends_on_rights_and_on_the_services_own_limits() {
    let said = |around: &Surroundings, keys: &str| {
        let text = format!("command = \"sleep 60\"\n{keys}\n");
        let entry = load_with(around, &Config::default(), text.as_bytes(), &[]);
        entry.diagnostics.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let (poor, mut rich, mut old) = (machine(), machine(), machine());
    rich.ceilings.rights.effective = u64::MAX;
    let none: [&str; 0] = [];
    for keys in [
        "schedule.nice = -1",
        "schedule.nice = -1\nlimits.nice = 20",
        "schedule.realtime = \"fifo:5\"",
        "schedule.io_class = \"realtime\"",
        "schedule.oom_score_adjust = -1",
        "security.private_network = true",
        "security.hostname = \"x\"",
    ] {
        assert_eq!(said(&poor, keys).len(), 1, "{keys}");
        assert_eq!(said(&rich, keys), none, "{keys}");
    }
    for keys in [
        "schedule.nice = -1\nlimits.nice = 21",
        "schedule.nice = 0",
        "schedule.realtime = \"fifo:5\"\nlimits.realtime_priority = 5",
        "schedule.io_class = \"idle\"",
        "schedule.oom_score_adjust = 0",
        "security.no_new_privileges = true",
        "security.capabilities = []",
    ] {
        assert_eq!(said(&poor, keys), none, "{keys}");
    }
    let newest = "security.capabilities = [\"CHECKPOINT_RESTORE\"]";
    assert_eq!(said(&poor, newest), none);
    old.ceilings.rights.last_capability = 39;
    old.ceilings.rights.bounding &= (1 << 40) - 1;
    assert_eq!(said(&old, newest), ["this kernel does not know CHECKPOINT_RESTORE"]);
}

#[test]
fn programs_and_directories_are_looked_up_within_the_root() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(home.path().join("bin")).expect("made");
    let program = home.path().join("bin/inside");
    std::fs::write(&program, "#!/bin/sh\n").expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let text = |command: &str| format!("command = \"{command}\"\nsecurity.chroot = \"{}\"\n", home.path().display());
    assert_eq!(plain(&text("inside")).directory, "/");
    assert_eq!(plain(&text("bin/inside")).security.and_then(|it| it.chroot), home.path().to_str().map(str::to_owned));
    let entry = load_with(&machine(), &Config::default(), text("/bin/sh").as_bytes(), &[]);
    assert_eq!(entry.diagnostics[0].code, Code::NoProgram, "{entry:?}");
}

#[test]
fn resources_are_sizes_shares_and_processors_and_unlimited_lifts_a_default() {
    let around = Surroundings { preflight: false, ..machine() };
    let config = configured("[defaults.resources]\nmemory_max = \"1GiB\"\npids_max = 100\n");
    let resources = |text: &str| {
        let text = format!("command = \"/bin/true\"\n[resources]\n{text}\n");
        good(load_with(&around, &config, text.as_bytes(), &[])).resources.map(|it| *it)
    };
    let expected = Resources { memory_max: Some(64 << 20), pids_max: Some(100), ..Resources::default() };
    assert_eq!(resources("memory_max = \"64MiB\""), Some(expected));
    assert_eq!(resources("memory_max = \"unlimited\"\npids_max = \"unlimited\""), None);
    for (text, hundredths) in [("\"150%\"", 150), ("1.5", 150), ("2", 200), ("\"0.6 %\"", 1), ("0.29", 29)] {
        assert_eq!(resources(&format!("cpu_max = {text}")).and_then(|it| it.cpu_max), Some(hundredths), "{text}");
    }
    let all = resources("memory_high = 4096\ncpu_weight = 1\nio_weight = 10000").expect("some are set");
    assert_eq!((all.memory_high, all.cpu_weight, all.io_weight), (Some(4096), Some(1), Some(10_000)));
}

#[test]
fn tables_merge_key_by_key_and_all_else_is_replaced() {
    let config = configured(
        "[defaults]\numask = \"0077\"\nenvironment = { A = \"low\", B = \"low\" }\n\
         [defaults.limits]\nopen_files = 100\nstack = 4096\n[defaults.restart]\ndelay = \"9s\"\n",
    );
    let main = b"command = [\"sleep\", \"1\", \"2\"]\nenvironment.B = \"main\"\nlimits.open_files = 200\n";
    let drop_ins = ["command = \"sleep 3\"\n", "limits.open_files = 300\nenvironment = { C = \"high\" }\n"];
    let service = good(load_with(&machine(), &config, main, &drop_ins));
    assert_eq!(service.run, Run::Command(vec!["sleep".into(), "3".into()]));
    assert_eq!(service.umask, 0o077);
    let pairs: Vec<(&str, &str)> = service.environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("A", "low"), ("B", "main"), ("C", "high")]);
    assert_eq!(service.limits[&LimitKind::OpenFiles].soft, Bound(300));
    assert_eq!(service.limits[&LimitKind::Stack].soft, Bound(4096));
    assert_eq!(service.restart.delay, Duration::from_secs(9));
}

#[test]
fn findings_point_into_the_file_that_said_it() {
    let config = configured("[defaults.limits]\nopen_files = 9999\n[defaults.environment]\nX = \"${NO}\"\n");
    let main = b"command = [\"sleep\", \"1\"]\nuser = \"no-such-user-here\"\nlog.directory = \"here\"\n";
    let entry = load_with(&machine(), &config, main, &["# x\ncommand = [\"no-such-program\"]\n", "jnit = 1\n"]);
    assert!(entry.service.is_none());
    let file = |name: &str| format!("services.d/web.toml{name}");
    assert_eq!(
        places(&entry),
        [
            (Code::UnknownUser, file(""), 2, 8),
            (Code::BadValue, file(""), 3, 17),
            (Code::NoProgram, file(".d/0.toml"), 2, 12),
            (Code::UnknownKey, file(".d/1.toml"), 1, 1),
            (Code::LimitAboveHard, "abide.toml".into(), 2, 14),
            (Code::BadTemplate, "abide.toml".into(), 4, 6),
        ]
    );
    assert_eq!(entry.drop_ins.len(), 2);
    assert!(entry.file_hash.is_some());
}

#[test]
fn a_service_that_is_not_to_run_is_not_looked_at() {
    let text = |head: &str| {
        format!(
            "{head}\ncommand = \"/gone\"\nuser = \"gone\"\nenvironment_files = [\"/gone\"]\n[limits]\nopen_files = 5000\n[environment]\nA = \"${{FROM_FILE}}\"\n"
        )
    };
    good(load_with(&machine(), &Config::default(), text("enabled = false").as_bytes(), &[]));
    good(load_with(&machine(), &Config::default(), text("instances = 0").as_bytes(), &[]));
    let text_alone = Surroundings { preflight: false, ..machine() };
    good(load_with(&text_alone, &Config::default(), text("").as_bytes(), &[]));
    assert!(load_with(&machine(), &Config::default(), text("").as_bytes(), &[]).service.is_none());
}

#[test]
fn environment_files_feed_templates_and_point_at_their_line() {
    let home = tempfile::tempdir().expect("a directory");
    let (fine, broken) = (home.path().join("fine"), home.path().join("broken"));
    std::fs::write(&fine, "export PORT=\"80 80\"\n# x\n").expect("written");
    std::fs::write(&broken, "A=1\nnonsense\n").expect("written");
    let text = |path: &Path| {
        format!(
            "command = \"sleep 60\"\nenvironment_files = [\"{}\"]\nenvironment.URL = \"x:${{PORT}}\"\n",
            path.display()
        )
    };
    let service = plain(&text(&fine));
    assert_eq!(Launch::prepare(&service, 0).expect("ready").environment["URL"], "x:80 80");
    let entry = load_with(&machine(), &Config::default(), text(&broken).as_bytes(), &[]);
    assert_eq!(entry.diagnostics[0].code, Code::EnvironmentFile);
    assert_eq!(entry.diagnostics[0].message, format!("{}:2: a line without `=`", broken.display()));
    std::fs::write(&broken, vec![b'#'; (1 << 20) + 1]).expect("written");
    let entry = load_with(&machine(), &Config::default(), text(&broken).as_bytes(), &[]);
    assert!(entry.diagnostics[0].message.contains("larger than 1 MiB"), "{:?}", entry.diagnostics);
    let entry = load_with(&machine(), &Config::default(), text(home.path()).as_bytes(), &[]);
    assert!(entry.diagnostics[0].message.contains("no regular file"), "{:?}", entry.diagnostics);
}

#[test]
fn a_program_is_searched_in_the_services_own_path() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a directory");
    let program = home.path().join("own-program");
    std::fs::write(&program, "#!/bin/sh\n").expect("written");
    // Not as root: whose this directory is depends on who runs the tests.
    let text = format!(
        "user = \"nobody\"\ncommand = \"own-program\"\nenvironment.PATH = \"{}:${{PATH}}\"\n",
        home.path().display()
    );
    let entry = load_with(&machine(), &Config::default(), text.as_bytes(), &[]);
    assert!(entry.diagnostics[0].help.as_deref().is_some_and(|help| help.contains("chmod +x")), "{entry:?}");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    plain(&text);
    plain(&format!("user = \"nobody\"\ncommand = \"./own-program\"\ndirectory = \"{}\"\n", home.path().display()));
}

#[test]
fn inherited_variables_are_those_asked_for_and_never_abides_own() {
    let mut around = machine();
    let pairs = [("TZ", "UTC"), ("X", "1"), ("NOTIFY_SOCKET", "/x"), ("LISTEN_FDS", "1"), ("ABIDE_RUNTIME_DIR", "/x")];
    around.environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let names = |around: &Surroundings, line: &str| {
        let text = format!("command = \"sleep 60\"\n{line}\n");
        let service = good(load_with(around, &Config::default(), text.as_bytes(), &[]));
        let base = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"];
        service.base.keys().filter(|name| !base.contains(&name.as_str())).cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&around, ""), "");
    assert_eq!(names(&around, "inherit_environment = true"), "TZ X");
    assert_eq!(names(&around, "inherit_environment = [\"TZ\", \"NOTIFY_SOCKET\", \"ABSENT\"]"), "TZ");
    around.is_init = true;
    assert_eq!(names(&around, ""), "TZ X");
    assert_eq!(names(&around, "inherit_environment = false"), "");
}

#[test]
fn equal_environments_are_shared() {
    assert!(Arc::ptr_eq(&plain("command = \"sleep 1\"").base, &plain("command = \"sleep 2\"").base));
}

#[test]
fn another_user_needs_root() {
    let around = Surroundings { uid: 65_534, ..machine() };
    let entry = load_with(&around, &Config::default(), b"command = \"/bin/sh\"\nuser = \"root\"\n", &[]);
    assert_eq!(entry.diagnostics[0].code, Code::CannotBecome, "{entry:?}");
    let own = load_with(&around, &Config::default(), b"command = \"/bin/sh\"\nuser = 65534\ndirectory = \"/\"\n", &[]);
    assert!(!good(own).identity.change);
}

#[test]
fn root_may_give_a_service_to_anybody() {
    let service = plain("command = \"/bin/sh\"\nuser = \"nobody\"\ngroups = [7]\ndirectory = \"/\"\n");
    let identity = &service.identity;
    assert_eq!((identity.uid, identity.user.as_str(), identity.change), (65_534, "nobody", true));
    assert!(identity.groups.contains(&7) && identity.groups.contains(&identity.gid));
    assert_eq!(service.base["USER"], "nobody");
    let numeric = plain("command = \"/bin/sh\"\nuser = 4242\ngroup = 4243\n");
    assert_eq!((numeric.identity.uid, numeric.identity.gid, &*numeric.identity.groups), (4242, 4243, &[4243][..]));
    assert!(!plain("command = \"/bin/sh\"\nuser = \"root\"\n").identity.change);
    let entry = load_with(&machine(), &Config::default(), b"command = \"/bin/sh\"\nuser = 4242\n", &[]);
    assert_eq!(entry.diagnostics[0].code, Code::UnknownUser);
}

fn legacy(config: &Config, down: bool, run: &str) -> Entry {
    let run = Text { path: "services.d/old/run".into(), bytes: run.into() };
    let (shown, path) = ("services.d/old".into(), "/srv/$old".into());
    let home = Box::new(Home { device: 1, inode: 2, born: None });
    let service = ServiceDirectory { shown, path, home, down, run, parts: Vec::new() };
    let material = Material::Daemontools { service, log: None };
    load(&machine(), config, &ServiceName::new("old").expect("legal"), &material).entries.remove(0).1
}

#[test]
fn a_legacy_directory_keeps_its_own_rules() {
    let config = configured(
        "[defaults]\numask = \"0077\"\nlimits.open_files = 100\nlog.max_files = 9\nrestart.delay = \"9s\"\n",
    );
    let service = good(legacy(&config, false, "#!/bin/sh\n"));
    assert_eq!((service.kind, service.umask, service.log.max_files), (Kind::Daemontools, 0o022, 9));
    assert_eq!(service.restart, RestartPolicy::daemontools());
    assert_eq!(service.limits[&LimitKind::OpenFiles].soft, Bound(100));
    assert_eq!(Launch::prepare(&service, 0).expect("ready").directory, "/srv/$old");
    let edited = good(legacy(&config, false, "#!/bin/sh\nexec x\n"));
    assert_ne!(service.version(), edited.version());
    assert!(!good(legacy(&config, true, "")).enabled);
    let high = configured("[defaults]\nlimits.open_files = 9999\n");
    assert_eq!(places(&legacy(&high, false, ""))[0].1, "abide.toml");
}

#[test]
fn limits_in_the_shape_are_those_of_the_model() {
    let keys: Vec<&str> = LimitKind::ALL.map(LimitKind::key).into();
    assert_eq!(Limits::KEYS, keys);
}

#[test]
fn the_schema_takes_what_is_read_and_names_every_key() {
    let schema = schema::schema();
    let text = schema.to_string();
    assert!(!text.contains("\"type\":\"null\"") && !text.contains(",\"null\"]"), "TOML has no null: {text}");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let valid: toml::Value = toml::from_str(
        "command = \"a\"\nuser = 5\nenvironment = { A = 1, B = true }\ninherit_environment = [\"A\"]\n\
         [limits]\nopen_files = { soft = 1, hard = \"unlimited\" }\ncore = \"1MiB\"\n[restart]\npolicy = \"never\"\nlimit = { count = 1, window = \"1m\" }\n\
         [schedule]\nnice = -5\ncpu_affinity = \"0-3\"\nio_class = \"best-effort:7\"\nrealtime = \"fifo:10\"\n\
         [security]\ncapabilities = [\"KILL\"]\nprivate_tmp = true\nread_only_paths = [\"/usr\"]\n",
    )
    .expect("TOML");
    let json = |value: &toml::Value| serde_json::to_value(value).expect("JSON");
    assert!(validator.is_valid(&json(&valid)), "{:?}", validator.iter_errors(&json(&valid)).next());
    for bad in [
        "restrat = 1",
        "[limits]\nopen = 1",
        "instances = 1001",
        "[restart]\npolicy = \"x\"",
        "schedule.nice = 20",
        "stdin = \"/f\"",
        "umask = \"9\"",
    ] {
        assert!(!validator.is_valid(&json(&toml::from_str(bad).expect("TOML"))), "{bad}");
    }
    for key in shape::ServiceFile::KEYS {
        let text = schema["properties"][key].to_string();
        assert!(text.contains("description"), "{key}: {text}");
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_mistake() {
    plain("\u{feff}command = \"sleep 60\"\r\n[limits]\r\nopen_files = 5\r\n");
}

#[test]
fn a_misplaced_key_is_told_where_it_belongs() {
    let text = b"command = \"sleep 60\"\npolicy = \"never\"\n[limits]\nuser = \"root\"\n";
    let entry = load_with(&machine(), &Config::default(), text, &[]);
    let help: Vec<&str> = entry.diagnostics.iter().filter_map(|finding| finding.help.as_deref()).collect();
    assert_eq!(help, ["move it below `[restart]`", "move it above the first `[table]`"]);
}

#[test]
fn a_policy_without_pause_or_end_is_warned_of_and_slowed_down() {
    let load = |restart: &str| {
        let text = format!("command = [\"/bin/sh\"]\nuser = \"root\"\n[restart]\n{restart}");
        load_with(&machine(), &Config::default(), text.as_bytes(), &[])
    };
    for hasty in [
        "delay = \"0s\"",
        "reset_after = \"0s\"",
        "delay = \"5ms\"\nfactor = 1",
        "max_delay = \"9ms\"\ndelay = \"1ms\"",
    ] {
        let entry = load(hasty);
        let spacing = entry.service.expect("it is taken").service.restart.spacing;
        assert_eq!(spacing, Duration::from_millis(100), "{hasty}");
        let [warning] = &entry.diagnostics[..] else { panic!("{hasty}: {:?}", entry.diagnostics) };
        assert!(!warning.is_error() && warning.place.is_some(), "{hasty}");
    }
    for fine in [
        "delay = \"1ms\"",
        "delay = \"100ms\"\nfactor = 1",
        "policy = \"never\"\ndelay = \"0s\"",
        "delay = \"0s\"\nlimit = { count = 3, window = \"1m\" }",
    ] {
        let entry = load(fine);
        assert!(entry.diagnostics.is_empty(), "{fine}: {:?}", entry.diagnostics);
        assert!(entry.service.expect("it is taken").service.restart.spacing.is_zero(), "{fine}");
    }
}

#[test]
fn a_service_of_root_is_said_to_whoever_asks_for_advice() {
    let codes = |around: &Surroundings, text: &str| {
        let entry = load_with(around, &Config::default(), text.as_bytes(), &[]);
        assert!(entry.service.is_some(), "{:?}", entry.diagnostics);
        entry.diagnostics.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let asked = Surroundings { advise: true, ..machine() };
    let silent = "command = [\"/bin/sh\"]\n";
    assert_eq!(codes(&asked, silent), [Code::RunsAsRoot]);
    assert!(codes(&asked, &format!("{silent}user = \"root\"\n")).is_empty());
    assert!(codes(&asked, &format!("{silent}enabled = false\n")).is_empty());
    assert!(codes(&machine(), silent).is_empty());
}

#[test]
fn who_has_no_home_works_in_the_root() {
    let users = std::fs::read_to_string("/etc/passwd").expect("there are users");
    let homeless = users.lines().find(|line| line.split(':').nth(5) == Some("/nonexistent"));
    let Some(name) = homeless.and_then(|line| line.split(':').next()) else {
        eprintln!("skipped: every user of this machine has a home");
        return;
    };
    assert_eq!(plain(&format!("command = [\"/bin/sh\"]\nuser = \"{name}\"\n")).directory, "/");
}

#[test]
fn patterns_have_a_bound_all_together() {
    let text = |length: usize| {
        let pattern = "a".repeat(length);
        format!("command = [\"sleep\", \"1\"]\n[log]\ninclude = [{pattern:?}, \"b\"]\nredact = [{pattern:?}]\n")
    };
    let service = good(load_with(&machine(), &Config::default(), text(4000).as_bytes(), &[]));
    assert_eq!(service.log.selection.map(|selection| selection.include.len()), Some(2));
    let entry = load_with(&machine(), &Config::default(), text(4096).as_bytes(), &[]);
    assert!(entry.service.is_none());
    assert_eq!(entry.diagnostics[0].message, "the patterns of `[log]` are longer than 8 KiB, all together");
}
