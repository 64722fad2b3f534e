//! The host, inside a real supervisor, with a logger that the test plays.

use crate::stage::command;
use crate::{DEADLINE, holds, wait_for};
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::host::line::Logger;
use abide::host::perform::{Host, Parts, Trouble};
use abide::host::pipe::{self, Pipes};
use abide::host::spawn::Spawner;
use abide::keeper::role::SupervisorEnds;
use abide::log::order::{Order, Report};
use abide::model::desired::Definition;
use abide::model::logging::LogPolicy;
use abide::model::name::InstanceId;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

struct Played(OwnedFd);

impl Played {
    fn report(&self, report: &Report) {
        send(self.0.as_raw_fd(), &report.encode(), MsgFlags::empty()).unwrap();
    }

    /// All that was ordered so far: the slots of attachments, and those given up as negative numbers.
    fn orders(&self) -> Vec<i64> {
        let mut orders = Vec::new();
        let mut packet = [0; 8192];
        while let Ok(count) = recv(self.0.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            orders.push(match Order::decode(&packet[..count]).unwrap() {
                Order::Attach { slot, .. } => i64::from(slot),
                Order::Detach { slot } => -i64::from(slot),
            });
        }
        orders
    }
}

pub(crate) fn another_logger(place: &Path, ends: SupervisorEnds) {
    let pipes = Arc::new(Pipes::new(&place.join("run").join(pipe::DIRECTORY), ends.keeper).unwrap());
    pipes.make(0).unwrap();
    let (send, outcomes) = channel();
    let done = move |outcome| drop(send.send(outcome));
    let spawner =
        Spawner::start(Arc::clone(&ends.table), Arc::clone(&pipes), Arc::default(), "hosts".into(), done).unwrap();
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_NONBLOCK).unwrap();
    let logger = Played(theirs);
    let own_log = LogPolicy::default();
    let log = place.join("log");
    let mut host = Host::new(Parts {
        table: ends.table,
        spawner,
        pipes,
        logger: Logger::new(ours),
        log,
        own_log,
        groups: Arc::default(),
        mark: "hosts".into(),
        tell: Box::new(|_| ()),
    });
    let service = command(&["true"]);
    let instance = InstanceId::new(service.name.clone(), 0);
    let definition = Arc::new(Definition::from(service));
    host.perform(Effect::Spawn { instance: instance.clone(), run: RunId(1), definition, numbered: false });
    host.spawned(outcomes.recv_timeout(DEADLINE).unwrap());
    wait_for("its end", || {
        host.exits();
        std::iter::from_fn(|| host.next_event()).any(|event| matches!(event, Event::Exited { .. })).then_some(())
    });
    assert_eq!(logger.orders(), [1]);

    logger.report(&Report::Dropped { slot: 1, bytes: 20, lines: 2 });
    logger.report(&Report::Dropped { slot: 0, bytes: 20, lines: 2 });
    logger.report(&Report::Trouble { slot: 0, message: Some("no space".into()) });
    logger.report(&Report::Hello);
    logger.report(&Report::Dropped { slot: 1, bytes: 10, lines: 1 });
    host.reports();
    assert_eq!(logger.orders(), [0, 1]);
    let drops: Vec<_> = std::iter::from_fn(|| host.next_event()).collect();
    assert!(matches!(drops[..], [Event::LogDropped { bytes: 20, .. }, Event::LogDropped { bytes: 30, lines: 3, .. }]));
    // What would be said in that very log, and then of that.
    assert_eq!(host.take_troubles(), []);
    assert_eq!((host.own_log().trouble.as_deref(), host.own_log().lines_lost()), (Some("no space"), 2));

    let kept = LogPolicy { max_files: 3, ..LogPolicy::default() };
    host.keep_own_log(kept.clone());
    host.keep_own_log(kept);
    assert_eq!(logger.orders(), [0]);

    logger.report(&Report::Trouble { slot: 1, message: Some("no space".into()) });
    host.reports();
    let trouble = Trouble { instance: Some(instance.clone()), numbered: false, message: "no space".into() };
    assert_eq!(host.take_troubles(), [trouble]);

    host.perform(Effect::Close { instance });
    assert_eq!(logger.orders(), [-1]);
    logger.report(&Report::Hello);
    host.reports();
    assert_eq!(logger.orders(), [0, 1, -1], "the successor reads what the pipe still holds");
}

#[test]
fn another_logger_is_told_everything_and_losses_add_up() {
    holds("another-logger");
}
