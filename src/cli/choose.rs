//! Which services of a snapshot some names mean. Pure.

use crate::model::selector::Selector;
use crate::model::status::{InstanceStatus, ServiceStatus, Status};

/// Whether one of `names` means this service; with an instance, whether it means that one.
pub(super) fn means(names: &[Selector], service: &ServiceStatus, instance: Option<&InstanceStatus>) -> bool {
    names.iter().any(|name| match instance {
        Some(instance) => of_service(name, service) && of_instance(name, service, instance),
        None => of_service(name, service) && means_any(name, service),
    })
}

fn of_service(name: &Selector, service: &ServiceStatus) -> bool {
    name.names.matches(service.name.as_str())
}

fn means_any(name: &Selector, service: &ServiceStatus) -> bool {
    // A service without instances has a state all the same.
    let whole = name.index.is_none() && name.state.is_none_or(|state| state == service.state);
    whole || service.instances.iter().any(|instance| of_instance(name, service, instance))
}

fn of_instance(name: &Selector, service: &ServiceStatus, instance: &InstanceStatus) -> bool {
    let only = service.instances.len() == 1 && name.state == Some(service.state);
    let state = name.state.is_none_or(|state| state == instance.state || only);
    state && name.index.is_none_or(|index| index == instance.id)
}

/// The services that are meant, and a sentence for each name that means nothing.
pub(super) fn chosen(names: &[Selector], status: &Status) -> (Vec<ServiceStatus>, Vec<String>) {
    let services = &status.services;
    let meant = services.iter().filter(|service| means(names, service, None)).cloned().collect();
    let nothing =
        |name: &&Selector| !services.iter().any(|service| of_service(name, service) && means_any(name, service));
    // That none is in some state is no mistake of who asks for them.
    let state_alone = |name: &Selector| name.state.is_some() && name.names.is_pattern();
    let missing = names.iter().filter(nothing).filter(|name| !state_alone(name));
    (meant, missing.map(|name| unknown(name, services)).collect())
}

fn unknown(name: &Selector, services: &[ServiceStatus]) -> String {
    let given = name.names.as_str();
    if let Some(service) = services.iter().find(|service| service.name.as_str() == given) {
        return match (name.index, name.state) {
            (Some(index), _) => format!("{given} has no instance {index}; it has {}", service.instances.len()),
            (None, Some(state)) => format!("{given} is not {}, it is {}", state.as_str(), service.state.as_str()),
            (None, None) => format!("there is no service {name}"),
        };
    }
    if name.names.is_pattern() {
        return format!("{name} means no service; `abide status` lists them all");
    }
    let distance = |service: &&ServiceStatus| strsim::damerau_levenshtein(given, service.name.as_str());
    let near = 1.max(given.chars().count() / 3);
    match services.iter().min_by_key(distance).filter(|service| distance(service) <= near) {
        Some(service) => format!("there is no service {given}; did you mean {}?", service.name),
        None => format!("there is no service {given}; `abide status` lists them all"),
    }
}
