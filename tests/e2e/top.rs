//! `abide top` in a real terminal: what is seen, what keys do to real services, and how the terminal is left.

use super::doors::http::{User, as_user, get};
use super::process::{is_root, send, skip_for_users, wanted};
use super::world::{DEADLINE, SLEEPER, World, binary, service};
use abide::model::status::State;
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Says something, again and again.
const TALKER: &str = "script = \"while :; do echo tick tock; sleep 0.2; done\"\ndescription = \"talks\"\n";

/// A user that no system has.
const LOOKER: User = User { uid: 54_010, groups: &[] };

/// A terminal of its own, with a shell in it.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn new(world: &World, width: u16, height: u16) -> Self {
        let terminal = Self { socket: world.root().join("tmux") };
        let (width, height) = (width.to_string(), height.to_string());
        let shell = "exec env PS1='ready> ' TERM=screen-256color sh";
        let words = ["-f", "/dev/null", "-u", "new-session", "-d", "-x", &width, "-y", &height, shell];
        terminal.tmux(&words);
        terminal.until("a prompt", |screen| screen.contains("ready>"));
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let run = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(words)
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .env("LC_ALL", "C.UTF-8")
            // Who has no shell to log in with has this one here.
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::null())
            .output()
            .expect("tmux is there");
        assert!(run.status.success(), "{words:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    /// Presses keys by tmux's names of them; what is none is typed.
    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn until(&self, claim: &str, holds: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "not seen: {claim}\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts `abide top` in it.
    fn top(&self, world: &World, options: &str) {
        let runtime = world.runtime();
        self.keys(&[&format!("{} top --runtime-dir {} {options}", binary().display(), runtime.display()), "Enter"]);
    }

    /// What the terminal does beside showing text: whether a program has its screen, whether the cursor is seen, the
    /// mouse is reported, and how keys are treated.
    fn modes(&self) -> String {
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"]);
        let tty = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let stty = Command::new("stty").args(["-a", "-F", tty.trim()]).output().expect("stty is there");
        format!("{flags}{}", String::from_utf8_lossy(&stty.stdout))
    }

    /// Waits until the shell has it back, with everything as it was.
    fn until_restored(&self, before: &str) {
        self.until("the shell's prompt", |screen| screen.trim_end().ends_with("ready>"));
        let until = Instant::now() + DEADLINE;
        while self.modes() != before {
            assert!(Instant::now() < until, "before:\n{before}\nafter:\n{}", self.modes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// The first words of the rows, from above.
fn labels(screen: &str) -> Vec<&str> {
    let rows = screen.lines().skip_while(|line| !line.trim_start().starts_with("NAME")).skip(1);
    rows.map_while(|line| line.split_whitespace().next()).collect()
}

#[test]
fn top_shows_filters_sorts_follows_stops_and_leaves_the_terminal_as_it_was() {
    if wanted("tmux").is_none() {
        return;
    }
    let world = World::with(&[("web", TALKER), ("db", SLEEPER), ("broken", "comand = 1\n"), ("pair", SLEEPER)]);
    world.drop_file("pair.toml", &format!("instances = 2\n{SLEEPER}"));
    let terminal = Terminal::new(&world, 100, 30);
    let before = terminal.modes();
    terminal.top(&world, "");
    let screen = terminal.until("all rows, and what they use", |screen| {
        labels(screen).len() == 5 && screen.contains("CPU ") && screen.contains("● running")
    });
    assert_eq!(labels(&screen)[0], "broken", "the worst comes first\n{screen}");
    assert!(screen.contains("unknown key `comand`"), "{screen}");

    terminal.keys(&["/", "we"]);
    terminal.until("one row", |screen| labels(screen) == ["web"]);
    terminal.keys(&["Escape"]);
    terminal.until("all rows", |screen| labels(screen).len() == 5);
    terminal.keys(&["<"]);
    terminal.until("by name", |screen| labels(screen) == ["broken", "db", "pair@0", "pair@1", "web"]);
    terminal.keys(&["i"]);
    terminal.until("the other way round", |screen| labels(screen) == ["web", "pair@1", "pair@0", "db", "broken"]);

    terminal.keys(&["l"]);
    terminal.until("its log, live", |screen| screen.matches("tick tock").count() > 3 && screen.contains("following"));
    terminal.keys(&["p"]);
    terminal.until("what came meanwhile is counted", |screen| screen.contains("paused, ") && screen.contains(" new"));
    terminal.keys(&["Tab"]);
    terminal.until("its details", |screen| screen.contains("web.toml"));

    terminal.keys(&["x"]);
    let screen = terminal.until("a question", |screen| screen.contains("Stop web?"));
    assert!(screen.contains("why") && screen.contains("held until somebody starts it"), "{screen}");
    terminal.keys(&["disk full"]);
    terminal.keys(&["Enter"]);
    let status = world.until("web is held", |status| service(status, "web").is_some_and(|it| it.state == State::Held));
    let hold = service(&status, "web").and_then(|it| it.hold.clone().or(it.instances[0].hold.clone()));
    assert_eq!(hold.and_then(|hold| hold.reason).as_deref(), Some("disk full"));
    terminal.until("that it is held, and why", |screen| {
        screen.contains("‖ held") && screen.contains("disk full") && screen.contains("stopping → held")
    });

    terminal.keys(&["s"]);
    terminal.until("a question", |screen| screen.contains("Start web?"));
    terminal.keys(&["y"]);
    world.pid("web");
    terminal.until("that it runs again", |screen| screen.contains("web  ● running"));
    terminal.keys(&["Escape"]);
    terminal.until("the table", |screen| !screen.contains("── web"));
    terminal.keys(&["q"]);
    terminal.until_restored(&before);
}

#[test]
fn top_gives_the_terminal_back_however_it_ends_and_comes_back_from_the_shell() {
    if wanted("tmux").is_none() {
        return;
    }
    let world = World::with(&[("web", SLEEPER)]);
    let terminal = Terminal::new(&world, 80, 24);
    let before = terminal.modes();
    let seen = || drop(terminal.until("the table", |screen| labels(screen) == ["web"]));
    terminal.top(&world, "");
    seen();
    terminal.keys(&["C-c"]);
    terminal.until_restored(&before);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        terminal.keys(&["clear", "Enter"]);
        terminal.top(&world, "");
        seen();
        let pid = foreground(&terminal);
        send(pid, signal);
        terminal.until_restored(&before);
    }
    terminal.keys(&["clear", "Enter"]);
    terminal.top(&world, "");
    seen();
    let pid = foreground(&terminal);
    terminal.keys(&["C-z"]);
    terminal.until_restored(&before);
    terminal.keys(&["fg", "Enter"]);
    seen();
    // By a signal from elsewhere, too.
    send(pid, Signal::SIGTSTP);
    terminal.until_restored(&before);
    terminal.keys(&["clear; fg", "Enter"]);
    seen();
    terminal.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    terminal.until("the table, small", |screen| labels(screen).first() == Some(&"web") && screen.lines().count() <= 10);
    terminal.keys(&["q"]);
    terminal.until("the shell", |screen| screen.trim_end().ends_with("ready>"));
}

/// The process that has the terminal.
fn foreground(terminal: &Terminal) -> i32 {
    let tty = terminal.tmux(&["display-message", "-p", "#{pane_tty}"]);
    let tty = tty.trim().trim_start_matches("/dev/");
    let ps = Command::new("ps").args(["-t", tty, "-o", "pid=,stat="]).output().expect("ps is there");
    let list = String::from_utf8_lossy(&ps.stdout).into_owned();
    let line = list.lines().find(|line| line.contains('+')).unwrap_or_else(|| panic!("{list}"));
    line.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a pid")
}

#[test]
fn top_waits_for_a_daemon_that_has_gone_and_refuses_where_it_cannot_work() {
    if wanted("tmux").is_none() {
        return;
    }
    let mut world = World::with(&[("web", SLEEPER)]);
    let terminal = Terminal::new(&world, 100, 24);
    terminal.top(&world, "--interval 500ms");
    terminal.until("the table", |screen| labels(screen) == ["web"]);
    world.signal(Signal::SIGTERM);
    world.ended();
    let screen = terminal.until("that it is lost", |screen| screen.contains("no abide answers"));
    assert!(labels(&screen) == ["web"] && screen.contains("what stands here is of"), "{screen}");
    world.drop_file("new.toml", SLEEPER);
    world.start();
    terminal.until("what now runs", |screen| labels(screen).len() == 2 && !screen.contains("no abide answers"));
    terminal.keys(&["q"]);

    let without = Command::new(binary()).arg("top").stdin(Stdio::null()).output().expect("the binary is there");
    assert_eq!(without.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&without.stderr).contains("`abide status` prints the same once"));
    world.signal(Signal::SIGTERM);
    world.ended();
    terminal.until("the shell", |screen| screen.trim_end().ends_with("ready>"));
    terminal.top(&world, "; echo code $?");
    terminal.until("a sentence and a code", |screen| screen.contains("no abide answers") && screen.contains("code 3"));
}

#[test]
fn who_may_only_look_is_told_so_and_what_was_refused_in_the_words_of_the_daemon() {
    if !is_root() {
        return skip_for_users("only root becomes another user");
    }
    if wanted("tmux").is_none() {
        return;
    }
    let mut world = World::empty();
    let access = "[[access]]\nusers = [\"54010\"]\nmay = \"read\"\n[[access]]\nusers = [\"54010\"]\nmay = \"operate\"\nservices = [\"web\"]\n";
    world.replace(&world.root().join("abide.toml"), access);
    for name in ["web", "db"] {
        world.drop_file(&format!("{name}.toml"), SLEEPER);
    }
    world.start();
    world.pid("web");
    // Where cargo builds, others may not look.
    let copy = world.root().join("abide");
    std::fs::copy(binary(), &copy).expect("there is room");
    let terminal = Terminal::new(&world, 100, 30);
    let (copy, runtime) = (copy.display(), world.runtime().display().to_string());
    let become_it = "setpriv --reuid=54010 --regid=54010 --clear-groups --";
    terminal.keys(&[&format!("clear; {become_it} {copy} top --runtime-dir {runtime}"), "Enter"]);
    terminal.until("that it may look", |screen| {
        labels(screen) == ["db", "web"] && screen.contains("you may look, not act")
    });
    terminal.keys(&["x"]);
    terminal.until("why not", |screen| screen.contains("may look at db and not stop it"));
    terminal.keys(&["Down"]);
    terminal.until("that it may act", |screen| screen.contains("x stop"));
    world.replace(&world.root().join("abide.toml"), &access.replace("operate", "read"));
    world.until_true("its right is taken back", || {
        let answer = as_user(LOOKER, || get(&world, "/v1/whoami"));
        !answer.body.contains("operate")
    });
    // The keys know of a right that is gone by the next refusal; which the daemon words.
    terminal.keys(&["x"]);
    terminal.until("a question", |screen| screen.contains("Stop web?"));
    terminal.keys(&["Enter"]);
    let screen = terminal.until("what came of it", |screen| screen.contains("Stop was refused"));
    assert!(screen.contains("may not operate web") && screen.contains("may = \"operate\""), "{screen}");
    terminal.keys(&["Escape"]);
    terminal.until("that it may look", |screen| screen.contains("you may look, not act"));
}
