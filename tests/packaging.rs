//! What starts abide is right in the eyes of those who read it: systemd, and the checker of shells.

use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// Whether it is there; that it is not is said, and in CI a failure.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "CI=true and {program} is not installed");
    if !found {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

/// It must have nothing to say.
fn is_content(command: &mut Command) {
    let output = command.output().expect("it is there");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    if !has("systemd-analyze") {
        return;
    }
    // It looks for the program, which is not installed here, and at other units for what it names.
    let place = tempfile::tempdir().expect("a directory can be made");
    let unit = std::fs::read_to_string(packaging().join("systemd/abide.service")).expect("it is there");
    let path = place.path().join("abide.service");
    std::fs::write(&path, unit.replace("/usr/bin/abide", "/bin/true")).expect("it can be written");
    is_content(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(path));
}

#[test]
fn the_init_scripts_are_plain_shell() {
    if !has("shellcheck") {
        return;
    }
    is_content(Command::new("shellcheck").arg(packaging().join("sysv/abide")));
    // What OpenRC reads of a script is used by nobody in it.
    is_content(Command::new("shellcheck").args(["-s", "sh", "-e", "SC2034"]).arg(packaging().join("openrc/abide")));
}
