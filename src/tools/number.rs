//! Numbers as daemontools reads and writes them.

/// The number in the leading decimal digits, modulo 2^64, and how many digits there are.
pub(super) fn scan(text: &[u8]) -> (u64, usize) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold((0, 0), |(number, count), &digit| {
        (number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')), count + 1)
    })
}

/// Appends `number` in decimal, with zeroes in front up to `width`.
pub(super) fn push(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let start = start.min(digits.len() - width.clamp(1, digits.len()));
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_numbers() {
        assert_eq!(scan(b""), (0, 0));
        assert_eq!(scan(b"-1"), (0, 0));
        assert_eq!(scan(b"12x3"), (12, 2));
        assert_eq!(scan(b"18446744073709551617"), (1, 20));
    }

    proptest! {
        #[test]
        fn scan_reads_what_push_writes(number: u64, width in 0..30_usize) {
            let mut out = Vec::new();
            push(&mut out, number, width);
            prop_assert_eq!(scan(&out), (number, out.len()));
            let width = width.min(20);
            prop_assert_eq!(out, format!("{number:0width$}").into_bytes());
        }
    }
}
