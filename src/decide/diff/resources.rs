//! What a change of `[resources]` costs.

use super::Changes;
use crate::model::plan::Price;
use crate::model::resources::{ResourceKind, Resources};

/// All of them can be set on what runs.
pub(super) fn diff(found: &mut Changes, old: Option<&Resources>, new: Option<&Resources>) {
    for kind in ResourceKind::ALL {
        let of = |resources: Option<&Resources>| resources.and_then(|resources| resources.get(kind));
        let (from, to) = (of(old), of(new));
        if from != to {
            let shown = |value: Option<u64>| value.map(|value| kind.show(value));
            found.push(format!("resources.{}", kind.key()), shown(from), shown(to), Price::Live);
        }
    }
}
