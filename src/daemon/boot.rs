//! The one way up: descriptors from the keeper, `abide.toml`, own log, threads; then the loop.

use super::claim::Claims;
use super::door::Door;
use super::files::{self, Granted, granted, granting};
use super::paths::{Places, boot_id};
use super::planner::Planner;
use super::poison::{self, Poison};
use super::probe::Probes;
use super::publish::{PublishPolicy, Publisher};
use super::records::{self, Inheritance, Records};
use super::trace;
use super::turn::{self, Going, Letter, OwnLogState, Supervisor};
use crate::api::socket;
use crate::decide::event::{Event, RunId};
use crate::decide::fleet::Fleet;
use crate::host::cgroup::Groups;
use crate::host::cgroup::ground::Ground;
use crate::host::chores::Tell;
use crate::host::line::Logger;
use crate::host::notify_socket;
use crate::host::perform::{Host, Parts};
use crate::host::pipe::{KeeperOrder, Kept, Pipes};
use crate::host::spawn::{Common, Spawner};
use crate::host::sys::memory;
use crate::host::{clock, limits};
use crate::keeper::role::{self, NoRole, SupervisorEnds};
use crate::model::diagnostic::Diagnostic;
use crate::model::guise::Guise;
use crate::model::logging::{LogFormat, LogPolicy};
use crate::model::name::ServiceName;
use crate::model::outcome::Exit;
use crate::model::resources::Cgroups;
use crate::model::status::{AbideState, AbideStatus, Summary, Withheld};
use crate::render;
use crate::render::snapshot::Envelope;
use crate::source::config::{self, Config};
use crate::source::configuration;
use crate::source::trust::Trust;
use crate::source::{self, Surroundings, Text};
use crate::store;
use crate::table::{Mode, Table};
use crate::tools::links;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Orderly end.
const OK: u8 = 0;
/// Something that nobody foresaw; the keeper takes it for a crash.
const FAILED: u8 = 1;
/// Somebody comes after us, and goes on with all that runs (`EX_TEMPFAIL`).
const LEFT: u8 = 75;
/// `abide.toml` is broken at a first start (`EX_CONFIG` of `sysexits.h`); the keeper passes it on.
const CONFIG: u8 = 78;

const SAFE: &str = "safe mode: the supervisor crashed three times within a minute; services go on as they were last \
                    accepted and no file is read, until the keeper gets SIGHUP or abide is upgraded";

#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error(transparent)]
    Role(#[from] NoRole),
    #[error("could not {attempt}")]
    System {
        attempt: &'static str,
        #[source]
        source: io::Error,
    },
}

fn failed(attempt: &'static str) -> impl FnOnce(io::Error) -> BootError {
    move |source| BootError::System { attempt, source }
}

/// The supervisor, from its first breath to its last; the exit code tells the keeper what to do. All
/// ends when a process of the service `exit_with` does.
///
/// Each directory of `trusted` is handed to the user who owns it.
pub fn run(
    places: &Places,
    directories: Vec<PathBuf>,
    trusted: &[PathBuf],
    exit_with: Option<ServiceName>,
    guise: Option<&Guise>,
) -> u8 {
    match supervise(places, directories, &granted(trusted), exit_with, guise) {
        Ok(code) => code,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let _ = writeln!(io::stderr(), "abide: {error}{cause}");
            FAILED
        }
    }
}

fn supervise(
    places: &Places,
    directories: Vec<PathBuf>,
    granted: &Granted,
    exit_with: Option<ServiceName>,
    guise: Option<&Guise>,
) -> Result<u8, BootError> {
    memory::share_heap();
    let SupervisorEnds { table, keeper, bell, logger, kept: [notify_socket, control] } = role::enter_supervisor()?;
    let (groups, surroundings) = look_around(places, &table)?;
    let instance_id = fresh_id();
    let (mut records, Inheritance { records: past, broken, mark }) = Records::open(&places.table, &instance_id);
    let config_path =
        source::config_path(places.config.as_deref(), directories.first().map_or(Path::new("."), |it| it));
    let (config, config_text) = match configuration(&config_path, surroundings.uid, &past, guise) {
        Ok((config, text)) => (granting(config, granted), text),
        Err(findings) => return Ok(refuse(&config_path, &findings)),
    };
    let pipes = Arc::new(Pipes::new(&places.pipes(), keeper).map_err(failed("open the directory of pipes"))?);
    let own_log = own_log_pipe(&pipes).map_err(failed("make the pipe of abide's own log"))?;
    let trace = trace::start(Some(own_log), io::stderr().is_terminal(), guise);
    let (letters, inbox) = unbounded_channel();
    let logger_socket = logger.as_fd().try_clone_to_owned().map_err(failed("copy a descriptor"))?;
    let mut host = Host::new(Parts {
        table: Arc::clone(&table),
        spawner: spawner(&table, &pipes, &groups, (&mark, tools_of(places, guise)), letters.clone())?,
        pipes,
        logger: Logger::new(logger_socket),
        log: places.log.clone(),
        state: places.state.clone(),
        own_log: own_log_of(&config),
        notify: places.runtime.join(notify_socket::NAME),
        control: places.runtime.join(socket::SOCKET),
        notify_socket,
        groups: Arc::clone(&groups),
        mark,
        tell: teller(letters.clone()),
    })
    .map_err(failed("make an epoll set"))?;
    let (policy, safe) = (Arc::clone(&config.doors), table.mode() == Mode::Safe);
    let door = Door::new(&places.runtime, instance_id.clone(), policy, config_path.clone(), letters.clone(), control);
    let door = kept(door.map_err(failed("bind the control socket"))?, &host);
    let planner = Planner::new(surroundings, config, config_path);
    host.bound_sources(planner.config.bounds());
    let (mut fleet, mut broken_records) = fleet(&planner, seed(&instance_id), exit_with.as_ref(), places, broken);
    recover(&mut fleet, &mut host, &table, &past, &mut broken_records);
    let first = envelope(instance_id, &planner.config_path, groups.cgroups().clone(), fleet.adopted());
    let publisher = Publisher::new(places.runtime.clone(), PublishPolicy::of(&planner.config), first);
    let claims = claims(&directories, &planner.config, &mut broken_records);
    let poison = look_back(&table, &past, &mut records, safe, &mut broken_records);
    take_up(&planner.config, &table, &mut records);
    let files = files::start(places, directories, config_text, &planner, (granted, safe, poison), &letters);
    let files = files.map_err(failed("start a thread"))?;
    let (places, churn, awaited, own_log) = (places.clone(), 0, exit_with, OwnLogState::default());
    let mut supervisor = Supervisor {
        fleet,
        host,
        publisher,
        files,
        probes: Probes::new(letters),
        door,
        planner,
        broken_records,
        places,
        churn,
        trace,
        own_log,
        awaited,
        going: Going::On,
        safe,
        records,
        records_changed: false,
        unrecorded: Vec::new(),
        table,
        claims,
    };
    supervise_until_the_end(&mut supervisor, inbox, bell, logger)
}

fn supervise_until_the_end(
    supervisor: &mut Supervisor,
    inbox: UnboundedReceiver<Letter>,
    bell: OwnedFd,
    logger: OwnedFd,
) -> Result<u8, BootError> {
    let code = turn_until_finished(supervisor, inbox, bell, logger);
    if let (Ok(OK), Some(exit)) = (&code, supervisor.fleet.last_word()) {
        supervisor.table.set_exit_code(exit.code());
    }
    supervisor.trace.flush();
    code
}

/// Takes what the host's threads have found out to the loop.
fn teller(letters: UnboundedSender<Letter>) -> Tell {
    Arc::new(move |what| drop(letters.send(Letter::Told(what))))
}

/// The control socket outlives us.
fn kept(door: Door, host: &Host) -> Door {
    // Not kept: then who knocks between two supervisors is refused, and that is all.
    let _ = host.tell_keeper(KeeperOrder::Keep(Kept::Control as u32), Some(door.control()));
    door
}

/// What there is to be had on this machine.
fn look_around(places: &Places, table: &Table) -> Result<(Arc<Groups>, Surroundings), BootError> {
    let mut ceilings = limits::ceilings_of(None).map_err(failed("read the limits from /proc"))?;
    let groups = Groups::new(Ground::look(), &places.table).map_err(failed("look at the runtime directory"))?;
    ceilings.cgroups = groups.cgroups().clone();
    // Those that abide changed for itself, as services have them.
    let originals = table.originals();
    for (kind, soft) in &mut ceilings.soft {
        soft.0 = originals.get(kind.resource() as usize).map_or(soft.0, |(soft, _)| *soft);
    }
    let surroundings = source::surroundings(ceilings, nix::unistd::getppid().as_raw() == 1, true);
    Ok((Arc::new(groups), surroundings))
}

/// What `abide.toml` says, and its text. Where it broke while nobody looked, what it last said holds, and the files
/// thread says what is wrong.
fn configuration(
    path: &Path,
    uid: u32,
    past: &BTreeMap<String, Vec<u8>>,
    guise: Option<&Guise>,
) -> Result<(Config, Option<Text>), Vec<Diagnostic>> {
    if let Some(guise) = guise {
        return Ok((Config::dressed(guise.clone()), None));
    }
    read_config(path, uid).or_else(|findings| {
        let (config, text) = records::config_in(past, path).ok_or(findings)?;
        Ok((config, Some(text)))
    })
}

/// Nothing is added to the environment that svscan hands through.
fn tools_of(places: &Places, guise: Option<&Guise>) -> Option<String> {
    guise.is_none().then(|| tools(&places.runtime)).flatten()
}

/// Where services find the commands of daemontools. Without it abide does all else.
fn tools(runtime: &Path) -> Option<String> {
    let directory = runtime.join("tools");
    let program = std::env::current_exe().ok()?;
    if let Err(error) = links::make(&directory, &program, true) {
        tracing::warn!(directory = %directory.display(), cause = %error, "services do not find svc, multilog and the like");
        return None;
    }
    // In a PATH it would be two.
    directory.into_os_string().into_string().ok().filter(|path| !path.contains(':'))
}

fn spawner(
    table: &Arc<Table>,
    pipes: &Arc<Pipes>,
    groups: &Arc<Groups>,
    (mark, tools): (&str, Option<String>),
    letters: UnboundedSender<Letter>,
) -> Result<Spawner, BootError> {
    let done = move |outcome| drop(letters.send(Letter::Spawned(outcome)));
    let common = Common { mark: mark.to_owned(), tools };
    let (table, pipes, groups) = (Arc::clone(table), Arc::clone(pipes), Arc::clone(groups));
    Spawner::start(table, pipes, groups, common, done).map_err(failed("start a thread"))
}

/// What `abide.toml` says and its text, or the defaults where there is none.
fn read_config(path: &Path, uid: u32) -> Result<(Config, Option<Text>), Vec<Diagnostic>> {
    let Some(text) = configuration::read_config(path, &Trust::new(uid)).map_err(|finding| vec![finding])? else {
        return Ok((Config::default(), None));
    };
    match config::parse(&text) {
        (Some(config), findings) if !findings.iter().any(Diagnostic::is_error) => {
            Ok((Config { text: Some(text.clone()), ..config }, Some(text)))
        }
        (_, findings) => Err(findings),
    }
}

/// Running without its limits is the very accident that abide exists to prevent.
fn refuse(path: &Path, findings: &[Diagnostic]) -> u8 {
    let text = render::diagnostic::text(findings, io::stderr().is_terminal());
    let advice = format!("abide: {} is broken: mend it, then start abide again", path.display());
    let _ = writeln!(io::stderr(), "{text}\n{advice}");
    CONFIG
}

/// The fleet, in which what an earlier abide had written down holds from the start; and what cannot be read of that,
/// in words.
fn fleet(
    planner: &Planner,
    seed: u64,
    exit_with: Option<&ServiceName>,
    places: &Places,
    mut broken: Vec<String>,
) -> (Fleet, Vec<String>) {
    let mut fleet = Fleet::new(planner.powers, seed);
    fleet.set_rules(planner.config.rules.clone());
    if let Some(name) = exit_with {
        fleet.end_with(name.clone());
    }
    if let Some(guise) = &planner.config.guise {
        fleet.dress(guise.clone());
    }
    let (held, unread) = store::holds::read(&places.state);
    broken.extend(unread);
    let suspended = store::suspended::read(&places.state).unwrap_or_else(|why| {
        broken.push(why);
        Vec::new()
    });
    let rollbacks = store::rollbacks::read(&places.state).unwrap_or_else(|why| {
        broken.push(why);
        Vec::new()
    });
    for sentence in &broken {
        tracing::error!("{sentence}");
    }
    if !held.is_empty() {
        fleet.handle(clock::now(), Event::Held(held));
    }
    if !rollbacks.is_empty() {
        fleet.handle(clock::now(), Event::RolledBack(rollbacks));
    }
    if !suspended.is_empty() {
        fleet.handle(clock::now(), Event::Suspended(suspended));
    }
    (fleet, broken)
}

/// What `abide.toml` says to the keeper, and to who comes after us.
fn take_up(config: &Config, table: &Table, records: &mut Records) {
    table.set_watchdog_ms(watchdog_of(config));
    records.keep_config(config.text.as_ref());
}

/// The directories, and in words who else has them.
fn claims(directories: &[PathBuf], config: &Config, notes: &mut Vec<String>) -> Claims {
    let all = directories.iter().chain(config.sources.iter().map(|source| &source.path));
    let (claims, mut others) = Claims::on(&all.cloned().collect::<Vec<_>>());
    // There each service has a lock of its own, and the claim may be that of one who was killed and is not quite gone.
    if config.guise.is_some() {
        others.clear();
    }
    for sentence in &others {
        tracing::warn!("{sentence}");
    }
    notes.extend(others);
    claims
}

/// Over what the supervisor before this one died, and what follows from that.
fn look_back(
    table: &Arc<Table>,
    past: &BTreeMap<String, Vec<u8>>,
    records: &mut Records,
    safe: bool,
    broken: &mut Vec<String>,
) -> Poison {
    if safe {
        tracing::error!("{SAFE}");
        broken.push(SAFE.to_owned());
    }
    let died_over = table.take_loading();
    let poison = Poison::new(Arc::clone(table), past, died_over.as_ref());
    if let Some((name, digest)) = died_over {
        tracing::error!(service = name, "abide died while it read the file of this service");
        records.keep(&[(format!("{}{name}", poison::KEY), Some(digest.to_string().into_bytes()))]);
    }
    poison
}

/// What an earlier supervisor had under way goes on.
fn recover(
    fleet: &mut Fleet,
    host: &mut Host,
    table: &Table,
    past: &BTreeMap<String, Vec<u8>>,
    broken: &mut Vec<String>,
) {
    let last = (1..table.used()).filter_map(|slot| table.run(slot)).max().unwrap_or(0);
    let mut wrong = fleet.recover(clock::now(), past, RunId(last));
    wrong.extend(host.recover(past, |instance| fleet.output_of(instance)));
    for sentence in &wrong {
        tracing::error!("{sentence}");
    }
    broken.extend(wrong);
    let adopted = fleet.adopted();
    if adopted > 0 {
        tracing::info!(adopted, "goes on with what an earlier supervisor had started");
    }
}

fn turn_until_finished(
    supervisor: &mut Supervisor,
    inbox: UnboundedReceiver<Letter>,
    bell: OwnedFd,
    logger: OwnedFd,
) -> Result<u8, BootError> {
    // Threads only look up names for probes; more names than these at once wait.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_stack_size(256 << 10)
        .thread_name("lookup")
        .build()
        .map_err(failed("start the loop"))?;
    let turned = runtime.block_on(turn::run(supervisor, inbox, bell, logger));
    // A name server that does not answer holds up nobody's end.
    runtime.shutdown_background();
    turned.map_err(failed("wait for events"))?;
    if supervisor.going == Going::Left {
        supervisor.host.finish_records();
        return Ok(LEFT);
    }
    supervisor.leave();
    let exit_with = supervisor.fleet.last_word().map(Exit::code);
    tracing::info!(exit_with, "all services have ended");
    Ok(OK)
}

/// How much of abide's own log is kept, as `abide.toml` says.
pub(super) fn own_log_of(config: &Config) -> LogPolicy {
    let (max_size, max_files) = (config.log_max_size, config.log_max_files);
    // Its lines have their form already.
    LogPolicy { format: LogFormat::Plain, max_size, max_files, ..LogPolicy::default() }
}

/// How often the keeper looks whether the loop turns, as `abide.toml` says, in milliseconds.
pub(super) fn watchdog_of(config: &Config) -> u32 {
    config.watchdog.map_or(0, |every| u32::try_from(every.as_millis()).unwrap_or(u32::MAX))
}

/// Slot 0's pipe, our end: never blocks. A start of a thousand services says a lot at once.
fn own_log_pipe(pipes: &Pipes) -> io::Result<OwnedFd> {
    const ROOM: i32 = 1 << 20;
    pipes.make(0)?;
    let pipe = pipes.open(0, nix::unistd::geteuid().as_raw())?;
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    // A smaller one only drops more.
    let _ = nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(ROOM));
    Ok(pipe)
}

fn envelope(instance_id: String, config: &Path, cgroups: Cgroups, adopted: u64) -> Envelope {
    let now = clock::now();
    Envelope {
        abide: AbideStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: nix::unistd::getppid().as_raw(),
            supervisor_pid: nix::unistd::getpid().as_raw(),
            state: AbideState::Running,
            boot_id: boot_id().unwrap_or_default(),
            instance_id,
            started_at: now.wall,
            adopted,
            snapshot_seq: 0,
            written_at: now.wall,
            monotonic_ns: now.mono.0,
            heartbeat_interval_ms: 0,
            truncated: false,
            notes: Vec::new(),
            cgroups,
            config: std::path::absolute(config).unwrap_or_else(|_| config.to_owned()).display().to_string(),
        },
        summary: Summary::default(),
        generation: 0,
        observed_generation: 0,
        sources: Vec::new(),
        problems: Vec::new(),
        withheld: Withheld::default(),
        ignored: Vec::new(),
        last_apply_success: None,
    }
}

/// A new UUID, by the kernel.
fn fresh_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default().trim().to_owned()
}

/// Any number will do: chance only spreads delays.
fn seed(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
