//! Logs that are to be rotated or opened anew: who asked for it is told once it is done.

use crate::log::order::Order;

/// Orders about logs that the logger has not answered yet, in their order.
#[derive(Debug, Default)]
pub struct Tending {
    last: u64,
    open: Vec<(u64, u32, bool)>,
}

impl Tending {
    /// One more.
    pub(super) fn order(&mut self, slot: u32, rotate: bool) -> Order {
        self.last += 1;
        self.open.push((self.last, slot, rotate));
        Order::Tend { slot, rotate, number: self.last }
    }

    /// This one is done, and all before it that were about the same slot.
    pub(super) fn done(&mut self, slot: u32, number: u64) {
        self.open.retain(|(known, of, _)| *of != slot || *known > number);
    }

    /// All that are open, for a logger that knows of none.
    pub(super) fn orders(&self) -> impl Iterator<Item = Order> {
        self.open.iter().map(|(number, slot, rotate)| Order::Tend { slot: *slot, rotate: *rotate, number: *number })
    }

    /// The last that was given.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether all up to `number` are done.
    pub fn is_done_to(&self, number: u64) -> bool {
        self.open.first().is_none_or(|(open, ..)| *open > number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_due_once_all_up_to_it_are_done() {
        let mut tending = Tending::default();
        assert!(tending.is_done_to(tending.last()));
        for slot in [4, 5, 4] {
            tending.order(slot, true);
        }
        tending.done(5, 2);
        assert!(!tending.is_done_to(1) && tending.is_done_to(0));
        assert_eq!(tending.orders().count(), 2);
        // The second answer about a slot is one to both.
        tending.done(4, 3);
        assert!(tending.is_done_to(3) && tending.orders().next().is_none());
    }
}
