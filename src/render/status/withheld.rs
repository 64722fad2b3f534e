//! What the files say and abide does not do (yet), in sentences.

use super::words::clean;
use crate::model::name::ServiceName;
use crate::model::status::{RolloutState, Suspended, Withheld};

/// So many services are named.
const NAMED: usize = 4;

/// One sentence for each thing that holds something back, with what ends it.
pub fn withheld(withheld: &Withheld) -> Vec<String> {
    let Withheld { guard, rollout, batch, suspended } = withheld;
    let mut all = Vec::new();
    if !guard.removals.is_empty() {
        let names = some(&guard.removals);
        let files = if guard.removals.len() == 1 { "the file of" } else { "the files of" };
        all.push(format!("{files} {names} are gone, too many at once to be believed: `abide confirm` lets them go"));
    }
    match rollout.state {
        RolloutState::Idle => {}
        RolloutState::Rolling => {
            let sentence = format!("restarts after an edit: {} of {} done", rollout.done, rollout.total);
            all.push(sentence);
        }
        RolloutState::Paused => all.push(format!(
            "restarts after an edit stopped at {} of {}, since {} failed: mend that, or `abide resume` goes on",
            rollout.done,
            rollout.total,
            some(&rollout.failed)
        )),
    }
    if let Some(batch) = batch {
        let files: Vec<_> = batch.files.iter().take(NAMED).map(|file| clean(file)).collect();
        all.push(format!(
            "{} wait until all of their batch is good: {} is not",
            some(&batch.waiting),
            files.join(", ")
        ));
    }
    all.extend(suspended.iter().map(suspension));
    all
}

fn suspension(one: &Suspended) -> String {
    let (what, end) = match (&one.service, &one.directory) {
        (Some(service), _) => (format!("{service} is"), format!("`abide resume {service}` ends that")),
        (None, Some(directory)) => {
            let directory = clean(directory);
            (format!("{directory} is"), format!("remove {directory}/.abide-hold to go on"))
        }
        (None, None) => ("everything is".to_owned(), "`abide resume` ends that".to_owned()),
    };
    let reason = one.hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
    let waits = match one.waiting.len() {
        0 => String::new(),
        _ => format!("; edits of {} wait", some(&one.waiting)),
    };
    format!("{what} suspended by {}{reason}{waits}; {end}", clean(&one.hold.by.name))
}

fn some(names: &[ServiceName]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(ServiceName::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::order::{Author, Hold};
    use crate::model::status::{BatchStatus, GuardState, GuardStatus, RolloutStatus};
    use crate::model::time::Wall;

    fn names(count: usize) -> Vec<ServiceName> {
        (0..count).map(|index| ServiceName::new(&format!("s{index}")).unwrap()).collect()
    }

    #[test]
    fn nothing_is_held_back_and_nothing_is_said() {
        assert_eq!(withheld(&Withheld::default()), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_held_back_says_how_it_ends() {
        let by = Author { name: "root".to_owned(), ..Author::default() };
        let hold = Hold { by, reason: Some("holi\u{1b}days".to_owned()), since: Wall(0), until: None };
        let suspended = Suspended { service: None, directory: None, hold, waiting: names(1) };
        let all = withheld(&Withheld {
            guard: GuardStatus { state: GuardState::Holding, removals: names(6), since: None, release: String::new() },
            rollout: RolloutStatus { state: RolloutState::Paused, done: 2, total: 9, failed: names(2) },
            batch: Some(BatchStatus { waiting: names(1), files: vec!["d/b.toml".to_owned()] }),
            suspended: vec![suspended],
        });
        assert_eq!(
            all[0],
            "the files of s0, s1, s2, s3 and 2 more are gone, too many at once to be believed: `abide confirm` lets them go"
        );
        assert!(all[1].contains("stopped at 2 of 9, since s0, s1 failed"), "{}", all[1]);
        assert_eq!(all[2], "s0 wait until all of their batch is good: d/b.toml is not");
        assert!(
            all[3].starts_with("everything is suspended by root: holi") && !all[3].contains('\u{1b}'),
            "{}",
            all[3]
        );
    }
}
