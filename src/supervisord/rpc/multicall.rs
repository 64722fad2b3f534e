//! `system.multicall`: calls one after the other, each waited for.

use super::then::{Kind, Then};
use super::{Code, Fault, Step, View, call};
use crate::supervisord::xmlrpc::Value;

/// A multicall on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Multicall {
    /// The values of the calls before.
    results: Vec<Value>,
    /// The calls after, the last one first.
    rest: Vec<Value>,
    /// About how many bytes the values take.
    weight: usize,
}

/// No answer becomes larger by another call, in bytes.
const LARGEST: usize = 64 << 20;

impl Multicall {
    pub(super) fn new(calls: &[Value]) -> Self {
        Self { results: Vec::new(), rest: calls.iter().rev().cloned().collect(), weight: 0 }
    }

    fn take(&mut self, value: Value) {
        self.weight += value.weight();
        self.results.push(value);
    }

    /// Goes on with what the call under way came to, as far as no order is in the way.
    pub(super) fn go_on(mut self, mut step: Option<Step>, view: &View) -> Step {
        loop {
            match step {
                Some(Step::Do(orders, then)) => return Step::Do(orders, Then(Kind::Multicall(self, Box::new(then)))),
                Some(Step::Answer(value)) => self.take(value),
                Some(Step::Fault(fault)) => self.take(fault.value()),
                None => {}
            }
            if self.weight > LARGEST {
                let detail = "the answer becomes too large: ask for less, or in several calls";
                return Step::Fault(Code::Failed.about(detail));
            }
            let Some(next) = self.rest.pop() else { return Step::Answer(Value::Array(self.results)) };
            step = Some(perform(&next, view).unwrap_or_else(Step::Fault));
        }
    }
}

fn perform(one: &Value, view: &View) -> Result<Step, Fault> {
    let incorrect = |detail: &str| Code::IncorrectParameters.about(detail);
    let method = match one.field("methodName") {
        Some(Value::Text(name)) => name,
        Some(_) => return Err(incorrect("methodName has to be of type string")),
        None => return Err(incorrect("No methodName")),
    };
    if method == "system.multicall" {
        return Err(incorrect("Recursive system.multicall forbidden"));
    }
    match one.field("params") {
        None => Ok(call(method, &[], view)),
        Some(Value::Array(params)) => Ok(call(method, params, view)),
        Some(_) => Err(Code::IncorrectParameters.bare()),
    }
}
