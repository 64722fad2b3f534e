//! What a service says of itself over `NOTIFY_SOCKET`: the protocol of `sd_notify(3)`, as values.

use super::check::Sign;
use std::time::Duration;

/// The largest message that is read; systemd's own limit is the same.
pub const MAX_MESSAGE: usize = 4096;

/// So many signs of one message count: no honest one has more.
const MAX_SIGNS: usize = 16;

/// A status is shortened to this many characters.
const MAX_STATUS: usize = 200;

/// One message, understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// What it says, in the order in which it says it.
    pub signs: Vec<Sign>,
    /// Whether it asks to keep descriptors for it (FDSTORE=1), which abide does not do.
    pub store: bool,
}

/// Reads a message: lines of `NAME=value`. What is unknown, or has a value that makes no sense, is ignored.
pub fn parse(message: &[u8]) -> Message {
    let mut parsed = Message::default();
    for line in message.split(|byte| *byte == b'\n') {
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        if (name, value) == (b"FDSTORE", b"1") {
            parsed.store = true;
        }
        parsed.signs.extend(sign(name, value).filter(|_| parsed.signs.len() < MAX_SIGNS));
    }
    parsed
}

fn sign(name: &[u8], value: &[u8]) -> Option<Sign> {
    let number = || str::from_utf8(value).ok()?.parse::<u64>().ok();
    Some(match (name, value) {
        (b"READY", b"1") => Sign::Ready,
        (b"RELOADING", b"1") => Sign::Reloading,
        (b"STOPPING", b"1") => Sign::Stopping,
        (b"WATCHDOG", b"1") => Sign::Alive,
        (b"WATCHDOG", b"trigger") => Sign::Unwell,
        (b"STATUS", text) => Sign::Status(words(text)),
        (b"MAINPID", _) => Sign::Main(i32::try_from(number()?).ok().filter(|pid| *pid > 0)?),
        (b"EXTEND_TIMEOUT_USEC", _) => Sign::Extend(Duration::from_micros(number()?)),
        _ => return None,
    })
}

/// For a terminal and a line of a log: no control characters, and not too long.
fn words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(MAX_STATUS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_of_sd_notify_are_understood_in_their_order() {
        let message = b"RELOADING=1\nSTATUS=Half \x1b[31mway\xff\nREADY=1\nMAINPID=42\nWATCHDOG=1\nWATCHDOG=trigger\n\
            EXTEND_TIMEOUT_USEC=1500000\nSTOPPING=1\nFDSTORE=1\nFDNAME=x\nX_MINE=1";
        let signs = [
            Sign::Reloading,
            Sign::Status("Half  [31mway\u{fffd}".into()),
            Sign::Ready,
            Sign::Main(42),
            Sign::Alive,
            Sign::Unwell,
            Sign::Extend(Duration::from_millis(1500)),
            Sign::Stopping,
        ];
        assert_eq!(parse(message), Message { signs: signs.into(), store: true });
    }

    #[test]
    fn what_makes_no_sense_is_ignored() {
        for message in [
            "",
            "=",
            "READY",
            "READY=",
            "READY=0",
            "READY=10",
            " READY=1",
            "MAINPID=0",
            "MAINPID=-5",
            "MAINPID=x",
            "MAINPID=4294967297",
            "EXTEND_TIMEOUT_USEC=-1",
            "ready=1",
            "WATCHDOG=2",
            "BARRIER=1",
        ] {
            assert_eq!(parse(message.as_bytes()), Message::default(), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..MAX_MESSAGE)) {
            prop_assert!(parse(&bytes).signs.len() <= MAX_SIGNS);
        }

        #[test]
        fn any_lines_are_survived(lines in "((READY|STATUS|MAINPID|EXTEND_TIMEOUT_USEC|WATCHDOG)=.{0,30}\n){0,40}") {
            prop_assert!(parse(lines.as_bytes()).signs.len() <= MAX_SIGNS);
        }
    }
}
