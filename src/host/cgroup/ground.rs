//! Where groups can be made: looked for once, from `/proc`. Writes nothing.

use super::base::{OWN, PREFIX};
use crate::host::proc;
use crate::host::sys::xattr;
use crate::model::resources::{Cgroups, Controller};
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The variable that turns cgroups off, by `off`.
pub const SWITCH: &str = "ABIDE_CGROUPS";

/// The cgroups that we are in, as far as we may make others there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// Of v2.
    pub unified: Option<PathBuf>,
    /// Of v1, by controller; only of what v2 has not.
    pub legacy: BTreeMap<Controller, PathBuf>,
    /// The same for people, `directory` left open.
    pub cgroups: Cgroups,
}

impl Ground {
    /// What there is for this process, unless it is told to use none.
    pub fn look() -> Self {
        if std::env::var_os(SWITCH).is_some_and(|word| word == "off") {
            return Self::none(&format!("cgroups are turned off ({SWITCH}=off)"));
        }
        Self::find()
    }

    /// What there is.
    pub fn find() -> Self {
        let (Ok(own), Ok(mounts)) = (proc::read("/proc/self/cgroup"), proc::read("/proc/self/mountinfo")) else {
            return Self::none("/proc tells of no cgroups");
        };
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let mut ground = Self::default();
        let managed = Path::new("/run/systemd/system").is_dir();
        match unified(&own, &mounts, managed) {
            Ok(directory) => {
                let list = proc::read(directory.join("cgroup.controllers")).unwrap_or_default();
                let has = |controller: &Controller| list.split_ascii_whitespace().any(|word| word == controller.name());
                ground.cgroups.v2 = Controller::ALL.into_iter().filter(has).collect();
                ground.unified = Some(directory);
            }
            Err(note) => ground.cgroups.note = Some(note.to_owned()),
        }
        // Where systemd manages the hierarchies, those of v1 are its own too.
        if !managed {
            let lacking = Controller::ALL.into_iter().filter(|controller| !ground.cgroups.v2.contains(controller));
            let found = lacking.filter_map(|controller| Some((controller, legacy(&own, &mounts, controller)?)));
            ground.legacy = found.collect();
        }
        ground.cgroups.v1 = ground.legacy.keys().copied().collect();
        ground
    }

    fn none(note: &str) -> Self {
        Self { cgroups: Cgroups { note: Some(note.to_owned()), ..Cgroups::default() }, ..Self::default() }
    }
}

/// Our group of v2, or the nearest above it that was given away to us.
fn unified(own: &str, mounts: &[Mount], managed: bool) -> Result<PathBuf, &'static str> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or("the kernel has no cgroup v2")?;
    let here = |mount: &&Mount| mount.controllers.is_none();
    let mut places = mounts.iter().filter(here).filter_map(|mount| Some((mount, mount.locate(path)?))).peekable();
    if places.peek().is_none() {
        return Err("no cgroup v2 file system is mounted");
    }
    let mut reason = "cgroup v2 cannot be written here";
    for (mount, directory) in places {
        // A leaf of ours is no place for others: see `Base`.
        let own = |name: &str| name.starts_with(PREFIX) && name.ends_with(OWN);
        let own_leaf = directory.file_name().and_then(|name| name.to_str()).is_some_and(own);
        let directory = if own_leaf { directory.parent().map(Path::to_owned).unwrap_or(directory) } else { directory };
        let given = if managed { delegated(&directory, &mount.point) } else { Some(directory) };
        match given {
            Some(directory) if access(&directory, AccessFlags::W_OK).is_ok() => return Ok(directory),
            Some(_) => {}
            None => reason = "systemd keeps the cgroups: start abide from a unit with Delegate=yes",
        }
    }
    Err(reason)
}

/// The nearest directory from `from` upwards that systemd has given away.
fn delegated(from: &Path, top: &Path) -> Option<PathBuf> {
    from.ancestors().take_while(|path| path.starts_with(top)).find(|path| is_delegated(path)).map(Path::to_owned)
}

fn is_delegated(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // systemd sets the first as root, and both since its version 251.
    [c"trusted.delegate", c"user.delegate"].into_iter().any(|name| xattr::is_one(&path, name))
}

fn legacy(own: &str, mounts: &[Mount], controller: Controller) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|word| word == controller.name()).then_some(path)
    })?;
    let has = |mount: &&Mount| {
        mount.controllers.as_ref().is_some_and(|options| options.split(',').any(|word| word == controller.name()))
    };
    let found = mounts.iter().filter(has).filter_map(|mount| mount.locate(path));
    found.into_iter().find(|directory| access(directory, AccessFlags::W_OK).is_ok())
}

/// A mounted cgroup file system.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The group that its top is.
    root: PathBuf,
    point: PathBuf,
    /// Of v1, its options; `None`: v2.
    controllers: Option<String>,
}

impl Mount {
    /// Reads a line of `/proc/PID/mountinfo`; `None` if it is no cgroup file system.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
        let mut after = after.split(' ');
        let controllers = match after.next()? {
            "cgroup2" => None,
            "cgroup" => Some(after.nth(1)?.to_owned()),
            _ => return None,
        };
        Some(Self { root, point, controllers })
    }

    /// Where the group `path` is found.
    fn locate(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        // Above what our namespace shows.
        if path.components().any(|part| part.as_os_str() == "..") {
            return None;
        }
        let below = path.strip_prefix(&self.root).ok()?;
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }
}

/// The kernel writes blanks and backslashes as `\040`.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = code.filter(|_| *first == b'\\') {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn mounts(text: &str) -> Vec<Mount> {
        text.lines().filter_map(Mount::parse).collect()
    }

    #[test]
    fn mounts_of_both_kinds_are_read_and_others_are_not() {
        let found = mounts(HYBRID);
        let shown: Vec<_> =
            found.iter().map(|mount| (mount.point.to_str().unwrap(), mount.controllers.as_deref())).collect();
        let expected = [
            ("/sys/fs/cgroup/memory", Some("rw,memory")),
            ("/sys/fs/cgroup/cpu,cpuacct", Some("rw,cpu,cpuacct")),
            ("/sys/fs/cgroup/unified", None),
        ];
        assert_eq!(shown, expected);
        let odd = Mount::parse(r"9 1 0:1 /a\040b /mnt\134x rw - cgroup2 none rw").unwrap();
        assert_eq!((odd.root, odd.point), ("/a b".into(), r"/mnt\x".into()));
        for broken in ["", " - ", "1 2 3 - cgroup2", "1 2 3 / /x rw - cgroup"] {
            assert_eq!(Mount::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_group_is_found_below_the_part_that_is_mounted() {
        let mount = |root: &str| Mount { root: root.into(), point: "/m".into(), controllers: None };
        for (root, path, found) in [
            ("/", "/", Some("/m")),
            ("/", "/a/b", Some("/m/a/b")),
            ("/a", "/a/b", Some("/m/b")),
            ("/a", "/a", Some("/m")),
            ("/a", "/ab", None),
            ("/", "/../x", None),
        ] {
            assert_eq!(mount(root).locate(path), found.map(PathBuf::from), "{root} {path}");
        }
    }

    #[test]
    fn what_is_not_there_has_a_reason() {
        assert!(unified("4:memory:/\n", &mounts(HYBRID), false).unwrap_err().contains("no cgroup v2"));
        assert!(unified("0::/\n", &[], false).unwrap_err().contains("mounted"));
        let nowhere = [Mount { root: "/".into(), point: "/no/such/place".into(), controllers: None }];
        assert!(unified("0::/\n", &nowhere, false).unwrap_err().contains("written"));
        assert!(unified("0::/\n", &nowhere, true).unwrap_err().contains("Delegate"));
        assert_eq!(legacy("0::/\n3:pids:/x\n", &mounts(HYBRID), Controller::Pids), None, "not mounted");
    }
}
