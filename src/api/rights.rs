//! Who visits, what they may, and what they are told that they may not.

use super::audit;
use super::call::{Call, Caller};
use super::problem::Problem;
use crate::host::peer;
use crate::model::access::{DoorPolicy, Right, Who};
use crate::model::name::ServiceName;
use crate::model::order::{Act, Author};
use crate::model::selector::{NoSuch, Selector, Target};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Who sent a request; every route takes one as an extractor, and asks it before it does or tells anything.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    who: Arc<Who>,
    /// The process that connected.
    pid: Option<i32>,
    /// The services that run as this very user, as of the request: their status and logs may be read.
    owned: Arc<HashSet<ServiceName>>,
    /// What `abide.toml` says now, also in the middle of a stream.
    policy: watch::Receiver<Arc<DoorPolicy>>,
    /// `abide.toml`, for those who are to add something to it.
    file: Arc<Path>,
}

impl Visitor {
    pub(super) fn new(
        who: Arc<Who>,
        pid: Option<i32>,
        policy: watch::Receiver<Arc<DoorPolicy>>,
        file: Arc<Path>,
    ) -> Self {
        Self { who, pid, owned: Arc::default(), policy, file }
    }

    /// The same, who owns some services.
    pub(super) fn owner_of(self, owned: impl IntoIterator<Item = ServiceName>) -> Self {
        Self { owned: Arc::new(owned.into_iter().collect()), ..self }
    }

    pub(super) fn who(&self) -> &Who {
        &self.who
    }

    /// Whether anything at all is allowed.
    pub(super) fn is_stranger(&self) -> bool {
        self.owned.is_empty() && self.policy.borrow().rights(&self.who).0.is_empty()
    }

    /// Whether `right` is theirs for one service: the question for lists and streams, which leave out what may not be seen.
    pub(super) fn has(&self, right: Right, service: &str) -> bool {
        (right == Right::Read && self.owned.contains(service))
            || self.policy.borrow().rights(&self.who).may(right, service)
    }

    /// Whether `right` is theirs for all services that there are or will be.
    pub(super) fn has_of_all(&self, right: Right) -> bool {
        self.policy.borrow().rights(&self.who).may_with_all(right)
    }

    /// Whether `right` is theirs for one service; the refusal has the lines of `abide.toml` that are missing.
    pub(super) fn may(&self, right: Right, service: &str) -> Result<(), Problem> {
        self.may_each(right, [service])
    }

    /// The same for some of them: all or none.
    pub(super) fn may_each<'s>(
        &self,
        right: Right,
        services: impl IntoIterator<Item = &'s str>,
    ) -> Result<(), Problem> {
        let mut missing: Vec<&str> = services.into_iter().filter(|service| !self.has(right, service)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() { Ok(()) } else { Err(self.refusal(right, &missing)) }
    }

    /// Whether `right` is theirs for all services: for what cannot be taken apart. [`Right::All`] is for what concerns abide
    /// itself, such as reading any directory of the machine.
    pub(super) fn may_of_all(&self, right: Right) -> Result<(), Problem> {
        if self.has_of_all(right) { Ok(()) } else { Err(self.refusal(right, &[])) }
    }

    /// What `names` mean, for a question about them. Who may not ask of a service is told so whether there is one or not,
    /// and hears of no other: a pattern stands for what they may see, and only such a name is suggested.
    pub(super) async fn meant(
        &self,
        caller: &Caller,
        right: Right,
        mut names: Vec<Selector>,
    ) -> Result<Vec<Target>, Problem> {
        self.may_each(right, names.iter().filter(|name| name.is_exact()).map(|name| name.names.as_str()))?;
        let has_of_all = self.has_of_all(right);
        while !names.is_empty() {
            let wanted = names.clone();
            let mut unknown = match caller.ask(|answer| Call::Select(wanted, answer)).await? {
                Ok(targets) => return Ok(targets),
                Err(NoSuch(unknown)) => unknown,
            };
            if has_of_all || unknown.is_empty() || unknown.iter().any(|(name, _)| name.is_exact()) {
                for (_, near) in &mut unknown {
                    *near = near.take().filter(|near| self.has(right, near.as_str()));
                }
                return Err(NoSuch(unknown).into());
            }
            names.retain(|name| unknown.iter().all(|(unknown, _)| unknown != name));
        }
        Ok(Vec::new())
    }

    /// That they may not, and what would let them. Without `services`: all.
    pub(super) fn refusal(&self, right: Right, services: &[&str]) -> Problem {
        let name = match &*self.who {
            Who::User { name, uid, .. } => format!("the user {name} (uid {uid})"),
            Who::Token(name) => format!("the token {name}"),
            Who::Nobody => return unauthorized(),
        };
        let of = match services {
            [] => "all services".to_owned(),
            [first @ .., last] if services.len() <= 5 => {
                let first = first.join(", ");
                if first.is_empty() { (*last).to_owned() } else { format!("{first} and {last}") }
            }
            [first, ..] => format!("{first} and {} more", services.len() - 1),
        };
        let detail = match right {
            Right::All => format!("{name} may not do everything, which this needs"),
            _ => format!("{name} may not {} {of}", right.as_str()),
        };
        let problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", "not allowed", detail);
        match self.policy.borrow().missing(&self.who, right, services) {
            Some(lines) => problem.hint(format!("# to be added to {}:\n{lines}", self.file.display())),
            None => problem,
        }
    }

    /// Whether they may tell these services to do something; where not, it is written to the log that they tried.
    pub(super) fn may_tell<'s>(&self, act: &Act, services: impl IntoIterator<Item = &'s str>) -> Result<(), Problem> {
        let told = self.may_each(Right::Operate, services);
        told.inspect_err(|problem| audit::refused(act.word(), &self.author(), &problem.detail))
    }

    /// Who gives an order, as it is written down. Reads a file of `/proc`.
    pub(super) fn author(&self) -> Author {
        match &*self.who {
            Who::User { uid, name, .. } => {
                let command = self.pid.and_then(peer::command_line);
                Author { name: name.clone(), uid: Some(*uid), pid: self.pid, command }
            }
            Who::Token(name) => Author { name: format!("token {name}"), ..Author::default() },
            Who::Nobody => Author { name: "nobody".to_owned(), ..Author::default() },
        }
    }

    /// What they may, for themselves to read.
    pub(super) fn rights(&self) -> Vec<(Right, String)> {
        let policy = self.policy.borrow();
        let mut rights: Vec<(Right, String)> = Vec::new();
        for grant in policy.rights(&self.who).0 {
            match grant.services {
                None => rights.push((grant.right, "*".to_owned())),
                Some(patterns) => {
                    rights.extend(patterns.iter().map(|pattern| (grant.right, pattern.as_str().to_owned())));
                }
            }
        }
        let mut owned: Vec<_> = self.owned.iter().map(|name| (Right::Read, name.to_string())).collect();
        owned.sort();
        rights.extend(owned);
        rights
    }
}

/// 401: nobody knows who it is.
pub(super) fn unauthorized() -> Problem {
    let detail = "this needs a token";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "not known", detail)
        .hint("send `Authorization: Bearer TOKEN`; `abide token NAME` makes one")
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    /// Who has not been looked at is nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::access::Rule;
    use crate::model::selector::NamePattern;

    fn visitor(rules: Vec<Rule>) -> (Visitor, watch::Sender<Arc<DoorPolicy>>) {
        let (tell, policy) = watch::channel(Arc::new(DoorPolicy { rules, ..DoorPolicy::default() }));
        let who = Who::User { uid: 1000, name: "deploy".into(), groups: vec![], sovereign: false };
        (Visitor::new(Arc::new(who), None, policy, Path::new("/etc/abide/abide.toml").into()), tell)
    }

    #[test]
    fn a_refusal_names_what_is_missing_and_no_more() {
        let web = NamePattern::new("web*").unwrap();
        let rule = Rule { users: vec![1000], groups: vec![], tokens: vec![], may: Right::Operate, services: vec![web] };
        let (visitor, tell) = visitor(vec![rule]);
        assert!(visitor.may(Right::Operate, "web1").is_ok() && visitor.has(Right::Read, "web1"));
        let refusal = visitor.may_each(Right::Operate, ["web1", "db", "db", "cache"]).unwrap_err();
        assert_eq!(refusal.detail, "the user deploy (uid 1000) may not operate cache and db");
        let hint = refusal.hint.unwrap();
        assert!(hint.starts_with("# to be added to /etc/abide/abide.toml:\n[[access]]\n"), "{hint}");
        assert!(hint.contains("services = [\"cache\", \"db\"]"), "{hint}");
        // Taken back in the middle of a stream.
        tell.send_replace(Arc::default());
        assert!(!visitor.has(Right::Read, "web1") && visitor.is_stranger());
    }

    /// A loop that knows `web` and `secret`.
    fn two() -> Caller {
        Caller::new(|call| {
            let Call::Select(names, answer) = call else { panic!("nothing else is asked") };
            let known = ["web", "secret"].map(|name| ServiceName::new(name).unwrap());
            let of = |name: &Selector| known.iter().filter(|it| name.names.matches(it.as_str())).cloned().collect();
            let found: Vec<(Selector, Vec<ServiceName>)> =
                names.into_iter().map(|name| (name.clone(), of(&name))).collect();
            let (unknown, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, found)| found.is_empty());
            let near = Some(known[1].clone());
            let _ = answer.send(if unknown.is_empty() {
                let targets = found.into_iter().flat_map(|(_, found)| found);
                Ok(targets.map(|service| Target { service, index: None }).collect())
            } else {
                Err(NoSuch(unknown.into_iter().map(|(name, _)| (name, near.clone())).collect()))
            });
        })
    }

    #[test]
    fn whether_there_is_a_service_is_told_to_those_alone_who_may_know_it() {
        let web = NamePattern::new("we*").unwrap();
        let rule = Rule { users: vec![1000], groups: vec![], tokens: vec![], may: Right::Read, services: vec![web] };
        let (visitor, _tell) = visitor(vec![rule]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let meant = |names: &str| {
            let names = names.split(',').map(|name| name.parse().unwrap()).collect();
            runtime.block_on(visitor.meant(&two(), Right::Read, names)).map(|targets| targets.len())
        };
        let refusal = |names: &str| {
            let problem = meant(names).unwrap_err();
            (problem.status, problem.detail.replace("secret", "X").replace("nothing", "X"))
        };
        assert_eq!(meant("web").unwrap(), 1);
        assert_eq!(refusal("secret"), refusal("nothing"), "both are refused before anybody looks");
        let unknown = meant("wep").unwrap_err();
        assert_eq!((unknown.status, unknown.hint.unwrap().contains("secret")), (404, false));
        assert_eq!(
            (meant("n*").unwrap(), meant("n*,web").unwrap()),
            (0, 1),
            "as of a pattern that means what they may not see"
        );
    }

    #[test]
    fn the_owner_of_a_services_user_may_read_it_and_nothing_else() {
        let (visitor, _tell) = visitor(Vec::new());
        assert!(visitor.is_stranger());
        let visitor = visitor.owner_of([ServiceName::new("web").unwrap()]);
        assert!(!visitor.is_stranger() && visitor.has(Right::Read, "web") && !visitor.has(Right::Read, "db"));
        assert!(visitor.may(Right::Operate, "web").is_err() && visitor.may_of_all(Right::Read).is_err());
        assert_eq!(visitor.rights(), [(Right::Read, "web".to_owned())]);
    }
}
