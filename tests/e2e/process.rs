//! What `/proc` and the kernel say about processes.

use super::world::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Whether the process is there and no zombie.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// The fields of `/proc/PID/stat` after the name, state first; `None`: there is no such process.
pub(crate) fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// Sends a signal; that the process is gone already is no error.
pub(crate) fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// The arguments of a process.
pub(crate) fn arguments(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The uid of a process.
pub(crate) fn uid(pid: i32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Soft and hard limit of the line that begins with `name` in `/proc/PID/limits`.
pub(crate) fn limit(pid: i32, name: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?))
}

/// How often all threads of a process were put on or taken off a processor. Does not move while
/// the process sleeps.
pub(crate) fn switches(pid: i32) -> u64 {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of = |task: std::fs::DirEntry| -> u64 {
        let text = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let counts = text.lines().filter(|line| line.contains("ctxt_switches"));
        counts.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    };
    tasks.flatten().map(of).sum()
}

/// The children of a process.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parent_of = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// Whether this test runs as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether this process has the capability of this number.
pub(crate) fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask >> number & 1 == 1)
}

/// Where the program is: the system's own before what else the PATH has (version managers put
/// scripts there).
pub(crate) fn program(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let fixed = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    let directories = fixed.into_iter().chain(path.split(':'));
    let candidates = directories.map(|directory| format!("{directory}/{name}"));
    candidates.into_iter().find(|file| Path::new(file).is_file())
}

/// Like [`program`]; says aloud what is missing, and fails where `CI=true`.
pub(crate) fn wanted(name: &str) -> Option<String> {
    let found = program(name);
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Says aloud that a test, or a part of it, is left out; a failure where `CI=true`.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true and {reason}");
    // Straight to stderr: what the test harness captures, nobody reads when the test passes.
    let line = format!("\nSKIPPED in {}: {reason}\n", std::thread::current().name().unwrap_or("a test"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// Says aloud that a test is for root alone. No failure anywhere: root runs it too.
pub(crate) fn skip_for_users(reason: &str) {
    let line = format!("\nSKIPPED in {}: {reason}\n", std::thread::current().name().unwrap_or("a test"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// Runs a shell script to its end; it must succeed.
pub(crate) fn shell(script: &str, directory: &Path) -> Output {
    let output = Command::new("/bin/sh").args(["-ec", script]).current_dir(directory).output().expect("sh is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    output
}

/// The group of v2 of a process, as the kernel names it.
pub(crate) fn cgroup_of(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
}

/// The directory of the group of a process: of the v1 `controller`, else of v2.
pub(crate) fn group_of(pid: i32, controller: &str) -> PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let v1 = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        (!controller.is_empty() && controllers.split(',').any(|it| it == controller)).then(|| path.to_owned())
    });
    let (path, kind) = match v1 {
        Some(path) => (path, " - cgroup "),
        None => (cgroup_of(pid), " - cgroup2 "),
    };
    let fits =
        |line: &&str| line.contains(kind) && (kind == " - cgroup2 " || line.split(',').any(|it| it == controller));
    let point = mounts.lines().find(fits).and_then(|line| line.split(' ').nth(4)).unwrap_or_default();
    Path::new(point).join(path.trim_start_matches('/'))
}

/// A file of the group of a process, without its newline.
pub(crate) fn group_file(pid: i32, controller: &str, file: &str) -> String {
    std::fs::read_to_string(group_of(pid, controller).join(file)).unwrap_or_default().trim_end().to_owned()
}

/// Whether abide has cgroups here. Says aloud where it has none; a failure where `CI=true` and root
/// could have made one.
pub(crate) fn has_cgroups(world: &World) -> bool {
    let cgroups = world.status().map(|status| status.abide.cgroups).unwrap_or_default();
    if cgroups.directory.is_some() {
        return true;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let writable = |line: &str| {
        let point = line.split(' ').nth(4).unwrap_or_default();
        line.contains(" - cgroup2 ") && nix::unistd::access(point, nix::unistd::AccessFlags::W_OK).is_ok()
    };
    let reason = format!("abide has no cgroups here: {}", cgroups.note.unwrap_or_default());
    if is_root() && mounts.lines().any(writable) && !Path::new("/run/systemd/system").exists() {
        skip(&reason);
    } else {
        skip_for_users(&reason);
    }
    false
}
