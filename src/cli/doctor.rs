//! `abide doctor`: what the machine and the rights of abide allow. Asks the daemon; where none runs, looks itself.

use super::args::inspect::DoctorArgs;
use super::talk::{Refusal, Talk, complain};
use super::{exit, say};
use crate::host::doctor;
use crate::model::look::{Finding, Findings, Level};
use crate::render::look::findings;

/// Shows it; the exit code tells whether something is to be done.
pub(super) fn run(args: &DoctorArgs) -> u8 {
    let all = match asked(args) {
        Ok(all) => all,
        Err(refusal) => return refusal.told("doctor"),
    };
    if args.json {
        say(&format!("{}\n", serde_json::to_string(&all).expect("the model has string keys only")));
    } else {
        say(&findings(&all.findings, &super::status::page_style()));
    }
    let is_well = all.findings.iter().all(|finding| finding.level == Level::Ok);
    if is_well { exit::OK } else { exit::ERRORS }
}

fn asked(args: &DoctorArgs) -> Result<Findings, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    match talk.get("/v1/doctor") {
        Err(refusal) if refusal.is_absence() => {
            complain("doctor", "no abide runs here; this is what one would have that was started like this command");
            let disks = doctor::look_at_disks(&talk.places.directories());
            let found: Vec<Finding> = doctor::look(None).into_iter().chain(disks).collect();
            Ok(Findings { findings: found })
        }
        answer => answer,
    }
}
