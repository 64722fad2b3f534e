//! Waiting until services are somewhere: by what happens, and not by asking again and again.

use super::document;
use crate::api::asked::{Asked, bad, duration, selectors};
use crate::api::call::{Call, Ending, Snapshot};
use crate::api::doors::Doors;
use crate::api::problem::Problem;
use crate::api::rights::Visitor;
use crate::api::route::{FORBIDDEN, Gives, NO_SUCH, Route, Verb, inline, schema};
use crate::api::wait::{Aim, Known, Verdict, instances, judge, together};
use crate::host::look::digest::digest;
use crate::model::access::Right;
use crate::model::name::ServiceName;
use crate::model::selector::{Selector, Target};
use crate::model::status::{ServiceStatus, State as At};
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// So long is waited where nobody says how long.
const TIME: Duration = Duration::from_secs(30);
/// A file that was just written is not read yet: so long a name that means nothing may still come to mean something.
const GRACE: Duration = Duration::from_secs(3);
/// That a file was read anew and means the same is told by no event: it is looked for this often, until it was.
const UNREAD: Duration = Duration::from_millis(200);

pub(super) const ROUTES: &[Route] = &[Route {
    verb: Verb::Get,
    path: "/v1/wait",
    id: "wait",
    title: "Wait until services are somewhere",
    about: "Answers when all of them are there (`reached`), when one of them cannot come there unless somebody does something \
            about it (`never`), or when the time is over (`timeout`); each time with `why` and how they stand. `running`: a \
            process runs. `ready`: it is ready, as `[ready]` of the file has it; without that, it runs. `stopped`: none runs, and \
            none is about to. `in-sync`: what runs is what the file said when this was asked, or newer. A name that means nothing \
            is waited for three seconds, since its file may just have been written.",
    query: Some(inline::<WaitQuery>),
    body: None,
    gives: Gives::Json(schema::<Waited>),
    refuses: &[FORBIDDEN, NO_SUCH],
    example: ("/v1/wait?names=web&for=running&timeout=30s", ""),
    serve: || get(wait),
}];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    /// Which services, with commas between them: `web,db*`.
    names: String,
    /// Until they are what.
    #[serde(rename = "for")]
    aim: Aim,
    /// With `in-sync`: until the file is the one with this SHA-256, as `sha256sum` prints it, too.
    hash: Option<String>,
    /// For how long; `30s`, if it is left out.
    timeout: Option<String>,
}

/// How waiting ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Waited {
    /// `reached`, `never` or `timeout`.
    outcome: &'static str,
    /// Why, unless they are there.
    why: String,
    /// How they stand.
    services: Vec<Stands>,
}

/// How one of them stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Stands {
    /// Which service.
    service: ServiceName,
    /// Which instance, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    /// Where it is.
    state: At,
    /// Why it is there, where that is no matter of course.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Those who are waited for.
struct Awaited {
    aim: Aim,
    targets: Vec<Target>,
    /// Whether each service's file says when it is ready, and of which generation that is.
    ready: BTreeMap<ServiceName, (u64, bool)>,
    /// The digest that the file is to have.
    hash: Option<String>,
    /// What abide knew of files that held something else when this was asked.
    unread: Option<BTreeMap<ServiceName, Option<String>>>,
}

async fn wait(State(doors): State<Doors>, who: Visitor, Asked(query): Asked<WaitQuery>) -> Result<Response, Problem> {
    let names = selectors(&query.names)?;
    let time = query.timeout.as_deref().map_or(Ok(TIME), |text| duration("timeout", text))?;
    let until = Instant::now() + time;
    for name in names.iter().filter(|name| name.is_exact()) {
        who.may(Right::Read, name.names.as_str())?;
    }
    let mut newest = doors.ring.watch();
    let targets = meant(&doors, names, &mut newest, until.min(Instant::now() + GRACE)).await?;
    who.may_each(Right::Read, targets.iter().map(|target| target.service.as_str()))?;
    let hash = query.hash.as_deref().map(whole_hash).transpose()?;
    if hash.is_some() && query.aim != Aim::InSync {
        return Err(bad("hash: it says something of what is in sync, and of nothing else", "ask for=in-sync"));
    }
    let mut awaited = Awaited { aim: query.aim, targets, ready: BTreeMap::new(), hash, unread: None };
    loop {
        newest.mark_unchanged();
        let snapshot = doors.statuses.now().await?;
        let (verdict, services) = awaited.look(&doors, &snapshot).await?;
        drop(snapshot);
        let (outcome, why) = match verdict {
            Verdict::Reached => ("reached", String::new()),
            Verdict::Never(why) => ("never", why),
            Verdict::NotYet(why) if Instant::now() >= until => ("timeout", why),
            Verdict::NotYet(_) => {
                let again = if awaited.has_unread() { until.min(Instant::now() + UNREAD) } else { until };
                tokio::select! {
                    changed = newest.changed() => changed.map_err(|_| Ending)?,
                    () = sleep_until(again) => {}
                }
                continue;
            }
        };
        return Ok(document(&Waited { outcome, why, services }));
    }
}

/// Whom the names mean; who is not there may come until `until`.
async fn meant(
    doors: &Doors,
    names: Vec<Selector>,
    newest: &mut watch::Receiver<u64>,
    until: Instant,
) -> Result<Vec<Target>, Problem> {
    loop {
        newest.mark_unchanged();
        let wanted = names.clone();
        match doors.caller.ask(|answer| Call::Select(wanted, answer)).await? {
            Ok(targets) => return Ok(targets),
            Err(unknown) if Instant::now() >= until => return Err(unknown.into()),
            Err(_) => tokio::select! {
                changed = newest.changed() => changed.map_err(|_| Ending)?,
                () = sleep_until(until) => {}
            },
        }
    }
}

impl Awaited {
    /// How far they are, and how they stand.
    async fn look(&mut self, doors: &Doors, snapshot: &Snapshot) -> Result<(Verdict, Vec<Stands>), Problem> {
        let of = |target: &Target| serde_json::from_slice(snapshot.service(target.service.as_str())?).ok();
        let statuses: Vec<Option<ServiceStatus>> = self.targets.iter().map(of).collect();
        if self.aim == Aim::Ready {
            self.learn(doors, statuses.iter().flatten()).await?;
        }
        if self.aim == Aim::InSync && self.unread.is_none() {
            self.unread = Some(unread(statuses.iter().flatten()).await);
        }
        if let Some(unread) = &mut self.unread {
            let read =
                |status: &ServiceStatus| unread.get(&status.name).is_some_and(|known| *known != status.file_hash);
            let read: Vec<ServiceName> =
                statuses.iter().flatten().filter(|it| read(it)).map(|it| it.name.clone()).collect();
            unread.retain(|name, _| !read.contains(name));
        }
        let verdicts = self.targets.iter().zip(&statuses).map(|(target, status)| {
            if self.unread.as_ref().is_some_and(|unread| unread.contains_key(&target.service)) {
                return Verdict::NotYet(format!("what the file of {} now holds was not read yet", target.service));
            }
            let file_hash = status.as_ref().and_then(|status| status.file_hash.as_ref());
            if self.hash.is_some()
                && self.hash.as_ref() != file_hash
                && status.as_ref().is_none_or(|it| it.errors.is_empty())
            {
                return Verdict::NotYet(format!("the file of {} is not the one with that hash", target.service));
            }
            let has_ready = self.ready.get(&target.service).is_some_and(|(_, has)| *has);
            judge(self.aim, target, Known { status: status.as_ref(), has_ready })
        });
        let verdict = together(verdicts);
        let stands =
            self.targets.iter().zip(&statuses).filter_map(|(target, status)| Some(stands(target, status.as_ref()?)));
        Ok((verdict, stands.flatten().collect()))
    }

    /// Finds out who says when it is ready, where that may have changed.
    async fn learn(&mut self, doors: &Doors, statuses: impl Iterator<Item = &ServiceStatus>) -> Result<(), Ending> {
        for status in statuses {
            if self.ready.get(&status.name).is_none_or(|(of, _)| *of != status.generation) {
                let facts = doors.caller.ask(|answer| Call::Facts(status.name.clone(), answer)).await?;
                let has = facts.is_some_and(|facts| facts.definition.service.ready.is_some());
                self.ready.insert(status.name.clone(), (status.generation, has));
            }
        }
        Ok(())
    }

    fn has_unread(&self) -> bool {
        self.unread.as_ref().is_some_and(|unread| !unread.is_empty())
    }
}

/// A SHA-256 as the status has it.
fn whole_hash(text: &str) -> Result<String, Problem> {
    // `sha256sum` prints a name behind it.
    let text = text.split_whitespace().next().unwrap_or_default();
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad("hash: it is no SHA-256 of 64 hexadecimal digits", "write what `sha256sum FILE` prints"));
    }
    Ok(format!("sha256:{digits}"))
}

/// Of which services the files hold something else than what abide has read. A file that cannot be read, or not in
/// time, is none of them.
async fn unread<'a>(statuses: impl Iterator<Item = &'a ServiceStatus>) -> BTreeMap<ServiceName, Option<String>> {
    let files: Vec<(ServiceName, PathBuf, Option<String>)> = statuses
        .filter(|status| status.file_hash.is_some())
        .map(|status| (status.name.clone(), PathBuf::from(&status.source.file), status.file_hash.clone()))
        .collect();
    let differs = |(name, file, known): (ServiceName, PathBuf, Option<String>)| {
        let now = digest(&file).ok()?;
        (known.as_ref() != Some(&now)).then_some((name, known))
    };
    let look = tokio::task::spawn_blocking(move || files.into_iter().filter_map(differs).collect());
    timeout(GRACE, look).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn stands(target: &Target, status: &ServiceStatus) -> Vec<Stands> {
    let service = &status.name;
    let numbered = status.instances.len() > 1;
    let one = instances(status, target).map(|instance| Stands {
        service: service.clone(),
        instance: numbered.then_some(instance.id),
        state: instance.state,
        reason: instance.reason.clone(),
    });
    let mut all: Vec<Stands> = one.collect();
    if all.is_empty() && target.index.is_none() {
        all.push(Stands { service: service.clone(), instance: None, state: status.state, reason: None });
    }
    all
}
