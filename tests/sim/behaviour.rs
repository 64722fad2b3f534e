//! How the programs of the pretended Linux behave, and what it knows of their processes.

use crate::tasks::{GOOD_TASKS, Tasks};
use abide::model::desired::Definition;
use abide::model::name::InstanceId;
use abide::model::outcome::Exit;
use abide::model::policy::ServiceType;
use abide::model::service::Service;
use std::sync::Arc;

/// How the programs of a service behave from their next start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) start: Start,
    /// Ends by itself after so many milliseconds.
    pub(crate) life: Option<u64>,
    /// By what, then.
    pub(crate) exit: Exit,
    /// Whether it ends when asked.
    pub(crate) obeys: bool,
    /// Whether it leaves processes behind.
    pub(crate) leaves: bool,
    /// Whether even KILL does not help: it hangs in the kernel.
    pub(crate) immortal: bool,
    /// What is more to it than its process.
    pub(crate) tasks: Tasks,
}

impl Behaviour {
    /// A job ends and a launcher leaves its daemon, if nothing else is said.
    pub(crate) fn of(self, service: &Service) -> Self {
        let job = Self { life: self.life.or(Some(5)), exit: Exit::Code(0), ..self };
        match (&service.service_type, self.life) {
            (ServiceType::Simple, _) | (_, Some(_)) => self,
            (ServiceType::Oneshot { .. }, None) => job,
            (ServiceType::Forking { .. }, None) => Self { leaves: true, ..job },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Well,
    Fails,
    Hangs,
}

pub(crate) const GOOD: Behaviour = Behaviour {
    start: Start::Well,
    life: None,
    exit: Exit::Code(1),
    obeys: true,
    leaves: false,
    immortal: false,
    tasks: GOOD_TASKS,
};

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) instance: InstanceId,
    pub(crate) definition: Arc<Definition>,
    /// What its file said since.
    pub(crate) since_then: Vec<Arc<Definition>>,
    pub(crate) behaviour: Behaviour,
    pub(crate) main: bool,
    pub(crate) rest: bool,
    pub(crate) asked: bool,
    pub(crate) hangs: bool,
    pub(crate) doomed: bool,
    pub(crate) started: u64,
    /// When its program was told to run.
    pub(crate) since: Option<u64>,
    /// When its launcher ended.
    pub(crate) launched: Option<u64>,
    /// Something about it gave a reason to end it although its file did not change.
    pub(crate) excused: bool,
}
