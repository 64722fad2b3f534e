//! What was there when a file was checked, and is not when its service is started: one clear error, and
//! nothing runs as or with something else.

use super::given::{SYS_ADMIN, command, with_probe};
use super::probe;
use super::process::{has_capability, is_root, send, shell, skip_for_users, uid};
use super::world::{Start, World, service};
use abide::model::status::State;
use nix::sys::signal::Signal;

/// Waits until the service does not run, for this reason.
fn refused_for(world: &World, name: &str, words: &str) {
    world.until(&format!("the status says: {words}"), |status| {
        service(status, name).is_some_and(|it| {
            let reason = it.instances[0].reason.as_deref().unwrap_or_default();
            it.state != State::Running && it.instances[0].pid.is_none() && reason.contains(words)
        })
    });
}

#[test]
fn a_path_that_vanishes_after_the_check_is_named_until_it_is_back() {
    let mut world = with_probe();
    let mut rows = vec![("reads", "stdin = \"file:WORLD/input\"\n", "could not open as standard input", "input")];
    if is_root() && has_capability(SYS_ADMIN) {
        let keys = "[security]\nread_only_paths = [\"WORLD/shelf\", \"WORLD/gone\"]\n";
        rows.push(("protected", keys, "could not write-protect", "gone"));
        let keys = "[security]\ninaccessible_paths = [\"WORLD/secret\"]\n";
        rows.push(("hidden", keys, "could not hide", "secret"));
        let keys = "stdin = \"file:/srv/input\"\n[security]\nchroot = \"WORLD/root\"\n";
        rows.push(("rooted", keys, "could not change the root to", "root"));
        probe::install_root(&world.root().join("root"));
    } else {
        skip_for_users("only root can take paths away from a service");
    }
    shell("mkdir gone", world.root());
    for (name, keys, ..) in &rows {
        world.drop_file(&format!("{name}.toml"), &command(&world, "", keys));
    }
    world.start();
    for (name, _, words, path) in rows {
        let pid = world.pid(name);
        let (here, away) = (world.root().join(path), world.root().join("away"));
        std::fs::rename(&here, &away).expect("it is ours");
        send(pid, Signal::SIGKILL);
        refused_for(&world, name, &format!("{words} {}: No such file", here.display()));
        std::fs::rename(&away, &here).expect("it is ours");
        world.pid_after(name, pid);
    }
}

#[test]
fn a_user_that_vanishes_after_the_check_is_one_clear_error_until_it_is_back() {
    if !is_root() || !has_capability(SYS_ADMIN) {
        return skip_for_users("only who may have a mount namespace has a user database of its own");
    }
    let mut world = with_probe();
    let passwd = world.root().join("passwd");
    let own = std::fs::read_to_string("/etc/passwd").expect("there are users");
    let with = |uid: u32| format!("{own}probe-user:x:{uid}:65534::/:/bin/sh\n");
    // In place, for the file is mounted.
    let write = |text: &str| std::fs::write(&passwd, text).expect("the world is writable");
    write(&with(4242));
    world.drop_file("a.toml", &command(&world, "", "user = \"probe-user\"\ndirectory = \"/\"\n"));
    let script = format!("mount --bind {} /etc/passwd; exec \"$@\"", passwd.display());
    world.start_as(&Start { wrapper: &["unshare", "-m", "/bin/sh", "-ec", &script, "sh"], ..Start::default() });
    let pid = world.pid("a");
    assert_eq!(uid(pid), Some(4242));

    for (text, words) in [(own.clone(), "no user probe-user any more"), (with(4243), "is 4243 now and was 4242")] {
        write(&text);
        let last = world.pid_now("a").unwrap_or(0);
        if last != 0 {
            send(last, Signal::SIGKILL);
        }
        refused_for(&world, "a", words);
    }
    write(&with(4242));
    assert_eq!(uid(world.pid_after("a", pid)), Some(4242));
}
