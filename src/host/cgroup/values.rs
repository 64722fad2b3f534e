//! `[resources]` as the kernel's files have it, in both versions of cgroups.

use crate::model::resources::{Hierarchy, ResourceKind};

/// Microseconds in which processor time is given out: the kernel's default.
const PERIOD: u64 = 100_000;

/// What to write where, for `value`; `None`: no bound, or the usual share.
pub(super) fn writes(kind: ResourceKind, hierarchy: Hierarchy, value: Option<u64>) -> Vec<(&'static str, String)> {
    let or_max = |value: Option<u64>| value.map_or_else(|| "max".to_owned(), |value| value.to_string());
    let or_less_one = |value: Option<u64>| value.map_or_else(|| "-1".to_owned(), |value| value.to_string());
    let quota = value.map(|hundredths| hundredths.saturating_mul(PERIOD / 100));
    let weight = value.unwrap_or(100);
    match (hierarchy, kind) {
        (Hierarchy::Unified, ResourceKind::MemoryMax) => vec![("memory.max", or_max(value))],
        (Hierarchy::Unified, ResourceKind::CpuMax) => vec![("cpu.max", format!("{} {PERIOD}", or_max(quota)))],
        (Hierarchy::Unified, ResourceKind::CpuWeight) => vec![("cpu.weight", weight.to_string())],
        (_, ResourceKind::MemoryHigh) => vec![("memory.high", or_max(value))],
        (_, ResourceKind::IoWeight) => vec![("io.weight", format!("default {weight}"))],
        (_, ResourceKind::PidsMax) => vec![("pids.max", or_max(value))],
        (Hierarchy::Legacy, ResourceKind::MemoryMax) => vec![("memory.limit_in_bytes", or_less_one(value))],
        (Hierarchy::Legacy, ResourceKind::CpuMax) => {
            vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", or_less_one(quota))]
        }
        // 100 of v2 are 1024 of v1; both mean "as everybody".
        (Hierarchy::Legacy, ResourceKind::CpuWeight) => {
            vec![("cpu.shares", (weight.saturating_mul(1024) / 100).max(2).to_string())]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_kernel_reads_them() {
        let shown = |kind, hierarchy, value| {
            let writes = writes(kind, hierarchy, value);
            writes.iter().map(|(file, text)| format!("{file} {text}")).collect::<Vec<_>>().join("; ")
        };
        let (v1, v2) = (Hierarchy::Legacy, Hierarchy::Unified);
        assert_eq!(shown(ResourceKind::CpuMax, v2, Some(150)), "cpu.max 150000 100000");
        assert_eq!(shown(ResourceKind::CpuMax, v2, None), "cpu.max max 100000");
        assert_eq!(shown(ResourceKind::CpuMax, v1, Some(1)), "cpu.cfs_period_us 100000; cpu.cfs_quota_us 1000");
        assert_eq!(shown(ResourceKind::CpuMax, v1, None), "cpu.cfs_period_us 100000; cpu.cfs_quota_us -1");
        assert_eq!(shown(ResourceKind::CpuWeight, v1, Some(1)), "cpu.shares 10");
        assert_eq!(shown(ResourceKind::CpuWeight, v1, None), "cpu.shares 1024");
        assert_eq!(shown(ResourceKind::MemoryMax, v1, None), "memory.limit_in_bytes -1");
        assert_eq!(shown(ResourceKind::MemoryMax, v2, Some(1 << 20)), "memory.max 1048576");
        assert_eq!(shown(ResourceKind::IoWeight, v2, Some(50)), "io.weight default 50");
        assert_eq!(shown(ResourceKind::PidsMax, v1, None), "pids.max max");
    }
}
