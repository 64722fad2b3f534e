//! `after`, `requires`, `wants`: whoever runs goes on running, unless what it now requires is not up.

use super::Changes;
use crate::model::name::ServiceName;
use crate::model::plan::Price;
use crate::model::policy::Order;

pub(super) fn diff(found: &mut Changes, old: Option<&Order>, new: Option<&Order>) {
    let none = Order::default();
    let (Order { after, requires, wants }, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let list = |names: &Vec<ServiceName>| names.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
    found.field("after", after, &new.after, list, Price::Live);
    found.field("requires", requires, &new.requires, list, Price::Live);
    found.field("wants", wants, &new.wants, list, Price::Live);
}
