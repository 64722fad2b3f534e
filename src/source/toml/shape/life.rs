//! `[ready]`, `[health]`, `[start]`, `[reload]`, `[update]`: how a service lives.

use crate::model::check::OnFailure;
use crate::model::policy::OnChange;
use crate::model::signal::Signal;
use crate::source::toml::life::{Commands, Strategy};
use crate::source::toml::table::table;
use crate::source::toml::values::{ChoiceOf, CommandLine, Count, Descriptor, DurationText, HttpStatus, SignalText};
use schemars::JsonSchema;
use std::time::Duration;

table! {
    /// How one finds out that it is ready: exactly one of `notify`, `fd`, `tcp`, `http`, `exec`, `log` and `delay`.
    /// Until then its state is `running`, then `ready`. If that takes longer than `timeout`, the start has failed: it is
    /// stopped, and tried again as after a bad run. Where abide looks itself (`tcp`, `http`, `exec`), it looks at once, some
    /// milliseconds later again, and ever more slowly up to `interval`. Of `type = "forking"` and "oneshot" this may name `timeout` alone.
    Ready {
        /// It says so itself: READY=1 over NOTIFY_SOCKET, as `sd_notify(3)` has it (`Type=notify` of systemd). It may say
        /// more: STATUS= is shown, EXTEND_TIMEOUT_USEC= gives it time, RELOADING=1 and STOPPING=1 tell what it does, MAINPID=
        /// which of its processes is to be watched.
        notify: bool,
        /// It writes a newline to this descriptor, as s6's notification-fd has it.
        fd: Descriptor,
        /// Something accepts a connection at this `host:port`. `${VAR}` is expanded.
        tcp: String,
        /// A GET of this `http://` URL is answered as it should be. `${VAR}` is expanded.
        http: String,
        /// With `http`: the status that the answer should have. Default: 200 to 399.
        status: HttpStatus,
        /// With `http`: a text that the answer should contain.
        body: String,
        /// This command, written as `command` is, ends with 0. It runs as the service does; MAINPID is the service's process.
        exec: CommandLine,
        /// A line of its output matches this regular expression (of the crate `regex-lite`, where
        /// `\w`, `\d` and `(?i)` are ASCII; nothing is expanded).
        log: String,
        /// So much time has passed since its start.
        #[schemars(with = "Option<DurationText>")]
        delay: Duration,
        /// How long it may take from the start. Default: "1m".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
        /// The longest pause between two looks. Default: "1s".
        #[schemars(with = "Option<DurationText>")]
        interval: Duration,
    }
    later &[]
}

table! {
    /// How one finds out that it is well: exactly one of `notify`, `tcp`, `http` and `exec`. It begins once the service is
    /// ready. One look at a time; one that takes too long has failed.
    Health {
        /// A watchdog: it gives a sign of life (WATCHDOG=1 over NOTIFY_SOCKET) within each `interval`, which it is told as
        /// WATCHDOG_USEC. WATCHDOG=trigger is the contrary.
        notify: bool,
        /// Something accepts a connection at this `host:port`. `${VAR}` is expanded.
        tcp: String,
        /// A GET of this `http://` URL is answered as it should be. `${VAR}` is expanded.
        http: String,
        /// With `http`: the status that the answer should have. Default: 200 to 399.
        status: HttpStatus,
        /// With `http`: a text that the answer should contain.
        body: String,
        /// This command, written as `command` is, ends with 0. It runs as the service does; MAINPID is the service's process.
        exec: CommandLine,
        /// The pause between two looks. Default: "10s".
        #[schemars(with = "Option<DurationText>")]
        interval: Duration,
        /// How long one look may take. Default: "5s".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
        /// So many failures in a row are too many. Default: 3; with `notify`, 1.
        failures: Count,
        /// What follows then: "restart" (it is stopped, and started again after a delay as after a bad run) or "report" (the
        /// status says so, and that is all). Default: "restart".
        #[schemars(with = "Option<ChoiceOf<OnFailure>>")]
        on_failure: OnFailure,
    }
    later &[]
}

table! {
    /// Commands around its start. They run one after the other as the service does: as its user, with its environment and
    /// limits, with their output in its log.
    Start {
        /// Run before each start. One that fails (a code other than 0, a signal, or `timeout`) fails the start.
        before: Commands,
        /// Run once it is ready; where nothing says when it is, once it runs. MAINPID is its process. One that fails fails the
        /// start: it is stopped, and tried again as after a bad run.
        after: Commands,
        /// How long each of them may take. Default: "1m".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
    }
    later &[]
}

table! {
    /// How a new version takes the place of the one that runs.
    Update {
        /// Whether the last good version comes back where the new one fails, or is not ready in time; the new one is then
        /// not tried again until a key of it changes that matters, or `abide retry`. Jobs are never rolled back.
        /// Default: true.
        rollback: bool,
        /// How long all processes of a new version must have been up to make it the good one. Default: "10s".
        #[schemars(with = "Option<DurationText>")]
        settle: Duration,
        /// How several processes take it: "together", or "rolling": `max_unavailable` at a time, each up before the next.
        /// That stops at the first that does not come up. Default: "together".
        #[schemars(with = "Option<ChoiceOf<Strategy>>")]
        strategy: Strategy,
        /// With `strategy = "rolling"`: so many processes may be down at a time. Default: 1.
        max_unavailable: Count,
    }
    later &[]
}

table! {
    /// How it takes up a change of its own configuration: by a signal or a command.
    Reload {
        /// The signal to its process, by name or number.
        #[schemars(with = "Option<SignalText>")]
        signal: Signal,
        /// Instead of `signal`: a command, written as `command` is, that ends with 0 once it is done. MAINPID is its process.
        command: CommandLine,
        /// Its configuration files, absolute, with `*`, `?` and `[...]`. A change of one leads to what `on_change` says.
        watch: Vec<String>,
        /// "reload" or "restart". Default: "reload".
        #[schemars(with = "Option<ChoiceOf<OnChange>>")]
        on_change: OnChange,
        /// How long a reload may take. One that fails leaves the service as it is, and the status says so. Default: "1m".
        #[schemars(with = "Option<DurationText>")]
        timeout: Duration,
    }
    later &[]
}
