//! An instance with another name: what is held under the old one is held under the new one, without a gap.
//!
//! Its slot, its pipe and its process know no name. Its cgroup keeps the one that it has, since Linux renames none:
//! [`Groups`](crate::host::cgroup::Groups) knows which, and so does the record of the seat.

use super::Host;
use crate::model::desired::Definition;
use crate::model::name::InstanceId;
use std::sync::Arc;

impl Host {
    /// What can be written down of it, before it is done: whose the seat is, and what its cgroup is called. Where its
    /// output goes is as before until [`Host::rename`], so that who comes after us sees what is still to be done.
    pub(super) fn reseat(&mut self, from: &InstanceId, to: &InstanceId) {
        if let Some(left) = self.seats.leave(to) {
            // Its instance is gone, and an errand that was never begun kept it.
            self.vacate(left.slot);
        }
        if let Some(seat) = self.seats.rename(from, to) {
            self.unwritten.insert(seat.slot);
            self.groups.rename(from, to);
        }
    }

    pub(super) fn rename(&mut self, from: &InstanceId, to: &InstanceId, definition: Arc<Definition>) {
        self.errands.rename(from, to);
        self.rename_board(from, to, Arc::clone(&definition));
        if let Some(refusals) = self.refusals.remove(&Some(from.clone())) {
            self.refusals.insert(Some(to.clone()), refusals);
        }
        let Some(seat) = self.seats.get(to) else { return };
        let numbered = seat.numbered;
        self.table.set_owner(seat.slot as usize, to.digest());
        self.set_log(to, definition, numbered);
    }
}
