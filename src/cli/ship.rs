//! `abide ship`: what comes in is sent to another's log, line by line. What `[log] to` makes the log command of a service.
//!
//! A line stays in the pipe until it is sent, so that whoever comes after one that was killed sends it: once more at worst.

mod outlet;

use super::exit;
use crate::host::clock;
use crate::host::sys::pipe::held;
use crate::log::lines::Piece;
use crate::log::message::{self, Sender};
use crate::log::select::{Gate, Sieve, Verdict};
use crate::model::log_command::SELECTION;
use crate::model::log_to::LogTo;
use crate::model::logging::{MOST_A_LINE, OnFull};
use crate::model::select::Selection;
use clap::Args;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, tee};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{pipe2, read};
use outlet::Outlet;
use std::cell::Cell;
use std::io::{Write, stderr, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Examples.
pub const EXAMPLES: &str = "\
Examples:
  backup.sh 2>&1 | abide ship --to journald --tag backup
  zcat app.log.1.gz | abide ship --to syslog:logs.example:601 --tag app

At the end of its input it waits some five seconds for a log that cannot be reached, or with `--on-full block` for ever.
Exit codes: 0 all is sent, 1 lines were lost, 64 usage";

/// `abide ship`
#[derive(Debug, Args)]
pub struct ShipArgs {
    /// Where to: `journald`, `journald:NAMESPACE`, `syslog` (/dev/log), and as RFC 5424 `syslog:/PATH`, `syslog:HOST:PORT`
    #[arg(long, value_parser = to)]
    pub to: LogTo,
    /// What the sender is called there
    #[arg(long)]
    pub tag: String,
    /// Longer lines are sent in parts, bytes
    #[arg(long, default_value_t = MOST_A_LINE, value_parser = clap::value_parser!(u64).range(64..=MOST_A_LINE))]
    pub max_line: u64,
    /// What becomes of lines that find no way out while the input fills up: "drop" or "block"
    #[arg(long, default_value = "drop", value_parser = on_full)]
    pub on_full: OnFull,
}

/// How long the end waits for a log that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(5);

fn to(text: &str) -> Result<LogTo, String> {
    let to = LogTo::parse(text).filter(|to| *to != LogTo::File);
    to.ok_or_else(|| "write it like \"journald\", \"syslog:/dev/log\" or \"syslog:logs.example:601\"".to_owned())
}

fn on_full(text: &str) -> Result<OnFull, String> {
    let found = [OnFull::Drop, OnFull::Block].into_iter().find(|word| word.as_str() == text);
    found.ok_or_else(|| "it is \"drop\" or \"block\"".to_owned())
}

/// Until the end of the input.
pub(super) fn run(args: &ShipArgs) -> u8 {
    match Shipment::begin(args).and_then(Shipment::carry) {
        Ok(()) => exit::OK,
        Err(message) => {
            let _ = writeln!(stderr(), "abide ship: {message}");
            exit::ERRORS
        }
    }
}

struct Shipment<'a> {
    args: &'a ShipArgs,
    host: String,
    sieve: Option<Sieve>,
    gate: Gate,
    /// Lines that came faster than they may, and lines and bytes that found no way out.
    limited: u64,
    lost: (u64, u64),
    outlet: Outlet<'a>,
    /// Since when nothing more comes in.
    ended: Cell<Option<Instant>>,
    /// Where a look at the input goes through; `None`: that is no pipe, and is read at once.
    copy: Option<(OwnedFd, OwnedFd)>,
    message: Vec<u8>,
}

impl<'a> Shipment<'a> {
    fn begin(args: &'a ShipArgs) -> Result<Self, String> {
        let selection: Selection = match std::env::var(SELECTION) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("the variable {SELECTION}: {error}"))?,
            Err(_) => Selection::default(),
        };
        let sieve = Sieve::new(&selection)?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let copy = pipe2(OFlag::O_CLOEXEC).map_err(|errno| format!("a pipe cannot be made: {errno}"))?;
        let outlet = Outlet::new(&args.to);
        let (gate, copy) = (Gate::default(), Some(copy));
        let host = host.trim().to_owned();
        Ok(Self {
            args,
            host,
            sieve,
            gate,
            limited: 0,
            lost: (0, 0),
            outlet,
            ended: Cell::new(None),
            copy,
            message: Vec::new(),
        })
    }

    fn carry(mut self) -> Result<(), String> {
        let input = stdin();
        let input = input.as_fd();
        let mut buffer = vec![0; 64 << 10];
        // What of an unfinished line was taken already.
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let kept = bytes.len();
            let looked = match self.look(input, &mut buffer) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(format!("the input cannot be read: {errno}")),
            };
            bytes.extend_from_slice(&buffer[..looked]);
            let sent = self.send(&bytes, looked == 0);
            if self.copy.is_some() && looked > 0 {
                // A line whose end has yet to come would be seen again at once.
                let taken = if sent == 0 { looked } else { sent.saturating_sub(kept) };
                take(input, &mut buffer[..taken]).map_err(|errno| format!("the input cannot be read: {errno}"))?;
                bytes.truncate(kept + taken);
            }
            bytes.drain(..sent);
            if looked == 0 {
                self.own_up();
                let (lines, bytes) = self.lost;
                let lost = || format!("{lines} lines ({bytes} bytes) could not be sent, and are lost");
                return if bytes == 0 { Ok(()) } else { Err(lost()) };
            }
        }
    }

    /// What comes next, at the beginning of `buffer`, without taking it where that can be; 0: nothing more will.
    fn look(&mut self, input: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        if let Some((out, into)) = &self.copy {
            match tee(input.as_fd(), into, buffer.len(), SpliceFFlags::empty()) {
                Ok(count) => {
                    take(out, &mut buffer[..count])?;
                    return Ok(count);
                }
                Err(Errno::EINVAL) => self.copy = None,
                Err(errno) => return Err(errno),
            }
        }
        read(input, buffer)
    }

    /// Sends what is complete of `bytes`, or `all`. How much that was.
    fn send(&mut self, bytes: &[u8], all: bool) -> usize {
        let max_line = usize::try_from(self.args.max_line).unwrap_or(usize::MAX);
        let mut sent = 0;
        let first = |sieve: Option<&Sieve>, rest| match sieve {
            Some(sieve) => sieve.first(rest, max_line, all),
            None => crate::log::lines::first(rest, max_line, all),
        };
        while let Some(piece) = first(self.sieve.as_ref(), &bytes[sent..]) {
            sent += piece.length();
            self.send_one(piece);
        }
        sent
    }

    fn send_one(&mut self, piece: Piece<'_>) {
        let now = clock::now().wall.0;
        let (verdict, text) = match &self.sieve {
            Some(sieve) => sieve.judge(piece, now, &mut self.gate),
            None => (Verdict::Written, piece.text.into()),
        };
        match verdict {
            Verdict::Written if self.lost.0 > 0 && !self.own_up() => self.lose(piece),
            Verdict::Written => {
                let text = text.into_owned();
                self.own_up();
                if !self.say(&text, now) {
                    self.lose(piece);
                }
            }
            Verdict::Limited => self.limited += u64::from(piece.ended),
            Verdict::LeftOut => {}
        }
    }

    fn lose(&mut self, piece: Piece<'_>) {
        let (lines, bytes) = &mut self.lost;
        *lines += u64::from(piece.ended);
        *bytes += piece.length() as u64;
    }

    /// What is missing is told first. Whether it is.
    fn own_up(&mut self) -> bool {
        let (lines, bytes) = self.lost;
        if bytes > 0 {
            let text = format!("{lines} lines of output ({bytes} bytes) could not be sent, and are lost");
            if !self.say(text.as_bytes(), clock::now().wall.0) {
                return false;
            }
            self.lost = (0, 0);
        }
        if self.limited > 0 {
            let text = format!("{} lines of output over the rate limit are left out", self.limited);
            if self.say(text.as_bytes(), clock::now().wall.0) {
                self.limited = 0;
            }
        }
        true
    }

    /// Whether it is sent.
    fn say(&mut self, line: &[u8], now: i64) -> bool {
        let sender = Sender { host: &self.host, tag: &self.args.tag };
        self.message.clear();
        match &self.args.to {
            LogTo::Journald(_) => message::journal(sender, line, &mut self.message),
            LogTo::Syslog => message::local(sender, line, &mut self.message),
            LogTo::SyslogAt(_) | LogTo::SyslogTcp(..) | LogTo::File => {
                message::syslog(sender, now, line, &mut self.message);
            }
        }
        let drops = self.args.on_full == OnFull::Drop;
        let (ended, is_pipe) = (&self.ended, self.copy.is_some());
        let is_late = || {
            if !is_pipe || has_hung_up() {
                let since = ended.get().unwrap_or_else(Instant::now);
                ended.set(Some(since));
            }
            ended.get().is_some_and(|at| at.elapsed() >= PATIENCE)
        };
        self.outlet.send(&self.message, || drops && (is_late() || fills_up()))
    }
}

/// Whether nobody writes the input any more.
fn has_hung_up() -> bool {
    let input = stdin();
    let mut polled = [PollFd::new(input.as_fd(), PollFlags::empty())];
    // What cannot be asked goes on.
    let asked = poll(&mut polled, PollTimeout::ZERO).is_ok();
    asked && polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

/// Whether whoever writes the input will soon have to wait.
fn fills_up() -> bool {
    let room = fcntl(stdin(), FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| usize::try_from(size).ok());
    room.is_some_and(|room| held(stdin().as_fd()).is_ok_and(|held| held >= room / 2))
}

/// Reads so much, which is there.
fn take(input: impl AsFd, buffer: &mut [u8]) -> Result<(), Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(input.as_fd(), &mut buffer[filled..]) {
            Ok(0) => return Err(Errno::ENODATA),
            Ok(count) => filled += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
