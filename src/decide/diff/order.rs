//! `after`, `requires`, `wants`: whoever runs goes on running, unless what it now requires is not up.

use super::Changes;
use crate::model::name::ServiceName;
use crate::model::plan::Price;
use crate::model::policy::Order;

pub(super) fn diff(found: &mut Changes, old: Option<&Order>, new: Option<&Order>) {
    let none = Order::default();
    let (Order { after, requires, wants }, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    for (key, old, new) in
        [("after", after, &new.after), ("requires", requires, &new.requires), ("wants", wants, &new.wants)]
    {
        found.texts(key, list(old), list(new), Price::Live);
    }
}

fn list(names: &[ServiceName]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
