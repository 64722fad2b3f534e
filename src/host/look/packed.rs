//! What compressed log files hold, as files.

use crate::log::rotate::Form;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read, Seek};

/// A file with what `packed` holds, at its beginning; `packed` itself if it is not compressed. Nobody else sees it, and
/// it takes memory for as long as it is open. What holds more than `most` bytes is refused.
pub(super) fn unpacked(packed: File, form: Form, most: u64) -> io::Result<File> {
    if !form.is_packed() {
        return Ok(packed);
    }
    let mut whole: File = memfd_create(c"abide-log", MFdFlags::MFD_CLOEXEC)?.into();
    let beyond = most.saturating_add(1);
    let count = match form {
        Form::Zstd => io::copy(&mut zstd::Decoder::new(packed)?.take(beyond), &mut whole),
        _ => io::copy(&mut flate2::read::MultiGzDecoder::new(packed).take(beyond), &mut whole),
    }?;
    if count > most {
        return Err(io::Error::other(format!("a compressed file of it holds more than {} MiB", most >> 20)));
    }
    whole.rewind()?;
    Ok(whole)
}
