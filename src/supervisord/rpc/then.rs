//! How the outcomes of orders become the answer to the call.

use super::fault::SUCCESS;
use super::multicall::Multicall;
use super::{Code, Done, Fault, Name, Outcome, Step, Trouble, View, Window};
use crate::supervisord::xmlrpc::Value;

/// What to do when all orders of a step have an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Then(pub(super) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One order; true if it went well.
    One(Reply),
    /// An order for each reply; a list of results, after those that are known already.
    Results(Vec<Value>, Vec<Reply>),
    /// The part of a file. The path is shown if there is none.
    Read(String, Window),
    /// The part of a file, its size, and whether something was missed.
    Tail(Window),
    /// Groups by what is new about them.
    Reloaded,
    /// One call of many, and what to do after its orders.
    Multicall(Multicall, Box<Then>),
}

/// How the outcome of an order for one process is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) name: Name,
    /// What faults are about: the name as the client gave it.
    pub(super) about: String,
    /// What is wrong although the order went well.
    pub(super) fault: Option<Fault>,
}

impl Then {
    /// The next step. The outcomes are in the order in which they came, each with the place of its order in the
    /// step; the view is of now.
    pub fn resume(self, outcomes: Vec<(usize, Outcome)>, view: &View) -> Step {
        let answer = match self.0 {
            Kind::One(reply) => reply.judge(only(outcomes)).map(|()| Value::Bool(true)),
            Kind::Results(mut results, replies) => {
                let judged = outcomes.into_iter().filter_map(|(place, outcome)| {
                    let reply = replies.get(place)?;
                    Some(result(&reply.name, reply.judge(outcome)))
                });
                results.extend(judged);
                Ok(Value::Array(results))
            }
            Kind::Read(path, window) => match only(outcomes) {
                Ok(_) if window.is_bad() => Err(Code::BadArguments.bare()),
                Ok(Done::Log { bytes, .. }) => Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned())),
                Ok(_) => Err(Code::Failed.about(path)),
                Err(Trouble::NoFile(None)) => Err(Code::NoFile.about(path)),
                Err(trouble) => Err(trouble.fault(&path)),
            },
            Kind::Tail(window) => Ok(tail(only(outcomes), window)),
            Kind::Reloaded => reloaded(only(outcomes)),
            Kind::Multicall(calls, then) => return calls.go_on(Some(then.resume(outcomes, view)), view),
        };
        match answer {
            Ok(value) => Step::Answer(value),
            Err(fault) => Step::Fault(fault),
        }
    }
}

impl Reply {
    pub(super) fn new(name: &Name, about: &str) -> Self {
        Self { name: name.clone(), about: about.to_owned(), fault: None }
    }

    fn judge(&self, outcome: Outcome) -> Result<(), Fault> {
        match outcome {
            Ok(_) => self.fault.clone().map_or(Ok(()), Err),
            Err(trouble) => Err(trouble.fault(&self.about)),
        }
    }
}

impl Trouble {
    fn fault(self, about: &str) -> Fault {
        match self {
            Self::NoFile(detail) => Fault { code: Code::NoFile, detail },
            Self::NotExecutable(why) => Code::NotExecutable.about(why),
            Self::SpawnError => Code::SpawnError.about(about),
            Self::Abnormal => Code::AbnormalTermination.about(about),
            Self::AlreadyStarted => Code::AlreadyStarted.about(about),
            Self::NotRunning => Code::NotRunning.about(about),
            Self::AlreadyAdded => Code::AlreadyAdded.about(about),
            Self::StillRunning => Code::StillRunning.about(about),
            Self::CantReread(why) => Code::CantReread.about(why),
            Self::NotStarted(why) => Code::SpawnError.about(why),
            Self::Refused(why) => Code::Failed.about(why),
            Self::Failed => Code::Failed.about(about),
        }
    }
}

/// A member of a list of results.
pub(super) fn result(name: &Name, judged: Result<(), Fault>) -> Value {
    let (status, description) = match judged {
        Ok(()) => (SUCCESS, "OK".to_owned()),
        Err(fault) => (fault.code.number(), fault.text()),
    };
    Value::members([
        ("name", Value::string(&name.process)),
        ("group", Value::string(&name.group)),
        ("status", Value::Int(status)),
        ("description", Value::Text(description)),
    ])
}

/// A log that is not there has nothing in it.
pub(super) fn tail(outcome: Outcome, window: Window) -> Value {
    let Ok(Done::Log { size, bytes }) = outcome else {
        return Value::Array(vec![Value::string(""), Value::Int(0), Value::Bool(false)]);
    };
    Value::Array(vec![
        Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        Value::number(size),
        Value::Bool(window.overflows(size)),
    ])
}

fn reloaded(outcome: Outcome) -> Result<Value, Fault> {
    let list = |names: Vec<String>| Value::Array(names.into_iter().map(Value::Text).collect());
    match outcome {
        Ok(Done::Reloaded { added, changed, removed }) => {
            // The level more is how it always was.
            Ok(Value::Array(vec![Value::Array(vec![list(added), list(changed), list(removed)])]))
        }
        Ok(_) => Err(Code::Failed.bare()),
        Err(trouble) => Err(trouble.fault("reloadConfig")),
    }
}

/// The outcome of the one order that there was.
fn only(outcomes: Vec<(usize, Outcome)>) -> Outcome {
    outcomes.into_iter().next().map_or(Err(Trouble::Failed), |(_, outcome)| outcome)
}
