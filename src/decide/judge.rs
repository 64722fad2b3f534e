//! Whether the names that services' files give each other are right: each one exists, and no order
//! leads in a circle. Pure; what `abide check` says of directories is what the fleet says of a first load.
//!
//! A circle is charged to the files that would close it: those that are *pending*, in the order of
//! what is in force without them. Who is charged keeps what was in force, whose own order may close
//! another circle; so that is repeated until nothing is.

use crate::model::desired::{Definition, Entry};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::name::ServiceName;
use crate::model::nearest::nearest;
use crate::model::policy::Order;
use crate::model::service::Delegated;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What is wrong with a service's files only because of what others say.
#[derive(Debug, Default)]
pub(super) struct Charge {
    pub(super) findings: Vec<Diagnostic>,
    /// What the files say, where that is not in force.
    pub(super) offered: Option<Arc<Definition>>,
    /// The names that are missing.
    pub(super) missing: Vec<ServiceName>,
}

/// For so many names that are none a near one is looked for: each is a look at all there are.
const GUESSED: usize = 64;
/// In a circle of more than so many, its way is not looked for: nobody reads it.
const LARGE: usize = 200;
/// So many names of a circle are shown.
const SHOWN: usize = 12;

/// Judges `entries` as a first load: what cannot be taken loses its service and gets its errors.
/// `beside`: other names that exist, and of which no more is known.
pub fn judge_all(entries: &mut [(ServiceName, Entry)], beside: &BTreeSet<ServiceName>) {
    let names: BTreeSet<ServiceName> = entries.iter().map(|(name, _)| name.clone()).collect();
    let realms: BTreeMap<ServiceName, Delegated> =
        entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.delegated.as_deref()?.clone()))).collect();
    let all = || names.iter().chain(beside).map(ServiceName::as_str);
    let mut charges: BTreeMap<ServiceName, Vec<Diagnostic>> = BTreeMap::new();
    let mut guesses = Guesses::default();
    let mut pending = BTreeMap::new();
    for (name, entry) in &*entries {
        let Some(definition) = entry.service.as_deref() else { continue };
        let realm = definition.service.delegated.as_deref();
        let exists = |name: &ServiceName| {
            (names.contains(name) || beside.contains(name)) && (realm.is_none() || realm == realms.get(name))
        };
        let missing = missing(definition, exists);
        if missing.is_empty() {
            pending.insert(name, definition);
        } else {
            charges.insert(name.clone(), unknown(definition, &entry.file, &missing, &mut guesses, all));
        }
    }
    let refused = refused(&pending, |_| None);
    for (name, entry) in &*entries {
        if let (Some(circle), Some(definition)) = (refused.get(name), &entry.service) {
            charges.insert(name.clone(), vec![circular(definition, &entry.file, circle)]);
        }
    }
    for (name, entry) in entries {
        if let Some(charge) = charges.remove(name) {
            entry.service = None;
            entry.diagnostics.extend(charge);
        }
    }
}

/// The names in `definition` that must exist and do not, with their keys.
pub(super) fn missing(
    definition: &Definition,
    exists: impl Fn(&ServiceName) -> bool,
) -> Vec<(&'static str, &ServiceName)> {
    let order = definition.service.order.iter();
    let after = order.clone().flat_map(|order| &order.after).map(|name| ("after", name));
    let requires = order.flat_map(|order| &order.requires).map(|name| ("requires", name));
    let stand_in = definition.service.restart.on_give_up.iter().map(|name| ("restart.on_give_up", name));
    after.chain(requires).chain(stand_in).filter(|(_, name)| !exists(name)).collect()
}

/// What names that do not exist were probably meant to be, looked for once each.
#[derive(Debug, Default)]
pub(super) struct Guesses(BTreeMap<ServiceName, Option<String>>);

impl Guesses {
    fn guess<'n>(&mut self, name: &ServiceName, all: impl Iterator<Item = &'n str>) -> Option<String> {
        if !self.0.contains_key(name) && self.0.len() < GUESSED {
            // People take the file for its name.
            let meant = name.as_str().strip_suffix(".toml").unwrap_or(name.as_str());
            self.0.insert(name.clone(), nearest(meant, all).map(str::to_owned));
        }
        self.0.get(name).cloned().flatten()
    }
}

/// The errors about what is `missing`; `all`: the names that exist.
pub(super) fn unknown<'n, I: Iterator<Item = &'n str>>(
    definition: &Definition,
    file: &Path,
    missing: &[(&'static str, &ServiceName)],
    guesses: &mut Guesses,
    all: impl Fn() -> I,
) -> Vec<Diagnostic> {
    let own = &definition.service.name;
    let about = |(key, name): &(&'static str, &ServiceName)| {
        let within =
            definition.service.delegated.as_ref().map_or("", |_| " in its own source, beyond which it does not reach");
        let message = format!("`{key}` names the service `{name}`, and there is none{within}");
        let help = match guesses.guess(name, all()).filter(|near| near != own.as_str()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if *key == "after" => "add its file, remove the name, or move it to `wants`".to_owned(),
            None => "add its file, or remove the name".to_owned(),
        };
        at(definition, file, Code::UnknownService, message, |named| named.0 == *key && named.1 == *name).help(help)
    };
    let mut findings: Vec<Diagnostic> = missing.iter().map(about).collect();
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
    findings
}

/// The error about a circle through `definition`'s service: the way back to it, itself at both ends, or nothing where it is too long.
pub(super) fn circular(definition: &Definition, file: &Path, circle: &[ServiceName]) -> Diagnostic {
    let message = if circle.is_empty() {
        format!("its order leads in a circle of more than {LARGE} services")
    } else {
        let names = circle.iter().map(ServiceName::as_str);
        let mut way: Vec<&str> = names.clone().take(SHOWN).collect();
        way.extend((circle.len() > SHOWN + 1).then_some("…"));
        way.extend(names.skip(SHOWN).last());
        format!("its order leads in a circle: {}", way.join(" → "))
    };
    let next = circle.get(1);
    let is_it = |named: (&str, &ServiceName)| named.0 != "restart.on_give_up" && next.is_none_or(|it| it == named.1);
    at(definition, file, Code::Cycle, message, is_it)
        .help("remove one of these names from `after`, `requires` or `wants`")
}

/// An error at the first place that `is_it`.
fn at(
    definition: &Definition,
    file: &Path,
    code: Code,
    message: String,
    is_it: impl Fn((&str, &ServiceName)) -> bool,
) -> Diagnostic {
    match definition.named.iter().find(|named| is_it((named.key, &named.name))) {
        Some(named) => Diagnostic { place: named.place.clone(), ..Diagnostic::error(&named.file, code, message) },
        None => Diagnostic::error(file, code, message),
    }
}

/// Which of `pending` cannot be taken because they lead in a circle, each with its circle; `in_force`
/// is what holds for all that are not pending, and for those that are refused.
pub(super) fn refused<'a>(
    pending: &BTreeMap<&'a ServiceName, &'a Definition>,
    in_force: impl Fn(&ServiceName) -> Option<&'a Definition>,
) -> BTreeMap<ServiceName, Vec<ServiceName>> {
    let mut refused = BTreeMap::new();
    loop {
        let order_of = |name: &ServiceName| {
            let now = pending.get(name).copied().filter(|_| !refused.contains_key(name));
            now.or_else(|| in_force(name))?.service.order.as_deref()
        };
        let mut more = Vec::new();
        for ring in rings(pending.keys().copied(), &order_of) {
            for name in ring.iter().filter(|name| pending.contains_key(*name) && !refused.contains_key(**name)) {
                more.push(((*name).clone(), way(name, &ring, &order_of)));
            }
        }
        if more.is_empty() {
            return refused;
        }
        refused.extend(more);
    }
}

/// Those of `names` that stand in a circle.
pub(super) fn in_circles<'a>(
    names: impl Iterator<Item = &'a ServiceName> + Clone,
    order_of: impl Fn(&ServiceName) -> Option<&'a Order>,
) -> Vec<ServiceName> {
    let rings = rings(names.clone(), &order_of);
    names.filter(|name| rings.iter().any(|ring| ring.contains(*name))).cloned().collect()
}

/// The sets of services each of which comes before all the others of its set, among those that can be
/// reached from `roots`: Tarjan's strongly connected components, less those of one that is in no circle.
fn rings<'a>(
    roots: impl Iterator<Item = &'a ServiceName>,
    order_of: &impl Fn(&ServiceName) -> Option<&'a Order>,
) -> Vec<BTreeSet<&'a ServiceName>> {
    let before = |name: &ServiceName| order_of(name).into_iter().flat_map(Order::names);
    let mut low: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    let (mut path, mut on_path, mut found) = (Vec::new(), BTreeMap::new(), Vec::new());
    for root in roots {
        if low.contains_key(root) {
            continue;
        }
        // Chains can be as long as there are services: the recursion is spelled out.
        let mut stack = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(name) = enter.take() {
                let index = low.len();
                low.insert(name, index);
                on_path.insert(name, index);
                path.push(name);
                stack.push((name, index, before(name)));
            }
            let Some((name, index, others)) = stack.last_mut() else { break };
            let (name, index) = (*name, *index);
            if let Some(other) = others.next() {
                match (low.contains_key(other), on_path.get(other)) {
                    (false, _) => enter = Some(other),
                    (true, Some(at)) => lower(&mut low, name, *at),
                    (true, None) => {}
                }
                continue;
            }
            stack.pop();
            let reached = low[name];
            if let Some((under, ..)) = stack.last() {
                lower(&mut low, under, reached);
            }
            if reached == index {
                let at = path.iter().rposition(|it| *it == name).unwrap_or_default();
                let ring: BTreeSet<&ServiceName> = path.drain(at..).collect();
                for it in &ring {
                    on_path.remove(it);
                }
                if ring.len() > 1 || before(name).any(|other| other == name) {
                    found.push(ring);
                }
            }
        }
    }
    found
}

fn lower<'a>(low: &mut BTreeMap<&'a ServiceName, usize>, name: &'a ServiceName, to: usize) {
    low.entry(name).and_modify(|at| *at = (*at).min(to));
}

/// The shortest way from `name` through its ring back to it; nothing in a large ring.
fn way<'a>(
    name: &'a ServiceName,
    ring: &BTreeSet<&'a ServiceName>,
    order_of: &impl Fn(&ServiceName) -> Option<&'a Order>,
) -> Vec<ServiceName> {
    let mut from: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([name]);
    while let Some(here) = queue.pop_front().filter(|_| ring.len() <= LARGE) {
        for other in order_of(here).into_iter().flat_map(Order::names).filter(|other| ring.contains(*other)) {
            if other == name {
                let mut way = vec![name, here];
                while let Some(earlier) = way.last().and_then(|last| from.get(*last)) {
                    way.push(*earlier);
                }
                way.reverse();
                return way.into_iter().cloned().collect();
            }
            if !from.contains_key(other) {
                from.insert(other, here);
                queue.push_back(other);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
