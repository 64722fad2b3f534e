//! What a directory `supervise/` says and hears: the file `status`, and the letters of `control`.
//!
//! daemontools' form (supervise(8), svstat(8)) with runit's two bytes more (runsv(8)), so that the clients of both can
//! read it.

use super::signal::Signal;
use super::time::{TAI64_OF_1970, Wall};
use serde::{Deserialize, Serialize};

/// What was last wished of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// It runs, and is started again when it ends.
    Up,
    /// It does not run.
    Down,
    /// It runs until it ends.
    Once,
}

/// What `supervise/status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// When the process started or ended last.
    pub since: Wall,
    /// The process; 0: there is none.
    pub pid: i32,
    /// It is stopped by `p`.
    pub paused: bool,
    /// TERM was sent to it.
    pub term_sent: bool,
    /// What is wished.
    pub wish: Wish,
    /// The process is that of `./finish`.
    pub finishing: bool,
}

impl Shown {
    /// The 20 bytes of the file: TAI64N, big-endian; pid, little-endian; paused; wish; TERM sent; what runs: 1 `run`, 2
    /// `finish`.
    pub fn encode(&self) -> [u8; 20] {
        let (seconds, micros) = (self.since.0.div_euclid(1_000_000), self.since.0.rem_euclid(1_000_000));
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&TAI64_OF_1970.wrapping_add_signed(seconds).to_be_bytes());
        bytes[8..12].copy_from_slice(&(micros as u32 * 1000).to_be_bytes());
        bytes[12..16].copy_from_slice(&self.pid.to_le_bytes());
        let runs = self.pid != 0;
        bytes[16] = u8::from(runs && self.paused);
        bytes[17] = match self.wish {
            Wish::Up => b'u',
            Wish::Down => b'd',
            Wish::Once => 0,
        };
        let what = if self.finishing { 2 } else { u8::from(runs) };
        (bytes[18], bytes[19]) = (u8::from(runs && self.term_sent), what);
        bytes
    }
}

/// What a letter of `supervise/control` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// `u`, `d`, `o`.
    Wish(Wish),
    /// `x`: let it go once it has ended.
    Exit,
    /// `p`: stop the process.
    Pause,
    /// `c`: let it go on.
    Continue,
    /// A signal to the process.
    Signal(Signal),
}

impl Letter {
    /// What `byte` asks for; `None`: nothing. Those of daemontools, and the signals that runit (`q`, `1`, `2`) and s6
    /// (`b`, `y`) added.
    pub fn of(byte: u8) -> Option<Self> {
        let signal = |name: &str| name.parse().ok().map(Self::Signal);
        match byte {
            b'u' => Some(Self::Wish(Wish::Up)),
            b'd' => Some(Self::Wish(Wish::Down)),
            b'o' => Some(Self::Wish(Wish::Once)),
            b'x' => Some(Self::Exit),
            b'p' => Some(Self::Pause),
            b'c' => Some(Self::Continue),
            b't' => signal("TERM"),
            b'k' => signal("KILL"),
            b'h' => signal("HUP"),
            b'a' => signal("ALRM"),
            b'i' => signal("INT"),
            b'q' => signal("QUIT"),
            b'1' => signal("USR1"),
            b'2' => signal("USR2"),
            b'b' => signal("ABRT"),
            b'y' => signal("WINCH"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_what_daemontools_would_write_and_two_bytes_more() {
        let since = Wall(994_720_000_123_456);
        let shown = Shown { since, pid: 12_345, paused: false, term_sent: true, wish: Wish::Up, finishing: false };
        let daemontools = [0x40, 0, 0, 0, 0x3b, 0x4a, 0x39, 0x0a, 0x07, 0x5b, 0xca, 0x00, 0x39, 0x30, 0, 0, 0, b'u'];
        assert_eq!(shown.encode()[..18], daemontools);
        assert_eq!(shown.encode()[18..], [1, 1]);
        let down = Shown { pid: 0, paused: true, wish: Wish::Once, ..shown };
        assert_eq!(down.encode()[12..], [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Shown { paused: true, wish: Wish::Down, ..shown }.encode()[16..18], [1, b'd']);
        assert_eq!(Shown { finishing: true, ..shown }.encode()[19], 2);
    }

    #[test]
    fn letters_that_mean_nothing_are_passed_over() {
        let known = (0..=255).filter(|byte| Letter::of(*byte).is_some());
        assert_eq!(known.collect::<Vec<u8>>(), b"12abcdhikopqtuxy");
    }
}
