//! One log file and those rotated from it: opened with the first byte, closed when idle, opened anew after errors.

use super::directory::{is_ours, open_or_make};
use super::trouble::Trouble;
use crate::host::sys::eyes::Eyes;
use crate::log::order::Destination;
use crate::log::rotate::{self, Cut};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A log file that is open, or was and may be again.
#[derive(Debug, Default)]
pub(super) struct Sink {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// A batch that was not, or not wholly, written.
#[derive(Debug)]
pub(super) struct Failed {
    /// How much of it was.
    pub written: usize,
    /// Why no more.
    pub trouble: Trouble,
}

impl Sink {
    /// Whether a descriptor is held.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Lets the file go; the next batch opens what is then there.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Writes a batch at the end, rotating on the way where it does not fit. After an error the file is closed.
    pub(super) fn append(&mut self, to: &Destination, batch: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        let outcome = self.write(to, batch, &mut written);
        outcome.map_err(|trouble| {
            self.close();
            Failed { written, trouble }
        })
    }

    fn write(&mut self, to: &Destination, batch: &[u8], written: &mut usize) -> Result<(), Trouble> {
        let _eyes = eyes(to)?;
        while *written < batch.len() {
            let open = match &mut self.open {
                Some(open) => open,
                closed => closed.insert(Open::new(to)?),
            };
            let rest = &batch[*written..];
            let room = |open: &Open| to.max_size.max(1).saturating_sub(open.size);
            // Somebody may have emptied it, as with `: > current`.
            if room(open) < rest.len() as u64 {
                open.measure(to)?;
            }
            let room = room(open);
            match rotate::cut(room, rest) {
                Cut::None => open.write(to, rest, written)?,
                Cut::After(count) => {
                    open.write(to, &rest[..count], written)?;
                    self.rotate(to, &[])?;
                }
                Cut::Before => {
                    let begun = open.unfinished(to)?;
                    if begun.is_none() {
                        open.write(to, &rest[..room as usize], written)?;
                    }
                    self.rotate(to, &begun.unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    /// Gives the file its rotated name and deletes those that are too many. The next file begins
    /// with `begun`, the unfinished line at the end of this one, which is then taken away here.
    fn rotate(&mut self, to: &Destination, begun: &[u8]) -> Result<(), Trouble> {
        let failed = |errno| Trouble::Rotate { path: to.directory.join(to.file.name()), errno };
        let Some(old) = self.open.take() else { return Ok(()) };
        let directory = open_or_make(&to.directory, owner(to))?;
        let stat = fstat(&old.file).map_err(failed)?;
        let there = fstatat(&directory, to.file.name(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if !there.is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            // Somebody moved it away: what is there now, if anything, is not ours to rotate yet.
            return Ok(());
        }
        let mut rotated = listing(to, &directory).map_err(failed)?;
        let stamp = rotate::next(&rotated, now());
        renameat(&directory, to.file.name(), &directory, to.file.rotated(stamp).as_str()).map_err(failed)?;
        rotated.push(stamp);
        if !begun.is_empty() {
            let mut next = Open::new(to)?;
            next.write(to, begun, &mut 0)?;
            self.open = Some(next);
            let shorter = old.size.saturating_sub(begun.len() as u64);
            old.file.set_len(shorter).map_err(|error| failed(errno_of(&error)))?;
        }
        for stamp in rotate::surplus(&mut rotated, to.max_files) {
            // One that cannot be deleted now is found again at the next rotation.
            let _ = unlinkat(&directory, to.file.rotated(*stamp).as_str(), UnlinkatFlags::NoRemoveDir);
        }
        Ok(())
    }
}

impl Open {
    fn new(to: &Destination) -> Result<Self, Trouble> {
        let path = || to.directory.join(to.file.name());
        let directory = open_or_make(&to.directory, owner(to))?;
        // Readable too, for the end of an unfinished line; O_NONBLOCK so that a FIFO of this name cannot hold us.
        let flags = OFlag::O_RDWR
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY
            | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP;
        let file = match openat(&directory, to.file.name(), flags, mode) {
            Ok(file) => file,
            Err(Errno::ELOOP | Errno::EISDIR | Errno::ENXIO) => return Err(Trouble::NotOurFile(path())),
            Err(errno) => return Err(Trouble::Write { path: path(), errno }),
        };
        let stat = fstat(&file).map_err(|errno| Trouble::Write { path: path(), errno })?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG || !is_ours(&stat, owner(to)) {
            return Err(Trouble::NotOurFile(path()));
        }
        Ok(Self { file: file.into(), size: stat.st_size as u64 })
    }

    /// Finds out anew how large it is.
    fn measure(&mut self, to: &Destination) -> Result<(), Trouble> {
        let failed = |errno| Trouble::Rotate { path: to.directory.join(to.file.name()), errno };
        self.size = fstat(&self.file).map_err(failed)?.st_size as u64;
        Ok(())
    }

    /// Writes all of `bytes`, counting what was written even where it fails.
    fn write(&mut self, to: &Destination, bytes: &[u8], written: &mut usize) -> Result<(), Trouble> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let errno = match self.file.write(rest) {
                Ok(0) => Errno::EIO,
                Ok(count) => {
                    rest = &rest[count..];
                    self.size += count as u64;
                    *written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => errno_of(&error),
            };
            return Err(Trouble::Write { path: to.directory.join(to.file.name()), errno });
        }
        Ok(())
    }

    /// The unfinished line at the end of the file, perhaps empty; `None` if the file has nothing
    /// before it, or no line ends in reach.
    fn unfinished(&self, to: &Destination) -> Result<Option<Vec<u8>>, Trouble> {
        let reach = self.size.min(rotate::REACH);
        let mut end = vec![0; reach as usize];
        self.file
            .read_exact_at(&mut end, self.size - reach)
            .map_err(|error| Trouble::Rotate { path: to.directory.join(to.file.name()), errno: errno_of(&error) })?;
        Ok(rotate::unfinished(&end).map(|count| end.split_off(end.len() - count)))
    }
}

/// The times of the rotated files in a directory.
fn listing(to: &Destination, directory: &OwnedFd) -> Result<Vec<i64>, Errno> {
    let readable = openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut stamps = Vec::new();
    for entry in Dir::from_fd(readable)?.iter() {
        if let Ok(name) = entry?.file_name().to_str() {
            stamps.extend(to.file.rotated_at(name));
        }
    }
    Ok(stamps)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Whose files these are beside root's and ours.
fn owner(to: &Destination) -> Option<u32> {
    to.owner.as_ref().map(|owner| owner.uid)
}

/// As long as what this gives is kept, files are made and opened as whoever they belong to.
pub(super) fn eyes(to: &Destination) -> Result<Option<Eyes>, Trouble> {
    let eyes = to.owner.as_ref().map(|it| Eyes::of(it.uid, it.gid, &it.groups)).transpose();
    eyes.map_err(|error| Trouble::Directory { path: to.directory.clone(), errno: errno_of(&error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::look::log::{For, Reading};
    use crate::log::rotate::LogFile;
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    fn destination(directory: &Path, max_size: u64, max_files: u32) -> Destination {
        Destination {
            directory: directory.canonicalize().unwrap().join("web"),
            file: LogFile::Current,
            max_size,
            max_files,
            owner: None,
        }
    }

    /// The files of a log, oldest first, `current` last.
    fn files(to: &Destination) -> Vec<Vec<u8>> {
        let mut names: Vec<_> = fs::read_dir(&to.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.iter().map(|name| fs::read(to.directory.join(name)).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn whatever_is_written_stands_there_whole_in_files_that_are_small_enough(
            batches in prop::collection::vec("[ab]{0,30}\n?[ab]{0,3}\n?", 1..30),
            max_size in 1_u64..60,
            reopened in any::<bool>(),
        ) {
            let temp = tempfile::tempdir().unwrap();
            let to = destination(temp.path(), max_size, 10_000);
            let mut sink = Sink::default();
            for batch in &batches {
                sink.append(&to, batch.as_bytes()).map_err(|failed| failed.trouble).unwrap();
                if reopened {
                    sink.close();
                }
            }
            let all = batches.concat().into_bytes();
            if all.is_empty() {
                return Ok(());
            }
            let files = files(&to);
            prop_assert_eq!(files.concat(), all);
            for file in &files {
                prop_assert!(file.len() as u64 <= max_size);
            }
        }

        #[test]
        fn no_line_is_cut_while_lines_are_short(batches in prop::collection::vec("([ab]{0,7}\n){0,4}[ab]{0,3}", 1..30)) {
            let temp = tempfile::tempdir().unwrap();
            let to = destination(temp.path(), 40, 10_000);
            let mut sink = Sink::default();
            for batch in &batches {
                sink.append(&to, batch.as_bytes()).map_err(|failed| failed.trouble).unwrap();
            }
            if let Ok(directory) = fs::read_dir(&to.directory) {
                for entry in directory.map(Result::unwrap).filter(|entry| entry.file_name() != "current") {
                    let text = fs::read(entry.path()).unwrap();
                    prop_assert!(text.ends_with(b"\n"), "{:?}", text);
                }
            }
        }
    }

    #[test]
    fn only_so_many_rotated_files_are_kept_and_no_others_touched() {
        let temp = tempfile::tempdir().unwrap();
        let to = destination(temp.path(), 4, 2);
        fs::create_dir(&to.directory).unwrap();
        fs::write(to.directory.join("@keep-me"), "mine").unwrap();
        let mut sink = Sink::default();
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n", "8\n", "9\n"] {
            sink.append(&to, line.as_bytes()).unwrap();
        }
        assert_eq!(files(&to), [b"5\n6\n".to_vec(), b"7\n8\n".to_vec(), b"mine".to_vec(), b"9\n".to_vec()]);
    }

    #[test]
    fn what_somebody_moved_away_is_not_rotated_again() {
        let temp = tempfile::tempdir().unwrap();
        let to = destination(temp.path(), 8, 5);
        let mut sink = Sink::default();
        sink.append(&to, b"one\n").unwrap();
        fs::rename(to.directory.join("current"), to.directory.join("taken")).unwrap();
        sink.append(&to, b"two\nthree\n").unwrap();
        assert_eq!(fs::read(to.directory.join("taken")).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read(to.directory.join("current")).unwrap(), b"three\n");
    }

    #[test]
    fn what_somebody_emptied_is_filled_anew_and_nothing_is_lost() {
        let temp = tempfile::tempdir().unwrap();
        let to = destination(temp.path(), 12, 5);
        let mut sink = Sink::default();
        sink.append(&to, b"one\ntwo\nthr").map_err(|failed| failed.trouble).unwrap();
        fs::write(to.directory.join("current"), "").unwrap();
        sink.append(&to, b"ee\nfour\nfive\n").map_err(|failed| failed.trouble).unwrap();
        assert_eq!(files(&to), [b"ee\nfour\n".to_vec(), b"five\n".to_vec()]);
    }

    #[test]
    fn a_link_or_fifo_in_place_of_the_file_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let to = destination(temp.path(), 8, 5);
        fs::create_dir(&to.directory).unwrap();
        std::os::unix::fs::symlink("/etc/motd", to.directory.join("current")).unwrap();
        let failed = Sink::default().append(&to, b"x\n").unwrap_err();
        assert!(matches!(failed.trouble, Trouble::NotOurFile(_)) && failed.written == 0);
        fs::remove_file(to.directory.join("current")).unwrap();
        nix::unistd::mkfifo(&to.directory.join("current"), Mode::S_IRWXU).unwrap();
        let failed = Sink::default().append(&to, b"x\n").unwrap_err();
        assert!(matches!(failed.trouble, Trouble::NotOurFile(_)), "{}", failed.trouble);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn who_follows_gets_each_line_once_across_rotations(
            batches in prop::collection::vec(("([ab]{0,30}\n?){1,3}", 0_usize..4), 1..30),
            max_size in 1_u64..60,
        ) {
            let temp = tempfile::tempdir().unwrap();
            let to = destination(temp.path(), max_size, 10_000);
            let (mut sink, mut reading) = (Sink::default(), Reading::of(&to.directory.join("current"), For::Others));
            reading.last(0, u64::MAX).unwrap();
            let (mut all, mut heard) = (Vec::new(), Vec::new());
            for (batch, looks) in batches {
                sink.append(&to, batch.as_bytes()).map_err(|failed| failed.trouble).unwrap();
                all.extend(batch.bytes());
                for _ in 0..looks {
                    heard.extend(reading.next(true).unwrap().unwrap_or_default());
                }
                prop_assert!(all.starts_with(&heard));
            }
            while let Some(piece) = reading.next(true).unwrap() {
                heard.extend(piece);
            }
            let ended = all.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            prop_assert!(all.starts_with(&heard) && heard.len() >= ended, "{:?} {:?}", all, heard);
        }
    }

    #[test]
    fn who_follows_while_it_is_written_loses_no_line_and_gets_none_twice() {
        let temp = tempfile::tempdir().unwrap();
        let to = destination(temp.path(), 2000, 10_000);
        let mut reading = Reading::of(&to.directory.join("current"), For::Others);
        reading.last(0, u64::MAX).unwrap();
        let all: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let writer = std::thread::spawn({
            let all = all.clone();
            move || {
                let mut sink = Sink::default();
                for batch in all.chunks(777) {
                    sink.append(&to, batch).map_err(|failed| failed.trouble).unwrap();
                }
            }
        });
        let mut heard = Vec::new();
        while !writer.is_finished() {
            heard.extend(reading.next(true).unwrap().unwrap_or_default());
            assert!(all.starts_with(&heard));
        }
        writer.join().unwrap();
        while let Some(piece) = reading.next(true).unwrap() {
            heard.extend(piece);
        }
        assert!(heard == all, "{} of {}", heard.len(), all.len());
    }
}
