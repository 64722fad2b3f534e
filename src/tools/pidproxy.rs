//! pidproxy: runs a program that goes into the background, and passes signals on to the process in its pidfile.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What is passed on, and whether we end then.
const PASSED: [(Signal, bool); 6] = [
    (Signal::SIGTERM, true),
    (Signal::SIGINT, true),
    (Signal::SIGQUIT, true),
    (Signal::SIGHUP, false),
    (Signal::SIGUSR1, false),
    (Signal::SIGUSR2, false),
];

const USAGE: &str = "pidproxy: runs a command and passes the signals it gets on to the process in a pidfile.";

/// The program. `words[0]` is `argv[0]`; gives the exit code.
pub(super) fn run(words: &[OsString]) -> u8 {
    let [argv0, pidfile, command @ ..] = words else { return usage(words.first()) };
    if command.is_empty() {
        return usage(Some(argv0));
    }
    match proxy(pidfile, command) {
        Ok(()) => 0,
        Err((what, errno)) => {
            let _ = writeln!(io::stderr(), "pidproxy: {what}: {}", errno.desc());
            1
        }
    }
}

fn usage(argv0: Option<&OsString>) -> u8 {
    let argv0 = argv0.map_or("pidproxy".into(), |argv0| argv0.to_string_lossy());
    let _ = writeln!(io::stdout(), "{USAGE}\n\nUsage: {argv0} <pidfile name> <command> [<cmdarg1> ...]\n");
    1
}

fn proxy(pidfile: &OsStr, command: &[OsString]) -> Result<(), (String, Errno)> {
    let waited = PASSED.iter().map(|(signal, _)| *signal).chain([Signal::SIGCHLD]).collect::<SigSet>();
    let before = SigSet::thread_get_mask().map_err(|errno| ("cannot read the signal mask".to_owned(), errno))?;
    // Blocked before there is a child: none that comes meanwhile is lost.
    waited.thread_block().map_err(|errno| ("cannot block signals".to_owned(), errno))?;
    let child = spawn(command, &before)?;
    loop {
        let signal = waited.wait().map_err(|errno| ("cannot wait for signals".to_owned(), errno))?;
        if signal == Signal::SIGCHLD {
            match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => continue,
                _ => return Ok(()),
            }
        }
        pass(pidfile, signal);
        if PASSED.contains(&(signal, true)) {
            return Ok(());
        }
    }
}

/// Runs the command with the signals as they came to us.
fn spawn(command: &[OsString], mask: &SigSet) -> Result<Pid, (String, Errno)> {
    let program = std::path::absolute(&command[0]).unwrap_or_else(|_| (&command[0]).into());
    let shown = |errno| (format!("cannot run {}", program.display()), errno);
    let words = [program.as_os_str()].into_iter().chain(command[1..].iter().map(OsString::as_os_str));
    let words: Result<Vec<CString>, _> = words.map(|word| CString::new(word.as_bytes())).collect();
    let words = words.map_err(|_| shown(Errno::EINVAL))?;
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok());
    let environment: Vec<CString> = environment.collect();
    let mut attributes = PosixSpawnAttr::init().map_err(shown)?;
    attributes.set_sigmask(mask).map_err(shown)?;
    // Rust ignores it, which a program would go on doing.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE)).map_err(shown)?;
    let flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_flags(flags).map_err(shown)?;
    let actions = PosixSpawnFileActions::init().map_err(shown)?;
    posix_spawn(words[0].as_c_str(), &actions, &attributes, &words, &environment).map_err(shown)
}

/// Sends the signal to the process that the pidfile names now.
fn pass(pidfile: &OsStr, signal: Signal) {
    let text = fs::read_to_string(Path::new(pidfile)).ok();
    let pid = text.and_then(|text| text.trim().parse().ok()).filter(|pid: &i32| *pid > 0);
    let Some(pid) = pid else {
        let _ = writeln!(io::stdout(), "Can't read child pidfile {}!", pidfile.to_string_lossy());
        return;
    };
    if let Err(errno) = signal::kill(Pid::from_raw(pid), signal) {
        let _ = writeln!(io::stderr(), "pidproxy: cannot send {signal} to process {pid}: {}", errno.desc());
    }
}
