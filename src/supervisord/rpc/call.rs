//! From the name of a method to the first step.

use super::arguments::Arguments;
use super::control::Wish;
use super::info::{all_config_info, all_process_info, process_info};
use super::method::{METHODS, Meaning, Method};
use super::multicall::Multicall;
use super::then::{Kind, Reply, tail};
use super::{Channel, Code, Fault, Log, Name, Order, Process, ProcessState, Then, Trouble, View, Window};
use crate::supervisord::xmlrpc::Value;

/// The version of the interface. Clients compare it exactly.
const API_VERSION: &str = "3.0";

/// What a call comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// This is the answer.
    Answer(Value),
    /// This is what is wrong.
    Fault(Fault),
    /// Do all of this, at the same time. When each order has its outcome, [`Then::resume`] tells the next step.
    Do(Vec<Order>, Then),
}

/// What a call of `method` means now.
pub fn call(method: &str, params: &[Value], view: &View) -> Step {
    attempt(method, params, view).unwrap_or_else(Step::Fault)
}

fn attempt(name: &str, params: &[Value], view: &View) -> Result<Step, Fault> {
    let method = Method::find(name).ok_or_else(|| Code::UnknownMethod.bare())?;
    if !method.takes(params.len()) {
        return Err(Code::IncorrectParameters.bare());
    }
    if view.state.is_stopping() && method.needs_a_running_daemon() {
        return Err(Code::ShutdownState.bare());
    }
    perform(method.meaning, &Arguments(params), view)
}

fn perform(meaning: Meaning, args: &Arguments<'_>, view: &View) -> Result<Step, Fault> {
    Ok(match meaning {
        Meaning::Start => return Wish::Start { wait: args.wait(1) }.of(&args.text(0)?, view),
        Meaning::Stop => return Wish::Stop { wait: args.wait(1) }.of(&args.text(0)?, view),
        Meaning::Signal => return Wish::Signal(&args.text(1)?).of(&args.text(0)?, view),
        Meaning::StartGroup => Wish::Start { wait: args.wait(1) }.of_all(view.find_group(&args.text(0)?)?.in_order()),
        Meaning::StopGroup => Wish::Stop { wait: args.wait(1) }.of_all(view.find_group(&args.text(0)?)?.in_order()),
        Meaning::SignalGroup => Wish::Signal(&args.text(1)?).of_all(view.find_group(&args.text(0)?)?.in_order()),
        Meaning::StartAll => Wish::Start { wait: args.wait(0) }.of_all(view.in_order()),
        Meaning::StopAll => Wish::Stop { wait: args.wait(0) }.of_all(view.in_order()),
        Meaning::SignalAll => Wish::Signal(&args.text(0)?).of_all(view.in_order()),
        Meaning::ClearLogs => {
            let name = args.text(0)?;
            return Wish::ClearLogs.of_one(view.find_process(&name)?, &name);
        }
        Meaning::ClearAllLogs => Wish::ClearLogs.of_all(view.in_order()),
        Meaning::Stdin => return stdin(args, view),
        Meaning::Remote => order(Order::Remote { kind: args.shown(0), data: args.shown(1) }, "sendRemoteCommEvent"),
        Meaning::AddGroup => return add(&args.text(0)?, view),
        Meaning::RemoveGroup => return remove(&args.text(0)?, view),
        Meaning::Reload => Step::Do(vec![Order::Reload], Then(Kind::Reloaded)),
        Meaning::Shutdown => order(Order::Shutdown, "shutdown"),
        Meaning::Restart => order(Order::Restart, "restart"),
        Meaning::ReadMainLog => return read(Log::Main, view.main_log.as_deref(), window(args, 0)?),
        Meaning::ClearMainLog if view.main_log.is_none() => return Err(Code::NoFile.bare()),
        Meaning::ClearMainLog => order(Order::ClearMainLog, "clearLog"),
        Meaning::ReadStdout => return read_of(process(args, view)?, Channel::Stdout, args),
        Meaning::ReadStderr => return read_of(process(args, view)?, Channel::Stderr, args),
        Meaning::TailStdout => return tail_of(process(args, view)?, Channel::Stdout, args),
        Meaning::TailStderr => return tail_of(process(args, view)?, Channel::Stderr, args),
        Meaning::Multicall => match args.0 {
            [Value::Array(calls)] => Multicall::new(calls).go_on(None, view),
            _ => return Err(Code::IncorrectParameters.bare()),
        },
        question => Step::Answer(answer(question, args, view)?),
    })
}

/// What can be said at once.
fn answer(question: Meaning, args: &Arguments<'_>, view: &View) -> Result<Value, Fault> {
    let unsupported = || Code::SignatureUnsupported.bare();
    let method = || args.text(0).ok().and_then(|name| Method::find(&name)).ok_or_else(unsupported);
    Ok(match question {
        Meaning::ApiVersion => Value::string(API_VERSION),
        Meaning::Version => Value::string(&view.version),
        Meaning::Identification => Value::string(&view.identifier),
        Meaning::Pid => Value::Int(view.pid),
        Meaning::State => Value::members([
            ("statecode", Value::Int(view.state.code())),
            ("statename", Value::string(view.state.name())),
        ]),
        Meaning::ProcessInfo => process_info(process(args, view)?, view.now),
        Meaning::AllProcessInfo => all_process_info(view),
        Meaning::AllConfigInfo => all_config_info(view),
        Meaning::ListMethods => Value::Array(METHODS.iter().map(|method| Value::string(method.name)).collect()),
        Meaning::MethodHelp => Value::string(method()?.help),
        Meaning::MethodSignature => {
            let method = method()?;
            let types = [method.returns].into_iter().chain(method.parameters.iter().copied());
            Value::Array(types.map(Value::string).collect())
        }
        _ => return Err(Code::UnknownMethod.bare()),
    })
}

fn process<'v>(args: &Arguments<'_>, view: &'v View) -> Result<&'v Process, Fault> {
    view.find_process(&args.text(0)?)
}

/// One order, true if it goes well.
fn order(order: Order, about: &str) -> Step {
    Step::Do(vec![order], Then(Kind::One(Reply::new(&Name::new(about, about), about))))
}

fn stdin(args: &Arguments<'_>, view: &View) -> Result<Step, Fault> {
    let Some(Value::Text(text)) = args.0.get(1) else { return Err(Code::IncorrectParameters.about(args.shown(1))) };
    let name = args.text(0)?;
    let process = view.find_process(&name)?;
    if process.pid == 0 || process.state == ProcessState::Stopping {
        return Err(Code::NotRunning.about(name));
    }
    let write = Order::Stdin { name: process.name.clone(), text: text.clone() };
    Ok(order(write, &name))
}

fn add(name: &str, view: &View) -> Result<Step, Fault> {
    if !view.parsed.iter().any(|known| known == name) {
        return Err(Code::BadName.about(name));
    }
    if view.group(name).is_some() {
        return Err(Code::AlreadyAdded.about(name));
    }
    Ok(order(Order::AddGroup(name.to_owned()), name))
}

fn remove(name: &str, view: &View) -> Result<Step, Fault> {
    if !view.find_group(name)?.processes.iter().all(|process| process.state.is_stopped()) {
        return Err(Code::StillRunning.about(name));
    }
    Ok(order(Order::RemoveGroup(name.to_owned()), name))
}

fn window(args: &Arguments<'_>, place: usize) -> Result<Window, Fault> {
    Ok(Window::Read { offset: args.int(place)?, length: args.int(place + 1)? })
}

fn read(log: Log, path: Option<&str>, window: Window) -> Result<Step, Fault> {
    let path = path.ok_or_else(|| Code::NoFile.bare())?.to_owned();
    Ok(Step::Do(vec![Order::ReadLog { log, window }], Then(Kind::Read(path, window))))
}

fn read_of(process: &Process, channel: Channel, args: &Arguments<'_>) -> Result<Step, Fault> {
    read(Log::Of(process.name.clone(), channel), process.log(channel), window(args, 1)?)
}

fn tail_of(process: &Process, channel: Channel, args: &Arguments<'_>) -> Result<Step, Fault> {
    let window = Window::Tail { offset: args.int(1)?, length: args.int(2)? };
    if process.log(channel).is_none() {
        return Ok(Step::Answer(tail(Err(Trouble::NoFile(None)), window)));
    }
    let log = Log::Of(process.name.clone(), channel);
    Ok(Step::Do(vec![Order::ReadLog { log, window }], Then(Kind::Tail(window))))
}
