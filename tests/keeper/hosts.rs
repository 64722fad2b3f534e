//! The host, inside a real supervisor, with a logger that the test plays.

use crate::holds;
use crate::rig::{Rig, define, instance};
use crate::stage::command;
use abide::decide::effect::Effect;
use abide::decide::event::Event;
use abide::host::perform::Trouble;
use abide::log::order::Report;
use abide::model::logging::LogPolicy;

pub(crate) fn another_logger(mut rig: Rig) {
    let definition = define(command(&["true"]));
    let instance = instance(&definition);
    rig.spawn(1, &definition);
    rig.exited(1);
    assert_eq!(rig.logger.orders(), [1]);
    let Rig { host, logger, .. } = &mut rig;

    logger.report(&Report::Dropped { slot: 1, bytes: 20, lines: 2 });
    logger.report(&Report::Dropped { slot: 0, bytes: 20, lines: 2 });
    logger.report(&Report::Trouble { slot: 0, message: Some("no space".into()) });
    logger.report(&Report::Hello);
    // It finds in the table what the one before it had lost.
    logger.report(&Report::Dropped { slot: 1, bytes: 30, lines: 3 });
    host.reports();
    assert_eq!(logger.orders(), [0, 1]);
    let drops: Vec<_> = std::iter::from_fn(|| host.next_event()).collect();
    assert!(matches!(drops[..], [Event::LogDropped { bytes: 20, .. }, Event::LogDropped { bytes: 30, lines: 3, .. }]));
    // What would be said in that very log, and then of that.
    assert_eq!(host.take_troubles(), []);
    assert_eq!((host.own_log().trouble.as_deref(), host.own_log().lines_lost), (Some("no space"), 2));

    let kept = LogPolicy { max_files: 3, ..LogPolicy::default() };
    host.keep_own_log(kept.clone());
    host.keep_own_log(kept);
    assert_eq!(logger.orders(), [0]);

    logger.report(&Report::Trouble { slot: 1, message: Some("no space".into()) });
    host.reports();
    let trouble = Trouble { instance: Some(instance.clone()), numbered: false, message: "no space".into() };
    assert_eq!(host.take_troubles(), [trouble]);

    host.perform(Effect::Close { instance });
    assert_eq!(logger.orders(), [-1]);
    logger.report(&Report::Hello);
    host.reports();
    assert_eq!(logger.orders(), [0, 1, -1], "the successor reads what the pipe still holds");
}

#[test]
fn another_logger_is_told_everything_and_losses_add_up() {
    holds("another-logger");
}
