//! How the roles do their work: who has signed in, whether the loop turns, what is being loaded, how the next
//! supervisor is to run.

use super::layout::NAME_WORDS;
use super::{Role, Table};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How the supervisor is to run. Said by the keeper before it starts one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As ever.
    #[default]
    Normal,
    /// It has crashed several times in a row: only what was accepted before, no file is read.
    Safe,
    /// There is none, on purpose: see `abide detach`.
    Detached,
}

/// What came of the last upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// There was none.
    #[default]
    None,
    /// It is under way.
    UnderWay,
    /// What runs is the new program.
    Done,
    /// The new program failed its test, and was not used.
    Unfit,
    /// The new program did not come up; the old one goes on.
    FellBack,
}

/// What an operator asks of the keeper, who looks when SIGUSR1 comes. It is written by who may write the table, which
/// is who abide belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// End the supervisor, for good; all else goes on.
    Detach,
    /// Start it again.
    Attach,
    /// Have the program [`NEXT`] play the roles.
    Upgrade,
    /// And be the keeper.
    UpgradeAll,
}

/// The name of the program of an upgrade, in the directory of the table: a link.
pub const NEXT: &str = "next";

impl Request {
    const ALL: [Self; 4] = [Self::Detach, Self::Attach, Self::Upgrade, Self::UpgradeAll];
}

impl Mode {
    const ALL: [Self; 3] = [Self::Normal, Self::Safe, Self::Detached];
}

impl Upgrade {
    const ALL: [Self; 5] = [Self::None, Self::UnderWay, Self::Done, Self::Unfit, Self::FellBack];
}

impl Table {
    /// A role does its work from now on: to be called by itself, once it does.
    pub fn sign_in(&self, role: Role) {
        // Not who the keeper says that it is: the keeper may not have come to that yet.
        let us = std::process::id() as i32;
        self.cells().head.roles[role as usize].signed_in.store(us, Release);
    }

    /// Whether the one who plays the role now does its work.
    pub fn is_signed_in(&self, role: Role) -> bool {
        let who = &self.cells().head.roles[role as usize];
        let pid = who.pid.load(Acquire);
        pid > 0 && who.signed_in.load(Acquire) == pid
    }

    /// The supervisor's loop turned.
    pub fn beat(&self) {
        self.cells().head.heartbeat.fetch_add(1, Relaxed);
    }

    /// How often the supervisor's loop turned.
    pub fn heartbeat(&self) -> u64 {
        self.cells().head.heartbeat.load(Relaxed)
    }

    /// From now on the keeper looks so often whether the loop turns, in milliseconds; 0: never.
    pub fn set_watchdog_ms(&self, interval: u32) {
        self.cells().head.watchdog_ms.store(interval, Relaxed);
    }

    /// How often the keeper is to look, in milliseconds; 0: never.
    pub fn watchdog_ms(&self) -> u32 {
        self.cells().head.watchdog_ms.load(Relaxed)
    }

    /// The next supervisor is to run so.
    pub fn set_mode(&self, mode: Mode) {
        self.cells().head.mode.store(mode as u32, Release);
    }

    /// How the supervisor is to run.
    pub fn mode(&self) -> Mode {
        let word = self.cells().head.mode.load(Acquire);
        Mode::ALL.get(word as usize).copied().unwrap_or_default()
    }

    /// The supervisor ended as it should not.
    pub fn count_crash(&self) {
        self.cells().head.crashes.fetch_add(1, Relaxed);
    }

    /// How often it did, in the life of this table.
    pub fn crashes(&self) -> u32 {
        self.cells().head.crashes.load(Relaxed)
    }

    /// Notes how far an upgrade is.
    pub fn set_upgrade(&self, upgrade: Upgrade) {
        self.cells().head.upgrade.store(upgrade as u32, Release);
    }

    /// How far the last upgrade is.
    pub fn upgrade(&self) -> Upgrade {
        let word = self.cells().head.upgrade.load(Acquire);
        Upgrade::ALL.get(word as usize).copied().unwrap_or_default()
    }

    /// The keeper is to do this.
    pub fn set_request(&self, request: Request) {
        self.cells().head.request.store(request as u32 + 1, Release);
    }

    /// What the keeper is to do. Told once.
    pub fn take_request(&self) -> Option<Request> {
        let word = self.cells().head.request.swap(0, Acquire);
        Request::ALL.get(word.checked_sub(1)? as usize).copied()
    }

    /// A text of that digest is about to be loaded under that name. Should it be our end, the next one knows.
    pub fn begin_loading(&self, name: &str, digest: u64) {
        let head = &self.cells().head;
        let mut bytes = [0; NAME_WORDS * 8];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        for (cell, word) in head.loading_name.iter().zip(bytes.chunks_exact(8)) {
            cell.store(word.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), Relaxed);
        }
        head.loading_digest.store(digest.max(1), Release);
    }

    /// It is loaded.
    pub fn end_loading(&self) {
        self.cells().head.loading_digest.store(0, Release);
    }

    /// What was being loaded when the supervisor died, by name and digest. Told once.
    pub fn take_loading(&self) -> Option<(String, u64)> {
        let head = &self.cells().head;
        let digest = head.loading_digest.swap(0, Acquire);
        let bytes = head.loading_name.iter().flat_map(|cell| cell.load(Relaxed).to_le_bytes());
        let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        let name = String::from_utf8(bytes).ok()?;
        (digest != 0 && !name.is_empty()).then_some((name, digest))
    }
}
