//! Reading what a service has said from its files: from any line before the end, across rotation, as bytes.
//!
//! A reader holds one file open and a position in it. Who follows gets whole lines only, as long as more may come.

use super::packed::unpacked;
use super::way::{self, is_ours};
use crate::host::sys::eyes::Eyes;
use crate::log::entry::Entry;
use crate::log::rotate::{Form, LogFile};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{FileStat, Mode, fstatat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One thing that is watched.
pub use nix::sys::inotify::WatchDescriptor as Watched;

/// So much is read at once; more than the longest line.
const PIECE: usize = 64 << 10;

/// With whose rights a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Those of who asks.
    Ourselves,
    /// More than those of who asks: only what the logger itself would write is read.
    Others,
    /// Those of the user with this uid, who writes it: only what that user may read is read.
    User(u32),
}

impl For {
    /// As long as what this gives is kept, this thread reads with those rights.
    fn eyes(self) -> io::Result<Option<Eyes>> {
        match self {
            // What is read are the user's own files: groups make no difference.
            Self::User(uid) => Eyes::of(uid, uid, &[]).map(Some),
            Self::Ourselves | Self::Others => Ok(None),
        }
    }

    /// So many bytes a compressed file may become, all of which are in memory: for others they are in the supervisor's,
    /// and one of a user's own making is none that we wrote.
    fn bound(self) -> u64 {
        match self {
            Self::Ourselves => u64::MAX,
            Self::Others => 256 << 20,
            Self::User(_) => 64 << 20,
        }
    }

    /// Who may own what is read, beside root and us.
    fn owner(self) -> Option<u32> {
        match self {
            Self::User(uid) => Some(uid),
            Self::Ourselves | Self::Others => None,
        }
    }
}

/// Reads one log.
#[derive(Debug)]
pub struct Reading {
    path: PathBuf,
    whose: For,
    directory: Option<OwnedFd>,
    open: Option<Open>,
    /// The time in the name of the latest rotated file that is over: what was rotated later comes next.
    after: i64,
    /// Where the end was when it was gone to the last lines: who does not follow reads no further, however fast more
    /// comes.
    end: Option<(Id, u64)>,
}

/// A file in which somebody reads.
#[derive(Debug)]
struct Open {
    file: File,
    id: Id,
    /// The time in its name, if it was rotated when it was opened.
    at: Option<i64>,
    position: u64,
}

/// Which file it is, whatever its name: device and inode.
type Id = (u64, u64);

/// A rotated file.
#[derive(Debug)]
struct Rotated {
    at: i64,
    id: Id,
    /// When it was last written: a compressed file is as old as the one that it is made of.
    modified: (i64, i64),
    form: Form,
}

impl Rotated {
    /// Whether it is the file that is open, which was rotated after all of `after`, if at all.
    fn is(&self, open: &Open, after: i64) -> bool {
        // Asked anew: it may have been written to since it was opened.
        let same = || open.file.metadata().is_ok_and(|about| (about.mtime(), about.mtime_nsec()) == self.modified);
        let compressed_meanwhile = || open.at.is_none() && self.at > after && self.form.is_packed() && same();
        open.at == Some(self.at) || self.id == open.id || compressed_meanwhile()
    }
}

impl Reading {
    /// Of the log whose newest file is `current`; from the beginning of the oldest, unless [`Self::last`] is called.
    pub fn of(current: &Path, whose: For) -> Self {
        let path = current.parent().unwrap_or(Path::new("/")).to_owned();
        Self { path, whose, directory: None, open: None, after: i64::MIN, end: None }
    }

    /// Goes to the last `lines`, if they lie within `reach` bytes from the end of their files. Those of rotated files
    /// count too, where there are not as many in the newest.
    pub fn last(&mut self, lines: u64, reach: u64) -> io::Result<()> {
        self.open = self.file(LogFile::Current.name())?;
        let Some(mut rotated) = self.rotated()? else { return Ok(()) };
        if self.open.is_none()
            && let Some(latest) = rotated.last()
        {
            self.end = Some((latest.id, u64::MAX));
        }
        let mut left = match &mut self.open {
            Some(open) => {
                self.end = Some((open.id, open.file.metadata()?.len()));
                lines - open.back(lines, reach)?
            }
            None => lines,
        };
        if let Some(at) = self.open.as_ref().and_then(|open| rotated.iter().position(|it| it.is(open, i64::MAX))) {
            rotated.truncate(at);
        }
        self.after = rotated.last().map_or(i64::MIN, |it| it.at);
        while left > 0
            && let Some(before) = rotated.pop()
            && let Some(mut open) = self.rotated_file(&before)?
        {
            left -= open.back(left, reach)?;
            (self.open, self.after) = (Some(open), before.at);
        }
        Ok(())
    }

    /// Goes to the first line that was written at `at` or later, in microseconds since 1970; where lines have no times, to
    /// the first one of the file that has it.
    pub fn since(&mut self, at: i64) -> io::Result<()> {
        self.open = self.file(LogFile::Current.name())?;
        let rotated = self.rotated()?.unwrap_or_default();
        self.end = match &self.open {
            Some(open) => Some((open.id, open.file.metadata()?.len())),
            None => rotated.last().map(|latest| (latest.id, u64::MAX)),
        };
        self.after = rotated.last().map_or(i64::MIN, |it| it.at);
        // What was rotated before that has only what was said before that.
        for later in rotated.iter().filter(|it| it.at >= at) {
            if let Some(open) = self.rotated_file(later)? {
                (self.open, self.after) = (Some(open), later.at);
                break;
            }
        }
        self.open.as_mut().map_or(Ok(()), |open| open.seek(at))
    }

    /// The next bytes, whole lines of them; `None`: there are no more at the moment. Who does not `follow` gets what
    /// there was when [`Self::last`] was called, the unfinished line at the end as well.
    pub fn next(&mut self, follow: bool) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(open) = &mut self.open else {
                match self.successor()? {
                    Some((next, after)) => (self.open, self.after) = (Some(next), after),
                    None => return Ok(None),
                }
                continue;
            };
            let mut rest = open.read()?;
            if !follow {
                let Some((id, end)) = self.end else { return Ok(None) };
                if id == open.id {
                    rest.truncate(usize::try_from(end.saturating_sub(open.position)).unwrap_or(usize::MAX));
                    let whole = rest.len();
                    return Ok((whole > 0).then(|| open.take(rest, whole)));
                }
            }
            let whole = match rest.iter().rposition(|byte| *byte == b'\n') {
                Some(newline) => newline + 1,
                None if rest.len() == PIECE => PIECE,
                None => 0,
            };
            if whole > 0 {
                return Ok(Some(open.take(rest, whole)));
            }
            let Some((next, after)) = self.successor()? else {
                return Ok(None);
            };
            let Some(open) = &mut self.open else { continue };
            // Only now is it certain that nothing more is written to it.
            if open.file.metadata()?.len() > open.position + rest.len() as u64 {
                continue;
            }
            if rest.is_empty() {
                (self.open, self.after) = (Some(next), after);
                continue;
            }
            let whole = rest.len();
            return Ok(Some(open.take(rest, whole)));
        }
    }

    /// Has `watch` tell of changes of this log. The flag says whether they are all told: until its directory is there,
    /// only that something on the way to it changes.
    pub fn watch(&mut self, watch: &Watch) -> io::Result<(Watched, bool)> {
        if self.directory()?.is_some()
            && let Some(directory) = &self.directory
        {
            let by_descriptor = format!("/proc/self/fd/{}", directory.as_raw_fd());
            return Ok((watch.0.add_watch(by_descriptor.as_str(), CHANGES)?, true));
        }
        let ways = self.path.ancestors().skip(1);
        let nearest = ways.map(|way| watch.0.add_watch(way, CHANGES)).find(|added| *added != Err(Errno::ENOENT));
        Ok((nearest.unwrap_or(Err(Errno::ENOENT))?, false))
    }

    /// The directory of the log; `None`: there is none yet.
    fn directory(&mut self) -> io::Result<Option<&OwnedFd>> {
        if self.directory.is_none() {
            let _eyes = self.whose.eyes()?;
            let opened = match self.whose {
                For::Ourselves => way::open(&self.path),
                For::Others | For::User(_) => way::open_ours(&self.path, self.whose.owner()),
            };
            self.directory = unless_missing(opened)?;
        }
        Ok(self.directory.as_ref())
    }

    /// A file of the log, at its beginning.
    fn file(&mut self, name: &str) -> io::Result<Option<Open>> {
        let whose = self.whose;
        let _eyes = whose.eyes()?;
        let Some(directory) = self.directory()? else { return Ok(None) };
        // Whatever was put in its place is not waited for.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file: File = match openat(directory, name, flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(io::Error::other("it is no regular file")),
            Err(errno) => return Err(errno.into()),
        };
        let about = file.metadata()?;
        if !about.is_file() || (whose != For::Ourselves && !is_ours(&nix::sys::stat::fstat(&file)?, whose.owner())) {
            return Err(io::Error::other("it is no regular file of abide's"));
        }
        let id = (about.dev(), about.ino());
        Ok(Some(Open { file, id, at: None, position: 0 }))
    }

    /// A rotated file, unpacked; `None`: it was deleted.
    fn rotated_file(&mut self, it: &Rotated) -> io::Result<Option<Open>> {
        // In this order: it is there uncompressed until it is there compressed.
        for form in [it.form].into_iter().chain(Form::OWN) {
            if let Some(open) = self.file(&LogFile::Current.rotated(it.at, form))? {
                let file = unpacked(open.file, form, self.whose.bound())?;
                return Ok(Some(Open { file, at: Some(it.at), ..open }));
            }
        }
        Ok(None)
    }

    /// The rotated files, oldest first; `None`: there is no directory.
    fn rotated(&mut self) -> io::Result<Option<Vec<Rotated>>> {
        let Some(directory) = self.directory()? else { return Ok(None) };
        let mut listed =
            Dir::openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut rotated = Vec::new();
        for entry in listed.iter() {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some((at, form)) = LogFile::Current.rotated_at(name) else { continue };
            // One that is gone meanwhile is gone.
            let Ok(stat) = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            let modified = (stat.st_mtime, stat.st_mtime_nsec);
            rotated.push(Rotated { at, id: id_of(&stat), modified, form });
        }
        rotated.sort_unstable_by_key(|it| (it.at, it.form.is_packed()));
        // For a moment it is there in both forms.
        rotated.dedup_by_key(|it| it.at);
        Ok(Some(rotated))
    }

    /// The file after the one that is open, and the rotated file after which in turn the next one comes; `None`: it is
    /// the newest.
    fn successor(&mut self) -> io::Result<Option<(Open, i64)>> {
        let id = self.open.as_ref().map(|open| open.id);
        let Some(directory) = self.directory()? else { return Ok(None) };
        let current = fstatat(directory, LogFile::Current.name(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if current.is_ok_and(|stat| Some(id_of(&stat)) == id) {
            return Ok(None);
        }
        loop {
            let Some(rotated) = self.rotated()? else { return Ok(None) };
            let own = self.open.as_ref().and_then(|open| rotated.iter().find(|it| it.is(open, self.after)));
            let after = own.map_or(self.after, |own| own.at);
            if let Some(next) = rotated.iter().find(|it| it.at > after) {
                let Some(open) = self.rotated_file(next)? else { continue };
                return Ok(Some((open, next.at)));
            }
            let Some(open) = self.file(LogFile::Current.name())?.filter(|open| Some(open.id) != id) else {
                return Ok(None);
            };
            // Between the two looks others may have been rotated.
            let again = self.rotated()?.unwrap_or_default();
            if again.iter().all(|it| it.at <= after || it.is(&open, after)) {
                return Ok(Some((open, after)));
            }
        }
    }
}

impl Open {
    /// What comes next, as far as one piece reaches.
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len();
        if length < self.position {
            // Somebody has emptied it.
            self.position = length;
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(length - self.position).unwrap_or(PIECE))];
        let mut filled = 0;
        while filled < piece.len() {
            match self.file.read_at(&mut piece[filled..], self.position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        piece.truncate(filled);
        Ok(piece)
    }

    /// Passes over the first `count` bytes of what was read, and gives them.
    fn take(&mut self, mut piece: Vec<u8>, count: usize) -> Vec<u8> {
        piece.truncate(count);
        self.position += count as u64;
        piece
    }

    /// Goes to the first line of that time or later, by halves.
    fn seek(&mut self, at: i64) -> io::Result<()> {
        let (mut early, mut late) = (0, self.file.metadata()?.len());
        while late - early > PIECE as u64 {
            let middle = early + (late - early) / 2;
            self.position = middle;
            let piece = self.read()?;
            // A line with its time, somewhere after the middle.
            let lines = piece.split_inclusive(|byte| *byte == b'\n').scan(middle, |start, line| {
                let begun = *start;
                *start += line.len() as u64;
                Some((begun, Entry::of(line.strip_suffix(b"\n").unwrap_or(line)).at))
            });
            match lines.skip(1).find_map(|(start, time)| Some((start, time?))) {
                Some((start, time)) if time < at => early = start,
                Some(_) => late = middle,
                None => break,
            }
        }
        self.position = early;
        loop {
            let piece = self.read()?;
            let before = self.position;
            for line in piece.split_inclusive(|byte| *byte == b'\n') {
                let whole = line.strip_suffix(b"\n");
                if whole.is_none_or(|line| Entry::of(line).at.is_none_or(|time| time >= at)) {
                    return Ok(());
                }
                self.position += line.len() as u64;
            }
            if self.position == before {
                return Ok(());
            }
        }
    }

    /// Goes to the last `lines` lines, as far as they lie within `reach`; how many that are. Of a line that begins
    /// before that only the end is taken, and only if there is nothing else.
    fn back(&mut self, lines: u64, reach: u64) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        let floor = length.saturating_sub(reach);
        // Newlines from the end: that of the last line begins none.
        let (mut wanted, mut unfinished, mut earliest, mut seen) = (lines.max(1), true, None, 0);
        let mut end = length;
        while end > floor {
            let start = end.saturating_sub(PIECE as u64).max(floor);
            let mut piece = vec![0; (end - start) as usize];
            self.file.read_exact_at(&mut piece, start)?;
            for at in (0..piece.len()).rev().filter(|at| piece[*at] == b'\n') {
                let behind = start + at as u64 + 1;
                if behind == length {
                    unfinished = false;
                    wanted = lines + 1;
                }
                seen += 1;
                if seen == wanted {
                    self.position = behind;
                    return Ok(lines);
                }
                if behind < length {
                    earliest = Some(behind);
                }
            }
            end = start;
        }
        if floor > 0 {
            self.position = earliest.unwrap_or(floor);
            return Ok(lines);
        }
        self.position = 0;
        Ok((seen + u64::from(unfinished && length > 0)).min(lines))
    }
}

/// What of a log's directory is news to who follows it.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Tells of changes of many logs by one descriptor.
#[derive(Debug)]
pub struct Watch(Inotify);

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These.
    These(Vec<Watched>),
    /// So much that it is not known: any of them.
    Any,
}

impl Watch {
    /// One that watches nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?))
    }

    /// What becomes readable when something has changed.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// What has changed; `None`: nothing more at the moment.
    pub fn changed(&self) -> io::Result<Option<Changed>> {
        match self.0.read_events() {
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(Some(Changed::These(Vec::new()))),
            Err(errno) => Err(errno.into()),
            Ok(events) if events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)) => {
                Ok(Some(Changed::Any))
            }
            Ok(events) => {
                let mut changed: Vec<Watched> = events.into_iter().map(|event| event.wd).collect();
                changed.sort_unstable();
                changed.dedup();
                Ok(Some(Changed::These(changed)))
            }
        }
    }

    /// Watches this no more. That it is not watched is no matter.
    pub fn forget(&self, watched: Watched) {
        let _ = self.0.rm_watch(watched);
    }
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn id_of(stat: &FileStat) -> Id {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
