//! Starting, stopping and signalling.

use super::then::{Kind, Reply, result};
use super::view::Found;
use super::{Code, Fault, Name, Order, Process, ProcessState, Step, Then, View};
use crate::supervisord::values;
use crate::supervisord::xmlrpc::Value;

/// What is asked of processes.
#[derive(Clone, Copy)]
pub(super) enum Wish<'a> {
    Start { wait: bool },
    Stop { wait: bool },
    Signal(&'a str),
    ClearLogs,
}

/// What a wish means for one process.
enum Job {
    Settled(Name, Result<(), Fault>),
    Ordered(Order, Reply),
}

impl Wish<'_> {
    /// Of the process or the group that the namespec means.
    pub(super) fn of(self, namespec: &str, view: &View) -> Result<Step, Fault> {
        match view.find(namespec)? {
            Found::Process(process) => self.of_one(process, namespec),
            Found::Group(group) => Ok(self.of_all(group.in_order())),
        }
    }

    /// Of one process.
    pub(super) fn of_one(self, process: &Process, about: &str) -> Result<Step, Fault> {
        match self.job(process, about) {
            Job::Settled(_, judged) => judged.map(|()| Step::Answer(Value::Bool(true))),
            Job::Ordered(order, reply) => Ok(Step::Do(vec![order], Then(Kind::One(reply)))),
        }
    }

    /// Of those processes for which it makes sense.
    pub(super) fn of_all(self, processes: Vec<&Process>) -> Step {
        let (mut known, mut orders, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        for process in processes.into_iter().filter(|process| self.concerns(process.state)) {
            match self.job(process, &process.name.namespec()) {
                Job::Settled(name, judged) => known.push(result(&name, judged)),
                Job::Ordered(order, reply) => {
                    orders.push(order);
                    replies.push(reply);
                }
            }
        }
        if orders.is_empty() {
            return Step::Answer(Value::Array(known));
        }
        Step::Do(orders, Then(Kind::Results(known, replies)))
    }

    /// Whether a process in this state is among those of a group that are meant.
    fn concerns(self, state: ProcessState) -> bool {
        match self {
            Self::Start { .. } => !state.is_running(),
            Self::Stop { .. } => state.is_running(),
            Self::Signal(_) => state.is_signallable(),
            Self::ClearLogs => true,
        }
    }

    fn job(self, process: &Process, about: &str) -> Job {
        let Process { name, state, .. } = process;
        let refused = |code: Code| Job::Settled(name.clone(), Err(code.about(about)));
        let reply = Reply::new(name, about);
        let name = name.clone();
        match self {
            Self::Start { wait } => start(name, *state, wait, reply),
            Self::Stop { .. } if !state.is_running() => refused(Code::NotRunning),
            Self::Stop { wait } => Job::Ordered(Order::Stop { name, wait }, reply),
            Self::Signal(signal) => match values::signal(signal).ok() {
                None => Job::Settled(name, Err(Code::BadSignal.about(signal))),
                Some(_) if !state.is_signallable() => refused(Code::NotRunning),
                Some(signal) => Job::Ordered(Order::Signal { name, signal }, reply),
            },
            Self::ClearLogs => Job::Ordered(Order::ClearLogs(name), reply),
        }
    }
}

/// A command that is not there is told before anything else, so it is looked for in every state.
fn start(name: Name, state: ProcessState, wait: bool, reply: Reply) -> Job {
    let fault = match state {
        ProcessState::Stopped | ProcessState::Exited | ProcessState::Fatal => {
            return Job::Ordered(Order::Start { name, wait }, reply);
        }
        ProcessState::Starting | ProcessState::Running | ProcessState::Backoff => Some(Code::AlreadyStarted),
        ProcessState::Unknown => Some(Code::Failed),
        // It is not started when it has stopped; only who waits learns that.
        ProcessState::Stopping => wait.then_some(Code::AbnormalTermination),
    };
    let fault = fault.map(|code| code.about(&reply.about));
    Job::Ordered(Order::Look(name), Reply { fault, ..reply })
}
