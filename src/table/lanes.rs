//! What the logger is about to do with bytes of a pipe, so that none is lost and none is written twice, whoever dies when.
//!
//! A thread of the logger looks at what a pipe holds without taking it, notes here where it will be written
//! ([`Phase::Writing`]), writes it, notes that it is written ([`Phase::Taking`]), moves the bytes from the pipe into its
//! witness, a pipe that the keeper holds too, notes that ([`Phase::Clearing`]), and empties the witness. Who dies in the
//! first phase has written nothing that counts: the next one cuts the file back. In the second one the witness says
//! whether the bytes were taken.

use super::Table;
use super::layout::{Lane, Loss, PATH_WORDS};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is under way.
    Rest = 0,
    /// Bytes are being written that are in the pipe still.
    Writing = 1,
    /// They are written, and being taken from the pipe.
    Taking = 2,
    /// They are taken, and in the witness.
    Clearing = 3,
}

/// What is done in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Intent {
    /// Whose pipe.
    pub slot: u32,
    /// Whether it is that of stderr alone.
    pub second: bool,
    /// The file that it is appended to, as device, inode and its length before; `None`: nothing is written.
    pub file: Option<(u64, u64, u64)>,
    /// So many bytes are taken.
    pub count: u64,
    /// A digest of them.
    pub digest: u64,
    /// What is lost of the slot's output after that.
    pub losses: Losses,
}

/// What could not be written of a slot's output, since its pipe was first read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// So many bytes,
    pub bytes: u64,
    /// so many newlines among them,
    pub lines: u64,
    /// and of these so many bytes
    pub owned_bytes: u64,
    /// and lines were owned up to in the log.
    pub owned_lines: u64,
    /// The same of what came faster than it may.
    pub limited_bytes: u64,
    /// Its newlines.
    pub limited_lines: u64,
    /// Owned up to: bytes,
    pub owned_limited_bytes: u64,
    /// and newlines.
    pub owned_limited_lines: u64,
}

impl Losses {
    /// What was not owned up to yet: bytes, and lines among them.
    pub fn unowned(self) -> (u64, u64) {
        (self.bytes.saturating_sub(self.owned_bytes), self.lines.saturating_sub(self.owned_lines))
    }

    /// The same of what came faster than it may.
    pub fn unowned_limited(self) -> (u64, u64) {
        let bytes = self.limited_bytes.saturating_sub(self.owned_limited_bytes);
        (bytes, self.limited_lines.saturating_sub(self.owned_limited_lines))
    }

    /// All that is not in the log: bytes, and lines among them.
    pub fn total(self) -> (u64, u64) {
        (self.bytes.saturating_add(self.limited_bytes), self.lines.saturating_add(self.limited_lines))
    }
}

impl Loss {
    fn load(&self) -> Losses {
        Losses {
            bytes: self.bytes.load(Relaxed),
            lines: self.lines.load(Relaxed),
            owned_bytes: self.owned_bytes.load(Relaxed),
            owned_lines: self.owned_lines.load(Relaxed),
            limited_bytes: self.limited_bytes.load(Relaxed),
            limited_lines: self.limited_lines.load(Relaxed),
            owned_limited_bytes: self.owned_limited_bytes.load(Relaxed),
            owned_limited_lines: self.owned_limited_lines.load(Relaxed),
        }
    }

    fn store(&self, losses: Losses) {
        self.bytes.store(losses.bytes, Relaxed);
        self.lines.store(losses.lines, Relaxed);
        self.owned_bytes.store(losses.owned_bytes, Relaxed);
        self.owned_lines.store(losses.owned_lines, Relaxed);
        self.limited_bytes.store(losses.limited_bytes, Relaxed);
        self.limited_lines.store(losses.limited_lines, Relaxed);
        self.owned_limited_bytes.store(losses.owned_limited_bytes, Relaxed);
        self.owned_limited_lines.store(losses.owned_limited_lines, Relaxed);
    }
}

impl Table {
    /// A keeper has opened the witnesses anew.
    pub fn count_witnesses(&self) {
        self.cells().witnesses.fetch_add(1, Relaxed);
    }

    /// What was lost of a slot's output.
    pub fn losses(&self, slot: u32) -> Losses {
        self.cells().losses.get(slot as usize).map(Loss::load).unwrap_or_default()
    }

    /// The same is so from now on.
    pub fn set_losses(&self, slot: u32, losses: Losses) {
        if let Some(loss) = self.cells().losses.get(slot as usize) {
            loss.store(losses);
        }
    }

    /// The file that the intents of a lane speak of.
    pub fn set_lane_path(&self, lane: usize, path: &Path) {
        let Some(lane) = self.cells().lanes.get(lane) else { return };
        let mut words = path.as_os_str().as_bytes().chunks(8);
        for cell in &lane.path[..PATH_WORDS] {
            let Some(bytes) = words.next() else { return cell.store(0, Relaxed) };
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            cell.store(u64::from_ne_bytes(word), Relaxed);
        }
    }

    /// Its path.
    pub fn lane_path(&self, lane: usize) -> PathBuf {
        let Some(lane) = self.cells().lanes.get(lane) else { return PathBuf::new() };
        let words = lane.path.iter().map(|cell| cell.load(Relaxed));
        let mut bytes: Vec<u8> = words.take_while(|word| *word != 0).flat_map(u64::to_ne_bytes).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        std::ffi::OsString::from_vec(bytes).into()
    }

    /// What is about to be done, in [`Phase::Writing`].
    pub fn intend(&self, lane: usize, intent: &Intent) {
        let table = self.cells();
        let Some(lane) = table.lanes.get(lane) else { return };
        lane.slot.store(intent.slot, Relaxed);
        lane.second.store(u32::from(intent.second), Relaxed);
        lane.written.store(u32::from(intent.file.is_some()), Relaxed);
        let (device, inode, offset) = intent.file.unwrap_or_default();
        lane.device.store(device, Relaxed);
        lane.inode.store(inode, Relaxed);
        lane.offset.store(offset, Relaxed);
        lane.count.store(intent.count, Relaxed);
        lane.digest.store(intent.digest, Relaxed);
        lane.witnesses.store(table.witnesses.load(Relaxed), Relaxed);
        lane.loss.store(intent.losses);
        // Last: who finds this phase finds all of it.
        lane.phase.store(Phase::Writing as u32, Release);
    }

    /// It is so far.
    pub fn set_phase(&self, lane: usize, phase: Phase) {
        if let Some(lane) = self.cells().lanes.get(lane) {
            lane.phase.store(phase as u32, Release);
        }
    }

    /// What a logger before this one was about, how far it was, and whether the witness is the one that it had.
    pub fn intent(&self, lane: usize) -> Option<(Phase, Intent, bool)> {
        let table = self.cells();
        let lane: &Lane = table.lanes.get(lane)?;
        let phase = match lane.phase.load(Acquire) {
            1 => Phase::Writing,
            2 => Phase::Taking,
            3 => Phase::Clearing,
            _ => return None,
        };
        let [device, inode, offset] = [&lane.device, &lane.inode, &lane.offset].map(|word| word.load(Relaxed));
        let intent = Intent {
            slot: lane.slot.load(Relaxed),
            second: lane.second.load(Relaxed) != 0,
            file: (lane.written.load(Relaxed) != 0).then_some((device, inode, offset)),
            count: lane.count.load(Relaxed),
            digest: lane.digest.load(Relaxed),
            losses: lane.loss.load(),
        };
        let same = lane.witnesses.load(Relaxed) == table.witnesses.load(Relaxed);
        Some((phase, intent, same))
    }
}
