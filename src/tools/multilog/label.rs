//! TAI64N labels: the time as multilog writes it before lines and into names.

use nix::time::{ClockId, clock_gettime};

/// `@` and 24 hexadecimal digits.
pub(super) type Label = [u8; 25];

/// 1970 in TAI64, with daemontools' constant ten seconds.
const EPOCH: u64 = (1 << 62) + 10;

/// The label of a time to the microsecond.
fn label(seconds: i64, micros: u32) -> Label {
    let seconds = EPOCH.wrapping_add_signed(seconds);
    // The half microsecond is what the original adds.
    let nanos = micros.wrapping_mul(1000).wrapping_add(500);
    let mut label = [b'@'; 25];
    for (place, byte) in
        label[1..].chunks_exact_mut(2).zip(seconds.to_be_bytes().into_iter().chain(nanos.to_be_bytes()))
    {
        place.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    label
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// The label of this moment.
pub(super) fn now() -> Label {
    match clock_gettime(ClockId::CLOCK_REALTIME) {
        Ok(time) => label(time.tv_sec(), (time.tv_nsec() / 1000) as u32),
        Err(_) => label(0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_labels() {
        assert_eq!(&label(935_467_445, 787_492), b"@4000000037c219bf2ef02e94");
        assert_eq!(&label(994_720_184, 848_605), b"@400000003b4a39c23294b13c");
        assert_eq!(&label(0, 0), b"@400000000000000a000001f4");
        assert_eq!(&label(-11, 0), b"@3fffffffffffffff000001f4");
    }
}
