//! What supervisord's clients know of a service. Most of it is for them alone, or told by the fields that follow from it.

use super::Changes;
use crate::model::plan::Price;
use crate::model::program::Program;

/// All of it.
pub(super) fn diff(found: &mut Changes, old: Option<&Program>, new: Option<&Program>) {
    let shown = |program: Option<&Program>| program.map(Program::shown);
    // Its own name, and its group's, stand in its environment.
    found.texts("program", shown(old), shown(new), Price::Restart);
    let (Some(old), Some(new)) = (old, new) else { return };
    let Program {
        group: _,
        process: _,
        section: _,
        group_priority,
        priority,
        autostart,
        command: _,
        directory: _,
        uid: _,
        umask,
        exit_codes: _,
        start_seconds: _,
    } = old;
    let number = |number: i64| number.to_string();
    found.field("group priority", *group_priority, new.group_priority, number, Price::Live);
    found.field("priority", *priority, new.priority, number, Price::Live);
    found.field("autostart", *autostart, new.autostart, |on| on.to_string(), Price::Live);
    let mask = |mask: &Option<u32>| mask.map(|mask| format!("{mask:04o}"));
    found.texts("umask", mask(umask), mask(&new.umask), Price::Restart);
}
