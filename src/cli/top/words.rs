//! Numbers in few characters. Pure.

/// Thousandths of a processor as a percentage: `0.0`, `12.3`, `150`.
pub(super) fn cores(thousandths: u64) -> String {
    if thousandths < 1_000 {
        format!("{}.{}", thousandths / 10, thousandths % 10)
    } else {
        (thousandths / 10).to_string()
    }
}

/// Bytes in at most four characters or so: `512`, `1.2K`, `34M`.
pub(super) fn short(bytes: u64) -> String {
    let units = ["", "K", "M", "G", "T", "P", "E"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_000 && unit + 1 < units.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    match (unit, tenths) {
        (1.., 0..100) => format!("{}.{}{}", tenths / 10, tenths % 10, units[unit]),
        _ => format!("{}{}", tenths / 10, units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_little_room() {
        assert_eq!([0, 5, 123, 999, 1_000, 25_000].map(cores), ["0.0", "0.5", "12.3", "99.9", "100", "2500"]);
        assert_eq!([0, 999, 1_000, 1_500, 34 << 20, 1 << 40].map(short), ["0", "999", "0.9K", "1.4K", "34M", "1.0T"]);
        assert!((0..64).all(|bit| short(1 << bit).len() <= 4));
    }
}
