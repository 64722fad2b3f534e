//! The exit codes of every command, in one table. They are part of the contract.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        $($(#[doc = $doc])+ pub const $name: u8 = $code;)+

        /// All of them with what they say, for the reference.
        pub const ALL: &[(u8, &str)] = &[$(($code, concat!($($doc),+)),)+];
    };
}

codes! {
    /// All is well: an orderly end, no error, no change, everything as desired.
    OK = 0,
    /// Something is wrong: errors in files (`check`, `plan`), a service that is not as desired (`status`),
    /// a supervisor that could not start or has died (`run`), an order that could not be obeyed or may not be given
    /// (`start`, `stop`, `restart`, `reload`, `signal`), a state that cannot be reached any more (`wait`), a
    /// service that was left as it is (`import`), a name that means nothing. With `--nagios`: WARNING.
    ERRORS = 1,
    /// Something would change (`plan`). With `--nagios`: CRITICAL.
    CHANGES = 2,
    /// Nobody knows: no daemon answers, or a stale snapshot (`status`). With `--nagios`: UNKNOWN, usage errors included.
    NO_DAEMON = 3,
    /// The command line is wrong (`EX_USAGE` of `sysexits.h`).
    USAGE = 64,
    /// `abide.toml` is broken at a first start (`EX_CONFIG`): nothing was started (`run`).
    CONFIG = 78,
    /// The time is over, and what was waited for has not come: `wait`, and the orders that wait for their outcome.
    TIMEOUT = 124,
}
