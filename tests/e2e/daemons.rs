//! Daemons of a usual machine, as its init would run them: each in directories of its own, on a
//! loopback port, with nothing of the machine's own configuration.

use super::process::{alive, children, is_root, send, shell, skip_for_users, wanted};
use super::servers::{Server, free_port, lives_a_whole_life};
use super::world::World;
use nix::sys::signal::Signal;
use std::path::Path;

#[test]
fn sshd_runs_and_takes_its_sessions_along() {
    let (Some(sshd), Some(keygen)) = (wanted("sshd"), wanted("ssh-keygen")) else { return };
    if nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().is_none() {
        return skip_for_users("sshd and its tools run for known users only");
    }
    let world = World::with(&[]);
    let home = world.root().join("sshd-home");
    std::fs::create_dir(&home).expect("it is new");
    shell(&format!("{keygen} -q -t ed25519 -N '' -f key"), &home);
    if is_root() {
        // Where it confines who has not logged in yet; its package leaves the making to its unit.
        shell("mkdir -p -m 755 /run/sshd", Path::new("/"));
    }
    let file = |port: u16| {
        let home = home.display();
        let conf = format!("ListenAddress 127.0.0.1:{port}\nHostKey {home}/key\nPidFile none\nStrictModes no\n");
        std::fs::write(format!("{home}/{port}.conf"), conf).expect("the world is writable");
        format!("command = [\"{sshd}\", \"-D\", \"-e\", \"-f\", \"{home}/{port}.conf\"]\n")
    };
    let server = Server { name: "sshd", file: &file, question: b"", answer: "SSH-2.0-", has_children: false };
    lives_a_whole_life(&world, &server);

    // A connection is a process; it ends with its daemon.
    let port = free_port();
    world.drop_file("sshd.toml", &file(port));
    let pid = world.pid("sshd");
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port));
    world.until_true("it answers", || connect().is_ok());
    let _connection = connect().expect("it answers");
    world.until_true("it serves it by a process", || !children(pid).is_empty());
    let sessions = children(pid);
    world.remove("sshd.toml");
    world.gone("sshd");
    assert!(!alive(pid) && !sessions.into_iter().any(alive));
}

#[test]
fn cron_runs_and_takes_its_jobs_along() {
    let Some(cron) = wanted("cron") else { return };
    if !is_root() {
        return skip_for_users("cron runs as root only");
    }
    let world = World::with(&[]);
    let home = world.root().join("cron-home");
    std::fs::create_dir(&home).expect("it is new");
    // It has no option for where its tables and its lock are: it gets its own view of these.
    let job = home.join("job");
    let lines = format!("@reboot root echo $$ >{}; exec sleep 86400\n", job.display());
    std::fs::write(home.join("table"), lines).expect("the world is writable");
    let script = format!(
        "for it in /run /var/spool/cron /etc/cron.d; do mount -t tmpfs none $it; done
         mkdir /var/spool/cron/crontabs
         mount --bind /dev/null /etc/crontab
         install -m 644 {}/table /etc/cron.d/table
         exec {cron} -f",
        home.display()
    );
    let can = std::process::Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|it| it.success());
    if !can {
        return super::process::skip("no mount namespace can be made");
    }
    std::fs::write(home.join("start"), script).expect("the world is writable");
    let command = format!("command = [\"unshare\", \"-m\", \"/bin/sh\", \"-e\", \"{}/start\"]\n", home.display());
    world.drop_file("cron.toml", &command);
    let pid = world.pid("cron");
    let read = || std::fs::read_to_string(&job).ok()?.trim().parse::<i32>().ok();
    world.until_true("its job runs", || read().is_some_and(alive));
    let first = read().expect("just seen");

    send(pid, Signal::SIGKILL);
    let back = world.pid_after("cron", pid);
    world.until_true("the job of the dead one is gone", || !alive(first));
    world.until_true("its job runs again", || read().is_some_and(|job| job != first && alive(job)));
    let second = read().expect("just seen");
    world.remove("cron.toml");
    world.gone("cron");
    assert!(!alive(back) && !alive(second), "nothing of it is left");
}
