//! Read once, stat twice: the bytes of an open file, if nobody changes them meanwhile. Touches the
//! descriptor that it is given.

use super::open::OpenFile;
use crate::host::sys::lease::{Writers, writers};
use crate::model::diagnostic::{Code, Diagnostic};
use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Larger files are not read.
pub const MAX_SIZE: u64 = 1 << 20;
/// Below this age of its last change a file may change again without any stamp showing it, on
/// kernels whose clock for files ticks coarsely.
const RACY: Duration = Duration::from_millis(20);
/// Where the kernel cannot say who writes, a file must look the same this far apart.
const TWO_LOOKS: Duration = Duration::from_millis(100);

/// What tells one content from another without reading it; good for nothing but *not* reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    dev: u64,
    ino: u64,
    size: i64,
    mtime: i128,
    ctime: i128,
}

impl Stamp {
    /// The stamp of a file that was looked at.
    pub fn of(stat: &FileStat) -> Self {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size,
            mtime: nanos(stat.st_mtime, stat.st_mtime_nsec),
            ctime: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// How long ago the file changed, content or not, by the wall clock.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = Duration::from_nanos(u64::try_from(self.ctime).unwrap_or(0));
        now.saturating_sub(then)
    }

    /// Whether a later equal stamp would not prove equal content.
    pub fn is_racy(&self) -> bool {
        self.age() < RACY
    }

    /// Whether this is the same file, not written to in between: what a rename leaves as it was.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino, self.size, self.mtime) == (other.dev, other.ino, other.size, other.mtime)
    }

    /// As a text that stands for the content of what is too large to be read.
    pub fn text(&self) -> String {
        format!("{}:{}:{}:{}:{}", self.dev, self.ino, self.size, self.mtime, self.ctime)
    }
}

/// How sure one has to be that nobody writes to the file.
#[derive(Debug, Clone, Copy)]
pub enum Care {
    /// Read it as it is: for commands that look once.
    None,
    /// Ask the kernel; where it cannot say, compare with an earlier look, this long ago.
    Writers(Option<(Stamp, Duration)>),
}

/// What came of reading.
#[derive(Debug)]
pub enum Content {
    /// The bytes, whole.
    Bytes(Vec<u8>),
    /// Somebody writes to it.
    Busy,
    /// Whether somebody writes to it cannot be said yet; look again.
    Doubtful,
    /// It cannot be read.
    Bad(Diagnostic),
}

/// Reads what was opened.
pub fn read(file: &OpenFile, shown: &Path, care: Care) -> Content {
    let stamp = Stamp::of(&file.stat);
    let size = u64::try_from(file.stat.st_size).unwrap_or(0);
    if size > MAX_SIZE {
        let message = format!("it has {size} bytes; files above {MAX_SIZE} (1 MiB) are not read");
        let finding = Diagnostic::error(shown, Code::TooLarge, message);
        return Content::Bad(finding.help("move what is large into a file of its own, or remove it"));
    }
    if let Care::Writers(earlier) = care {
        match writers(file.fd.as_fd()) {
            Writers::Some => return Content::Busy,
            Writers::None => {}
            Writers::Unknown if is_still(&stamp, earlier) => {}
            Writers::Unknown => return Content::Doubtful,
        }
    }
    // One byte more than there should be: growth shows, and one call reads the whole.
    let mut bytes = vec![0; size as usize + 1];
    let unreadable = |errno: Errno| {
        let message = format!("cannot be read: {}", errno.desc());
        Content::Bad(Diagnostic::error(shown, Code::Unreadable, message).help("see to the disk that it lies on"))
    };
    let length = match nix::unistd::read(&file.fd, &mut bytes) {
        Ok(length) => length,
        Err(errno) => return unreadable(errno),
    };
    bytes.truncate(length);
    match fstat(&file.fd) {
        Ok(stat) if Stamp::of(&stat) == stamp && length as u64 == size => Content::Bytes(bytes),
        Ok(_) => Content::Doubtful,
        Err(errno) => unreadable(errno),
    }
}

fn is_still(stamp: &Stamp, earlier: Option<(Stamp, Duration)>) -> bool {
    earlier.is_some_and(|(earlier, ago)| earlier == *stamp && ago >= TWO_LOOKS && stamp.age() >= TWO_LOOKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::open::Directory;
    use crate::source::trust::Trust;
    use std::ffi::OsStr;
    use std::fs::File;

    fn open(root: &Path, name: &str) -> OpenFile {
        let trust = Trust::new(nix::unistd::geteuid().as_raw());
        Directory::open(root, &trust).unwrap().file(OsStr::new(name), &trust).unwrap()
    }

    #[test]
    fn whole_files_are_read_and_large_ones_are_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("x"), "content").unwrap();
        let content = read(&open(root.path(), "x"), Path::new("x"), Care::None);
        assert!(matches!(content, Content::Bytes(bytes) if bytes == b"content"));
        File::create(root.path().join("large")).unwrap().set_len(100 << 20).unwrap();
        let content = read(&open(root.path(), "large"), Path::new("large"), Care::None);
        assert!(matches!(content, Content::Bad(finding) if finding.code == Code::TooLarge));
    }

    #[test]
    fn a_file_with_a_writer_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let writer = File::create(root.path().join("x")).unwrap();
        let careful = Care::Writers(None);
        let content = read(&open(root.path(), "x"), Path::new("x"), careful);
        assert!(matches!(content, Content::Busy | Content::Doubtful));
        drop(writer);
        let content = read(&open(root.path(), "x"), Path::new("x"), careful);
        assert!(matches!(content, Content::Bytes(_) | Content::Doubtful));
    }

    #[test]
    fn without_leases_two_equal_looks_are_needed() {
        let still = Stamp { ctime: 1, ..Stamp::default() };
        assert!(!is_still(&still, None));
        assert!(!is_still(&still, Some((still, Duration::from_millis(99)))));
        assert!(is_still(&still, Some((still, Duration::from_millis(100)))));
        assert!(!is_still(&still, Some((Stamp { size: 1, ..still }, Duration::from_secs(1)))));
    }
}
