//! Local time by the C library: it alone knows every form of TZ that the original programs understand.
#![expect(unsafe_code, reason = "the C library's time zones, which read TZ as the originals do")]

unsafe extern "C" {
    fn tzset();
}

/// A time as clocks show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Years since 1900.
    pub year: i32,
    /// 0 to 11.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
}

/// Local time of `seconds` since 1970; `None` if the year cannot be represented.
pub fn local(seconds: i64) -> Option<Local> {
    // SAFETY: `tm` is plain data for which zeroes are valid, and only written to. Neither call keeps a pointer.
    // They read the environment, which nothing changes here.
    let (tm, found) = unsafe {
        tzset();
        let mut tm: libc::tm = std::mem::zeroed();
        let found = !libc::localtime_r(&raw const seconds, &raw mut tm).is_null();
        (tm, found)
    };
    found.then_some(Local {
        year: tm.tm_year,
        month: tm.tm_mon,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
    })
}
