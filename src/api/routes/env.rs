//! `GET /v1/services/NAME/env`: the environment that an instance gets, by the code that starts it, and how that of its
//! process differs. What looks like a secret is hidden from all but those who may everything.

use super::looks::{Looks, json, may_see_secrets};
use crate::api::asked::{Asked, Named};
use crate::api::call::{Facts, InstanceFacts};
use crate::api::problem::Problem;
use crate::host::look;
use crate::host::usage::Main;
use crate::model::launch::Launch;
use crate::model::look::{Difference, Environment, Variable};
use crate::model::name::ServiceName;
use crate::model::secret::masked;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Of which instance; the first, if it is left out.
    instance: Option<u32>,
    /// Whether secrets are shown too, to those who may everything.
    #[serde(default)]
    show_secrets: bool,
}

pub(super) async fn env(
    State(looks): State<Arc<Looks>>,
    Named(name): Named,
    Asked(wish): Asked<Wish>,
) -> Result<Response, Problem> {
    let (service, facts) = looks.facts(&name).await?;
    if wish.show_secrets {
        may_see_secrets().map_err(|refusal| *refusal)?;
    }
    let instance = chosen(&facts, wish.instance).ok_or_else(|| no_such_instance(&service, wish.instance))?;
    let launch = Launch::prepare(&facts.definition.service, instance.index).map_err(|failure| {
        let title = "the environment cannot be made";
        Problem::new(StatusCode::CONFLICT, "no-environment", title, failure.to_string())
    })?;
    let wanted = launch.environment;
    let (has, uncompared) = match looks.environment(instance).await {
        None => (None, None),
        Some(Ok(has)) if !has.keys().any(|name| wanted.contains_key(name)) => {
            (None, Some("its process has cleared or overwritten its own".to_owned()))
        }
        Some(Ok(has)) => (Some(has), None),
        Some(Err(why)) => (None, Some(why)),
    };
    let mut variables = compare(&wanted, has.as_ref());
    if !wish.show_secrets {
        variables.iter_mut().for_each(hide);
    }
    let pid = instance.process.map(|(pid, _)| pid);
    Ok(json(&Environment { service, instance: instance.index, pid, uncompared, variables }))
}

/// The instance that was asked for; of several the first, where none was.
fn chosen(facts: &Facts, index: Option<u32>) -> Option<&InstanceFacts> {
    facts.instances.iter().find(|instance| index.is_none_or(|index| index == instance.index))
}

fn no_such_instance(service: &ServiceName, index: Option<u32>) -> Problem {
    let which = index.map_or_else(|| "instance".to_owned(), |index| format!("instance {index}"));
    let detail = format!("{service} has no {which}");
    Problem::new(StatusCode::NOT_FOUND, "no-such-service", "no such instance", detail)
        .hint(format!("`abide status {service}` lists those that there are"))
}

impl Looks {
    /// The variables that the process of `instance` has, or why they cannot be told; `None`: it has no process.
    async fn environment(&self, instance: &InstanceFacts) -> Option<Result<BTreeMap<String, String>, String>> {
        let (pid, ticks) = instance.process?;
        let main = Main { pid, start_ticks: Some(ticks) };
        let Some(read) = self.reading(move || look::environment(main)).await else {
            return Some(Err("it does not let its environment be read at the moment".to_owned()));
        };
        match read? {
            Ok(has) => Some(Ok(has.into_iter().collect())),
            Err(error) => Some(Err(format!("that of its process cannot be read: {error}"))),
        }
    }
}

/// What the definition gives, with how a process has it otherwise.
fn compare(wanted: &BTreeMap<String, String>, has: Option<&BTreeMap<String, String>>) -> Vec<Variable> {
    let names: BTreeSet<&String> = wanted.keys().chain(has.into_iter().flat_map(BTreeMap::keys)).collect();
    let variable = |name: &String| {
        let (ours, its) = (wanted.get(name), has.map(|has| has.get(name)));
        let process = match (ours, its) {
            (None, _) => Some(Difference::Only),
            (Some(_), Some(None)) => Some(Difference::Missing),
            (Some(ours), Some(Some(its))) if ours != its => Some(Difference::Other(its.clone())),
            _ => None,
        };
        let value = ours.or(its.flatten()).cloned().unwrap_or_default();
        Variable { name: name.clone(), value, masked: false, process }
    };
    names.into_iter().map(variable).collect()
}

/// Hides what looks like a secret, in both values.
fn hide(variable: &mut Variable) {
    let other = match &mut variable.process {
        Some(Difference::Other(value)) => Some(value),
        _ => None,
    };
    for value in std::iter::once(&mut variable.value).chain(other) {
        if let Some(shown) = masked(&variable.name, value) {
            *value = shown;
            variable.masked = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_a_process_has_otherwise_is_noted_and_secrets_are_hidden_on_both_sides() {
        let gives = variables(&[("A", "1"), ("B", "2"), ("DB_PASSWORD", "new"), ("NEW", "x")]);
        let has = variables(&[("A", "1"), ("B", "3"), ("DB_PASSWORD", "old"), ("MARK", "m")]);
        let mut all = compare(&gives, Some(&has));
        all.iter_mut().for_each(hide);
        let shown: Vec<_> =
            all.iter().map(|it| (it.name.as_str(), it.value.as_str(), it.masked, &it.process)).collect();
        let other = |value: &str| Some(Difference::Other(value.to_owned()));
        assert_eq!(
            shown,
            [
                ("A", "1", false, &None),
                ("B", "2", false, &other("3")),
                ("DB_PASSWORD", "***", true, &other("***")),
                ("MARK", "m", false, &Some(Difference::Only)),
                ("NEW", "x", false, &Some(Difference::Missing)),
            ]
        );
        assert!(compare(&gives, None).iter().all(|it| it.process.is_none()));
    }
}
