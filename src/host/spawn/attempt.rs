//! One attempt: from a definition to a process that executes, or the reason why not.

use super::confine::Confinement;
use super::readiness::readiness;
use super::{Common, Order, Refused, Started, no_pipe, unrunnable};
use crate::decide::event::RunId;
use crate::host::cgroup::Groups;
use crate::host::limits;
use crate::host::pipe;
use crate::host::pipe::Pipes;
use crate::host::sys::child::{self, Becomes, Born, Nursery, Plan, Program, Refusal, Strings};
use crate::host::sys::process::{pidfd_open, prlimit};
use crate::host::{clock, proc, tree, within};
use crate::model::launch::Launch;
use crate::model::limits::{Bound, LimitKind};
use crate::model::logging::StderrTo;
use crate::model::outcome::{Failure, Step};
use crate::model::service::Identity;
use crate::table::Table;
use nix::unistd::User;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// What all attempts have in common, found out once.
pub(super) struct Workplace {
    pub(super) table: Arc<Table>,
    pipes: Arc<Pipes>,
    groups: Arc<Groups>,
    common: Common,
    null: OwnedFd,
    /// Limits that abide changed for itself, as they were: number, soft, hard.
    restore: Vec<(u32, u64, u64)>,
    uid: u32,
    /// Becoming another user would make the memory that we share with the child dumpable.
    copy_for_users: bool,
}

impl Workplace {
    pub(super) fn new(table: Arc<Table>, pipes: Arc<Pipes>, groups: Arc<Groups>, common: Common) -> io::Result<Self> {
        let originals = table.originals();
        let mut restore = Vec::new();
        for (resource, original) in (0..).zip(originals) {
            if prlimit(0, resource, None)? != original {
                restore.push((resource, original.0, original.1));
            }
        }
        let dumpable = proc::read("/proc/sys/fs/suid_dumpable").is_ok_and(|text| text.trim() == "1");
        let uid = nix::unistd::geteuid().as_raw();
        let null = File::options().read(true).write(true).open("/dev/null")?.into();
        Ok(Self { table, pipes, groups, common, null, restore, uid, copy_for_users: dumpable })
    }

    /// Carries out `order`, unless `given_up` before the child is made. Also whether its pipe was made.
    pub(super) fn attempt(
        &self,
        order: &Order,
        nursery: &mut Nursery,
        given_up: impl Fn() -> bool,
    ) -> (Result<Started, Refused>, bool) {
        let refuse = |failure| Refused { failure, had_process: false };
        let service = &order.definition.service;
        let index = order.instance.index;
        let launch = match &order.command {
            None => Launch::prepare(service, index),
            Some(words) => Launch::errand(service, index, words),
        };
        let prepared = launch.and_then(|mut launch| {
            launch.environment.extend(order.variables.iter().cloned());
            self.lead_to_tools(&mut launch);
            self.prepare(launch, service.log.inherits())
        });
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return (Err(refuse(failure)), false),
        };
        let captured = pipe::is_captured(order.output);
        let output = Some(order.output).filter(|_| !captured || !service.log.inherits());
        let second = (captured && output.is_some() && service.log.stderr == StderrTo::Separate)
            .then(|| pipe::second(order.output));
        let second = order.errors.or(second);
        let mut numbers = [output, second, order.input].into_iter().flatten();
        let made =
            numbers.try_fold(false, |made, number| Ok(self.pipes.make(number)? && pipe::is_captured(number) || made));
        let opened_pipe = match made {
            Ok(made) => made,
            Err(error) => return (Err(refuse(no_pipe(&error))), false),
        };
        let identity = &prepared.launch.identity;
        let uid = if identity.change { identity.uid } else { self.uid };
        let open = |number| self.pipes.open(number, uid);
        let of_program = service.program.is_some();
        let open_input =
            |number| if of_program { self.pipes.open_for_good(number) } else { self.pipes.open_to_read(number) };
        let input = || order.input.map(open_input).transpose();
        let opened =
            input().and_then(|input| Ok([input, output.map(open).transpose()?, second.map(open).transpose()?]));
        let result = match opened {
            Err(error) => Err(refuse(no_pipe(&error))),
            // Meanwhile the core gave it up: no child, and the caller says why.
            Ok(_) if given_up() => Err(refuse(Failure::SpawnTimeout(super::SPAWN_TIMEOUT))),
            Ok(pipes) => self.execute(order, &prepared, &pipes, nursery),
        };
        (result, opened_pipe)
    }

    /// The commands of daemontools come last: where they are installed, those are meant.
    fn lead_to_tools(&self, launch: &mut Launch) {
        let rooted = launch.security.as_ref().is_some_and(|security| security.chroot.is_some());
        if let Some(tools) = self.common.tools.as_ref().filter(|_| !rooted) {
            let path = launch.environment.entry("PATH".to_owned()).or_insert_with(|| "/usr/bin:/bin".to_owned());
            path.push(':');
            path.push_str(tools);
        }
    }

    /// What can be found out of `launch` before there is a child.
    fn prepare(&self, launch: Launch, plain: bool) -> Result<Prepared, Failure> {
        still_there(&launch.identity)?;
        let program = find_program(&launch)?;
        let confinement = Confinement::of(&launch, self.uid)?;
        Ok(Prepared { launch, program, confinement, plain })
    }

    fn execute(
        &self,
        order: &Order,
        prepared: &Prepared,
        pipes: &[Option<OwnedFd>; 3],
        nursery: &mut Nursery,
    ) -> Result<Started, Refused> {
        let Prepared { launch, program, confinement, .. } = prepared;
        let service = &order.definition.service;
        let joins = match &order.command {
            None => self.groups.prepare(&order.instance, service),
            Some(_) => self.groups.accompany(&order.instance, service),
        };
        let joins = joins.map_err(|failure| Refused { failure, had_process: false })?;
        let legacy: Vec<RawFd> = joins.legacy.iter().map(AsRawFd::as_raw_fd).collect();
        let directory = CString::new(launch.directory.as_str()).unwrap_or_default();
        let readiness = readiness(order).map_err(|failure| Refused { failure, had_process: false })?;
        let mark = tree::mark(&self.common.mark, order.slot, order.run.0);
        let null = self.null.as_raw_fd();
        let [input, out, err] = pipes.each_ref().map(|pipe| pipe.as_ref().map(AsRawFd::as_raw_fd));
        // Our own are those of the keeper, in each of its supervisors.
        let [no_input, no_out] = if service.log.inherits() { [0, 1] } else { [null, null] };
        let out = out.unwrap_or(no_out);
        let err = err.unwrap_or(match service.log.stderr {
            _ if service.log.inherits() => 2,
            StderrTo::Discard => null,
            StderrTo::Merge | StderrTo::Separate => out,
        });
        let mut descriptors = vec![(input.unwrap_or(no_input), 0), (out, 1), (err, 2)];
        // Last: its number may be that of one of the others.
        descriptors.extend(readiness.as_ref().map(|ready| (ready.write.as_raw_fd(), ready.number)));
        let beside = order.beside.and_then(|(slot, run)| self.process(slot, run));
        let identity = &launch.identity;
        let becomes = Becomes { uid: identity.uid, gid: identity.gid, groups: &identity.groups };
        let plan = Plan {
            program: Program::Path(program),
            argv: &argv(launch),
            environment: &environment(launch, &mark),
            // Also where another input follows: that one is opened as the user.
            descriptors: &descriptors,
            close_from: 3,
            limits: &self.limits(launch),
            umask: Some(launch.umask),
            becomes: identity.change.then_some(becomes),
            privileges: confinement.privileges,
            isolation: confinement.isolation(beside.as_ref()),
            scheduling: confinement.scheduling(),
            directory: Some(&directory),
            input: confinement.input.as_deref(),
            blocked: &[],
            dies_with: None,
            sibling: true,
            copy_memory: self.copy_for_users && identity.change || confinement.copies_memory(),
            cgroup: joins.unified.as_ref().map(AsRawFd::as_raw_fd),
            joins: &legacy,
        };
        let armed = clock::boot_ticks();
        // A command beside the service is nobody that could be taken over without a record.
        let owner = if order.command.is_some() { 0 } else { order.instance.digest() };
        self.table.arm(order.slot, order.run.0, owner, armed);
        match child::start(&plan, nursery, self.table.pid_cell(order.slot)) {
            Ok(born) => {
                let started = self.started(order, launch, born, armed);
                Ok(Started { ready: readiness.map(|ready| ready.read), ..started })
            }
            Err(refusal) => {
                if !refusal.had_process {
                    self.table.disarm(order.slot);
                }
                let failure = self.failure(refusal, prepared);
                Err(Refused { failure, had_process: refusal.had_process })
            }
        }
    }

    /// The process of a run; `None`: it has none any more.
    fn process(&self, slot: usize, run: RunId) -> Option<OwnedFd> {
        let pid = self.table.running(slot, run.0)?;
        let process = pidfd_open(pid).ok()?;
        // Not marked as ended, it was not another's.
        (self.table.running(slot, run.0) == Some(pid)).then_some(process)
    }

    /// Those that the service names, and those that abide changed for itself.
    fn limits(&self, launch: &Launch) -> Vec<(u32, u64, u64)> {
        let named = launch.limits.iter().map(|(kind, limit)| (kind.resource(), limit.soft.0, limit.hard.0));
        let is_named = |resource| launch.limits.keys().any(|kind| kind.resource() == resource);
        let restored = self.restore.iter().copied().filter(|(resource, ..)| !is_named(*resource));
        named.chain(restored).collect()
    }

    fn started(&self, order: &Order, launch: &Launch, born: Born, armed: u64) -> Started {
        // The kernel notes the start between our look at the clock and the child's: where both read
        // the same, so did the kernel, and `/proc` (10 µs) need not be asked.
        let start_ticks = match clock::ticks(born.at) {
            ticks if ticks == armed => ticks,
            _ => proc::stat(born.pid).map_or(0, |stat| stat.start_ticks),
        };
        let named = &launch.limits;
        let limits = if named.is_empty() { named.clone() } else { limits::of(&limits::in_force(born.pid), named) };
        // It may have ended meanwhile, and its number be another's.
        if self.table.running(order.slot, order.run.0) == Some(born.pid) {
            self.table.set_start(order.slot, start_ticks);
            Started { pid: born.pid, start_ticks, limits, ready: None }
        } else {
            let start_ticks = if clock::ticks(born.at) == armed { armed } else { 0 };
            Started { pid: born.pid, start_ticks, limits: launch.limits.clone(), ready: None }
        }
    }

    fn failure(&self, refusal: Refusal, prepared: &Prepared) -> Failure {
        let Refusal { step, errno, detail, .. } = refusal;
        let Prepared { launch, program, confinement, plain } = prepared;
        if let Some(subject) = confinement.subject(refusal) {
            return Failure::Step { step, errno, subject };
        }
        let program = program.to_string_lossy();
        let identity = &launch.identity;
        let subject = match step {
            Step::Exec if errno == libc::ENOENT && !plain && !is_there(launch, &program) => {
                return Failure::NoProgram { program: program.into_owned(), searched: String::new() };
            }
            // Only now is it counted among its user's.
            Step::Exec if errno == libc::EAGAIN => format!("{program} (limit `processes` of user {})", identity.user),
            Step::Exec if *plain => program.into_owned(),
            Step::Exec => match unrunnable::why(root(launch), &Path::new(&launch.directory).join(&*program), errno) {
                Some(why) => return Failure::Unrunnable { program: program.into_owned(), why },
                None => program.into_owned(),
            },
            Step::Directory => launch.directory.clone(),
            Step::User => format!("{} ({})", identity.user, identity.uid),
            Step::Group => identity.gid.to_string(),
            Step::Limits => {
                let kind = LimitKind::ALL.into_iter().find(|kind| kind.resource() == detail);
                let named = kind.and_then(|kind| Some((kind, *launch.limits.get(&kind)?)));
                let hard = || Some(Bound(self.table.originals().get(detail as usize)?.1));
                match named {
                    Some((kind, limit)) => return limits::failure(kind, limit, errno, hard),
                    None => kind.map_or_else(String::new, |kind| format!("({})", kind.key())),
                }
            }
            _ => String::new(),
        };
        Failure::Step { step, errno, subject }
    }
}

/// One launch, with all that the child needs of it.
struct Prepared {
    launch: Launch,
    program: CString,
    confinement: Confinement,
    /// Why it cannot be executed is told in the kernel's words alone.
    plain: bool,
}

/// Whether the user is still who it was when the file was read: another may have its number by now.
fn still_there(identity: &Identity) -> Result<(), Failure> {
    if !identity.change || identity.uid == 0 || identity.user.parse::<u32>().is_ok() {
        return Ok(());
    }
    // A database that does not answer says nothing about the user.
    let Ok(found) = User::from_name(&identity.user) else { return Ok(()) };
    let now = found.map(|user| user.uid.as_raw());
    if now == Some(identity.uid) {
        return Ok(());
    }
    Err(Failure::User { user: identity.user.clone(), then: identity.uid, now })
}

fn root(launch: &Launch) -> Option<&Path> {
    launch.security.as_ref()?.chroot.as_deref().map(Path::new)
}

fn is_there(launch: &Launch, program: &str) -> bool {
    let path = Path::new(&launch.directory).join(program);
    !is_hidden(launch, &path) && within::metadata(root(launch), &path).is_ok()
}

fn is_hidden(launch: &Launch, path: &Path) -> bool {
    launch.security.as_ref().is_some_and(|security| security.hides(path).is_some())
}

/// A word with `/` is a path, relative to the service's directory since that is where it is
/// executed; else the first of that name that can be executed on the service's own PATH.
fn find_program(launch: &Launch) -> Result<CString, Failure> {
    let word = launch.argv.first().map_or("", String::as_str);
    let nul = |_| Failure::Prepare(format!("{word:?} has a NUL byte"));
    if word.contains('/') {
        return CString::new(word).map_err(nul);
    }
    let path = launch.environment.get("PATH").map_or("/usr/bin:/bin", String::as_str);
    let executes = |candidate: &Path| {
        within::metadata(root(launch), candidate)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    for directory in path.split(':').filter(|_| !word.is_empty()) {
        let candidate = Path::new(&launch.directory).join(directory).join(word);
        if !is_hidden(launch, &candidate) && executes(&candidate) {
            return CString::new(candidate.into_os_string().into_encoded_bytes()).map_err(nul);
        }
    }
    Err(Failure::NoProgram { program: word.to_owned(), searched: path.to_owned() })
}

fn argv(launch: &Launch) -> Strings {
    let bytes = launch.argv.iter().map(|word| word.len() + 1).sum();
    let mut strings = Strings::with_capacity(launch.argv.len(), bytes);
    for word in &launch.argv {
        strings.push(&[word.as_bytes()]);
    }
    strings.seal()
}

fn environment(launch: &Launch, mark: &str) -> Strings {
    let bytes: usize = launch.environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let own = tree::MARK.len() + mark.len() + 2;
    let mut strings = Strings::with_capacity(launch.environment.len() + 1, bytes + own);
    for (name, value) in &launch.environment {
        strings.push(&[name.as_bytes(), b"=", value.as_bytes()]);
    }
    strings.push(&[tree::MARK.as_bytes(), b"=", mark.as_bytes()]);
    strings.seal()
}
