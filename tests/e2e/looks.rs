//! What the doors tell of processes and of the machine: usage, trees, environments, findings, metrics.

use super::world::{SLEEPER, World};
use abide::api::client::Client;
use abide::model::look::{InstanceUsage, Usage};
use serde::de::DeserializeOwned;

/// What abide answers, and how.
fn get(world: &World, path: &str) -> (u16, String) {
    let client = Client::new(&world.runtime()).expect("a runtime can be had");
    let reply = client.get(path).unwrap_or_else(|error| panic!("{path}: {error:?}\n{}", world.story()));
    (reply.status, String::from_utf8(reply.body.to_vec()).expect("text"))
}

/// The same, where it must be well, as a value.
fn look<T: DeserializeOwned>(world: &World, path: &str) -> T {
    let (status, body) = get(world, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// Waits until one instance's usage is as claimed.
fn usage_until(world: &World, name: &str, claim: &str, holds: impl Fn(&InstanceUsage) -> bool) {
    world.until_true(claim, || {
        let usage: Usage = look(world, "/v1/usage");
        usage.services.iter().any(|it| it.service.as_str() == name && holds(it))
    });
}

#[test]
fn usage_counts_the_whole_tree_its_time_its_memory_and_what_it_said() {
    let busy = "script = \"sh -c 'while :; do :; done' & sleep 86400 & echo hello; wait\"\n";
    let off = "enabled = false\ncommand = \"true\"\n";
    let world = World::with(&[("busy", busy), ("idle", SLEEPER), ("off", off)]);
    world.logged("busy", "hello");
    usage_until(&world, "busy", "a shell, a loop and a sleep", |it| it.processes == 3);
    usage_until(&world, "busy", "it uses time", |it| it.cpu_ms >= 50 && it.resident_bytes > 1 << 20);
    usage_until(&world, "busy", "its output is kept", |it| it.log_bytes.is_some_and(|bytes| bytes >= 5));
    usage_until(&world, "idle", "it does nothing", |it| it.processes == 1 && it.cpu_ms < 1000 && it.resident_bytes > 0);
    usage_until(&world, "off", "none", |it| (it.processes, it.cpu_ms, it.log_bytes) == (0, 0, Some(0)));
    world.drop_file("busy.toml", "command = [\"/bin/sleep\", \"86400\"]\nstop = { timeout = \"1s\" }\n");
    usage_until(&world, "busy", "a new run begins anew", |it| it.processes == 1 && it.cpu_ms < 50);
}

#[test]
fn many_who_ask_at_once_all_get_an_answer() {
    let world = World::with_sleepers("abcdefgh");
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let usage: Usage = look(&world, "/v1/usage");
                assert_eq!(usage.services.iter().map(|it| it.processes).sum::<u64>(), 8);
            });
        }
    });
}
