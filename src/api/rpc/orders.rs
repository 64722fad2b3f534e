//! What a call asks for, carried out: as orders to the loop, by who may give them, and waited for by what happens.

use super::fleet::{Fleet, Member, spawn_error, state_of};
use super::reading;
use crate::api::call::{Call, Ending, Snapshot};
use crate::api::doors::Doors;
use crate::api::rights::Visitor;
use crate::host::look::command::{Lack, lack};
use crate::model::access::Right;
use crate::model::launch::Launch;
use crate::model::order::{self, Act, LogAct};
use crate::model::selector::Target;
use crate::model::signal::Signal;
use crate::model::status::{ServiceStatus, State};
use crate::supervisord::rpc::{Done, Name, Order, Outcome, ProcessState, Trouble, started, stopped};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// One that waits for others is waited for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A command may lie on a disk that hangs: so long it is looked for.
const LOOK: Duration = Duration::from_secs(2);
/// That abide ends is told before it does.
const FAREWELL: Duration = Duration::from_millis(100);

/// The outcome of an order by its place, in the order of completion.
type Outcomes = Vec<(usize, Outcome)>;

/// Carries out all of a step.
pub(super) async fn carry_out(
    doors: &Doors,
    who: &Visitor,
    fleet: &Fleet,
    orders: Vec<Order>,
) -> Result<Outcomes, Ending> {
    let hand = Hand { doors, who, fleet };
    let mut outcomes = Vec::new();
    let mut acts: Vec<(Act, Vec<Told<'_>>)> = Vec::new();
    for (place, order) in orders.iter().enumerate() {
        let Some((act, name, aim)) = act_of(order) else {
            outcomes.push((place, hand.single(order).await?));
            continue;
        };
        let told = match hand.member(name, &act).await {
            Ok(member) => Told { place, member, aim },
            Err(trouble) => {
                outcomes.push((place, Err(trouble)));
                continue;
            }
        };
        match acts.iter_mut().find(|(known, _)| *known == act) {
            Some((_, all)) => all.push(told),
            None => acts.push((act, vec![told])),
        }
    }
    let mut awaited = Vec::new();
    for (act, told) in acts {
        hand.tell(act, told, &mut outcomes, &mut awaited).await?;
    }
    wait(doors, awaited, &mut outcomes).await?;
    Ok(outcomes)
}

/// What an order is to the loop: of whom, and what is waited for then. `None`: it is none.
fn act_of(order: &Order) -> Option<(Act, &Name, Option<Aim>)> {
    Some(match order {
        Order::Start { name, wait } => (Act::Start, name, wait.then_some(Aim::Started)),
        Order::Stop { name, wait } => (Act::Stop { reason: None, lasts: None }, name, wait.then_some(Aim::Stopped)),
        Order::ClearLogs(name) => (Act::Log(LogAct::Rotate), name, None),
        Order::Signal { name, signal } => (Act::Signal(Signal::from_number(*signal)?), name, None),
        _ => return None,
    })
}

/// Somebody who is told something.
struct Told<'f> {
    place: usize,
    member: &'f Member,
    /// What is waited for then.
    aim: Option<Aim>,
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Aim {
    Started,
    Stopped,
}

/// Who gives orders.
struct Hand<'a> {
    doors: &'a Doors,
    who: &'a Visitor,
    fleet: &'a Fleet,
}

impl<'a> Hand<'a> {
    /// The one of that name, if it may be told that, and can do it.
    async fn member(&self, name: &Name, act: &Act) -> Result<&'a Member, Trouble> {
        let member = self.fleet.member(name).ok_or(Trouble::Failed)?;
        let refused = self.who.may_tell(act, [member.target.service.as_str()]);
        refused.map_err(|problem| act_refused(act, problem.detail))?;
        if *act == Act::Start {
            look_for(member).await?;
        }
        Ok(member)
    }

    /// One order for all of them.
    async fn tell(
        &self,
        act: Act,
        mut told: Vec<Told<'a>>,
        outcomes: &mut Outcomes,
        awaited: &mut Vec<Told<'a>>,
    ) -> Result<(), Ending> {
        // As the answers come.
        told.sort_by(|one, other| one.member.target.cmp(&other.member.target));
        let targets: Vec<Target> = told.iter().map(|told| told.member.target.clone()).collect();
        let order = order::Order { act: act.clone(), targets, author: self.who.author() };
        let done = self.doors.caller.ask(|answer| Call::Order(order, answer)).await?;
        for (told, done) in told.into_iter().zip(done) {
            match told.aim {
                _ if done.refused => {
                    let why = act_refused(&act, format!("{} {}", done.target, done.words));
                    outcomes.push((told.place, Err(why)));
                }
                Some(_) => awaited.push(told),
                None => outcomes.push((told.place, Ok(Done::Plain))),
            }
        }
        Ok(())
    }

    /// What is done with one alone, or with abide.
    async fn single(&self, order: &Order) -> Result<Outcome, Ending> {
        let refused = |why: &str| Ok(Err(Trouble::Refused(why.to_owned())));
        match order {
            Order::Look(name) => Ok(match self.fleet.member(name) {
                Some(member) => look_for(member).await.map(|()| Done::Plain),
                None => Err(Trouble::Failed),
            }),
            Order::Stdin { name, text } => self.write(name, text).await,
            Order::ReadLog { log, window } => Ok(reading::part(self.doors, self.fleet, log, *window).await),
            Order::ClearMainLog => refused("abide rotates and bounds its own log by itself, and empties it for nobody"),
            Order::Reload => {
                if !self.who.rights().iter().any(|(right, _)| *right >= Right::Operate) {
                    return refused("this token, or user, may only look");
                }
                self.doors.caller.tell(Call::LookAnew);
                Ok(Ok(Done::Reloaded { added: Vec::new(), changed: Vec::new(), removed: Vec::new() }))
            }
            Order::RemoveGroup(name) => Ok(Err(Trouble::Refused(format!(
                "{name} is there as long as its file says so: take its section, or the file, out of the watched directory"
            )))),
            Order::Shutdown => Ok(self.end()),
            Order::Restart => refused(
                "abide takes up every change of its files by itself; `abide upgrade` starts another release of it, and \
                 services run on",
            ),
            // Signal 0 asks only whether there is a process, which is known already; an event is heard by nobody.
            Order::Signal { .. } | Order::Remote { .. } => Ok(Ok(Done::Plain)),
            Order::Start { .. } | Order::Stop { .. } | Order::ClearLogs(_) | Order::AddGroup(_) => {
                Ok(Err(Trouble::Failed))
            }
        }
    }

    fn end(&self) -> Outcome {
        self.who.may_of_all(Right::All).map_err(|problem| Trouble::Refused(problem.detail))?;
        let (caller, author) = (self.doors.caller.clone(), self.who.author());
        tokio::spawn(async move {
            sleep(FAREWELL).await;
            caller.tell(Call::End(author));
        });
        Ok(Done::Plain)
    }

    async fn write(&self, name: &Name, text: &str) -> Result<Outcome, Ending> {
        let Some(member) = self.fleet.member(name) else { return Ok(Err(Trouble::Failed)) };
        if let Err(problem) = self.who.may(Right::Operate, member.target.service.as_str()) {
            return Ok(Err(Trouble::Refused(problem.detail)));
        }
        let (target, author) = (member.target.clone(), self.who.author());
        let pipe = self.doors.caller.ask(|answer| Call::Input(target, author, answer)).await?;
        let Some(pipe) = pipe else { return Ok(Err(Trouble::NoFile(Some(name.namespec())))) };
        let written = pipe.and_then(|pipe| self.doors.inputs.write(pipe, text.as_bytes()));
        Ok(written.map(|()| Done::Plain).map_err(|error| Trouble::Refused(format!("{}: {error}", name.namespec()))))
    }
}

fn act_refused(act: &Act, why: String) -> Trouble {
    if *act == Act::Start { Trouble::NotStarted(why) } else { Trouble::Refused(why) }
}

/// Whether the command of a program is there. Others have more than one way to find theirs, and say it when they start.
async fn look_for(member: &Member) -> Result<(), Trouble> {
    let launch = member.service().filter(|it| it.program.is_some()).and_then(|it| Launch::prepare(it, 0).ok());
    let Some(launch) = launch else { return Ok(()) };
    let look = tokio::task::spawn_blocking(move || lack(&launch));
    match timeout(LOOK, look).await {
        Ok(Ok(Some(Lack::Missing(why)))) => Err(Trouble::NoFile(Some(why))),
        Ok(Ok(Some(Lack::Unfit(why)))) => Err(Trouble::NotExecutable(why)),
        _ => Ok(()),
    }
}

/// Waits until all are where they were told to go, or will not be.
async fn wait(doors: &Doors, mut awaited: Vec<Told<'_>>, outcomes: &mut Outcomes) -> Result<(), Ending> {
    let mut newest = doors.ring.watch();
    let until = Instant::now() + PATIENCE;
    while !awaited.is_empty() {
        newest.mark_unchanged();
        let snapshot = doors.statuses.now().await?;
        let is_late = Instant::now() >= until;
        awaited.retain(|told| match told.outcome(&snapshot, is_late) {
            None => true,
            Some(outcome) => {
                outcomes.push((told.place, outcome));
                false
            }
        });
        drop(snapshot);
        tokio::select! {
            changed = newest.changed(), if !awaited.is_empty() => changed.map_err(|_| Ending)?,
            () = sleep_until(until), if !is_late && !awaited.is_empty() => {}
            else => {}
        }
    }
    Ok(())
}

impl Told<'_> {
    /// What came of it; `None`: nothing yet.
    fn outcome(&self, snapshot: &Snapshot, is_late: bool) -> Option<Outcome> {
        let target = &self.member.target;
        let status: Option<ServiceStatus> =
            snapshot.service(target.service.as_str()).and_then(|json| serde_json::from_slice(json).ok());
        let index = target.index.unwrap_or(0);
        let stands = status.as_ref().and_then(|status| status.instances.iter().find(|it| it.id == index));
        let Some(stands) = stands else {
            return Some(match self.aim {
                Some(Aim::Started) => Err(Trouble::Abnormal),
                _ => Ok(Done::Plain),
            });
        };
        let state = state_of(stands, self.member.has_ready);
        match self.aim {
            Some(Aim::Started) if stands.state == State::Waiting => {
                let why = stands.reason.as_deref().unwrap_or("it waits for another");
                is_late.then(|| Err(Trouble::NotStarted(format!("{target} does not start yet: {why}"))))
            }
            // It was up, and is done.
            Some(Aim::Started) if state == ProcessState::Exited => Some(Ok(Done::Plain)),
            Some(Aim::Started) => started(state, &spawn_error(state, stands)),
            Some(Aim::Stopped) | None => stopped(state),
        }
    }
}
