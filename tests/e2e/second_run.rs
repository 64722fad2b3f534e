//! Two supervisors for one place are one too many.

use super::world::{Start, World, code, said};

#[test]
fn a_second_run_ends_and_names_the_first_ones_pid() {
    let world = World::with_sleepers("a");
    let pid = world.pid("a");
    let services = world.services().display().to_string();
    let second = world.abide(&["run", &services]);
    assert!(!matches!(code(&second), 0), "{}", said(&second));
    assert!(said(&second).contains(&world.keeper().to_string()), "{}", said(&second));
    assert_eq!(world.pid("a"), pid, "and the first goes on");
    assert!(super::process::alive(world.keeper()));
}

#[test]
fn a_run_after_an_orderly_end_starts_everything_again() {
    let mut world = World::with_sleepers("ab");
    let pid = world.pid("a");
    world.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(world.ended().code(), Some(0));
    world.start();
    world.pid_after("a", pid);
    world.pid("b");
}

#[test]
fn a_second_abide_on_the_same_directory_is_warned_and_not_refused() {
    let first = World::with_sleepers("a");
    let pid = first.pid("a");
    let mut second = World::empty();
    second.start_as(&Start { directories: Some(vec![first.services()]), ..Start::default() });
    let status = second.until("it says so", |status| !status.abide.notes.is_empty());
    assert!(status.abide.notes[0].contains("its services run twice"), "{:?}", status.abide.notes);
    assert_ne!(second.pid("a"), pid);
    assert!(first.status().expect("it runs").abide.notes.is_empty());
}
