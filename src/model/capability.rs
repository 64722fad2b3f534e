//! The capabilities of Linux by name (`capabilities(7)`, `linux/capability.h`).

use std::fmt::Write as _;

/// Their names without `CAP_`; the place of each is its number.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The number of CAP_SETPCAP: may change the bounding set.
pub const SETPCAP: u32 = 8;
/// The number of CAP_SYS_CHROOT.
pub const SYS_CHROOT: u32 = 18;
/// The number of CAP_SYS_ADMIN: may have namespaces and mounts.
pub const SYS_ADMIN: u32 = 21;
/// The number of CAP_SYS_NICE: may schedule before others.
pub const SYS_NICE: u32 = 23;
/// The number of CAP_SYS_RESOURCE: may raise hard limits, and lower the OOM score.
pub const SYS_RESOURCE: u32 = 24;

/// The number of `word`: a name in upper or lower case, with or without `CAP_`.
pub fn number(word: &str) -> Option<u32> {
    let bare = bare(word);
    NAMES.iter().position(|name| *name == bare).map(|at| at as u32)
}

/// `word` as [`NAMES`] would have it.
pub fn bare(word: &str) -> String {
    let upper = word.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// The whole name of number `number`, also of one that is newer than this list.
pub fn name(number: u32) -> String {
    NAMES.get(number as usize).map_or_else(|| format!("capability {number}"), |name| format!("CAP_{name}"))
}

/// The names in `mask`, without `CAP_`; "none" where it is empty.
pub fn list(mask: u64) -> String {
    let mut out = String::new();
    for number in (0..64).filter(|number| mask >> number & 1 == 1) {
        let gap = if out.is_empty() { "" } else { ", " };
        let _ = match NAMES.get(number) {
            Some(name) => write!(out, "{gap}{name}"),
            None => write!(out, "{gap}{number}"),
        };
    }
    if out.is_empty() { "none".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        assert_eq!((number("CHOWN"), number("cap_bpf"), number("Net_Bind_Service")), (Some(0), Some(39), Some(10)));
        let named = [(SETPCAP, "setpcap"), (SYS_CHROOT, "sys_chroot"), (SYS_ADMIN, "sys_admin")];
        for (constant, word) in named.into_iter().chain([(SYS_NICE, "sys_nice"), (SYS_RESOURCE, "sys_resource")]) {
            assert_eq!(number(word), Some(constant), "{word}");
        }
        assert_eq!(number("NET"), None);
        assert_eq!((name(40), name(41)), ("CAP_CHECKPOINT_RESTORE".to_owned(), "capability 41".to_owned()));
        assert_eq!((list(0), list(1 << 10 | 1)), ("none".to_owned(), "CHOWN, NET_BIND_SERVICE".to_owned()));
    }
}
