//! `[log] command`: a service that reads another's output comes before it and goes after it.

use crate::services::{name, running};
use crate::world::{World, instance_status, state};
use abide::model::logging::{LogPolicy, LogWay};
use abide::model::name::ServiceName;
use abide::model::outcome::Exit;
use abide::model::policy::Order;
use abide::model::service::Service;
use abide::model::status::State;

fn piped(text: &str, command: &str) -> Service {
    let log = LogPolicy { way: Some(Box::new(LogWay::Command(vec![command.to_owned()]))), ..LogPolicy::default() };
    let order = Order { wants: vec![name(&format!("{text}.log"))], ..Order::default() };
    Service { log, order: Some(Box::new(order)), ..running(text, "/bin/serve") }
}

fn is_there(world: &World, text: &str) -> bool {
    world.fleet.names().any(|there: &ServiceName| there.as_str() == text)
}

#[test]
fn it_comes_first_and_goes_last_at_the_end_of_its_input() {
    let mut world = World::new();
    world.write(piped("web", "/bin/eat"));
    world.settle();
    assert_eq!((state(&world, "web"), state(&world, "web.log")), (State::Running, State::Running));
    let told = world.told();
    let (reader, writer) = (told.find("web.log: starting -> running"), told.find("web: starting -> running"));
    assert!(reader.is_some() && reader < writer, "{told}");
    world.remove("web");
    world.settle();
    let told = world.told();
    let (writer, reader) = (told.find("closed web@0"), told.find("web.log@0: end of its input"));
    assert!(writer.is_some() && writer < reader, "{told}");
    assert!(told.contains("closed web.log@0") && !told.contains("web.log@0: TERM"), "{told}");
}

#[test]
fn another_command_is_no_news_to_the_service() {
    let mut world = World::new();
    world.write(piped("web", "/bin/eat"));
    world.settle();
    let (web, log) = (instance_status(&world, "web").pid, instance_status(&world, "web.log").pid);
    world.write(piped("web", "/bin/devour"));
    world.settle();
    assert_eq!(instance_status(&world, "web").pid, web);
    assert_ne!(instance_status(&world, "web.log").pid, log);
    // It dies and is there again; so is the service.
    world.crash("web.log", Exit::Code(1));
    world.settle();
    assert_eq!((state(&world, "web.log"), instance_status(&world, "web").pid), (State::Running, web));
    // Without one the service writes to another pipe, for which it has to begin anew.
    world.write(running("web", "/bin/serve"));
    world.settle();
    assert_ne!(instance_status(&world, "web").pid, web);
    assert_eq!(state(&world, "web"), State::Running);
    assert!(!is_there(&world, "web.log"));
}

#[test]
fn two_services_never_share_its_name() {
    let mut world = World::new();
    world.write(running("web.log", "/bin/other"));
    world.write(piped("web", "/bin/eat"));
    world.settle();
    // The file was first, and what has no reader does not run.
    assert_eq!(state(&world, "web.log"), State::Running);
    assert!(instance_status(&world, "web.log").pid.is_some());
    assert!(world.fleet.names().all(|there| there.as_str() != "web") || state(&world, "web") != State::Running);
    world.remove("web.log");
    world.settle();
    assert_eq!((state(&world, "web"), state(&world, "web.log")), (State::Running, State::Running));
    // And the other way round.
    let pid = instance_status(&world, "web.log").pid;
    world.write(running("web.log", "/bin/other"));
    world.settle();
    assert_eq!(instance_status(&world, "web.log").pid, pid);
}
