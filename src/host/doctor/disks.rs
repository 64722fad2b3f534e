//! Where abide writes: whether it may, and whether there is room.

use crate::model::look::{Finding, Level};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};
use std::path::Path;

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    free: u64,
    total: u64,
    /// Files that can be made; `None`: any number.
    files: Option<u64>,
    read_only: bool,
    /// It is memory.
    is_tmpfs: bool,
}

/// Less is soon used up, or is now.
const LITTLE: u64 = 100 << 20;
const NOTHING: u64 = 10 << 20;

/// One of abide's directories, which `option` moves elsewhere.
pub(super) fn directory(what: &str, option: &str, path: &Path) -> Finding {
    // What is not there yet will lie where the nearest is that is.
    let Some(there) = path.ancestors().find(|path| path.exists()) else {
        let remedy = format!("make it, or name another with {option}");
        return Finding::amiss(what, Level::Error, format!("{} cannot be reached", path.display()), remedy);
    };
    if let Err(error) = access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
        let says = format!("{} cannot be written: {}", there.display(), error.desc());
        let remedy = format!("give it to abide's user, or name another with {option}");
        return Finding::amiss(what, Level::Error, says, remedy);
    }
    match room(there) {
        Ok(Room { total: 0, .. }) => {
            let says = format!("{} is no place for files", there.display());
            Finding::amiss(what, Level::Error, says, format!("name another with {option}"))
        }
        Ok(room) => judge(what, option, path, room),
        Err(error) => {
            let says = format!("how much room {} has cannot be told: {}", path.display(), error.desc());
            Finding::amiss(what, Level::Warning, says, format!("look with `df`, or name another with {option}"))
        }
    }
}

fn room(path: &Path) -> nix::Result<Room> {
    let (space, kind) = (statvfs(path)?, statfs(path)?);
    let unit = space.fragment_size();
    Ok(Room {
        free: space.blocks_available() * unit,
        total: space.blocks() * unit,
        files: (space.files() > 0).then(|| space.files_available()),
        read_only: space.flags().contains(FsFlags::ST_RDONLY),
        is_tmpfs: kind.filesystem_type() == TMPFS_MAGIC,
    })
}

/// So large that it is a whole number of at most four digits, roughly: `512 MiB`, `25 GiB`.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut number, mut unit) = (bytes, 0);
    while number >= 10_000 && unit + 1 < units.len() {
        (number, unit) = (number / 1024, unit + 1);
    }
    format!("{number} {}", units[unit])
}

fn judge(what: &str, option: &str, path: &Path, room: Room) -> Finding {
    let memory = if room.is_tmpfs { " of memory" } else { "" };
    let says = format!("{} has {} of {} left{memory}", path.display(), size(room.free), size(room.total));
    let remedy = format!("make room, or name another with {option}");
    if room.read_only {
        let says = format!("{} is on a file system that is mounted read-only", path.display());
        return Finding::amiss(what, Level::Error, says, format!("remount it, or name another with {option}"));
    }
    // A small file system is no full one.
    let share = |part: u64| room.total / part;
    if room.free < NOTHING.min(share(50)) || room.files == Some(0) {
        return Finding::amiss(what, Level::Error, format!("{says}: what is to be written there is lost"), remedy);
    }
    if room.free < LITTLE.min(share(10)) || room.files.is_some_and(|files| files < 1000) {
        return Finding::amiss(what, Level::Warning, format!("{says}: it will soon be full"), remedy);
    }
    let lost = if room.is_tmpfs && what == "log directory" { ", and is empty after a boot" } else { "" };
    Finding::ok(what, format!("{says}{lost}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(room: Room) -> Level {
        judge("log directory", "--log-dir", Path::new("/l"), room).level
    }

    #[test]
    fn a_disk_is_judged_by_what_is_left_and_a_small_one_by_its_size() {
        let roomy = Room { free: 1 << 40, total: 1 << 41, files: Some(1 << 20), read_only: false, is_tmpfs: false };
        assert_eq!(level(roomy), Level::Ok);
        assert_eq!(level(Room { free: 50 << 20, ..roomy }), Level::Warning);
        assert_eq!(level(Room { free: 5 << 20, ..roomy }), Level::Error);
        assert_eq!(level(Room { free: 5 << 20, total: 16 << 20, ..roomy }), Level::Ok);
        assert_eq!(level(Room { free: 1 << 20, total: 16 << 20, ..roomy }), Level::Warning);
        assert_eq!(level(Room { files: Some(10), ..roomy }), Level::Warning);
        assert_eq!(level(Room { files: None, ..roomy }), Level::Ok);
        assert_eq!(level(Room { read_only: true, ..roomy }), Level::Error);
    }

    #[test]
    fn room_is_told_in_numbers_that_people_read() {
        let all = [0, 9999, 10_000, 5 << 20, 27 << 30, 3 << 40, u64::MAX].map(size);
        assert_eq!(all, ["0 B", "9999 B", "9 KiB", "5120 KiB", "27 GiB", "3072 GiB", "16383 PiB"]);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_where_it_will_be() {
        let here = std::env::temp_dir().join("abide-doctor-not-there/deeper");
        assert_ne!(directory("state directory", "--state-dir", &here).level, Level::Error);
        let nowhere = directory("state directory", "--state-dir", Path::new("/proc/abide"));
        assert_eq!(nowhere.level, Level::Error, "{nowhere:?}");
    }
}
