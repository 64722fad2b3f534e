//! `abide tree`: the processes of services.

use super::args::inspect::TreeArgs;
use super::talk::{Refusal, Talk, listed};
use super::{exit, say};
use crate::api::client::encoded;
use crate::model::look::{Trees, Usage};
use crate::model::name::ServiceName;
use crate::render::look::trees;
use std::collections::{BTreeMap, BTreeSet};

/// Shows them.
pub(super) fn run(args: &TreeArgs) -> u8 {
    attempt(args).unwrap_or_else(|refusal| refusal.told("tree"))
}

fn attempt(args: &TreeArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let query = if args.names.is_empty() { String::new() } else { format!("?names={}", listed(&args.names)) };
    let usage: Usage = talk.get(&format!("/v1/usage{query}"))?;
    let mut meant: BTreeMap<ServiceName, BTreeSet<u32>> = BTreeMap::new();
    for instance in usage.services {
        meant.entry(instance.service).or_default().insert(instance.instance);
    }
    let mut all: Vec<Trees> = Vec::with_capacity(meant.len());
    for (name, indices) in meant {
        let mut found: Trees = talk.get(&format!("/v1/services/{}/tree", encoded(name.as_str())))?;
        found.instances.retain(|instance| indices.contains(&instance.index));
        all.push(found);
    }
    if args.json {
        say(&format!("{}\n", serde_json::to_string(&all).expect("the model has string keys only")));
    } else {
        say(&trees(&all, &super::status::page_style()));
    }
    Ok(exit::OK)
}
