//! How many may be in at once, in all and of one origin, and who has to go when another comes: first those who only
//! sit there, of whom there are the most.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many visitors at once.
const MOST: usize = 256;
/// So many of these are kept for root and for abide's own user, who have to get in whoever else is there.
const KEPT: usize = 32;
/// So many from one origin.
const MOST_OF_ONE: usize = 128;

/// Where a visitor comes from: who fills the hall fills it for their own origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Root, or the user that abide runs as.
    Sovereign,
    /// A user of this machine.
    User(u32),
    /// An address; of IPv6 the network, which is as easily had as an address.
    Address(IpAddr),
}

impl Origin {
    /// Of who comes from that address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self::Address(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into()),
            address @ IpAddr::V4(_) => Self::Address(address),
        }
    }

    fn most(self) -> usize {
        if self == Self::Sovereign { MOST } else { MOST_OF_ONE }
    }

    fn most_in_all(self) -> usize {
        if self == Self::Sovereign { MOST } else { MOST - KEPT }
    }
}

/// The places of all visitors.
#[derive(Debug, Default)]
pub(super) struct Hall(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    /// Grows with whatever happens.
    clock: u64,
    taken: HashMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    origin: Origin,
    /// Answers on their way.
    busy: usize,
    /// When it was last busy, or came.
    since: u64,
    leave: Arc<Notify>,
}

/// The place of one visitor, theirs until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    hall: Arc<Hall>,
    number: u64,
    leave: Arc<Notify>,
}

/// While it is held, an answer is on its way to that place.
#[derive(Debug)]
pub(super) struct Busy {
    hall: Arc<Hall>,
    number: u64,
}

impl Hall {
    /// A place for one more. `None`: all are taken by visitors who are being served.
    pub(super) fn enter(self: &Arc<Self>, origin: Origin) -> Option<Seat> {
        let mut places = self.places();
        if places.count(origin) >= origin.most() {
            places.send_away(origin)?;
        } else if places.taken.len() >= origin.most_in_all() {
            let crowd = places.crowd()?;
            places.send_away(crowd)?;
        }
        places.clock += 1;
        let (number, leave) = (places.clock, Arc::new(Notify::new()));
        places.taken.insert(number, Place { origin, busy: 0, since: number, leave: Arc::clone(&leave) });
        Some(Seat { hall: Arc::clone(self), number, leave })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn count(&self, origin: Origin) -> usize {
        self.taken.values().filter(|place| place.origin == origin).count()
    }

    /// The origin of the most visitors of whom one can be sent away.
    fn crowd(&self) -> Option<Origin> {
        let idle = self.taken.values().filter(|place| place.busy == 0).map(|place| place.origin);
        idle.max_by_key(|origin| self.count(*origin))
    }

    /// Sends away the one of that origin who has been idle for the longest.
    fn send_away(&mut self, origin: Origin) -> Option<()> {
        let idle = self.taken.iter().filter(|(_, place)| place.origin == origin && place.busy == 0);
        let number = *idle.min_by_key(|(_, place)| place.since)?.0;
        self.taken.remove(&number)?.leave.notify_one();
        Some(())
    }
}

impl Seat {
    /// Comes when another needs the place more.
    pub(super) async fn must_leave(&self) {
        self.leave.notified().await;
    }

    /// An answer begins.
    pub(super) fn busy(&self) -> Busy {
        if let Some(place) = self.hall.places().taken.get_mut(&self.number) {
            place.busy += 1;
        }
        Busy { hall: Arc::clone(&self.hall), number: self.number }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hall.places().taken.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut places = self.hall.places();
        places.clock += 1;
        let now = places.clock;
        if let Some(place) = places.taken.get_mut(&self.number) {
            place.busy -= 1;
            place.since = now;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a seat still is in the hall.
    fn stays(seat: &Seat) -> bool {
        seat.hall.places().taken.contains_key(&seat.number)
    }

    #[test]
    fn who_sits_there_longest_goes_first_and_who_is_served_stays() {
        let hall = Arc::new(Hall::default());
        let seats: Vec<Seat> = (0..MOST_OF_ONE).map(|_| hall.enter(Origin::User(1)).unwrap()).collect();
        let busy = seats[0].busy();
        let one_more = hall.enter(Origin::User(1)).unwrap();
        assert!(stays(&seats[0]) && !stays(&seats[1]) && stays(&seats[2]) && stays(&one_more));
        drop(busy);
        // It was busy a moment ago, and so is the last to go.
        let _another = hall.enter(Origin::User(1)).unwrap();
        assert!(stays(&seats[0]) && !stays(&seats[2]));
    }

    #[test]
    fn a_crowd_that_is_served_leaves_room_for_root() {
        let hall = Arc::new(Hall::default());
        let mut kept = Vec::new();
        for user in 1..=4 {
            for _ in 0..MOST_OF_ONE {
                if let Some(seat) = hall.enter(Origin::User(user)) {
                    kept.push((seat.busy(), seat));
                }
            }
        }
        assert_eq!(kept.len(), MOST - KEPT);
        assert!(hall.enter(Origin::User(9)).is_none() && hall.enter(Origin::Sovereign).is_some());
    }

    #[test]
    fn a_stranger_gets_in_at_the_cost_of_the_crowd() {
        let hall = Arc::new(Hall::default());
        let few: Vec<Seat> = (0..3).map(|_| hall.enter(Origin::User(7)).unwrap()).collect();
        let crowds =
            [1, 2].map(|user| (0..MOST_OF_ONE).filter_map(|_| hall.enter(Origin::User(user))).collect::<Vec<_>>());
        let guest = hall.enter(Origin::Address("192.0.2.1".parse().unwrap())).unwrap();
        assert!(stays(&guest) && few.iter().all(stays));
        assert!(crowds.iter().flatten().filter(|seat| stays(seat)).count() < MOST - KEPT);
    }

    #[test]
    fn addresses_of_one_network_are_one_origin() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    proptest! {
        #[test]
        fn no_crowd_ever_grows_beyond_its_bounds(steps in prop::collection::vec((0_u32..5, 0_u8..4), 0..800)) {
            let hall = Arc::new(Hall::default());
            let (mut seats, mut busy) = (Vec::new(), Vec::new());
            for (user, step) in steps {
                let origin = if user == 0 { Origin::Sovereign } else { Origin::User(user) };
                match step {
                    0 | 1 => seats.extend(hall.enter(origin)),
                    2 => busy.extend(seats.last().map(Seat::busy)),
                    _ => drop((seats.pop(), busy.pop())),
                }
                let places = hall.places();
                prop_assert!(places.taken.len() <= MOST && places.count(Origin::User(user)) <= MOST_OF_ONE);
            }
            drop((seats, busy));
            prop_assert!(hall.places().taken.is_empty());
        }
    }
}
