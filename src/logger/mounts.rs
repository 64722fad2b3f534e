//! Which file system a path lies on, by the kernel's table of mounts: the disk itself is not asked,
//! since it may be the one that hangs.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file system: its device number as the kernel writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct FileSystem(Box<str>);

/// The table of mounts, read again only when it changed.
#[derive(Debug)]
pub(super) struct Mounts {
    /// Held open: the kernel marks it when the table changes.
    source: Option<File>,
    points: Vec<(Vec<u8>, FileSystem)>,
}

impl Mounts {
    /// Reads the table. Where it cannot be had, everything counts as one file system.
    pub(super) fn read() -> Self {
        let source = File::open("/proc/self/mountinfo").ok();
        let mut mounts = Self { source, points: Vec::new() };
        mounts.refresh();
        mounts
    }

    /// The file system that a path lies on, or will, once it is made.
    pub(super) fn file_system_of(&mut self, path: &Path) -> FileSystem {
        if self.has_changed() {
            self.refresh();
        }
        // Of two mounts at one place the later hides the earlier, and `max_by_key` takes the last.
        let path = path.as_os_str().as_bytes();
        let covering = self.points.iter().filter(|(point, _)| covers(point, path));
        covering.max_by_key(|(point, _)| point.len()).map(|(_, id)| id.clone()).unwrap_or_default()
    }

    fn has_changed(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let mut fds = [PollFd::new(source.as_fd(), PollFlags::POLLPRI)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    fn refresh(&mut self) {
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while let Some(source) = &self.source {
            match source.read_at(&mut chunk, text.len() as u64) {
                Ok(count) if count > 0 => text.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        self.points = parse(&text);
    }
}

/// Whether a path lies at or below a mount point. By bytes, since there may be hundreds of mounts and
/// thousands of logs; a path that is spelled oddly gets the wrong thread at worst.
fn covers(point: &[u8], path: &[u8]) -> bool {
    match path.strip_prefix(point) {
        Some([] | [b'/', ..]) => true,
        Some(_) => point == b"/",
        None => false,
    }
}

/// Mount points and their file systems, in the order of the table.
fn parse(mountinfo: &[u8]) -> Vec<(Vec<u8>, FileSystem)> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let (device, point) = (fields.next()?, fields.nth(1)?);
        let device = std::str::from_utf8(device).ok()?;
        Some((unescape(point), FileSystem(device.into())))
    });
    points.collect()
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if first == b'\\' => {
                Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(text: &str) -> Mounts {
        Mounts { source: None, points: parse(text.as_bytes()) }
    }

    #[test]
    fn the_longest_mount_point_counts_and_of_equals_the_last() {
        let mut mounts = mounts(
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             22 21 8:2 / /var rw - ext4 /dev/sda2 rw\n\
             23 22 0:30 / /var/my\\040logs rw - tmpfs tmpfs rw\n\
             24 21 8:3 / /srv rw - ext4 /dev/sda3 rw\n\
             25 24 0:31 / /srv rw - nfs host:/srv rw\n",
        );
        let mut of = |path: &str| mounts.file_system_of(Path::new(path)).0.to_string();
        assert_eq!(of("/home/a"), "8:1");
        assert_eq!(of("/var/log/web"), "8:2");
        assert_eq!(of("/variety"), "8:1");
        assert_eq!(of("/var/my logs/web"), "0:30");
        assert_eq!(of("/srv/web"), "0:31");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_one_file_system() {
        let mut mounts = mounts("garbage\n1 2\n\\");
        assert_eq!(mounts.file_system_of(Path::new("/a")), mounts.file_system_of(Path::new("/b")));
    }

    #[test]
    fn the_kernels_table_names_a_file_system_for_the_root() {
        assert_ne!(Mounts::read().file_system_of(Path::new("/")), FileSystem::default());
    }
}
