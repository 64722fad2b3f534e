//! The doors: who may what, over the control socket and over TCP, and what hostile clients cannot do.

mod access;
mod hostile;
pub(crate) mod http;
mod tcp;

use crate::process::{is_root, skip_for_users};
use crate::world::{SLEEPER, World};
use http::User;

/// Users that no system has.
const STRANGER: User = User { uid: 54_001, groups: &[] };
const READER: User = User { uid: 54_002, groups: &[] };
const OPERATOR: User = User { uid: 54_003, groups: &[] };
const MEMBER: User = User { uid: 54_004, groups: &[54_100] };

/// Whether this test can be somebody else.
fn can_be_another() -> bool {
    if !is_root() {
        skip_for_users("only root becomes another user");
    }
    is_root()
}

/// A world of web, web2 and db, with this `abide.toml`.
fn world_with(config: &str) -> World {
    let mut world = World::empty();
    world.replace(&world.root().join("abide.toml"), config);
    for name in ["web", "web2", "db"] {
        world.drop_file(&format!("{name}.toml"), SLEEPER);
    }
    world.start();
    // The first look and what it found need not be in the same snapshot.
    world.until("the services are known", |status| status.services.len() == 3);
    world
}

/// The names in a snapshot.
fn names(answer: &http::Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let services = answer.json()["services"].as_array().cloned().unwrap_or_default();
    services.iter().filter_map(|service| service["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_control_socket_is_there_while_abide_is_and_goes_with_it() {
    let mut world = World::with(&[("web", SLEEPER)]);
    let socket = world.runtime().join("control.sock");
    assert!(socket.exists());
    world.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(world.ended().success());
    assert!(!socket.exists(), "nobody answers there any more");
}
