//! Programs of supervisord's files that do not start by themselves: held from when they are found, until somebody starts
//! them.
//!
//! Such a hold is like any other, but for who put it: the file does, and takes it back if it says something else.

use super::fleet::Fleet;
use crate::model::desired::Definition;
use crate::model::name::ServiceName;
use crate::model::order::{Author, Hold};
use crate::model::selector::Target;

/// Who holds them.
const FILE: &str = "`autostart=false`";

impl Fleet {
    /// `new` comes into force for `name`, in place of `old`.
    pub(super) fn heed_autostart(&mut self, name: &ServiceName, old: Option<&Definition>, new: &Definition) {
        let starts = |definition: &Definition| definition.service.program.as_ref().is_none_or(|it| it.autostart);
        let target = Target { service: name.clone(), index: None };
        if old.is_none() && !starts(new) && self.holds.whole(name).is_none() {
            let by = Author { name: FILE.to_owned(), ..Author::default() };
            let hold = Hold { by, reason: None, since: self.turn.now.wall, until: None };
            self.holds.put(&target, hold.clone(), None);
            self.keep(target, &hold);
        } else if starts(new) && self.holds.whole(name).is_some_and(|hold| hold.by.name == FILE) {
            self.lift(&target);
        }
    }
}
