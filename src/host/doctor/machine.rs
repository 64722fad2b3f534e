//! What is found out of the machine, as plain facts.

use super::Running;
use crate::host::cgroup::ground::Ground;
use crate::host::sys::clone::has_clone3;
use crate::host::sys::process::pidfd_open;
use crate::host::sys::time::is_synchronised;
use crate::host::{clock, limits, proc};
use crate::model::limits::{Bound, Ceilings, Limit, LimitKind, Limits};
use crate::model::resources::Cgroups;
use crate::model::time::Wall;
use std::path::Path;

/// The facts.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// `uname -r`.
    pub(super) release: String,
    pub(super) pidfd: bool,
    pub(super) clone3: bool,
    /// `hidepid=` of `/proc`, if it is not 0.
    pub(super) hidepid: Option<String>,
    /// The keeper, if an abide runs.
    pub(super) keeper: Option<i32>,
    pub(super) instances: u64,
    pub(super) systemd: bool,
    /// Our cgroup of the unified hierarchy, else of systemd's own.
    pub(super) cgroup: String,
    /// Whether the user's services go on when nobody is logged in.
    pub(super) lingers: bool,
    pub(super) cgroups: Cgroups,
    /// Whether groups can be killed as a whole.
    pub(super) cgroup_kill: bool,
    pub(super) ceilings: Option<Ceilings>,
    pub(super) limits: Limits,
    /// Pages of pipes that a user may have before they become small; 0: any number.
    pub(super) pipe_pages: u64,
    pub(super) inotify: Inotify,
    /// `fs.suid_dumpable`
    pub(super) suid_dumpable: u64,
    pub(super) now: Wall,
    pub(super) synchronised: Option<bool>,
}

/// How much of inotify there is for a user, and how much of it is taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Inotify {
    pub(super) instances: u64,
    pub(super) most_instances: u64,
    pub(super) watches: u64,
    pub(super) most_watches: u64,
    pub(super) queued: u64,
}

impl Machine {
    pub(super) fn read(running: Option<&Running>) -> Self {
        let own = proc::read("/proc/self/cgroup").unwrap_or_default();
        let cgroups = running.map_or_else(|| Ground::look().cgroups, |running| running.cgroups.clone());
        let uid = nix::unistd::geteuid().as_raw();
        Self {
            release: proc::read("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            pidfd: pidfd_open(std::process::id() as i32).is_ok(),
            clone3: has_clone3(),
            hidepid: hidepid(&proc::read("/proc/self/mountinfo").unwrap_or_default()),
            keeper: running.map(|running| running.keeper),
            instances: running.map_or(0, |running| running.instances),
            systemd: Path::new("/run/systemd/system").is_dir(),
            cgroup: place(&own).to_owned(),
            lingers: lingers(uid),
            cgroup_kill: cgroups.directory.as_ref().is_none_or(|path| Path::new(path).join("cgroup.kill").exists()),
            cgroups,
            ceilings: limits::ceilings_of(None).ok(),
            limits: limits::in_force(std::process::id() as i32),
            pipe_pages: number("/proc/sys/fs/pipe-user-pages-soft").unwrap_or(0),
            inotify: Inotify::read(uid),
            suid_dumpable: number("/proc/sys/fs/suid_dumpable").unwrap_or(0),
            now: clock::now().wall,
            synchronised: is_synchronised(),
        }
    }

    /// The limit of `kind` that we have.
    pub(super) fn limit(&self, kind: LimitKind) -> Limit {
        let none = Limit { soft: Bound::UNLIMITED, hard: Bound::UNLIMITED };
        self.limits.get(&kind).copied().unwrap_or(none)
    }

    pub(super) fn uid(&self) -> u32 {
        self.ceilings.as_ref().map_or(0, |ceilings| ceilings.uid)
    }

    pub(super) fn has(&self, capability: u32) -> bool {
        self.ceilings.as_ref().is_some_and(|ceilings| ceilings.rights.has(capability))
    }
}

impl Inotify {
    fn read(uid: u32) -> Self {
        let of = |name: &str| number(&format!("/proc/sys/fs/inotify/{name}")).unwrap_or(0);
        let (instances, watches) = taken(uid);
        Self {
            instances,
            watches,
            most_instances: of("max_user_instances"),
            most_watches: of("max_user_watches"),
            queued: of("max_queued_events"),
        }
    }
}

/// Inotify instances and watches of all processes of `uid`, as far as we may look at them.
fn taken(uid: u32) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let (mut instances, mut watches) = (0, 0);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<i32>().is_ok());
    for process in processes.filter(|entry| is_process(&entry.file_name())) {
        if process.metadata().is_ok_and(|it| it.uid() != uid) {
            continue;
        }
        let descriptors = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let is_one = |path: &Path| std::fs::read_link(path).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify");
        for descriptor in descriptors.filter(|descriptor| is_one(&descriptor.path())) {
            instances += 1;
            let info = proc::read(process.path().join("fdinfo").join(descriptor.file_name())).unwrap_or_default();
            watches += info.lines().filter(|line| line.starts_with("inotify ")).count() as u64;
        }
    }
    (instances, watches)
}

fn number(path: &str) -> Option<u64> {
    proc::read(path).ok()?.trim().parse().ok()
}

/// The option of the topmost mount of `/proc`, unless it hides nothing.
fn hidepid(mountinfo: &str) -> Option<String> {
    let of_proc = |line: &&str| line.split(' ').nth(4) == Some("/proc");
    let options = mountinfo.lines().rfind(of_proc)?.rsplit(' ').next()?;
    let value = options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!["0", "off"].contains(&value)).then(|| value.to_owned())
}

/// Where systemd would put us: in the unified hierarchy, or in its own of v1.
fn place(own: &str) -> &str {
    let named = |prefix: &str| own.lines().find_map(|line| line.split_once(prefix).map(|(_, path)| path));
    let unified = named("0::").filter(|path| *path != "/");
    unified.or_else(|| named(":name=systemd:")).unwrap_or("/")
}

fn lingers(uid: u32) -> bool {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user.name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_processes_is_read_from_the_topmost_mount() {
        let line =
            |options: &str| format!("20 1 0:20 / /proc rw,nosuid - proc proc rw{options}\n9 1 0:1 / / rw - x y rw\n");
        assert_eq!(hidepid(&line("")), None);
        assert_eq!(hidepid(&line(",hidepid=0")), None);
        assert_eq!(hidepid(&line(",gid=4,hidepid=invisible")).as_deref(), Some("invisible"));
        assert_eq!(hidepid(&(line(",hidepid=2") + &line(""))), None);
        assert_eq!(hidepid(""), None);
    }

    #[test]
    fn where_systemd_put_us_is_found_in_either_hierarchy() {
        assert_eq!(place("0::/system.slice/abide.service\n"), "/system.slice/abide.service");
        assert_eq!(place("3:pids:/x\n1:name=systemd:/user.slice/u.scope\n0::/\n"), "/user.slice/u.scope");
        assert_eq!(place(""), "/");
    }

    #[test]
    fn an_inotify_instance_of_ours_is_counted() {
        let uid = nix::unistd::geteuid().as_raw();
        let watch = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_CLOEXEC).expect("one is left");
        watch.add_watch("/", nix::sys::inotify::AddWatchFlags::IN_CREATE).expect("it is there");
        let (instances, watches) = taken(uid);
        assert!(instances >= 1 && watches >= 1, "{instances} {watches}");
    }
}
