//! svscanboot: svscan on the services of the machine, as an init system starts it.
//!
//! The original is a shell script; what it starts is here ourselves, under the names of the commands.

use super::errno::text;
use super::say;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{self, Pid};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const NAME: &str = "svscanboot";
const PATH: &str = "/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin";
/// Where services are: as the original has it, then as Debian does.
const SERVICES: [&str; 2] = ["/service", "/etc/service"];
/// What readproctitle has room for.
const DOTS: usize = 400;

/// svscanboot.
pub(super) fn run(words: &[OsString]) -> u8 {
    let family = Family::of(words.first().map_or(OsStr::new(""), OsString::as_os_str));
    let services = SERVICES.into_iter().find(|path| Path::new(path).is_dir()).unwrap_or(SERVICES[0]);
    match boot(&family, services) {
        Ok(code) => code,
        Err(errno) => say::fatal(NAME, &[&"unable to start svscan: ", &text(errno)]),
    }
}

fn boot(family: &Family, services: &str) -> nix::Result<u8> {
    point_at_null()?;
    end_the_last(family, services)?;
    let (reading, writing) = unistd::pipe()?;
    let svscan = family.start("svscan", &[services], &[(&writing, 1), (&writing, 2)], &reading)?;
    let dots = ".".repeat(DOTS);
    let title = family.start("readproctitle", &["service", "errors:", &dots], &[(&reading, 0)], &writing)?;
    drop((reading, writing));
    // As the shell does: both have ended, and the last of the line has the word.
    let _ = waitpid(svscan, None);
    Ok(match waitpid(title, None)? {
        nix::sys::wait::WaitStatus::Exited(_, code) => u8::try_from(code).unwrap_or(say::FAILED),
        _ => say::FAILED,
    })
}

fn point_at_null() -> nix::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    unistd::dup2_stdin(&null)?;
    unistd::dup2_stdout(&null)?;
    unistd::dup2_stderr(&null)
}

/// What an earlier run left is asked to go.
fn end_the_last(family: &Family, services: &str) -> nix::Result<()> {
    let shown = |entry: std::fs::DirEntry| entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'));
    let names: Vec<String> = std::fs::read_dir(services).into_iter().flatten().flatten().filter_map(shown).collect();
    let all = names.iter().map(|name| format!("{services}/{name}"));
    let logs = names.iter().map(|name| format!("{services}/{name}/log"));
    let words: Vec<String> = std::iter::once("-dx".to_owned()).chain(all).chain(logs).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let _ = waitpid(family.start("svc", &words, &[], &null)?, None);
    Ok(())
}

/// The other commands: links beside the one by which we were called, else this very program.
struct Family {
    directory: Option<PathBuf>,
    program: PathBuf,
    environment: [CString; 1],
}

impl Family {
    fn of(called: &OsStr) -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        let has_family = |directory: &PathBuf| {
            ["svscan", "svc", "readproctitle"]
                .iter()
                .all(|name| directory.join(name).canonicalize().is_ok_and(|found| found == program))
        };
        let directory = Path::new(called).parent().filter(|path| !path.as_os_str().is_empty());
        let directory = directory.and_then(|path| std::path::absolute(path).ok()).filter(has_family);
        // Before the others: who calls this svscanboot means its commands.
        let first = directory.as_ref().map(|path| [path.as_os_str().as_bytes(), b":"].concat()).unwrap_or_default();
        let path = CString::new([b"PATH=", first.as_slice(), PATH.as_bytes()].concat()).unwrap_or_default();
        Self { directory, program, environment: [path] }
    }

    /// Starts one of them, with nothing but PATH, and without `other`.
    fn start(&self, name: &str, words: &[&str], places: &[(&OwnedFd, i32)], other: &OwnedFd) -> nix::Result<Pid> {
        let word = |word: &str| CString::new(word).map_err(|_| Errno::EINVAL);
        let argv: Vec<CString> = std::iter::once(&name).chain(words).map(|it| word(it)).collect::<Result<_, _>>()?;
        let program = self.directory.as_ref().map_or_else(|| self.program.clone(), |directory| directory.join(name));
        let program = CString::new(program.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        let mut actions = PosixSpawnFileActions::init()?;
        for (from, to) in places {
            actions.add_dup2(from.as_raw_fd(), *to)?;
        }
        for (from, _) in places.iter().take(1) {
            actions.add_close(from.as_raw_fd())?;
        }
        actions.add_close(other.as_raw_fd())?;
        let attributes = PosixSpawnAttr::init()?;
        posix_spawn(program.as_c_str(), &actions, &attributes, &argv, &self.environment)
    }
}
