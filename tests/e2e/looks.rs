//! What the doors tell of processes and of the machine: usage, trees, environments, findings, metrics.

use super::world::{SLEEPER, World, code, said};
use abide::api::client::Client;
use abide::model::look::{Difference, Environment, Findings, InstanceUsage, Level, ProcessState, Trees, Usage};
use serde::de::DeserializeOwned;

/// What abide answers, and how.
fn get(world: &World, path: &str) -> (u16, String) {
    let client = Client::new(&world.runtime()).expect("a runtime can be had");
    let reply = client.get(path).unwrap_or_else(|error| panic!("{path}: {error:?}\n{}", world.story()));
    (reply.status, String::from_utf8(reply.body.to_vec()).expect("text"))
}

/// The same, where it must be well, as a value.
fn look<T: DeserializeOwned>(world: &World, path: &str) -> T {
    let (status, body) = get(world, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// Waits until one instance's usage is as claimed.
fn usage_until(world: &World, name: &str, claim: &str, holds: impl Fn(&InstanceUsage) -> bool) {
    world.until_true(claim, || {
        let usage: Usage = look(world, "/v1/usage");
        usage.services.iter().any(|it| it.service.as_str() == name && holds(it))
    });
}

#[test]
fn usage_counts_the_whole_tree_its_time_its_memory_and_what_it_said() {
    let busy = "script = \"sh -c 'while :; do :; done' & sleep 86400 & echo hello; wait\"\n";
    let off = "enabled = false\ncommand = \"true\"\n";
    let world = World::with(&[("busy", busy), ("idle", SLEEPER), ("off", off)]);
    world.logged("busy", "hello");
    usage_until(&world, "busy", "a shell, a loop and a sleep", |it| it.processes == 3);
    usage_until(&world, "busy", "it uses time", |it| it.cpu_ms >= 50 && it.resident_bytes > 1 << 20);
    usage_until(&world, "busy", "its output is kept", |it| it.log_bytes.is_some_and(|bytes| bytes >= 5));
    usage_until(&world, "idle", "it does nothing", |it| it.processes == 1 && it.cpu_ms < 1000 && it.resident_bytes > 0);
    usage_until(&world, "off", "none", |it| (it.processes, it.cpu_ms, it.log_bytes) == (0, 0, Some(0)));
    world.drop_file("busy.toml", "command = [\"/bin/sleep\", \"86400\"]\nstop = { timeout = \"1s\" }\n");
    usage_until(&world, "busy", "a new run begins anew", |it| it.processes == 1 && it.cpu_ms < 50);
}

#[test]
fn many_who_ask_at_once_all_get_an_answer() {
    let world = World::with_sleepers("abcdefgh");
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let usage: Usage = look(&world, "/v1/usage");
                assert_eq!(usage.services.iter().map(|it| it.processes).sum::<u64>(), 8);
            });
        }
    });
}

#[test]
fn a_tree_shows_each_process_with_its_words_and_who_started_it() {
    let text = "script = \"sh -c 'sleep 86401 & sleep 86402; :' & exec sleep 86400\"\n";
    let world = World::with(&[("web", text), ("off", "enabled = false\ncommand = \"true\"\n")]);
    let main = world.pid("web");
    world.until_true("four processes", || {
        let trees: Trees = look(&world, "/v1/services/web/tree");
        let processes = &trees.instances[0].processes;
        let find = |command: &str| processes.iter().find(|process| process.command == command);
        let (Some(first), Some(below)) = (find("sleep 86400"), find("sleep 86401")) else { return false };
        let shell = processes.iter().find(|process| process.pid == below.parent);
        processes.len() == 4
            && processes[0].pid == main
            && (first.pid, first.threads, first.state) == (main, 1, ProcessState::Sleeping)
            && first.resident_bytes > 0
            && first.uid == nix::unistd::geteuid().as_raw()
            && shell.is_some_and(|shell| shell.parent == main)
            && trees.instances[0].pid == Some(main)
    });
    let off: Trees = look(&world, "/v1/services/off/tree");
    assert!(off.instances[0].pid.is_none() && off.instances[0].processes.is_empty(), "{off:?}");
    let (status, body) = get(&world, "/v1/services/wbe/tree");
    assert!(status == 404 && body.contains("no-such-service") && body.contains("did you mean web?"), "{body}");
}

#[test]
fn an_environment_is_what_the_process_gets_and_secrets_are_hidden() {
    let text = "command = [\"/bin/sleep\", \"86400\"]\ninstances = 2\n[environment]\nPORT = \"808${ABIDE_INSTANCE}\"\n\
                DB_PASSWORD = \"hush\"\nDB = \"postgres://app:hush@db/x\"\n";
    let world = World::with(&[("web", text)]);
    world.pid("web");
    let of = |world: &World, path: &str| -> Environment { look(world, path) };
    let find = |all: &Environment, name: &str| all.variables.iter().find(|it| it.name == name).cloned();
    let second = of(&world, "/v1/services/web/env?instance=1");
    assert_eq!((second.instance, second.pid.is_some(), second.uncompared.as_deref()), (1, true, None));
    let port = find(&second, "PORT").expect("it is given");
    assert_eq!((port.value.as_str(), port.masked, port.process), ("8081", false, None));
    assert_eq!(find(&second, "ABIDE_INSTANCE").map(|it| it.value).as_deref(), Some("1"));
    assert_eq!(find(&second, "DB_PASSWORD").map(|it| (it.value, it.masked)), Some(("***".to_owned(), true)));
    assert_eq!(find(&second, "DB").map(|it| it.value).as_deref(), Some("postgres://app:***@db/x"));
    let mark = find(&second, "ABIDE_RUN").expect("each run has a mark");
    assert_eq!(mark.process, Some(Difference::Only));
    assert!(!get(&world, "/v1/services/web/env").1.contains("hush"));
    let shown = of(&world, "/v1/services/web/env?show_secrets=true");
    assert_eq!(find(&shown, "DB_PASSWORD").map(|it| (it.value, it.masked)), Some(("hush".to_owned(), false)));
    let (status, body) = get(&world, "/v1/services/web/env?instance=2");
    assert!(status == 404 && body.contains("no instance 2"), "{body}");
}

#[test]
fn a_service_whose_file_was_never_good_has_no_environment_and_says_so() {
    let world = World::with(&[("bad", "command = ")]);
    world.error("bad", "syntax");
    for path in ["/v1/services/bad/env", "/v1/services/bad/tree"] {
        let (status, body) = get(&world, path);
        assert!(status == 409 && body.contains("never good"), "{path}: {body}");
    }
}

#[test]
fn the_doctor_has_looked_at_all_that_abide_needs() {
    let world = World::with_sleepers("a");
    let found: Findings = look(&world, "/v1/doctor");
    let finding = |what: &str| found.findings.iter().find(|it| it.what == what).unwrap_or_else(|| panic!("{what}"));
    for what in ["kernel", "processes", "place", "cgroups", "rights", "open files", "pipes", "inotify", "clock"] {
        assert!(!finding(what).says.is_empty());
    }
    let log = finding("log directory");
    assert!(log.says.contains(&world.logs().display().to_string()), "{log:?}");
    let watched = finding(&format!("watched {}", world.services().display()));
    assert!(watched.level == Level::Ok && watched.says.contains("1 service"), "{watched:?}");
    for it in &found.findings {
        assert_eq!(it.remedy.is_some(), it.level != Level::Ok, "{it:?}");
    }
}

#[test]
fn the_metrics_are_those_of_the_file_and_what_services_use_and_promtool_accepts_them() {
    let world = World::with(&[("web", "script = \"echo hello; exec sleep 86400\"\n"), ("idle.x_Y", SLEEPER)]);
    world.logged("web", "hello");
    world.until_true("all of it is told", || {
        let text = get(&world, "/metrics").1;
        let value = |series: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok())
        };
        value("abide_service_log_bytes{service=\"web\"}").is_some_and(|bytes| bytes >= 6.0)
            && value("abide_service_resident_memory_bytes{service=\"idle.x_Y\"}").is_some_and(|bytes| bytes > 0.0)
            && value("abide_service_processes{service=\"idle.x_Y\"}") == Some(1.0)
            && value("abide_service_cpu_seconds_total{service=\"web\"}").is_some()
            && value("abide_service_state{service=\"web\",state=\"running\"}") == Some(1.0)
    });
    let text = get(&world, "/metrics").1;
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ").map(str::to_owned)).collect()
    };
    let file = std::fs::read_to_string(world.runtime().join("status.prom")).expect("it is there");
    assert!(names(&text).starts_with(&names(&file)), "the same series first");
    assert_eq!(names(&text).len(), names(&file).len() + 4);
    let Some(promtool) = super::process::wanted("promtool") else { return };
    std::fs::write(world.root().join("metrics"), &text).expect("the world is writable");
    super::process::shell(&format!("{promtool} check metrics <metrics"), world.root());
}

#[test]
fn the_commands_show_trees_environments_and_findings() {
    let text = "command = [\"/bin/sleep\", \"86400\"]\ninstances = 2\n[environment]\nTOKEN = \"hush\"\nPORT = \"80\"\n";
    let world = World::with(&[("web", text), ("db", SLEEPER)]);
    world.pid("web");
    let pid = world.pid("db");
    let ask = |words: &[&str]| {
        let output = world.abide(words);
        (code(&output), said(&output))
    };
    let (ended, all) = ask(&["tree"]);
    assert!(ended == 0 && all.contains("web@0") && all.contains("db\n") && all.contains("sleep 86400"), "{all}");
    let (ended, one) = ask(&["tree", "web@1"]);
    assert!(ended == 0 && !one.contains("db") && one.lines().count() == 2, "{one}");
    let (ended, json) = ask(&["tree", "--json", "db"]);
    let trees: Vec<Trees> = serde_json::from_str(&json).expect("JSON");
    assert_eq!((ended, trees[0].instances[0].pid), (0, Some(pid)));
    let (ended, none) = ask(&["tree", "wbe"]);
    assert!(ended == 1 && none.contains("did you mean web?"), "{none}");

    let (ended, env) = ask(&["env", "web@1"]);
    assert!(ended == 0 && env.contains("TOKEN=***") && env.contains("ABIDE_INSTANCE=1\n"), "{env}");
    let (ended, env) = ask(&["env", "--show-secrets", "web"]);
    assert!(ended == 0 && env.contains("TOKEN=hush"), "{env}");
    assert_eq!(ask(&["env", "web*"]).0, 64);

    let (ended, found) = ask(&["doctor"]);
    assert!(ended < 2 && found.contains("cgroups: ") && found.contains("log directory: "), "{ended} {found}");
    let found: Findings = serde_json::from_str(&ask(&["doctor", "--json"]).1).expect("JSON");
    assert_eq!(ended == 0, found.findings.iter().all(|it| it.level == Level::Ok));
}

#[test]
fn the_doctor_works_where_no_abide_runs_and_the_others_say_that_none_does() {
    let world = World::empty();
    let output = world.abide(&["doctor"]);
    let text = said(&output);
    assert!(code(&output) < 2 && text.contains("no abide runs here") && text.contains("kernel: "), "{text}");
    for command in [&["tree"][..], &["env", "web"]] {
        assert_eq!(code(&world.abide(command)), 3, "{command:?}");
    }
}
