//! A program that tells everything about itself: this very test binary, before its harness runs.
//!
//! It must be seen as `exec` left it: Rust's start-up ignores a signal, a test's thread has a mask of its
//! own. The loader runs what stands in `.init_array` before either, so that the first thing that the program
//! does is to look.

#![expect(unsafe_code, reason = "the entry before main, and two calls that no crate wraps")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The first argument of a process that shall be the probe; paths to look at may follow.
pub(crate) const WORD: &str = "tell-everything-about-yourself";

// SAFETY: the loader calls it once, on the only thread, with glibc's three arguments, which it leaves alone.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some(WORD) {
        return;
    }
    let mut line = report(&words.collect::<Vec<_>>()).to_string();
    line.push('\n');
    let told = std::io::stdout().write_all(line.as_bytes());
    let _ = std::io::stdout().flush();
    while told.is_ok() {
        nix::unistd::pause();
    }
    std::process::exit(1);
}

/// Puts the probe where every user can execute it.
pub(crate) fn install(directory: &Path) -> std::path::PathBuf {
    let file = directory.join("probe");
    fs::copy(std::env::current_exe().expect("we run"), &file).expect("the world is writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    file
}

/// Puts it into a root of its own, with all that it is linked to.
pub(crate) fn install_root(root: &Path) {
    let maps = text("/proc/self/maps");
    let libraries = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.contains(".so"));
    // The loader is asked for by the name that stands in the program, whichever link that is.
    let loaders =
        ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].into_iter().filter(|it| Path::new(it).exists());
    for library in libraries.chain(loaders) {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().expect("it lies in a directory")).expect("the world is writable");
        fs::copy(library, copy).expect("it can be read, for it is loaded");
    }
    for directory in ["bin", "tmp", "srv"] {
        fs::create_dir_all(root.join(directory)).expect("the world is writable");
    }
    install(&root.join("bin"));
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn report(paths: &[String]) -> Value {
    let status = text("/proc/self/status");
    let status: BTreeMap<&str, String> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    let stat = text("/proc/self/stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Numbered as in proc(5), where the state is field 3.
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<i64>().ok());
    let link = |path: &str| fs::read_link(path).ok().map(|path| path.display().to_string());
    let environment: BTreeMap<_, _> = std::env::vars().collect();
    let mut input = String::new();
    let _ = std::io::stdin().take(1000).read_to_string(&mut input);
    // SAFETY: take numbers.
    let (securebits, io) = unsafe {
        const WHO_PROCESS: i32 = 1;
        (libc::prctl(libc::PR_GET_SECUREBITS), libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0))
    };
    json!({
        "status": status,
        "limits": text("/proc/self/limits"),
        "session": field(6), "group": field(5), "parent": field(4), "pid": std::process::id(),
        "nice": field(19), "realtime_priority": field(40), "policy": field(41),
        "io": io, "securebits": securebits,
        "oom_score_adjust": text("/proc/self/oom_score_adj").trim(),
        "directory": std::env::current_dir().ok(), "root": link("/proc/self/root"),
        "environment": environment, "descriptors": descriptors(), "input": input,
        "cgroup": text("/proc/self/cgroup"),
        "hostname": text("/proc/sys/kernel/hostname").trim(),
        "interfaces": interfaces(), "loopback": std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
        "paths": paths.iter().map(|path| (path.clone(), path_report(path))).collect::<BTreeMap<_, _>>(),
    })
}

/// What each open descriptor leads to, but for the one that reads the list.
fn descriptors() -> BTreeMap<String, String> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let targets = open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.display().to_string();
        Some((entry.file_name().to_string_lossy().into_owned(), target))
    });
    targets.filter(|(_, target)| !target.ends_with("/fd")).collect()
}

/// The network interfaces.
fn interfaces() -> Vec<String> {
    let names = text("/proc/self/net/dev");
    names.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

/// What can be done at a path: its names, its text, and whether something can be made in it.
fn path_report(path: &str) -> Value {
    let names = fs::read_dir(path)
        .map(|all| all.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>());
    let mine = Path::new(path).join("probe-was-here");
    let write = fs::write(&mine, "x").map(|()| fs::remove_file(&mine));
    let mode = fs::metadata(path).map(|found| found.permissions().mode() & 0o7777);
    json!({
        "names": names.ok(),
        "text": fs::read_to_string(path).ok(),
        "mode": mode.ok(),
        "write": write.err().map_or_else(|| "done".to_owned(), |error| error.kind().to_string()),
    })
}
