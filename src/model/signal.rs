//! Signals by name and number (Linux on x86_64 and aarch64; `signal(7)`), without libc.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A signal, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(1);
    /// Interrupt.
    pub const INT: Self = Self(2);
    /// The end that nobody can refuse.
    pub const KILL: Self = Self(9);
    /// The polite end.
    pub const TERM: Self = Self(15);
    /// Go on, if stopped.
    pub const CONT: Self = Self(18);
    /// The stop that nobody can refuse.
    pub const STOP: Self = Self(19);

    /// The signal of this number, if it is one.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| (1..=64).contains(n)).map(Self)
    }

    /// Its number, as `kill(2)` takes it.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// `TERM`, without `SIG`; `RTMIN+3` for a real-time signal (34 is glibc's `RTMIN`).
    pub fn name(self) -> String {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => (*name).to_owned(),
            None if self.0 >= 34 => format!("RTMIN+{}", self.0 - 34),
            None => self.0.to_string(),
        }
    }

    /// Every name that [`FromStr`] knows, for suggestions.
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }
}

impl FromStr for Signal {
    type Err = ();

    /// `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+1`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(position) = NAMES.iter().position(|n| *n == name) {
            return Self::from_number(position as i32 + 1).ok_or(());
        }
        if let Some(offset) = name.strip_prefix("RTMIN+") {
            return offset.parse::<i32>().ok().and_then(|n| Self::from_number(n.checked_add(34)?)).ok_or(());
        }
        name.parse().ok().and_then(Self::from_number).ok_or(())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom(format!("{text} is no signal")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_what_it_prints() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::from_number(number).expect("in range");
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
        assert_eq!("term".parse(), Ok(Signal::TERM));
        assert_eq!("SIGNOPE".parse::<Signal>(), Err(()));
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
    }
}
