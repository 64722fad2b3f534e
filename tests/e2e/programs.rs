//! supervisord's files in a watched directory: their programs run unchanged, and with what abide adds.

use super::process::{alive, children, is_root, send, skip_for_users};
use super::ready::{first, in_state, why};
use super::world::{World, said, service};
use abide::model::status::{State, Status};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What a process has in its environment.
fn variable(pid: i32, name: &str) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/environ")).expect("it lives");
    let mut all = text.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
    all.find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

fn problem(status: &Status, words: &str) -> bool {
    status.problems.iter().any(|error| error.message.contains(words))
}

#[test]
fn the_operators_own_file_runs_as_it_is() {
    let mut world = World::empty();
    world.drop_file(
        "notes.conf",
        "; as they wrote it\n\
         [program:cat]\n\
         command=/bin/cat          ; echoes\n\
         process_name=%(program_name)s_%(process_num)02d\n\
         numprocs=2\n\
         startsecs=0\n\
         \n\
         [program:server]\n\
         command = /bin/sh -c 'exec sleep 8640%(process_num)d'\n\
         directory: /tmp\n\
         umask=027\n\
         startsecs=0\n\
         environment=A=\"x, $y\",\n  B='%%'  # both\n\
         stdout_logfile_maxbytes=50MB\n\
         stdout_logfile_backups=10\n",
    );
    world.start();
    let cats = [world.pid("cat:cat_00"), world.pid("cat:cat_01")];
    let server = world.pid("server");
    assert_eq!(variable(server, "A").as_deref(), Some("x, $y"));
    assert_eq!(variable(server, "B").as_deref(), Some("%"));
    assert_eq!(variable(server, "SUPERVISOR_PROCESS_NAME").as_deref(), Some("server"));
    assert_eq!(variable(cats[1], "SUPERVISOR_GROUP_NAME").as_deref(), Some("cat"));
    assert_eq!(variable(server, "HOME"), std::env::var("HOME").ok(), "it is left as abide has it");
    assert_eq!(fs::read_link(format!("/proc/{server}/cwd")).expect("it lives").to_str(), Some("/tmp"));
    let status = fs::read_to_string(format!("/proc/{server}/status")).expect("it lives");
    assert!(status.contains("\nUmask:\t0027\n"), "{status}");
    // Nobody closes what they read.
    world.fence();
    assert_eq!([world.pid("cat:cat_00"), world.pid("cat:cat_01")], cats);
    world.believe_removals();
    world.remove("notes.conf");
    for name in ["cat:cat_00", "cat:cat_01", "server"] {
        world.gone(name);
    }
}

#[test]
fn an_edit_touches_what_it_changes_and_nothing_else() {
    let world = World::with(&[]);
    let text = |one: &str, more: &str| {
        format!(
            "[program:one]\ncommand=/bin/sleep {one}\nstartsecs=0\n[program:two]\ncommand=/bin/sleep 86401\nstartsecs=0\n{more}"
        )
    };
    world.drop_file("web.conf", &text("86400", ""));
    let (one, two) = (world.pid("one"), world.pid("two"));
    let three = "[program:three]\ncommand=/bin/sleep 86402\nstartsecs=0\n";
    world.overwrite("web.conf", &text("86400", three));
    world.pid("three");
    world.overwrite("web.conf", &text("86403", "; three is gone\nautorestart=true\nstopwaitsecs=20\n"));
    world.pid_after("one", one);
    world.gone("three");
    assert_eq!(world.pid("two"), two, "how it is stopped and restarted is taken up as it runs");
    let starts = world.starts("two");
    world.overwrite("web.conf", &text("86403", "# another comment\nstopwaitsecs = 20\nautorestart=true\n"));
    world.fence();
    assert_eq!((world.pid("two"), world.starts("two")), (two, starts));
}

#[test]
fn one_bad_section_harms_its_own_program_only() {
    let mut world = World::with(&[]);
    let text = |bad: &str| {
        format!(
            "[program:good]\ncommand=/bin/sleep 86400\nstartsecs=0\n[program:other]\ncommand=/bin/sleep 86401\nstartsecs=0\nnumprocs={bad}\nprocess_name=%(process_num)d\n"
        )
    };
    world.drop_file("web.conf", &text("2"));
    let (good, other) = (world.pid("good"), world.pid("other:0"));
    world.overwrite("web.conf", &text("two").replace("86400", "86402"));
    let good = world.pid_after("good", good);
    let status = world.until("an error of the other", |status| {
        service(status, "other:0").is_some_and(|other| !other.errors.is_empty())
    });
    let error = &service(&status, "other:1").expect("it is there").errors[0];
    assert_eq!((error.line, error.column), (Some(7), Some(10)), "{error:?}");
    assert_eq!(world.pid_now("other:0"), Some(other));
    // Whoever comes next knows still what the section was about.
    send(world.until("the supervisor", |_| true).abide.supervisor_pid, Signal::SIGKILL);
    world.fence();
    assert_eq!((world.pid("good"), world.pid_now("other:0")), (good, Some(other)));
    world.signal(Signal::SIGTERM);
    world.ended();
    world.start();
    let runs = |status: &Status| first(status, "other:1").is_some_and(|it| it.state == State::Running);
    let status = world.until("its last good version runs", runs);
    assert!(service(&status, "other").is_none());
    world.overwrite("web.conf", &text("1"));
    world.gone("other:1");
    world.mended("other:0");
}

#[test]
fn a_program_lives_as_under_supervisord() {
    let world = World::with(&[]);
    let once = world.root().join("once");
    world.drop_file(
        "life.conf",
        &format!(
            "[program:done]\ncommand=/bin/sh -c 'exit 7'\nstartsecs=0\nexitcodes=7\n\
             [program:unexpected]\ncommand=/bin/sh -c 'test -e {0} && exec sleep 86400; touch {0}; exit 0'\nstartsecs=0\nexitcodes=7\n\
             [program:broken]\ncommand=/bin/sh -c 'exit 0'\nstartretries=0\n\
             [program:idle]\ncommand=/bin/sleep 86400\nautostart=false\nstartsecs=0\n",
            once.display()
        ),
    );
    let done = in_state(&world, "done", State::Stopped);
    assert!(why(&done).contains("not restarted by its policy"), "{done:?}");
    in_state(&world, "unexpected", State::Running);
    assert_eq!(first(&world.status().expect("it is there"), "unexpected").expect("it runs").restarts, 1);
    let has_failed = |status: &Status| service(status, "broken").is_some_and(|it| it.state == State::Failed);
    let status = world.until("it has failed", has_failed);
    let broken = first(&status, "broken").expect("just seen").clone();
    assert!(why(&broken).contains("did not start, and is not tried again: exit code 0"), "{broken:?}");
    let idle = in_state(&world, "idle", State::Held);
    assert!(why(&idle).contains("autostart=false"), "{idle:?}");
    let output = world.abide(&["start", "idle"]);
    assert!(output.status.success(), "{}", said(&output));
    let pid = world.pid("idle");
    // It stays started, also for another supervisor.
    send(world.until("the supervisor", |_| true).abide.supervisor_pid, Signal::SIGKILL);
    world.fence();
    assert_eq!(world.pid("idle"), pid);
}

#[test]
fn a_stop_reaches_whom_the_file_says() {
    let world = World::with(&[]);
    let child = "'sleep 86400 & trap \"\" USR1; echo up; while :; do wait; done'";
    world.drop_file(
        "stop.conf",
        &format!(
            "[program:alone]\ncommand=/bin/sh -c {child}\nstartsecs=0\nstopwaitsecs=1\nstopsignal=USR1\n\
             [program:together]\ncommand=/bin/sh -c {child}\nstartsecs=0\nstopwaitsecs=1\nstopsignal=usr1\nkillasgroup=true\n"
        ),
    );
    let of = |name: &str| {
        world.logged(name, "up");
        children(world.pid(name))[0]
    };
    let (alone, together) = (of("alone"), of("together"));
    let output = world.abide(&["stop", "alone", "together"]);
    assert!(output.status.success(), "{}", said(&output));
    in_state(&world, "alone", State::Held);
    in_state(&world, "together", State::Held);
    world.until_true("its group is killed", || !alive(together));
    assert!(alive(alone), "what it started is its own affair");
    send(alone, Signal::SIGKILL);
}

#[test]
fn what_is_broken_and_renamed_or_claimed_twice_is_no_ghost() {
    let world = World::with(&[]);
    let one = |more: &str| format!("[program:one]\ncommand=/bin/sleep 86400\nstartsecs=0\n{more}");
    world.drop_file("a.conf", &one(""));
    let pid = world.pid("one");
    world.overwrite("a.conf", &one("numprocs=many\n"));
    let is_broken = |status: &Status| service(status, "one").is_some_and(|it| !it.errors.is_empty());
    world.until("it is broken", is_broken);
    fs::rename(world.file("a.conf"), world.file("b.conf")).expect("it is there");
    world.until("it is broken under the other name", |status| {
        service(status, "one").is_some_and(|it| it.errors.iter().any(|error| error.file.ends_with("b.conf")))
    });
    world.fence_removals();
    assert_eq!(world.pid_now("one"), Some(pid));
    world.overwrite("b.conf", &one(""));
    world.mended("one");
    // Both who have it go at once.
    world.drop_file("c.conf", &one("stopwaitsecs=7\n"));
    world.until("two claim it", |status| problem(status, "the name one is taken by"));
    world.believe_removals();
    world.remove("b.conf");
    world.remove("c.conf");
    world.gone("one");
}

#[test]
fn what_was_never_good_is_read_again_once_the_machine_is() {
    let world = World::with(&[]);
    let logs = world.root().join("later");
    let text =
        format!("[program:web]\ncommand=/bin/sleep 86400\nstartsecs=0\nstdout_logfile={}/o.log\n", logs.display());
    world.drop_file("web.conf", &text);
    world.until("no such directory", |status| problem(status, "later"));
    fs::create_dir(&logs).expect("the world is writable");
    std::process::Command::new("touch").arg(world.file("web.conf")).status().expect("it is there");
    world.pid("web");
    world.until("nothing is wrong any more", |status| status.problems.is_empty());
}

#[test]
fn what_is_included_belongs_to_the_file() {
    let world = World::with(&[]);
    let parts = world.root().join("parts");
    fs::create_dir(&parts).expect("the world is writable");
    world.drop_file("main.conf", &format!("[include]\nfiles = {}/*.ini\n", parts.display()));
    world.fence();
    let put = |name: &str, text: &str| fs::write(parts.join(name), text).expect("the world is writable");
    put("a.ini", "[program:a]\ncommand=/bin/sleep 86400\nstartsecs=0\n");
    let a = world.pid("a");
    assert_eq!(variable(a, "SUPERVISOR_ENABLED").as_deref(), Some("1"));
    put("b.ini", "[program:b]\ncommand=%(here)s/b\nstartsecs=0\n[program:a]\nautorestart=true\n");
    let status = world
        .until("an error in what is included", |status| service(status, "b").is_some_and(|b| !b.errors.is_empty()));
    let error = &service(&status, "b").expect("it is there").errors[0];
    assert!(error.file.ends_with("parts/b.ini") && error.line == Some(2), "{error:?}");
    // What is wrong with the file takes nothing from what it includes.
    let main = format!("[include]\nfiles = {}/*.ini\n[program:main]\nwhat is this\n", parts.display());
    world.overwrite("main.conf", &main);
    world.until("an error in the file itself", |status| problem(status, "what is this"));
    assert_eq!(world.pid_now("a"), Some(a));
    fs::remove_file(parts.join("a.ini")).expect("it is there");
    world.until("an error of a, which lost its command", |status| {
        service(status, "a").is_some_and(|a| !a.errors.is_empty())
    });
    assert_eq!(world.pid_now("a"), Some(a));
}

#[test]
fn a_drop_in_gives_what_supervisord_lacks() {
    let world = World::with(&[]);
    world.drop_file(
        "web.conf",
        "[program:web]\ncommand=/bin/sleep 86400\n[program:db]\ncommand=/bin/sleep 86401\nstartsecs=0\n",
    );
    let before = in_state(&world, "web", State::Ready).pid.expect("it runs");
    fs::create_dir(world.file("web.conf.d")).expect("it is new");
    let say = |text: &str| fs::write(world.file("web.conf.d/web.toml"), text).expect("the world is writable");
    say("requires = [\"db\"]\n[ready]\nexec = [\"/bin/true\"]\n[limits]\nopen_files = 777\n");
    // All of it is taken up as it runs.
    let limits = || fs::read_to_string(format!("/proc/{before}/limits")).expect("it lives");
    let is_there = || limits().lines().any(|line| line.starts_with("Max open files") && line.contains("777"));
    world.until_true("its limit is there", is_there);
    assert!(world.abide(&["stop", "db"]).status.success());
    let waits = |status: &Status| service(status, "web").is_some_and(|it| it.state == State::Waiting);
    world.until("it waits for db", waits);
    say("command = 1\n");
    let status = world
        .until("an error in the drop-in", |status| service(status, "web").is_some_and(|web| !web.errors.is_empty()));
    assert!(service(&status, "web").expect("it is there").errors[0].file.ends_with("web.conf.d/web.toml"));
}

#[test]
fn two_files_of_one_name_and_limits_that_cannot_be_had_are_errors() {
    let world = World::with(&[("web", "command = [\"/bin/sleep\", \"86400\"]\n")]);
    let web = world.pid("web");
    world.drop_file(
        "a.conf",
        "[program:web]\ncommand=/bin/sleep 1\n[program:x]\ncommand=/bin/sleep 86401\nstartsecs=0\n",
    );
    world.pid("x");
    world.until("the name is taken", |status| problem(status, "the name web is taken by"));
    assert_eq!(world.pid("web"), web);
    world.drop_file("b.conf", "[supervisord]\nminfds=2000000000\n[program:many]\ncommand=/bin/sleep 1\n");
    let status =
        world.until("no such limit", |status| service(status, "many").is_some_and(|many| !many.errors.is_empty()));
    let error = &service(&status, "many").expect("it is there").errors[0];
    assert!(error.message.contains("open_files"), "{error:?}");
}

#[test]
fn a_user_is_taken_with_its_groups_and_without_its_home() {
    if !is_root() {
        return skip_for_users("becoming another user");
    }
    let world = World::with(&[]);
    world.drop_file("web.conf", "[program:web]\ncommand=/bin/sleep 86400\nuser=nobody\nstartsecs=0\n");
    let pid = world.pid("web");
    let owner = fs::metadata(format!("/proc/{pid}")).expect("it lives").uid();
    let nobody = nix::unistd::User::from_name("nobody").expect("it can be asked").expect("there is one");
    assert_eq!(owner, nobody.uid.as_raw());
    assert_eq!(variable(pid, "HOME"), std::env::var("HOME").ok());
}

#[test]
fn what_reads_its_input_survives_the_end_of_all_of_abide() {
    let mut world = World::with(&[]);
    world.drop_file("cat.conf", "[program:cat]\ncommand=/bin/cat\nstartsecs=0\n");
    let pid = world.pid("cat");
    let status = world.until("the supervisor", |_| true);
    for role in [status.abide.pid, status.abide.supervisor_pid] {
        send(role, Signal::SIGKILL);
    }
    world.ended();
    world.start();
    world.fence();
    assert_eq!(world.pid("cat"), pid);
    assert!(world.abide(&["restart", "cat"]).status.success());
    world.pid_after("cat", pid);
}

#[test]
fn output_goes_into_the_files_that_are_named() {
    let world = World::with(&[]);
    let logs = world.root().join("logs");
    fs::create_dir(&logs).expect("the world is writable");
    let go = world.root().join("go");
    let say = format!(
        "/bin/sh -c 'echo out; echo err >&2; while ! test -e {0}; do sleep 0.05; done; echo more; exec sleep 86400'",
        go.display()
    );
    world.drop_file(
        "logs.conf",
        &format!(
            "[supervisord]\n\
             [program:both]\ncommand={say}\nstartsecs=0\nstdout_logfile={0}/%(program_name)s.log\nstderr_logfile={0}/both.err\nstdout_logfile_maxbytes=4\nstdout_logfile_backups=2\n\
             [program:one]\ncommand={say}\nstartsecs=0\nredirect_stderr=true\nstdout_logfile={0}/one.log\n\
             [program:half]\ncommand={say}\nstartsecs=0\nstdout_logfile={0}/half.log\n\
             [program:none]\ncommand={say}\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=none\n",
            logs.display()
        ),
    );
    for name in ["both", "one", "half", "none"] {
        world.pid(name);
    }
    let text = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
    let is = |name: &str, wanted: &str| {
        world.until_true(&format!("{name} holds {wanted:?}"), || text(&logs.join(name)) == wanted);
    };
    is("both.err", "err\n");
    is("both.log.1", "out\n");
    is("one.log", "out\nerr\n");
    is("half.log", "out\n");
    fs::write(&go, "").expect("the world is writable");
    is("both.log.1", "more\n");
    is("both.log.2", "out\n");
    is("half.log", "out\nmore\n");
    let beside = world.logs().join("half/stderr");
    world.until_true("its errors are beside abide's own logs", || text(&beside) == "err\n");
    let output = world.abide(&["logs", "one", "-o", "cat"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\nerr\nmore\n", "{}", said(&output));
    let status = world.status().expect("it is there");
    let path = first(&status, "one").and_then(|it| it.log.clone()).map(|log| log.path);
    assert_eq!(path.as_deref(), logs.join("one.log").to_str());
}
