//! Whom a service names: `after`, `requires`, `wants`, `restart.on_give_up`, and where each name stands.
//!
//! That it names itself is known here; whether the others exist, and whether they lead in a circle,
//! is judged where all entries are known.

use super::merge::Stack;
use super::toml::names::Names;
use super::toml::reader::bounded;
use super::toml::shape::ServiceFile;
use crate::model::desired::Named;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::log_command;
use crate::model::log_to::LogTo;
use crate::model::name::ServiceName;
use crate::model::policy::Order;

/// What must come first; `None`: nothing. Who has a log command is heard by it from the first line on.
pub(super) fn order(name: &ServiceName, file: &ServiceFile) -> Option<Box<Order>> {
    let list = |names: &Option<Names>| names.as_ref().map(|names| names.0.clone()).unwrap_or_default();
    let mut order = Order { after: list(&file.after), requires: list(&file.requires), wants: list(&file.wants) };
    let has_command = file
        .log
        .as_ref()
        .is_some_and(|log| log.command.is_some() || log.to.as_ref().is_some_and(|to| to.0 != LogTo::File));
    order.wants.extend(log_command::name(name).filter(|_| has_command));
    (!order.is_empty()).then(|| Box::new(order))
}

/// Every place where `own` names another service. That it names itself is an error.
pub(super) fn named(
    own: &ServiceName,
    stack: &Stack<'_>,
    file: &ServiceFile,
    findings: &mut Vec<Diagnostic>,
) -> Box<[Named]> {
    let mut all = Vec::new();
    let mut name = |key: &'static str, path: &str, name: &ServiceName| {
        let found = stack.error(path, Code::UnknownService, format!("`{key}` names the service itself"));
        if name == own {
            findings.push(found.help("name another service, or remove it"));
            return;
        }
        for Diagnostic { file, place, .. } in bounded(vec![found]) {
            all.push(Named { key, name: name.clone(), file, place });
        }
    };
    for (key, names) in [("after", &file.after), ("requires", &file.requires), ("wants", &file.wants)] {
        for (index, other) in names.iter().flat_map(|names| &names.0).enumerate() {
            name(key, &format!("{key}.{index}"), other);
        }
    }
    if let Some(other) = file.restart.as_ref().and_then(|restart| restart.on_give_up.as_ref()) {
        name("restart.on_give_up", "restart.on_give_up", other);
    }
    all.into()
}
