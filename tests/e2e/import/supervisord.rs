//! `abide import supervisord`: what comes of a configuration starts the very processes that abide starts of the file itself.

use super::super::process::is_root;
use super::super::world::{World, code, said, service};
use super::{assert_same, comm, facts};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What `abide import` says, and its exit code.
fn import(world: &World, words: &[&str]) -> (i32, String) {
    let all: Vec<&str> = ["import", "supervisord"].iter().chain(words).copied().collect();
    let output = world.abide(&all);
    (code(&output), said(&output))
}

fn write(world: &World, name: &str, text: &str) {
    fs::write(world.root().join(name), text).expect("the world is writable");
}

#[test]
fn what_is_imported_runs_as_the_file_itself_did() {
    let mut world = World::empty();
    let user = if is_root() { "user=nobody\n" } else { "" };
    let text = format!(
        "[supervisord]\nenvironment=ALL=\"for all\",ONE=\"1\"\n\
         [DEFAULT]\nstartsecs=0\numask=022\n\
         [program:web]\ncommand=/bin/sh -c 'exec sleep 86400' \"it's\" '$HOME' ''\ndirectory=/tmp\numask=027\n{user}\
         environment=ONE=\"x, $y ${{Z}} \\ 'q'\",P='%%'\nstdout_logfile=NONE\n\
         [program:many]\ncommand=/bin/sleep 8640%(process_num)d\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n\
         directory=/\nenvironment=N=\"%(process_num)d\"\n\
         [group:pair]\nprograms=one\n\
         [program:one]\ncommand=sleep 86403\ndirectory=/usr\nredirect_stderr=true\nstopasgroup=true\n"
    );
    world.drop_file("all.conf", &text);
    write(&world, "all.conf", &text);
    world.start();
    let names = ["web", "many:many_00", "many:many_01", "pair:one"];
    let old = names.map(|name| {
        let pid = world.pid(name);
        world.until_true("it has become what it is", || comm(pid) == "sleep");
        facts(pid)
    });
    fs::create_dir(world.root().join("made")).expect("new");
    let (exit, report) = import(&world, &["all.conf", "--to", "made"]);
    assert_eq!(exit, 0, "{report}");
    assert!(report.contains("  supervisorctl -c all.conf shutdown\n"), "{report}");
    let checked = world.abide(&["check", "made"]);
    assert_eq!(code(&checked), 0, "{}", said(&checked));
    world.believe_removals();
    world.remove("all.conf");
    world.gone("pair:one");
    for name in ["web", "many", "pair-one"] {
        let made = fs::read_to_string(world.root().join(format!("made/{name}.toml"))).expect("it was imported");
        world.drop_file(&format!("{name}.toml"), &made);
    }
    world.pid("many");
    let status = world.until("both instances", |status| {
        service(status, "many")
            .is_some_and(|it| it.instances.len() == 2 && it.instances.iter().all(|i| i.pid.is_some()))
    });
    let many: Vec<i32> =
        service(&status, "many").expect("just seen").instances.iter().filter_map(|it| it.pid).collect();
    let new = [world.pid("web"), many[0], many[1], world.pid("pair-one")];
    for ((name, old), new) in names.iter().zip(old).zip(new) {
        world.until_true("it has become what it is", || comm(new) == "sleep");
        assert_same(name, old, facts(new), *name == "web" && is_root());
    }
}

#[test]
fn the_report_names_what_is_not_carried_over_and_why() {
    let world = World::empty();
    write(
        &world,
        "s.conf",
        "[supervisord]\nlogfile=/tmp/s.log\n[include]\nfiles=*.part none/*\n\
         [program:web]\ncommand=/bin/sleep 1\npriority=5\ncolour=red\nnumprocs=2\nnumprocs_start=4\nprocess_name=%(process_num)d\n\
         [eventlistener:mail]\ncommand=/bin/sleep 1\nevents=TICK_5\n\
         [program:gone]\ncommand=/no/such/program\n[program:bad]\ncommand=/bin/sleep 1\nstartsecs=x\n\
         [program:odd]\ncommand=sh -c 'x ; y'\n[program:web-4]\ncommand=/bin/sleep 1\nnumprocs=1\n",
    );
    write(&world, "more.part", "[program:more]\ncommand=/bin/sleep 1\ndirectory=/\n");
    let (exit, text) = import(&world, &["s.conf"]);
    assert_eq!(exit, 1, "{text}");
    for words in [
        "# ---- web-5.toml ---",
        "command = [\"/bin/sleep\", \"1\"]",
        "more: imported\n",
        "web-4: imported; 3 remarks stand in it\n",
        "web-4: left as it is: [program:web-4] has one that comes to the same name",
        "mail: left as it is: it is an eventlistener",
        "gone: left as it is: as a service file it would have an error",
        "left as it is: s.conf, line 19: startsecs: 'x' is not an integer in section 'program:bad'",
        "odd: left as it is: the command cannot be split into words",
        "No file matches via include",
        "  [program:web] priority: it only orders the starts",
        "  [program:web] colour: supervisord has no such key",
        "  [supervisord] logfile: abide has a log of its own",
        "  of all: stdin is /dev/null",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    assert_eq!(text.matches("[program:web] priority").count(), 1, "{text}");
    assert!(!text.contains("To switch"), "{text}");
    let (exit, text) = import(&world, &["s.conf", "--to", "services.d", "--dry-run"]);
    assert!(exit == 1 && text.contains("more: would be imported to services.d/more.toml"), "{text}");
    assert_eq!(fs::read_dir(world.services()).expect("ours").count(), 0);
    let (_, text) = import(&world, &["s.conf", "--to", "services.d"]);
    assert!(text.contains("  supervisorctl -c s.conf stop 'more:*' 'web:*'\n"), "{text}");
    assert!(text.contains("and take [program:more], [program:web] out"), "{text}");
    let (_, text) = import(&world, &["s.conf", "--to", "services.d"]);
    assert!(text.contains("services.d/more.toml is there already; --force replaces it"), "{text}");
    let (_, text) = import(&world, &["more.part", "--to", "services.d", "--force"]);
    assert!(text.contains("  supervisorctl stop 'more:*'\n"), "there is no telling its file: {text}");
    let (_, text) = import(&world, &["s.conf", "--to", "services.d", "--force"]);
    assert!(text.contains("more: imported to services.d/more.toml\n"), "{text}");
}

#[test]
fn what_supervisord_runs_is_not_written_where_abide_would_run_it_too() {
    let mut world = World::empty();
    write(&world, "s.conf", "[supervisord]\npidfile=s.pid\n[program:web]\ncommand=/bin/sleep 86400\ndirectory=/\n");
    world.start();
    let mut other = Command::new("sleep").arg0("supervisord").arg("60").spawn().expect("sleep is there");
    write(&world, "s.pid", &format!("{}\n", other.id()));
    let (exit, text) = import(&world, &["s.conf", "--to", "services.d"]);
    other.kill().expect("it is ours");
    other.wait().expect("it is ours");
    assert!(exit == 1 && text.contains("and abide watches services.d: it would run twice"), "{text}");
    let (exit, text) = import(&world, &["s.conf", "--to", "services.d"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn what_cannot_be_imported_at_all_is_said() {
    let world = World::empty();
    write(&world, "good.conf", "[program:web]\ncommand=/bin/sleep 1\n");
    write(&world, "none.conf", "[supervisord]\n");
    write(&world, "broken.conf", "[supervisord]\nminfds=x\n[program:web]\ncommand=/bin/sleep 1\n");
    write(&world, "services.d/in.conf", "[program:web]\ncommand=/bin/sleep 1\n");
    for (words, wrong) in [
        (["nowhere.conf", "--to", "services.d"], "nowhere.conf: it is not there"),
        (["services.d", "--to", "services.d"], "not a regular file"),
        (["none.conf", "--to", "services.d"], "there is no program in none.conf"),
        (["broken.conf", "--to", "services.d"], "broken.conf, line 2: minfds: 'x' is not an integer"),
        (["good.conf", "--to", "nowhere"], "nowhere is no directory"),
        (["services.d/in.conf", "--to", "services.d"], "services.d/in.conf is in services.d, from where abide runs it"),
    ] {
        let (exit, text) = import(&world, &words);
        assert!(exit == 1 && text.contains(wrong), "{wrong} is missing in\n{text}");
    }
    assert_eq!(fs::read_dir(world.services()).expect("ours").count(), 1);
}
