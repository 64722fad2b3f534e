//! `abide.toml`: the defaults of every service, and how abide itself behaves.
//!
//! Text in, values and findings out, by the same reader as service files; beside the text only the user database is
//! asked, for the names in `[control]` and `[[access]]`.

mod addresses;
pub mod doors;
pub mod sources;
pub mod values;

use super::Text;
use super::delegation::Delegation;
use super::toml::reader::{Layer, Node, Reader, Value, bounded, read};
use super::toml::shape::ServiceFile;
use super::toml::table::table;
use super::toml::values::{Account, Count, DurationText, Files, Percent, Size, Words, choice};

use crate::model::access::DoorPolicy;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::guise::Guise;
use crate::model::resources::Resources;
use crate::model::rules::{GuardRules, RolloutRules, Rules};
use crate::model::service::Delegated;
use ::toml::de::DeValue;
use doors::{Access, Control, HttpTable, Tables};
use schemars::JsonSchema;
use sources::Source;
use std::sync::Arc;
use std::time::Duration;
use values::TableList;

/// What `abide.toml` says, completed.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[defaults]`, merged under every service.
    pub defaults: Option<Arc<Layer<ServiceFile>>>,
    /// How often everything is read anew beside events; `None`: never.
    pub rescan: Option<Duration>,
    /// How long a missing file is waited for.
    pub grace: Duration,
    /// How often the status files are touched when nothing happens; `None`: never.
    pub heartbeat: Option<Duration>,
    /// Whether each service has a status file of its own too.
    pub per_service: bool,
    /// Which services have metrics of their own; `None`: as many as is sensible.
    pub metrics: Option<MetricsDetail>,
    /// abide's own log is rotated before it grows beyond this many bytes.
    pub log_max_size: u64,
    /// How many rotated files of it are kept.
    pub log_max_files: u32,
    /// Who may what at the doors, and where there are some.
    pub doors: Arc<DoorPolicy>,
    /// How often the keeper looks whether the supervisor's loop turns; `None`: never.
    pub watchdog: Option<Duration>,
    /// How changes of the files are taken.
    pub rules: Rules,
    /// The groups that may write service files.
    pub trusted_groups: Vec<u32>,
    /// The directories that are handed to users.
    pub sources: Vec<Arc<Delegation>>,
    /// What it was read from.
    pub text: Option<Text>,
    /// As what abide was called: no file says this.
    pub guise: Option<Guise>,
}

/// Of abide's own log, where nobody looks for one, so much is kept: it lies in memory there.
const LITTLE: u64 = 1 << 20;

impl Config {
    /// That of an abide in a guise: nothing is held back, and what is removed goes on.
    pub fn dressed(guise: Guise) -> Self {
        let guard = GuardRules { window: None, ..GuardRules::default() };
        let rollout = RolloutRules { max_parallel: u64::MAX, pause_on_failures: u64::MAX };
        let rules = Rules { guard, rollout, keep_legacy: true, ..Rules::default() };
        let guise = Some(guise);
        Self { rules, log_max_size: LITTLE, log_max_files: 1, guise, ..Self::default() }
    }

    /// What each delegated source may use, all its services together.
    pub fn bounds(&self) -> impl Iterator<Item = (Delegated, &Resources)> {
        self.sources.iter().map(|source| (source.mark(), &source.caps.together))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            defaults: None,
            rescan: Some(Duration::from_secs(60)),
            grace: Duration::from_secs(2),
            heartbeat: Some(Duration::from_secs(15)),
            per_service: false,
            metrics: None,
            log_max_size: 10 << 20,
            log_max_files: 5,
            doors: Arc::default(),
            watchdog: Some(Duration::from_secs(30)),
            rules: Rules::default(),
            trusted_groups: Vec::new(),
            sources: Vec::new(),
            text: None,
            guise: None,
        }
    }
}

/// Which services have metrics of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsDetail {
    /// Every one.
    All,
    /// Those that are not as desired.
    Abnormal,
    /// None.
    None,
}

/// What becomes of a legacy service whose directory is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRemove {
    /// It is stopped.
    Stop,
    /// It goes on until it is let go of.
    Keep,
}

/// Whether files that change together count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Each counts by itself.
    Each,
    /// One that is bad holds all.
    Atomic,
}

choice!(OnRemove, "stop" => OnRemove::Stop, "keep" => OnRemove::Keep);
choice!(Batch, "each" => Batch::Each, "atomic" => Batch::Atomic);
choice!(MetricsDetail,
    "all" => MetricsDetail::All, "abnormal" => MetricsDetail::Abnormal, "none" => MetricsDetail::None);

/// A time between two looks; zero turns them off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Option<Duration>);

impl Value for Period {
    fn read(reader: &mut Reader<'_>, path: &str, node: &Node<'_>) -> Option<Self> {
        if matches!(node.get_ref(), DeValue::Integer(number) if number.as_str() == "0") {
            return Some(Self(None));
        }
        let duration = Duration::read(reader, path, node)?;
        if duration > Duration::ZERO && duration < Duration::from_secs(1) {
            reader.wrong(
                node.span(),
                Code::BadValue,
                "less than a second apart",
                "write \"1s\" or more, or 0 for never",
            );
        }
        Some(Self(Some(duration).filter(|duration| !duration.is_zero())))
    }
}

table! {
    /// `[legacy]`.
    Legacy {
        /// What becomes of a service whose directory, or the link to it, is gone: "stop", or "keep": it goes on, and is
        /// started again when it ends, until it is let go of by `svc -dx DIR DIR/log`, as under svscan. Default: "stop".
        #[schemars(with = "Option<super::toml::values::ChoiceOf<OnRemove>>")]
        on_remove: OnRemove,
    } later &[]
}

table! {
    /// `abide.toml`.
    ConfigFile {
        /// The keys of a service file, merged under every service: all but `command`, `script`, `description`
        /// and `enabled`. Legacy directories take only `limits`, `resources` and `log` from it.
        defaults: ServiceFile,
        /// How the directories are watched.
        watch: Watch,
        /// Whether files that change together count together: "each" (a good file is taken, a bad one is not) or "atomic"
        /// (as long as one file is bad, no other is taken). Default: "each".
        #[schemars(with = "Option<super::toml::values::ChoiceOf<Batch>>")]
        batch: Batch,
        /// When services whose files are gone wait for a yes.
        guard: Guard,
        /// How restarts that follow from edits are spread.
        rollout: Rollout,
        /// Directories of daemontools.
        legacy: Legacy,
        /// The status snapshot.
        status: Status,
        /// The Prometheus twin of the status snapshot.
        metrics: Metrics,
        /// abide's own log.
        log: OwnLog,
        /// abide's own supervisor.
        supervisor: Own,
        /// Who may everything, beside root and the user that abide runs as.
        control: Control,
        /// What others may.
        #[schemars(with = "Option<Vec<Access>>")]
        access: TableList<Access>,
        /// The doors over TCP; none without it.
        http: HttpTable,
        /// Groups that may write service files and their directories, beside those who own them: whoever is in one can
        /// have anything run as the user that abide runs as. Never `abide.toml` itself. Default: none.
        trusted_groups: Vec<Account>,
        /// Directories that are handed to users.
        #[schemars(with = "Option<Vec<Source>>")]
        source: TableList<Source>,
    }
    later &["include", "waves"]
}

table! {
    /// How the directories are watched.
    Watch {
        /// How often everything is read anew beside events; 0 for never. Default: "60s".
        #[schemars(with = "Option<DurationText>")]
        rescan: Period,
        /// How long a missing file is waited for before its service is stopped. Default: "2s".
        #[schemars(with = "Option<DurationText>")]
        grace: Duration,
    }
    later &["poll", "quiet"]
}

table! {
    /// When services whose files are gone wait for a yes.
    Guard {
        /// Removals within so long count together; 0: none ever waits. Default: "60s".
        #[schemars(with = "Option<DurationText>")]
        window: Period,
        /// More removals than this wait, in all directories together. Default: 10.
        max_removals: Count,
        /// If at least three services of a directory are to go, and they are more than this percentage of those that it
        /// had, they wait. Default: 50.
        max_percent: Percent,
    }
    later &[]
}

table! {
    /// How restarts that follow from edits are spread. What is new starts at once.
    Rollout {
        /// So many services are restarted at a time; the next one when one of them is up again. Default: 5.
        max_parallel: Count,
        /// After so many of them have failed, the others wait, until those are mended or `abide resume`. Default: 2.
        pause_on_failures: Count,
    }
    later &[]
}

table! {
    /// The status snapshot.
    Status {
        /// How often its files are touched when nothing happens; 0 for never. Default: "15s".
        #[schemars(with = "Option<DurationText>")]
        heartbeat: Period,
        /// Whether each service has a file of its own too. Default: false.
        per_service: bool,
    }
    later &[]
}

table! {
    /// The Prometheus twin of the status snapshot.
    Metrics {
        /// Which services have series of their own: "all", "abnormal" or "none". Default: all up to 500 services,
        /// beyond that the abnormal ones.
        #[schemars(with = "Option<super::toml::values::ChoiceOf<MetricsDetail>>")]
        detail: MetricsDetail,
    }
    later &[]
}

table! {
    /// abide's own supervisor.
    Own {
        /// How often its keeper looks whether it still turns; one that stands still for two looks is replaced, and no
        /// service notices. 0 for never, and then abide does not wake up at all when nothing happens. Default: "30s".
        #[schemars(with = "Option<DurationText>")]
        watchdog: Period,
    }
    later &[]
}

table! {
    /// abide's own log.
    OwnLog {
        /// `abide.log` is rotated before it grows beyond this. Default: "10MiB".
        max_size: Size,
        /// How many rotated files are kept. Default: 5.
        max_files: Files,
    }
    later &["level", "format", "directory"]
}

/// Reads `abide.toml`. With an error there is no config: the last good one holds.
pub fn parse(text: &Text) -> (Option<Config>, Vec<Diagnostic>) {
    let (layer, mut findings) = read::<ConfigFile>(text);
    let Some(mut layer) = layer else { return (None, bounded(findings)) };
    for key in ["command", "script", "description", "enabled"] {
        if let Some(span) = layer.places.get(&format!("defaults.{key}")).cloned() {
            let message = format!("`{key}` belongs to one service and can be no default");
            findings.push(layer.finding(span, Code::UnknownKey, message).help("move it into a service's file"));
        }
    }
    if layer.file.log.as_ref().and_then(|log| log.max_size).is_some_and(|size| size.0 < 4096) {
        let span = layer.places.get("log.max_size").cloned().unwrap_or_default();
        let finding = layer.finding(span, Code::BadValue, "a log file of less than 4 KiB would only be rotated");
        findings.push(finding.help("write \"4KiB\" or more"));
    }
    let file = &mut layer.file;
    let tables = Tables { control: file.control.take(), access: file.access.take(), http: file.http.take() };
    let groups = file.trusted_groups.take().unwrap_or_default();
    let doors = doors::policy(tables, &layer, &mut findings);
    let trusted_groups = doors::groups(&groups, &layer, &mut findings);
    let sources = layer.file.source.take().map_or(Vec::new(), |sources| sources.0);
    let sources = sources::delegations(sources, &layer, &mut findings);
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
    if findings.iter().any(Diagnostic::is_error) {
        return (None, bounded(findings));
    }
    let file = std::mem::take(&mut layer.file);
    (Some(Config { doors: Arc::new(doors), trusted_groups, sources, ..complete(file, layer) }), findings)
}

fn complete(file: ConfigFile, layer: Layer<ConfigFile>) -> Config {
    let default = Config::default();
    let watch = file.watch.unwrap_or_default();
    let status = file.status.unwrap_or_default();
    let log = file.log.unwrap_or_default();
    let defaults = file.defaults.map(|file| {
        let inner = |(path, span): (String, _)| Some((path.strip_prefix("defaults.")?.to_owned(), span));
        let places = layer.places.into_iter().filter_map(inner).collect();
        Arc::new(Layer { path: layer.path, text: layer.text, file, places })
    });
    Config {
        rules: rules(
            file.batch,
            file.legacy.as_ref(),
            &file.guard.unwrap_or_default(),
            &file.rollout.unwrap_or_default(),
        ),
        defaults,
        rescan: watch.rescan.map_or(default.rescan, |period| period.0),
        grace: watch.grace.unwrap_or(default.grace),
        heartbeat: status.heartbeat.map_or(default.heartbeat, |period| period.0),
        per_service: status.per_service.unwrap_or(default.per_service),
        metrics: file.metrics.and_then(|metrics| metrics.detail),
        log_max_size: log.max_size.map_or(default.log_max_size, |size| size.0),
        log_max_files: log.max_files.map_or(default.log_max_files, |files| files.0),
        doors: default.doors,
        trusted_groups: default.trusted_groups,
        sources: default.sources,
        watchdog: file.supervisor.and_then(|own| own.watchdog).map_or(default.watchdog, |period| period.0),
        text: None,
        guise: default.guise,
    }
}

fn rules(batch: Option<Batch>, legacy: Option<&Legacy>, guard: &Guard, rollout: &Rollout) -> Rules {
    let default = GuardRules::default();
    let guard = GuardRules {
        window: guard.window.as_ref().map_or(default.window, |period| period.0),
        max_removals: guard.max_removals.as_ref().map_or(default.max_removals, |count| count.0.into()),
        max_percent: guard.max_percent.as_ref().map_or(default.max_percent, |percent| percent.0.into()),
    };
    let default = RolloutRules::default();
    let count = |said: &Option<Count>, default| said.as_ref().map_or(default, |count| count.0.into());
    let rollout = RolloutRules {
        max_parallel: count(&rollout.max_parallel, default.max_parallel),
        pause_on_failures: count(&rollout.pause_on_failures, default.pause_on_failures),
    };
    let keep_legacy = legacy.is_some_and(|legacy| legacy.on_remove == Some(OnRemove::Keep));
    Rules { guard, rollout, atomic: batch == Some(Batch::Atomic), keep_legacy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
        parse(&Text { path: "abide.toml".into(), bytes: text.into() })
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let (config, findings) = config("");
        assert_eq!((config.expect("good").rescan, findings), (Some(Duration::from_secs(60)), vec![]));
    }

    #[test]
    fn zero_turns_looking_off() {
        for zero in ["0", "\"0s\"", "\"0\""] {
            let (config, findings) = config(&format!("[watch]\nrescan = {zero}\n[status]\nheartbeat = {zero}\n"));
            assert_eq!(findings, vec![], "{zero}");
            let config = config.expect("good");
            assert_eq!((config.rescan, config.heartbeat), (None, None));
        }
    }

    #[test]
    fn mistakes_within_defaults_are_errors_of_abide_toml() {
        let (config, findings) = config("[defaults]\ncommand = \"a\"\nlimits.opne_files = 5\nrestart.delay = 5\n");
        assert!(config.is_none());
        let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::UnknownKey, Code::UnknownKey, Code::BadDuration]);
        assert_eq!(findings[1].help.as_deref(), Some("did you mean `open_files`?"));
    }
}
