//! What supervisor and logger say to each other: one message a packet on a `SOCK_SEQPACKET` socket. Pure.
//!
//! The form is private to one version of abide: both ends are the same binary. It is binary since
//! paths are bytes, and since a thousand orders at a start should cost nothing.

use super::rotate::LogFile;
use crate::model::logging::LogPolicy;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The largest packet; a larger one is refused by whoever reads it. Two paths of the kernel's
/// greatest length fit eight times over.
pub const MAX_PACKET: usize = 64 << 10;
/// The largest report.
pub const MAX_REPORT: usize = 2 << 10;
/// Messages for people are shortened to this.
const MAX_MESSAGE: usize = 1 << 10;

/// Where the output of a slot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The directory of the file, absolute. Made with the first byte, unless the policy names the files.
    pub directory: PathBuf,
    /// Which file in it, unless the policy names them.
    pub file: LogFile,
    /// In which form, and how much of it is kept.
    pub policy: LogPolicy,
    /// Whose output it is.
    pub service: String,
    /// And which instance's.
    pub instance: u32,
    /// With whose rights it is written, if not with the logger's own.
    pub owner: Option<Owner>,
}

impl Destination {
    /// The file itself.
    pub fn path(&self) -> PathBuf {
        self.directory.join(self.file.name())
    }

    /// Whose files these are beside root's and ours.
    pub fn uid(&self) -> Option<u32> {
        self.owner.as_ref().map(|owner| owner.uid)
    }
}

/// A user that files are written as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

/// Supervisor to logger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Read the slot's pipe and write it there. Given again, it changes where, from the next byte on.
    Attach {
        /// Which slot.
        slot: u32,
        /// Where to.
        to: Destination,
        /// If that directory does not exist and this one does, it is renamed: from one instance to many.
        rename_from: Option<PathBuf>,
    },
    /// Write what the pipe still holds, then let go of it. Answered by [`Report::Detached`].
    Detach {
        /// Which slot.
        slot: u32,
    },
    /// What its pipes hold now is all of what a run has said: its last line is complete.
    Complete {
        /// Which slot.
        slot: u32,
    },
    /// Write what its pipes hold, then close its file; what comes goes to what then has its name. Answered by
    /// [`Report::Tended`].
    Tend {
        /// Which slot.
        slot: u32,
        /// Whether the file gets its rotated name first.
        rotate: bool,
        /// Which such order, of all slots: only told back.
        number: u64,
    },
    /// Look for a line that matches, from now on, and say so once ([`Report::Matched`]); in place of what was looked
    /// for before.
    Watch {
        /// Which slot.
        slot: u32,
        /// For which run: only told back.
        run: u64,
        /// As [`crate::model::pattern::compile`] takes it. `None`: for nothing any more.
        pattern: Option<String>,
        /// Whether what the pipe holds now is of another run: it is written first, unlooked at, and that this is
        /// done is answered by [`Report::Watching`]. If it is not, the order may come before the slot is attached.
        fresh: bool,
    },
}

/// Logger to supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A logger begins and knows nothing: send all orders again.
    Hello,
    /// The slot's pipe is read to its end and closed.
    Detached {
        /// Which slot.
        slot: u32,
    },
    /// What the slot's pipe held is written; from here on its lines are looked at.
    Watching {
        /// Which slot.
        slot: u32,
        /// For which run.
        run: u64,
    },
    /// This order about the slot's file is carried out, and all earlier ones about it.
    Tended {
        /// Which slot.
        slot: u32,
        /// Which order.
        number: u64,
    },
    /// A line matched.
    Matched {
        /// Which slot.
        slot: u32,
        /// For which run.
        run: u64,
    },
    /// What could not be written is lost. At most once a second for each slot, and once by each new logger.
    Dropped {
        /// Which slot.
        slot: u32,
        /// Bytes since the slot has its instance, by all loggers.
        bytes: u64,
        /// Newlines among them.
        lines: u64,
    },
    /// The slot's pipe cannot be read at all, and why, and what to do. Counts as detached.
    Refused {
        /// Which slot.
        slot: u32,
        /// For people.
        message: String,
    },
    /// The slot's output cannot be written, and why, and what to do; or can be again. Sent when that changes.
    Trouble {
        /// Which slot.
        slot: u32,
        /// For people. `None`: over.
        message: Option<String>,
    },
}

/// A packet that is no message: another version's, or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes is no message between supervisor and logger")]
pub struct BadPacket(pub usize);

impl Order {
    /// Whether a logger that does not know the slot has to hear it before it reads the pipe, so that it misses nothing.
    pub fn comes_before_its_pipe(&self) -> bool {
        matches!(self, Self::Watch { fresh: false, .. })
    }

    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Attach { slot, to, rename_from } => {
                let mut packet = Packet::new(b'A', *slot);
                packet.0.push(match to.file {
                    LogFile::Current => b'c',
                    LogFile::Own => b'o',
                });
                packet.text(to.directory.as_os_str().as_bytes());
                packet.maybe_text(rename_from.as_ref().map(|path| path.as_os_str().as_bytes()));
                // Text and numbers only: it is always JSON.
                let rest = (&to.policy, &to.service, to.instance, &to.owner);
                packet.text(&serde_json::to_vec(&rest).unwrap_or_default());
                packet.0
            }
            Self::Detach { slot } => Packet::new(b'D', *slot).0,
            Self::Complete { slot } => Packet::new(b'C', *slot).0,
            Self::Tend { slot, rotate, number } => {
                let mut packet = Packet(Packet::numbered(b'T', *slot, *number));
                packet.0.push(u8::from(*rotate));
                packet.0
            }
            Self::Watch { slot, run, pattern, fresh } => {
                let mut packet = Packet::new(b'W', *slot);
                packet.0.extend(run.to_le_bytes());
                packet.0.push(u8::from(*fresh));
                packet.maybe_text(pattern.as_deref().map(str::as_bytes));
                packet.0
            }
        }
    }

    /// From a packet.
    pub fn decode(packet: &[u8]) -> Result<Self, BadPacket> {
        let mut rest = Rest(packet);
        let order = rest.order().filter(|_| rest.0.is_empty());
        order.ok_or(BadPacket(packet.len()))
    }
}

impl Report {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello => Packet::new(b'h', 0).0,
            Self::Detached { slot } => Packet::new(b'd', *slot).0,
            Self::Watching { slot, run } => Packet::numbered(b'w', *slot, *run),
            Self::Tended { slot, number } => Packet::numbered(b'e', *slot, *number),
            Self::Matched { slot, run } => Packet::numbered(b'm', *slot, *run),
            Self::Dropped { slot, bytes, lines } => {
                let mut packet = Packet::new(b'l', *slot);
                packet.0.extend(bytes.to_le_bytes());
                packet.0.extend(lines.to_le_bytes());
                packet.0
            }
            Self::Refused { slot, message } => {
                let mut packet = Packet::new(b'r', *slot);
                packet.text(shortened(message));
                packet.0
            }
            Self::Trouble { slot, message } => {
                let mut packet = Packet::new(b't', *slot);
                packet.maybe_text(message.as_deref().map(shortened));
                packet.0
            }
        }
    }

    /// From a packet.
    pub fn decode(packet: &[u8]) -> Result<Self, BadPacket> {
        let mut rest = Rest(packet);
        let report = rest.report().filter(|_| rest.0.is_empty());
        report.ok_or(BadPacket(packet.len()))
    }
}

/// A packet in the making: its kind, its slot, then whatever its kind has.
struct Packet(Vec<u8>);

impl Packet {
    fn new(kind: u8, slot: u32) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.push(kind);
        bytes.extend(slot.to_le_bytes());
        Self(bytes)
    }

    fn numbered(kind: u8, slot: u32, run: u64) -> Vec<u8> {
        let mut packet = Self::new(kind, slot);
        packet.0.extend(run.to_le_bytes());
        packet.0
    }

    fn text(&mut self, text: &[u8]) {
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text);
    }

    fn maybe_text(&mut self, text: Option<&[u8]>) {
        self.0.push(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// What is left to be read of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn order(&mut self) -> Option<Order> {
        let (kind, slot) = (self.byte()?, self.u32()?);
        match kind {
            b'A' => {
                let file = match self.byte()? {
                    b'c' => LogFile::Current,
                    b'o' => LogFile::Own,
                    _ => return None,
                };
                let directory = path(self.text()?);
                let rename_from = self.maybe_text()?.map(path);
                let (policy, service, instance, owner) = serde_json::from_slice(self.text()?).ok()?;
                let to = Destination { directory, file, policy, service, instance, owner };
                Some(Order::Attach { slot, to, rename_from })
            }
            b'D' => Some(Order::Detach { slot }),
            b'C' => Some(Order::Complete { slot }),
            b'T' => Some(Order::Tend { slot, number: self.u64()?, rotate: self.flag()? }),
            b'W' => {
                let (run, fresh) = (self.u64()?, self.flag()?);
                Some(Order::Watch { slot, run, pattern: self.maybe_text()?.map(words), fresh })
            }
            _ => None,
        }
    }

    fn report(&mut self) -> Option<Report> {
        let (kind, slot) = (self.byte()?, self.u32()?);
        match kind {
            b'h' => Some(Report::Hello),
            b'd' => Some(Report::Detached { slot }),
            b'e' => Some(Report::Tended { slot, number: self.u64()? }),
            b'w' => Some(Report::Watching { slot, run: self.u64()? }),
            b'm' => Some(Report::Matched { slot, run: self.u64()? }),
            b'l' => Some(Report::Dropped { slot, bytes: self.u64()?, lines: self.u64()? }),
            b'r' => Some(Report::Refused { slot, message: words(self.text()?) }),
            b't' => Some(Report::Trouble { slot, message: self.maybe_text()?.map(words) }),
            _ => None,
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    #[expect(clippy::option_option, reason = "the outer one is a packet cut off, the inner one an absent text")]
    fn maybe_text(&mut self) -> Option<Option<&'a [u8]>> {
        if self.flag()? { self.text().map(Some) } else { Some(None) }
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

fn shortened(message: &str) -> &[u8] {
    &message.as_bytes()[..message.len().min(MAX_MESSAGE)]
}

fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::select::Selection;
    use proptest::prelude::*;

    fn any_path() -> impl Strategy<Value = PathBuf> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| path(&bytes))
    }

    fn any_order() -> impl Strategy<Value = Order> {
        let file = prop_oneof![Just(LogFile::Current), Just(LogFile::Own)];
        let owner = (any::<u32>(), any::<u32>(), prop::collection::vec(any::<u32>(), 0..40))
            .prop_map(|(uid, gid, groups)| Owner { uid, gid, groups });
        let owner = prop::option::of(owner);
        let attach =
            (any::<u32>(), any_path(), file, any::<(u64, u32)>(), "[a-z@é]{1,9}", prop::option::of(any_path()), owner);
        prop_oneof![
            attach.prop_map(|(slot, directory, file, (max_size, instance), service, rename_from, owner)| {
                let policy = LogPolicy { max_size, ..LogPolicy::default() };
                Order::Attach {
                    slot,
                    to: Destination { directory, file, policy, service, instance, owner },
                    rename_from,
                }
            }),
            any::<u32>().prop_map(|slot| Order::Detach { slot }),
            any::<u32>().prop_map(|slot| Order::Complete { slot }),
            any::<(u32, bool, u64)>().prop_map(|(slot, rotate, number)| Order::Tend { slot, rotate, number }),
            (any::<(u32, u64, bool)>(), prop::option::of(".{0,100}"))
                .prop_map(|((slot, run, fresh), pattern)| Order::Watch { slot, run, pattern, fresh }),
        ]
    }

    fn any_report() -> impl Strategy<Value = Report> {
        prop_oneof![
            Just(Report::Hello),
            any::<u32>().prop_map(|slot| Report::Detached { slot }),
            any::<(u32, u64)>().prop_map(|(slot, run)| Report::Watching { slot, run }),
            any::<(u32, u64)>().prop_map(|(slot, run)| Report::Matched { slot, run }),
            any::<(u32, u64)>().prop_map(|(slot, number)| Report::Tended { slot, number }),
            any::<(u32, u64, u64)>().prop_map(|(slot, bytes, lines)| Report::Dropped { slot, bytes, lines }),
            (any::<u32>(), ".{0,100}").prop_map(|(slot, message)| Report::Refused { slot, message }),
            (any::<u32>(), prop::option::of(".{0,100}")).prop_map(|(slot, message)| Report::Trouble { slot, message }),
        ]
    }

    proptest! {
        #[test]
        fn orders_survive_the_way(order in any_order()) {
            prop_assert_eq!(Order::decode(&order.encode()), Ok(order));
        }

        #[test]
        fn reports_survive_the_way(report in any_report()) {
            prop_assert_eq!(Report::decode(&report.encode()), Ok(report));
        }

        #[test]
        fn a_packet_cut_off_or_with_more_behind_it_is_refused(order in any_order(), keep in 0_usize..100, report in any_report()) {
            for whole in [order.encode(), report.encode()] {
                let part = &whole[..whole.len() * keep / 100];
                prop_assert!(Order::decode(part).is_err());
                prop_assert!(Report::decode(part).is_err());
                let more = [&whole[..], b"x"].concat();
                prop_assert!(Order::decode(&more).is_err());
                prop_assert!(Report::decode(&more).is_err());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Order::decode(&bytes);
            let _ = Report::decode(&bytes);
        }
    }

    #[test]
    fn long_messages_are_shortened_and_long_paths_fit() {
        let long = Report::Trouble { slot: 1, message: Some("ä".repeat(5_000)) };
        assert!(long.encode().len() < MAX_REPORT);
        // As many patterns as a file may have, in JSON six times as long.
        let include = vec!["\u{1}".repeat(8 << 10)];
        let selection = Some(Box::new(Selection { include, ..Selection::default() }));
        let to = Destination {
            directory: "d".repeat(4_096).into(),
            file: LogFile::Current,
            policy: LogPolicy { selection, ..LogPolicy::default() },
            service: "s".repeat(255),
            instance: 1,
            owner: None,
        };
        let order = Order::Attach { slot: 1, to, rename_from: Some("e".repeat(4_096).into()) };
        assert!(order.encode().len() < MAX_PACKET);
    }
}
