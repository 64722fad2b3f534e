//! What would happen to which service, and why. The plan a person reads is the very value that the
//! fleet carries out.

use super::diff::{Powers, dearest, diff};
use crate::model::name::ServiceName;
use crate::model::plan::{Action, Change, Plan, Price, Step};
use crate::model::service::Service;

/// The plan for `names`: what it takes to get each from what `old` knows of it to what `new` does.
/// The full plan is that of all names.
pub fn plan<'a>(
    old: impl Fn(&ServiceName) -> Option<&'a Service>,
    new: impl Fn(&ServiceName) -> Option<&'a Service>,
    names: impl IntoIterator<Item = &'a ServiceName>,
    powers: &Powers,
) -> Plan {
    let mut steps: Vec<Step> = names.into_iter().filter_map(|name| step(old(name), new(name), powers)).collect();
    steps.sort_by(|one, other| one.service.cmp(&other.service));
    steps.dedup_by(|one, other| one.service == other.service);
    Plan { steps }
}

/// What happens to one service; `None` when nothing about it differs.
pub fn step(old: Option<&Service>, new: Option<&Service>, powers: &Powers) -> Option<Step> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => Some(match (new.enabled, new.instances) {
            (false, _) => bare(new, Action::Nothing, "new, not enabled"),
            (true, 0) => bare(new, Action::Nothing, "new, without instances"),
            (true, _) => bare(new, Action::Start, "new"),
        }),
        (Some(old), None) => {
            let action = if old.enabled && old.instances > 0 { Action::Stop } else { Action::Nothing };
            Some(bare(old, action, "removed"))
        }
        (Some(old), Some(new)) => {
            let changes = diff(old, new, powers);
            (!changes.is_empty()).then(|| changed(old, new, changes))
        }
    }
}

fn changed(old: &Service, new: &Service, changes: Vec<Change>) -> Step {
    let (action, reason) = match (old.enabled, new.enabled) {
        (false, true) if new.instances > 0 => (Action::Start, "enabled".to_owned()),
        (true, false) if old.instances > 0 => (Action::Stop, "disabled".to_owned()),
        (true, true) if new.instances > 0 => (action_for(dearest(&changes), old), in_words(&changes)),
        (true, true) if old.instances > 0 => (Action::Live, in_words(&changes)),
        _ => (Action::Nothing, in_words(&changes)),
    };
    let scale = if old.enabled && new.enabled { i64::from(new.instances) - i64::from(old.instances) } else { 0 };
    Step { service: new.name.clone(), action, reason, changes, scale }
}

/// Nothing is restarted where nothing runs.
fn action_for(price: Price, old: &Service) -> Action {
    match price {
        Price::Nothing => Action::Nothing,
        Price::Restart if old.instances > 0 => Action::Restart,
        Price::Restart | Price::Live => Action::Live,
    }
}

fn bare(service: &Service, action: Action, reason: &str) -> Step {
    Step { service: service.name.clone(), action, reason: reason.to_owned(), changes: Vec::new(), scale: 0 }
}

/// "command changed", "command and user changed", "command, user and 3 more changed": the dearest fields.
pub(super) fn in_words(changes: &[Change]) -> String {
    let price = dearest(changes);
    let fields: Vec<&str> =
        changes.iter().filter(|change| change.price == price).map(|change| change.field.as_str()).collect();
    match fields.as_slice() {
        [] => "nothing changed".to_owned(),
        [one] => format!("{one} changed"),
        [one, other] => format!("{one} and {other} changed"),
        [one, other, more @ ..] => format!("{one}, {other} and {} more changed", more.len()),
    }
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
