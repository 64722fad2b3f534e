//! svstat: shows the state of services.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat;
use nix::time::{ClockId, clock_gettime};
use nix::unistd;

use super::errno::text;
use super::{filter, number, svc};
use crate::model::time::TAI64_OF_1970;

const SIZE: usize = 18;

/// What is known of a service.
struct Service {
    status: [u8; SIZE],
    /// There is no `down` file.
    normally_up: bool,
}

/// What keeps us from knowing, with the system error, if it is one.
struct Trouble(&'static str, Option<Errno>);

/// Looks at the service in the working directory.
fn look() -> Result<Service, Trouble> {
    let trouble = |what| move |errno| Trouble(what, Some(errno));
    let normally_up = match stat::stat("down") {
        Ok(_) => false,
        Err(Errno::ENOENT) => true,
        Err(errno) => return Err(Trouble("unable to stat down: ", Some(errno))),
    };
    match svc::open("supervise/ok", OFlag::O_WRONLY) {
        Ok(_) => {}
        Err(Errno::ENXIO) => return Err(Trouble("supervise not running", None)),
        Err(errno) => return Err(Trouble("unable to open supervise/ok: ", Some(errno))),
    }
    let file = svc::open("supervise/status", OFlag::O_RDONLY).map_err(trouble("unable to open supervise/status: "))?;
    let mut status = [0; SIZE];
    match read(&file, &mut status).map_err(trouble("unable to read supervise/status: "))? {
        SIZE => Ok(Service { status, normally_up }),
        _ => Err(Trouble("unable to read supervise/status: bad format", None)),
    }
}

/// One read, as long as it is not interrupted.
fn read(file: &OwnedFd, buffer: &mut [u8]) -> nix::Result<usize> {
    loop {
        match unistd::read(file, buffer) {
            Err(Errno::EINTR) => {}
            end => return end,
        }
    }
}

/// Appends the state in words; `now` is in TAI64 seconds.
fn describe(service: &Service, now: u64, out: &mut Vec<u8>) {
    let status = &service.status;
    let when = status[..8].iter().fold(0, |when, &byte| when << 8 | u64::from(byte));
    let pid = status[12..16].iter().rev().fold(0, |pid, &byte| pid << 8 | u32::from(byte));
    let [.., paused, want] = *status;
    if pid > 0 {
        out.extend_from_slice(b"up (pid ");
        number::push(out, u64::from(pid), 1);
        out.extend_from_slice(b") ");
    } else {
        out.extend_from_slice(b"down ");
    }
    number::push(out, approximately(now.saturating_sub(when)), 1);
    out.extend_from_slice(b" seconds");
    let suffixes = [
        (pid > 0 && !service.normally_up, ", normally down"),
        (pid == 0 && service.normally_up, ", normally up"),
        (pid > 0 && paused != 0, ", paused"),
        (pid == 0 && want == b'u', ", want up"),
        (pid > 0 && want == b'd', ", want down"),
    ];
    for (_, suffix) in suffixes.iter().filter(|(applies, _)| *applies) {
        out.extend_from_slice(suffix.as_bytes());
    }
}

/// The original takes the difference through a floating point number, which shows beyond 2^53.
#[allow(clippy::cast_precision_loss)]
fn approximately(seconds: u64) -> u64 {
    seconds as f64 as u64
}

/// Appends the line on one directory, whose name is there already.
fn report(found: Result<Service, Trouble>, out: &mut Vec<u8>) {
    match found {
        Ok(service) => describe(&service, now(), out),
        Err(Trouble(what, errno)) => {
            out.extend_from_slice(what.as_bytes());
            out.extend_from_slice(errno.map_or("", text).as_bytes());
        }
    }
    out.push(b'\n');
}

/// The clock of time(2), which does not run ahead of the one supervise reads.
fn now() -> u64 {
    let seconds = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map_or(0, |time| time.tv_sec());
    TAI64_OF_1970.wrapping_add(seconds as u64)
}

/// The tool.
pub(super) fn run(words: &[OsString]) -> u8 {
    let mut out = Vec::new();
    let end = svc::each("svstat", words.get(1..).unwrap_or_default(), |dir, arrived| {
        out.extend_from_slice(dir.as_bytes());
        out.extend_from_slice(b": ");
        let arrived = arrived.map_err(|errno| Trouble("unable to chdir: ", Some(errno)));
        report(arrived.and_then(|()| look()), &mut out);
    });
    if let Err(code) = end {
        return code;
    }
    let _ = filter::write(&out);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(when: u64, pid: u32, flags: [u8; 2], normally_up: bool) -> String {
        let status = [&when.to_be_bytes()[..], &[0; 4], &pid.to_le_bytes(), &flags].concat();
        let status = status.try_into().unwrap();
        let mut out = Vec::new();
        describe(&Service { status, normally_up }, 1000, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn states() {
        assert_eq!(described(999, 258, [0, b'u'], true), "up (pid 258) 1 seconds");
        assert_eq!(described(2000, 1, [1, b'd'], false), "up (pid 1) 0 seconds, normally down, paused, want down");
        assert_eq!(described(0, 0, [1, b'u'], true), "down 1000 seconds, normally up, want up");
        assert_eq!(described(0, 0, [0, 0], false), "down 1000 seconds");
        assert_eq!(described(0, u32::MAX, [0, 0], true), "up (pid 4294967295) 1000 seconds");
    }
}
