//! What services of random histories ask for beyond a process.

use abide::model::check::{Check, Health, HttpCheck, OnFailure, Ready};
use abide::model::log_command;
use abide::model::logging::LogWay;
use abide::model::policy::{Hooks, OnChange, ReloadBy, ReloadPolicy, RestartWhen, ServiceType};
use abide::model::service::Service;
use abide::model::signal::Signal;
use proptest::prelude::*;
use std::time::Duration;

/// Each by a number, 0 for nothing.
#[derive(Debug, Clone)]
pub(crate) struct Traits {
    kind: usize,
    ready: usize,
    health: usize,
    hooks: (bool, bool, bool),
    stop: usize,
    reload: usize,
    bounds: (bool, bool),
    piped: bool,
}

pub(crate) fn any_traits() -> impl Strategy<Value = Traits> {
    let rare = || prop::bool::weighted(0.2);
    let kind = prop_oneof![5 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3)];
    let ready = prop_oneof![3 => Just(0_usize), 4 => 1..6_usize];
    let health = prop_oneof![3 => Just(0_usize), 2 => 1..4_usize];
    let stop = prop_oneof![3 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    let more = ((rare(), rare(), rare()), stop, 0..4_usize, (rare(), rare()), rare());
    (kind, ready, health, more).prop_map(|(kind, ready, health, (hooks, stop, reload, bounds, piped))| Traits {
        kind,
        ready,
        health,
        hooks,
        stop,
        reload,
        bounds,
        piped,
    })
}

pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(crate) fn command(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
pub(crate) fn ready(check: Check) -> Option<Box<Ready>> {
    Some(Box::new(Ready { check, timeout: seconds(10), interval: seconds(1) }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field is")]
pub(crate) fn health(check: Check, on_failure: OnFailure) -> Option<Box<Health>> {
    Some(Box::new(Health { check, interval: seconds(8), timeout: seconds(2), failures: 2, on_failure }))
}

pub(crate) fn http() -> Check {
    Check::Http(HttpCheck { url: "http://127.0.0.1:80/".to_owned(), status: None, body: None })
}

pub(crate) fn tcp() -> Check {
    Check::Tcp("127.0.0.1:80".to_owned())
}

impl Traits {
    pub(crate) fn lend(&self, service: &mut Service) {
        if self.piped {
            service.log.way = Some(Box::new(LogWay::Command(command("/bin/eat"))));
            let reader = log_command::name(&service.name).expect("a short name");
            service.order.get_or_insert_default().wants.push(reader);
        }
        let job = self.kind > 1;
        service.service_type = match self.kind {
            0 => ServiceType::Simple,
            1 => ServiceType::Forking { pid_file: None },
            remain => ServiceType::Oneshot { remain: remain == 2 },
        };
        if job && service.restart.when == RestartWhen::Always {
            service.restart.when = RestartWhen::OnFailure;
        }
        service.ready = match self.ready {
            _ if job => None,
            1 => ready(tcp()),
            2 => ready(Check::Exec(command("/bin/look"))),
            3 => ready(Check::Notify),
            4 => ready(http()),
            5 => ready(Check::After(Duration::from_millis(300))),
            _ => None,
        };
        service.health = match self.health {
            _ if job => None,
            1 => health(tcp(), OnFailure::Restart),
            2 => health(Check::Exec(command("/bin/look")), OnFailure::Report),
            3 => health(Check::Notify, OnFailure::Restart),
            _ => None,
        };
        let list = |some: bool| if some { vec![command("/bin/one"), command("/bin/two")] } else { Vec::new() };
        let (before, after, stopped) = (self.hooks.0, self.hooks.1 && !job, self.hooks.2);
        service.hooks = (before || after || stopped).then(|| {
            Box::new(Hooks {
                finish: None,
                start_before: list(before),
                start_after: list(after),
                stop_after: list(stopped),
                start_timeout: seconds(3),
                stop_timeout: seconds(2),
            })
        });
        service.stop.command = (self.stop == 1).then(|| command("/bin/stop"));
        if self.stop == 2 {
            service.stop.steps = vec![(Signal::INT, seconds(1)), (Signal::TERM, seconds(2))];
        }
        let how = [ReloadBy::Signal(Signal::HUP), ReloadBy::Command(command("/bin/reload"))];
        service.reload = (self.reload > 0).then(|| {
            Box::new(ReloadPolicy {
                how: how[self.reload % 2].clone(),
                watch: vec!["/etc/web.conf".to_owned()],
                on_change: if self.reload == 3 { OnChange::Restart } else { OnChange::Reload },
                timeout: seconds(3),
            })
        });
        service.restart.max_age = self.bounds.0.then(|| seconds(400));
        service.restart.max_memory = self.bounds.1.then_some(1 << 25);
    }
}
