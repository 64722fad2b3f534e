//! The ledger: records by key, in one file that is only ever appended to. What is given in one go is one frame,
//! written by one call, and found again whole or not at all, wherever its writer was killed.
//!
//! It lives beside the table and as long as the boot, so it is not synced: what ends the processes that it speaks of
//! may end it too. A file for each record, renamed into place, would cost a dozen system calls where this costs one,
//! and could not keep several records of one moment together.
//!
//! Layout: [`HEADER`]; then frames: length of the payload (4 bytes), its digest (8), payload. A payload is entries:
//! length of the key (2 bytes), key, length of the value (4) or [`NONE`], value. Numbers are little-endian.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The name of the file, in the directory of the table.
pub const NAME: &str = "ledger";
/// Where it is made anew.
const FRESH: &str = "ledger.new";
/// The first bytes of the file; the number is the version of the layout.
const HEADER: &[u8] = b"abide ledger 1\n";
/// The length of a value that there is none of.
const NONE: u32 = u32::MAX;
/// Below that size it is not worth to be made smaller.
const SMALL: u64 = 64 << 10;
/// Before the payload of a frame.
const FRAME: usize = 12;

/// Records by key.
pub type Records = BTreeMap<String, Vec<u8>>;

/// The file, and where its last whole frame ends.
#[derive(Debug)]
pub struct Ledger {
    directory: OwnedFd,
    file: File,
    end: u64,
    /// Its size when nothing was in it that is not in force.
    whole: u64,
}

/// What was there.
#[derive(Debug, Default)]
pub struct Found {
    /// All that is in force.
    pub records: Records,
    /// What was wrong with it, and what became of that, in words.
    pub set_aside: Option<String>,
}

impl Ledger {
    /// Opens the ledger in `directory`, or makes one. One that cannot be read is set aside, never changed.
    pub fn open(directory: &Path) -> io::Result<(Self, Found)> {
        let directory: OwnedFd = File::open(directory)?.into();
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let file = match openat(&directory, NAME, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Self::make(directory, Found::default()),
            Err(errno) => return Self::set_aside(directory, &io::Error::from(errno).to_string()),
        };
        let mut bytes = Vec::new();
        let facts = fstat(&file)?;
        if facts.st_uid != nix::unistd::geteuid().as_raw() || facts.st_mode & 0o022 != 0 {
            return Self::set_aside(directory, "others could write it");
        }
        if let Err(error) = (&file).read_to_end(&mut bytes) {
            return Self::set_aside(directory, &error.to_string());
        }
        if !bytes.starts_with(HEADER) {
            let foreign = bytes.starts_with(b"abide ledger ");
            return Self::set_aside(
                directory,
                if foreign { "another version of abide wrote it" } else { "it is none" },
            );
        }
        let (records, end) = read(&bytes);
        let set_aside = (end < bytes.len()).then(|| {
            let lost = bytes.len() - end;
            format!("the last {lost} bytes of the ledger are no whole records and are cut off")
        });
        file.set_len(end as u64)?;
        let ledger = Self { directory, file, end: end as u64, whole: 0 };
        Ok((ledger, Found { records, set_aside }))
    }

    /// The file is kept under another name, and a new one made.
    fn set_aside(directory: OwnedFd, why: &str) -> io::Result<(Self, Found)> {
        let name = (1..10_000).map(|n| format!("{NAME}.bad-{n}")).find(|name| {
            nix::sys::stat::fstatat(&directory, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) == Err(Errno::ENOENT)
        });
        // So many are none of ours.
        let name = name.unwrap_or_else(|| FRESH.to_owned());
        renameat(&directory, NAME, &directory, name.as_str())?;
        let set_aside = format!("the ledger of an earlier abide cannot be read ({why}); it is kept as {name}");
        Self::make(directory, Found { set_aside: Some(set_aside), ..Found::default() })
    }

    fn make(directory: OwnedFd, found: Found) -> io::Result<(Self, Found)> {
        let (file, end) = write_anew(&directory, &[])?;
        Ok((Self { directory, file, end, whole: end }, found))
    }

    /// Adds one frame: of each key its value from now on; `None`: it has none.
    ///
    /// # Errors
    /// Nothing of it is found again. What was there before is.
    pub fn append<'a>(&mut self, changes: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> io::Result<()> {
        let frame = frame(changes);
        if fstat(&self.file)?.st_nlink == 0 {
            return Err(io::Error::other("the file was removed"));
        }
        if let Err(error) = self.file.write_all_at(&frame, self.end) {
            // What there is of it is no frame, and the next one is written over it.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += frame.len() as u64;
        if self.end > SMALL && self.end > 2 * self.whole { self.compact() } else { Ok(()) }
    }

    /// In place of all that there is: these.
    pub fn rewrite<'a>(&mut self, all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> io::Result<()> {
        (self.file, self.end) = write_anew(&self.directory, &frame(all))?;
        self.whole = self.end;
        Ok(())
    }

    /// Leaves out what is not in force any more.
    fn compact(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; self.end as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        let (records, _) = read(&bytes);
        drop(bytes);
        self.rewrite(records.iter().map(|(key, value)| (key.as_str(), Some(value.as_slice()))))
    }
}

/// A file with one frame, in place of what is there.
fn write_anew(directory: &OwnedFd, frame: &[u8]) -> io::Result<(File, u64)> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file = File::from(openat(directory, FRESH, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    let text = [HEADER, frame].concat();
    let written = file.write_all_at(&text, 0).and_then(|()| Ok(renameat(directory, FRESH, directory, NAME)?));
    if let Err(error) = written {
        let _ = unlinkat(directory, FRESH, UnlinkatFlags::NoRemoveDir);
        return Err(error);
    }
    Ok((file, text.len() as u64))
}

fn frame<'a>(changes: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Vec<u8> {
    let mut frame = vec![0; FRAME];
    for (key, value) in changes {
        frame.extend_from_slice(&(key.len() as u16).to_le_bytes());
        frame.extend_from_slice(key.as_bytes());
        frame.extend_from_slice(&value.map_or(NONE, |value| value.len() as u32).to_le_bytes());
        frame.extend_from_slice(value.unwrap_or_default());
    }
    let (length, digest) = ((frame.len() - FRAME) as u32, digest(&frame[FRAME..]));
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..FRAME].copy_from_slice(&digest.to_le_bytes());
    frame
}

/// All whole frames, and where the last of them ends.
fn read(bytes: &[u8]) -> (Records, usize) {
    let (mut records, mut end) = (Records::new(), HEADER.len());
    while let Some((payload, next)) = next_frame(bytes, end) {
        let mut rest = payload;
        while let Some((key, value, more)) = entry(rest) {
            match value {
                Some(value) => records.insert(key.to_owned(), value.to_vec()),
                None => records.remove(key),
            };
            rest = more;
        }
        end = next;
    }
    (records, end)
}

fn next_frame(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let head = bytes.get(at..at + FRAME)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let start = at + FRAME;
    let payload = bytes.get(start..start.checked_add(length)?)?;
    let same = digest(payload) == u64::from_le_bytes(head[4..].try_into().ok()?);
    // No frame is empty: zeros are a hole, and no history.
    (same && length > 0).then_some((payload, start + length))
}

/// Key, value, and what follows.
type Entry<'a> = (&'a str, Option<&'a [u8]>, &'a [u8]);

fn entry(bytes: &[u8]) -> Option<Entry<'_>> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let key = str::from_utf8(key).ok()?;
    match u32::from_le_bytes(*length) {
        NONE => Some((key, None, rest)),
        length => rest.split_at_checked(length as usize).map(|(value, rest)| (key, Some(value), rest)),
    }
}

/// FNV-1a, eight bytes at a time: against torn writes, not against malice.
fn digest(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let chunks = bytes.chunks_exact(8);
    let tail = chunks.remainder().iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = chunks.map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    fold(words.fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, fold), tail)
}

#[cfg(test)]
mod tests;
