//! `abide env`: the environment that the process of a service gets.

use super::args::inspect::EnvArgs;
use super::talk::{Refusal, Talk, complain};
use super::{exit, say};
use crate::api::client::encoded;
use crate::model::look::Environment;
use crate::render::look::environment;

/// Shows it.
pub(super) fn run(args: &EnvArgs) -> u8 {
    if args.name.names.is_pattern() || args.name.state.is_some() {
        complain("env", &format!("{} can mean several services; name one (web), or an instance (web@2)", args.name));
        return exit::USAGE;
    }
    attempt(args).unwrap_or_else(|refusal| refusal.told("env"))
}

fn attempt(args: &EnvArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let (name, secrets) = (encoded(args.name.names.as_str()), args.show_secrets);
    let instance = args.name.index.map_or_else(String::new, |index| format!("&instance={index}"));
    let found: Environment = talk.get(&format!("/v1/services/{name}/env?show_secrets={secrets}{instance}"))?;
    if args.json {
        say(&format!("{}\n", serde_json::to_string(&found).expect("the model has string keys only")));
    } else {
        say(&environment(&found, &super::status::page_style()));
    }
    Ok(exit::OK)
}
