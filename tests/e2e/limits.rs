//! The incident that abide comes from: 1,024 open files by accident, and nobody was told.

use super::process::limit;
use super::world::{SLEEPER, Start, World, code, said, service};
use abide::model::status::State;

const HARD: u64 = 20_000;

fn asks(open_files: u64) -> String {
    format!("{SLEEPER}\n[limits]\nopen_files = {open_files}\n")
}

/// A world whose supervisor was started with the accident's soft limit; `None` (and said aloud)
/// where this process itself was not given enough.
fn accident(services: &[(&str, &str)]) -> Option<World> {
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a known limit");
    if hard < HARD {
        super::process::skip(&format!("the hard limit of open files here is {hard}, the test needs {HARD}"));
        return None;
    }
    let mut world = World::empty();
    for (name, text) in services {
        world.drop_file(&format!("{name}.toml"), text);
    }
    world.start_as(&Start { open_files: Some((1024, HARD)), ..Start::default() });
    Some(world)
}

fn open_files(pid: i32) -> Option<(String, String)> {
    limit(pid, "Max open files")
}

#[test]
fn a_service_gets_the_limit_of_its_file_and_others_what_abide_was_started_with() {
    let Some(world) = accident(&[("web", &asks(16_384)), ("other", SLEEPER)]) else { return };
    assert_eq!(open_files(world.pid("web")), Some(("16384".into(), "16384".into())));
    assert_eq!(open_files(world.pid("other")), Some(("1024".into(), HARD.to_string())), "not what abide needs itself");
    let status = world.status().expect("it runs");
    let shown = service(&status, "web").and_then(|it| it.instances[0].limits.get("open_files").copied());
    assert_eq!(shown.map(|it| (it.soft, it.hard)), Some((Some(16_384), Some(16_384))), "read back from the kernel");
}

#[test]
fn a_limit_that_cannot_be_had_starts_nothing_and_status_check_and_log_say_it() {
    let Some(world) = accident(&[("web", &asks(65_536))]) else { return };
    world.error("web", "limit-above-hard");
    assert_eq!(world.pid_now("web"), None, "it does not start with a lower one");
    let status = world.abide(&["status"]);
    let check = world.abide(&["check", "services.d"]);
    assert_eq!((code(&status), code(&check)), (1, 1));
    for text in [said(&status), said(&check)] {
        for word in ["open_files", "65536", "20000", "LimitNOFILE"] {
            assert!(text.replace(',', "").contains(word), "{word} is missing in\n{text}");
        }
    }
    world.until_true("the log says it", || {
        world
            .events()
            .iter()
            .any(|event| event.to_string().contains("open_files") && event.to_string().contains("65536"))
    });
}

#[test]
fn check_measures_what_the_running_supervisor_can_have_and_not_what_it_could_itself() {
    let mut world = World::empty();
    world.drop_file("web.toml", &asks(900));
    world.start_as(&Start { open_files: Some((512, 800)), ..Start::default() });
    world.error("web", "limit-above-hard");
    let check = world.abide(&["check", "services.d"]);
    assert!(code(&check) == 1 && said(&check).contains("800"), "{}", said(&check));
    world.signal(nix::sys::signal::Signal::SIGTERM);
    world.ended();
    let check = world.abide(&["check", "services.d"]);
    assert_eq!(code(&check), 0, "{}", said(&check));
}

#[test]
fn a_version_that_ran_goes_on_when_the_new_one_asks_too_much() {
    let Some(world) = accident(&[("web", &asks(16_384))]) else { return };
    let pid = world.pid("web");
    world.drop_file("web.toml", &asks(65_536));
    world.error("web", "limit-above-hard");
    assert_eq!(world.pid_now("web"), Some(pid));
    assert_eq!(open_files(pid), Some(("16384".into(), "16384".into())));
}

#[test]
fn one_line_of_defaults_settles_it_for_all() {
    let mut world = World::empty();
    for name in ["a", "b"] {
        world.drop_file(&format!("{name}.toml"), SLEEPER);
    }
    std::fs::write(world.root().join("abide.toml"), "[defaults]\nlimits.open_files = 1000\n").expect("it is ours");
    world.drop_file("c.toml", &asks(900));
    world.start();
    for (name, expected) in [("a", "1000"), ("b", "1000"), ("c", "900")] {
        assert_eq!(open_files(world.pid(name)), Some((expected.into(), expected.into())), "{name}");
    }
}

#[test]
fn the_accident_is_settled_for_all_by_one_line_while_abide_runs() {
    let Some(world) = accident(&[("a", SLEEPER), ("b", &asks(900))]) else { return };
    let (a, b) = (world.pid("a"), world.pid("b"));
    assert_eq!(open_files(a), Some(("1024".into(), HARD.to_string())));
    world.replace(&world.root().join("abide.toml"), "[defaults]\nlimits.open_files = 16384\n");
    world.until_true("a has what the default says", || {
        world.pid_now("a").and_then(open_files) == Some(("16384".into(), "16384".into()))
    });
    assert_eq!((world.pid("b"), open_files(b)), (b, Some(("900".into(), "900".into()))));
}

#[test]
fn a_lowered_limit_is_set_on_the_running_process() {
    let world = World::with(&[("a", &asks(900))]);
    let pid = world.pid("a");
    world.drop_file("a.toml", &asks(800));
    world.until_true("the kernel reports it", || open_files(pid) == Some(("800".into(), "800".into())));
    world.until("a is in sync", |status| {
        service(status, "a").is_some_and(|it| it.state == State::Running && it.instances[0].in_sync)
    });
    assert_eq!(world.pid("a"), pid);
}
