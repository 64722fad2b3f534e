//! What a program is given as text.

#![expect(unsafe_code, reason = "pointers into memory of their own")]

use std::ffi::c_char;
use std::ptr;

/// Strings as `execve(2)` takes them, in one piece of memory.
#[derive(Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    pub(super) pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into `bytes` of the same value and are only read.
unsafe impl Send for Strings {}

impl Strings {
    /// Room for so many strings of so many bytes in all.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), starts: Vec::with_capacity(strings), pointers: Vec::new() }
    }

    /// Adds the string that `parts` make, up to its first NUL.
    pub fn push(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
    }

    /// No more are added: now they have addresses.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.pointers.reserve_exact(self.starts.len() + 1);
        for start in &self.starts {
            self.pointers.push(self.bytes[*start..].as_ptr().cast());
        }
        self.pointers.push(ptr::null());
        self
    }
}
