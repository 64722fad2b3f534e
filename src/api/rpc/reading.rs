//! Parts of logs, as offsets and lengths ask for them: each output as the service wrote it.

use super::fleet::Fleet;
use crate::api::doors::Doors;
use crate::host::look::log::{For, Reading};
use crate::log::said::{Way, said};
use crate::supervisord::rpc::{Channel, Done, Log, Name, Outcome, Trouble, Window};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::Semaphore;

/// So many bytes are answered at once.
const MOST: u64 = 16 << 20;
/// So many are read at a time: each may take its bytes twice over.
static READERS: Semaphore = Semaphore::const_new(3);
/// A file whose lines have to be taken apart is not larger, in bytes.
const LARGEST: u64 = 64 << 20;

/// A log, and how it is to be read.
pub(super) struct Source {
    path: PathBuf,
    whose: For,
    /// What of its lines; `None`: all as it is.
    pub(super) way: Option<Way>,
}

impl Source {
    /// abide's own, for who may see it.
    pub(super) fn of_abide(fleet: &Fleet) -> Option<Self> {
        let path = fleet.view.main_log.as_deref()?;
        Some(Self { path: path.into(), whose: For::Others, way: None })
    }

    /// That of an output of a process.
    pub(super) fn of(fleet: &Fleet, name: &Name, channel: Channel) -> Option<Self> {
        let member = fleet.member(name)?;
        let (path, way) = member.log(channel)?;
        Some(Self { path: path.to_owned(), whose: member.owner.map_or(For::Others, For::User), way })
    }

    /// Ready to be read.
    pub(super) fn reading(&self) -> Reading {
        Reading::of(&self.path, self.whose)
    }

    /// Its size, and a part of it; `None`: there is no file.
    fn part(&self, window: Window) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(way) = self.way else { return self.reading().part(|size| window.range(size), MOST) };
        let Some((_, file)) = self.reading().part(|size| 0..size, LARGEST)? else { return Ok(None) };
        let said = said(&file, way);
        let range = window.range(said.len() as u64);
        if range.end - range.start > MOST {
            return Err(io::Error::other(format!("this would be more than {MOST} bytes: ask for a smaller part")));
        }
        // It lies within what is in memory.
        Ok(Some((said.len() as u64, said[range.start as usize..range.end as usize].to_vec())))
    }
}

/// What is asked for of a log.
pub(super) async fn part(doors: &Doors, fleet: &Fleet, log: &Log, window: Window) -> Outcome {
    let source = match log {
        Log::Main => Source::of_abide(fleet),
        Log::Of(name, channel) => Source::of(fleet, name, *channel),
    };
    let Some(source) = source else { return Err(Trouble::NoFile(None)) };
    let path = source.path.clone();
    // It is never closed.
    let _turn = READERS.acquire().await;
    match doors.logs.look(move || source.part(window)).await {
        Ok(Some((size, bytes))) => Ok(Done::Log { size, bytes }),
        // Nothing was said yet: the file comes with the first line.
        Ok(None) => Ok(Done::Log { size: 0, bytes: Vec::new() }),
        Err(error) => Err(Trouble::Refused(unreadable(&path, &error))),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
