//! A line as a message to another's log: RFC 5424, and journald's native protocol. Pure.
//!
//! Both are written here and not by a crate: those that there are stamp and send each message themselves, and take text
//! alone.

use super::level::Level;
use super::stamp::Civil;

/// Facility 3 of RFC 5424, 6.2.1: system daemons.
const DAEMON: u8 = 3;

/// Whose line it is.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The machine, as it calls itself.
    pub host: &'a str,
    /// What it is called there: the service, and which instance of several.
    pub tag: &'a str,
}

/// Severity of RFC 5424, 6.2.1; journald's `PRIORITY` is the same. Of a line that says nothing: informational.
pub fn severity(line: &[u8]) -> u8 {
    match Level::of(line) {
        Some(Level::Fatal) => 2,
        Some(Level::Error) => 3,
        Some(Level::Warn) => 4,
        Some(Level::Info) | None => 6,
        Some(Level::Debug | Level::Trace) => 7,
    }
}

/// A message of RFC 5424, at `micros` since 1970. The process id stays open: a line does not say which it came from.
pub fn syslog(sender: Sender<'_>, micros: i64, line: &[u8], out: &mut Vec<u8>) {
    let mut stamp = String::new();
    // Writing to a string cannot fail.
    let _ = Civil::new(micros).rfc3339(&mut stamp);
    let priority = DAEMON * 8 + severity(line);
    let Sender { host, tag } = sender;
    let header = format!("<{priority}>1 {stamp} {} {} - - - ", name(host, 255), name(tag, 48));
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(line);
}

/// A message as syslog(3) sends it to a daemon of the same machine, which knows the time and the machine itself.
pub fn local(sender: Sender<'_>, line: &[u8], out: &mut Vec<u8>) {
    let priority = DAEMON * 8 + severity(line);
    out.extend_from_slice(format!("<{priority}>{}: ", name(sender.tag, 48)).as_bytes());
    out.extend_from_slice(line);
}

/// A name of RFC 5424, 6: visible ASCII, and no longer than that; `-` where nothing is left.
fn name(text: &str, longest: usize) -> String {
    let visible: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if visible.is_empty() { "-".to_owned() } else { visible }
}

/// A datagram of journald's native protocol
/// (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>): the line with its length, since it may be any bytes.
pub fn journal(sender: Sender<'_>, line: &[u8], out: &mut Vec<u8>) {
    let fields = format!("PRIORITY={}\nSYSLOG_IDENTIFIER={}\nMESSAGE\n", severity(line), sender.tag);
    out.extend_from_slice(fields.as_bytes());
    out.extend_from_slice(&(line.len() as u64).to_le_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Sender<'_> = Sender { host: "box", tag: "web@2" };

    #[test]
    fn a_line_becomes_a_message() {
        let mut out = Vec::new();
        syslog(WEB, 1_795_324_442_004_123, b"ERROR caf\xe9", &mut out);
        let wanted = b"<27>1 2026-11-22T05:14:02.004123Z box web@2 - - - ERROR caf\xe9";
        assert_eq!(out, wanted);
        out.clear();
        journal(WEB, b"two\nlines", &mut out);
        let wanted = b"PRIORITY=6\nSYSLOG_IDENTIFIER=web@2\nMESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n";
        assert_eq!(out, wanted);
    }

    #[test]
    fn a_line_becomes_a_message_to_the_daemon_of_the_machine() {
        let mut out = Vec::new();
        local(WEB, b"[warn] odd", &mut out);
        assert_eq!(out, b"<28>web@2: [warn] odd");
    }

    #[test]
    fn names_that_are_none_are_left_open() {
        let mut out = Vec::new();
        syslog(Sender { host: "", tag: "\u{e9} x" }, 0, b"", &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "<30>1 1970-01-01T00:00:00.000000Z - x - - - ");
    }
}
