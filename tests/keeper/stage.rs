//! What a scenario inside the supervisor works with.

use crate::{DEADLINE, wait_for};
use abide::decide::event::RunId;
use abide::host::pipe::{self, Pipes};
use abide::host::proc;
use abide::host::spawn::{Order, Outcome, Spawner};
use abide::keeper::role::SupervisorEnds;
use abide::model::desired::Definition;
use abide::model::limits::Limits;
use abide::model::logging::LogPolicy;
use abide::model::name::{InstanceId, ServiceName};
use abide::model::outcome::Exit;
use abide::model::policy::{RestartPolicy, StopPolicy};
use abide::model::service::{Identity, Kind, Run, Service};
use abide::table::{Ending, Fate, Notice, Table};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// What the marks of services here begin with.
pub(crate) const MARK: &str = "stage";

pub(crate) struct Stage {
    pub place: PathBuf,
    pub table: Arc<Table>,
    pub spawner: Spawner,
    pub outcomes: Receiver<Outcome>,
    bell: OwnedFd,
    _logger: OwnedFd,
    notices: RefCell<Vec<Notice>>,
}

pub(crate) fn service(run: Run) -> Service {
    let base = [("PATH", "/usr/bin:/bin"), ("HOME", "/")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Service {
        name: ServiceName::new("web").unwrap(),
        kind: Kind::Toml,
        description: None,
        enabled: true,
        instances: 1,
        run,
        content: None,
        directory: "/".into(),
        identity: Identity { uid: 0, gid: 0, groups: vec![], change: false, user: "root".into() },
        service_type: abide::model::policy::ServiceType::default(),
        stdin: None,
        reads: None,
        order: None,
        ready: None,
        health: None,
        hooks: None,
        reload: None,
        resources: None,
        update: None,
        schedule: None,
        security: None,
        program: None,
        delegated: None,
        umask: 0o022,
        base: Arc::new(base.into()),
        environment: [("GREETING".to_owned(), "hello ${ABIDE_INSTANCE}".to_owned())].into(),
        restart: RestartPolicy::default(),
        stop: StopPolicy::default(),
        limits: Limits::new(),
        log: LogPolicy::default(),
    }
}

pub(crate) fn command(words: &[&str]) -> Service {
    service(Run::Command(words.iter().map(|word| (*word).to_owned()).collect()))
}

pub(crate) fn script(text: &str) -> Service {
    service(Run::Script(text.to_owned()))
}

impl Stage {
    pub(crate) fn new(place: &Path, ends: SupervisorEnds) -> Self {
        let SupervisorEnds { table, keeper, bell, logger, .. } = ends;
        let pipes = Arc::new(Pipes::new(&place.join("run").join(pipe::DIRECTORY), keeper).unwrap());
        let (send, outcomes) = channel();
        let done = move |outcome| {
            // The scenario may be over.
            let _ = send.send(outcome);
        };
        let spawner = Spawner::start(
            Arc::clone(&table),
            pipes,
            Arc::default(),
            abide::host::spawn::Common { mark: MARK.into(), tools: None },
            done,
        )
        .unwrap();
        let notices = RefCell::default();
        Self { place: place.into(), table, spawner, outcomes, bell, _logger: logger, notices }
    }

    pub(crate) fn order(&self, slot: usize, run: u64, service: Service) {
        let instance = InstanceId::new(service.name.clone(), 7);
        let definition = Arc::new(Definition::from(service));
        self.spawner.order(Order::service(instance, slot, RunId(run), definition));
    }

    pub(crate) fn spawn(&self, slot: usize, run: u64, service: Service) -> Outcome {
        self.order(slot, run, service);
        let outcome = self.outcomes.recv_timeout(DEADLINE).unwrap();
        assert_eq!((outcome.slot, outcome.run), (slot, RunId(run)));
        outcome
    }

    /// Waits for the bell until `pick` finds its notice.
    pub(crate) fn notice<T>(&self, pick: impl Fn(&Notice) -> Option<T>) -> T {
        wait_for("a notice", || {
            let mut notices = self.notices.borrow_mut();
            notices.extend(self.table.take_exits());
            if let Some(position) = notices.iter().position(|notice| pick(notice).is_some()) {
                return pick(&notices.remove(position));
            }
            let mut descriptors = [PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
            poll(&mut descriptors, PollTimeout::from(5000_u16)).unwrap();
            nix::unistd::read(&self.bell, &mut [0; 8]).ok();
            None
        })
    }

    /// A process that an earlier supervisor has started, and that still lives.
    pub(crate) fn inherit(&self, slot: usize, run: u64) -> i32 {
        let fate = self.table.fate(slot, run);
        let Fate::Process(pid) = fate else { panic!("slot {slot}: {fate:?}") };
        assert!(proc::stat(pid).is_some_and(|stat| !stat.has_ended()), "{pid} lives");
        pid
    }

    /// Ends all that was started, whoever did that.
    pub(crate) fn end_all(&self) {
        for slot in 1..self.table.used() {
            let leader = self.table.resident(slot).map(|(pid, ..)| pid);
            for group in leader.into_iter().chain(self.table.group(slot)) {
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
            }
        }
        wait_for("all to end", || (1..self.table.used()).all(|slot| self.table.resident(slot).is_none()).then_some(()));
    }

    pub(crate) fn ended(&self, slot: usize, run: u64) -> (i32, Ending) {
        self.notice(|notice| match *notice {
            Notice::Exited { slot: s, run: r, pid, ending } if (s, r) == (slot, run) => Some((pid, ending)),
            _ => None,
        })
    }

    pub(crate) fn exit(&self, slot: usize, run: u64) -> Exit {
        Exit::from_wait_status(self.ended(slot, run).1.status)
    }

    /// What stands in the pipe of `slot` now.
    pub(crate) fn output(&self, slot: usize) -> String {
        let path = self.place.join("run").join(pipe::DIRECTORY).join(slot.to_string());
        let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = file.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Runs a script to its end: what it said.
    pub(crate) fn says(&self, slot: usize, run: u64, service: Service) -> String {
        let outcome = self.spawn(slot, run, service);
        assert!(outcome.result.is_ok(), "{outcome:?}");
        let exit = self.exit(slot, run);
        let said = self.output(slot);
        assert_eq!(exit, Exit::Code(0), "{said}");
        said
    }
}
