//! Reading what a service has said from its files: from any line before the end, across rotation, as bytes.
//!
//! A reader holds one file open and a position in it. Who follows gets whole lines only, as long as more may come.
//! Files are told apart by inode, since where their names are numbers each rotation gives them others.

mod open;
mod part;
mod watch;

pub use watch::{Changed, Watch, Watched};

use super::packed::unpacked;
use super::way;
use crate::host::sys::eyes::Eyes;
use crate::log::named::Names;
use crate::log::rotate::Form;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstatat};
use open::Open;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use watch::CHANGES;

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
    names: Names,
    whose: For,
    directory: Option<OwnedFd>,
    open: Option<Open>,
    /// The place in the order of age of the latest rotated file that is over: what was rotated later comes next.
    after: i64,
    /// Where the end was when it was gone to the last lines: who does not follow reads no further, however fast more
    /// comes.
    end: Option<(Id, u64)>,
}

/// Which file it is, whatever its name: device and inode.
type Id = (u64, u64);

/// A rotated file.
#[derive(Debug)]
struct Rotated {
    /// The time in its name, microseconds since 1970; or its number, below zero.
    at: i64,
    id: Id,
    /// When it was last written: a compressed file is as old as the one that it is made of.
    modified: (i64, i64),
    form: Form,
}

impl Rotated {
    /// When it was rotated, or last written, microseconds since 1970.
    fn time(&self) -> i64 {
        if self.at < 0 { self.modified.0 * 1_000_000 + self.modified.1 / 1000 } else { self.at }
    }

    /// Whether it is the file that is open, which was rotated after all of `after`, if at all.
    fn is(&self, open: &Open, after: i64) -> bool {
        // Asked anew: it may have been written to since it was opened.
        let same = || open.file.metadata().is_ok_and(|about| (about.mtime(), about.mtime_nsec()) == self.modified);
        let compressed_meanwhile = || open.at.is_none() && self.at > after && self.form.is_packed() && same();
        open.at == Some(self.at) || self.id == open.id || compressed_meanwhile()
    }
}

impl Reading {
    /// Of the log whose newest file is `current`, whatever its name; from the beginning of the oldest, unless [`Self::last`] is called.
    pub fn of(current: &Path, whose: For) -> Self {
        let path = current.parent().unwrap_or(Path::new("/")).to_owned();
        Self { path, names: Names::of(current), whose, directory: None, open: None, after: i64::MIN, end: None }
    }

    /// Goes to the last `lines`, if they lie within `reach` bytes from the end of their files. Those of rotated files
    /// count too, where there are not as many in the newest.
    pub fn last(&mut self, lines: u64, reach: u64) -> io::Result<()> {
        self.open = self.newest()?;
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
        self.open = self.newest()?;
        let rotated = self.rotated()?.unwrap_or_default();
        self.end = match &self.open {
            Some(open) => Some((open.id, open.file.metadata()?.len())),
            None => rotated.last().map(|latest| (latest.id, u64::MAX)),
        };
        self.after = rotated.last().map_or(i64::MIN, |it| it.at);
        // What was rotated before that has only what was said before that.
        for later in rotated.iter().filter(|it| it.time() >= at) {
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
                For::Others | For::User(_) => way::open_ours(&self.path, self.whose.owner(), self.names != Names::Own),
            };
            self.directory = unless_missing(opened)?;
        }
        Ok(self.directory.as_ref())
    }

    /// The newest file, at its beginning.
    fn newest(&mut self) -> io::Result<Option<Open>> {
        let name = self.names.newest().to_owned();
        self.file(&name)
    }

    /// A file of the log, at its beginning.
    fn file(&mut self, name: &OsStr) -> io::Result<Option<Open>> {
        let (whose, is_named) = (self.whose, self.names != Names::Own);
        let _eyes = whose.eyes()?;
        let Some(directory) = self.directory()? else { return Ok(None) };
        let file: File = match way::open_file(directory, name, whose.owner(), is_named) {
            Ok(file) => file.into(),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(io::Error::other("it is no regular file")),
            Err(errno) => return Err(errno.into()),
        };
        let about = file.metadata()?;
        // A second name may be one that others gave to a file which is none of theirs.
        let is_safe = |stat: &FileStat| way::is_ours(stat, whose.owner()) && (!is_named || stat.st_nlink == 1);
        if !about.is_file() || (whose != For::Ourselves && !is_safe(&nix::sys::stat::fstat(&file)?)) {
            return Err(io::Error::other("it is no regular file of abide's"));
        }
        let id = (about.dev(), about.ino());
        Ok(Some(Open { file, id, at: None, position: 0 }))
    }

    /// A rotated file, unpacked; `None`: it was deleted.
    fn rotated_file(&mut self, it: &Rotated) -> io::Result<Option<Open>> {
        // In this order: it is there uncompressed until it is there compressed.
        for form in [it.form].into_iter().chain(Form::OWN) {
            if let Some(open) = self.file(&self.names.name(it.at, form))? {
                let file = unpacked(open.file, form, self.whose.bound())?;
                // A number is that of another file soon.
                let at = Some(it.at).filter(|_| self.names == Names::Own);
                return Ok(Some(Open { file, at, ..open }));
            }
        }
        Ok(None)
    }

    /// The rotated files, oldest first; `None`: there is no directory.
    fn rotated(&mut self) -> io::Result<Option<Vec<Rotated>>> {
        let names = self.names.clone();
        let Some(directory) = self.directory()? else { return Ok(None) };
        let mut listed =
            Dir::openat(directory, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut rotated = Vec::new();
        for entry in listed.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let Some((at, form)) = names.place(name) else { continue };
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
        let name = self.names.newest().to_owned();
        let Some(directory) = self.directory()? else { return Ok(None) };
        let newest = fstatat(directory, name.as_os_str(), AtFlags::empty());
        if newest.is_ok_and(|stat| Some(id_of(&stat)) == id) {
            return Ok(None);
        }
        loop {
            let Some(rotated) = self.rotated()? else { return Ok(None) };
            let after = self.place_in(&rotated);
            if let Some(next) = rotated.iter().find(|it| it.at > after) {
                let Some(open) = self.rotated_file(next)? else { continue };
                return Ok(Some((open, next.at)));
            }
            let Some(open) = self.newest()?.filter(|open| Some(open.id) != id) else {
                return Ok(None);
            };
            // Between the two looks others may have been rotated.
            let again = self.rotated()?.unwrap_or_default();
            let after = self.place_in(&again);
            if again.iter().all(|it| it.at <= after || it.is(&open, after)) {
                return Ok(Some((open, after)));
            }
        }
    }

    /// Where the file that is open stands among the rotated ones by now; if it is none of them, where what came after it
    /// begins.
    fn place_in(&self, rotated: &[Rotated]) -> i64 {
        let Some(open) = &self.open else { return self.after };
        if let Some(own) = rotated.iter().find(|it| it.is(open, self.after)) {
            return own.at;
        }
        if self.names == Names::Own {
            return self.after;
        }
        // It was deleted, and the others have other numbers since: what is younger was written to later.
        let Ok(about) = open.file.metadata() else { return self.after };
        let modified = (about.mtime(), about.mtime_nsec());
        rotated.iter().rev().find(|it| it.modified <= modified).map_or(i64::MIN, |it| it.at)
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
