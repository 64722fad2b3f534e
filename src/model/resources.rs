//! What a service's processes together may use: cgroup values.

use super::units;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `[resources]`: what is not named is not bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes beyond which the kernel kills.
    pub memory_max: Option<u64>,
    /// Bytes beyond which it is slowed and reclaimed from.
    pub memory_high: Option<u64>,
    /// Its share of the processors against others, 1 to 10,000; the kernel's default is 100.
    pub cpu_weight: Option<u64>,
    /// Processor time, in hundredths of one processor: 150 is one and a half.
    pub cpu_max: Option<u64>,
    /// How many processes and threads.
    pub pids_max: Option<u64>,
    /// Its share of the disks against others, 1 to 10,000; the kernel's default is 100.
    pub io_weight: Option<u64>,
}

/// The values of `[resources]`, by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the key is the documentation; the reference describes each")]
pub enum ResourceKind {
    MemoryMax,
    MemoryHigh,
    CpuWeight,
    CpuMax,
    PidsMax,
    IoWeight,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::MemoryMax, Self::MemoryHigh, Self::CpuWeight, Self::CpuMax, Self::PidsMax, Self::IoWeight];

    /// The key under `[resources]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::MemoryMax => "memory_max",
            Self::MemoryHigh => "memory_high",
            Self::CpuWeight => "cpu_weight",
            Self::CpuMax => "cpu_max",
            Self::PidsMax => "pids_max",
            Self::IoWeight => "io_weight",
        }
    }

    /// Who keeps it.
    pub fn controller(self) -> Controller {
        match self {
            Self::MemoryMax | Self::MemoryHigh => Controller::Memory,
            Self::CpuWeight | Self::CpuMax => Controller::Cpu,
            Self::PidsMax => Controller::Pids,
            Self::IoWeight => Controller::Io,
        }
    }

    /// A value as the service file has it.
    pub fn show(self, value: u64) -> String {
        match self {
            Self::MemoryMax | Self::MemoryHigh => units::size(value),
            Self::CpuMax => format!("{value}%"),
            Self::CpuWeight | Self::PidsMax | Self::IoWeight => value.to_string(),
        }
    }
}

impl Resources {
    /// The value of `kind`, if it is named.
    pub fn get(&self, kind: ResourceKind) -> Option<u64> {
        match kind {
            ResourceKind::MemoryMax => self.memory_max,
            ResourceKind::MemoryHigh => self.memory_high,
            ResourceKind::CpuWeight => self.cpu_weight,
            ResourceKind::CpuMax => self.cpu_max,
            ResourceKind::PidsMax => self.pids_max,
            ResourceKind::IoWeight => self.io_weight,
        }
    }

    /// Those that are named.
    pub fn named(&self) -> impl Iterator<Item = (ResourceKind, u64)> {
        ResourceKind::ALL.into_iter().filter_map(|kind| Some((kind, self.get(kind)?)))
    }
}

/// A cgroup controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum Controller {
    Memory,
    Cpu,
    Pids,
    Io,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Pids, Self::Io];

    /// As the kernel names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Io => "io",
        }
    }
}

/// In which of the two kinds of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hierarchy {
    /// Version 1: a mount for each controller.
    Legacy,
    /// Version 2: one for all.
    Unified,
}

/// What cgroups abide has here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cgroups {
    /// The directory (cgroup v2) that holds a group for each instance; absent where there is none:
    /// process groups then stand for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Controllers of v2 that can be had.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub v2: BTreeSet<Controller>,
    /// Those that v1 has instead.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub v1: BTreeSet<Controller>,
    /// Why there is none, or no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Cgroups {
    /// Where `kind` can be had; else why not.
    pub fn place(&self, kind: ResourceKind) -> Result<Hierarchy, String> {
        let controller = kind.controller();
        let only_v2 = matches!(kind, ResourceKind::MemoryHigh | ResourceKind::IoWeight);
        if self.v2.contains(&controller) {
            return Ok(Hierarchy::Unified);
        }
        match (self.v1.contains(&controller), &self.note) {
            (true, _) if !only_v2 => Ok(Hierarchy::Legacy),
            (true, _) => {
                Err(format!("the {} controller is one of cgroup v1 here, which has no such value", controller.name()))
            }
            (false, Some(note)) => Err(note.clone()),
            (false, None) => Err(format!("there is no {} controller here", controller.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_serves_where_v2_lacks_the_controller_and_knows_four_values() {
        let v1 = [Controller::Memory, Controller::Cpu, Controller::Pids].into();
        let here = Cgroups { v1, ..Cgroups::default() };
        let had: Vec<_> = ResourceKind::ALL.into_iter().filter(|kind| here.place(*kind).is_ok()).collect();
        let four = [ResourceKind::MemoryMax, ResourceKind::CpuWeight, ResourceKind::CpuMax, ResourceKind::PidsMax];
        assert_eq!(had, four);
        let both = Cgroups { v2: [Controller::Memory].into(), ..here };
        assert_eq!(both.place(ResourceKind::MemoryHigh), Ok(Hierarchy::Unified));
        assert_eq!(both.place(ResourceKind::PidsMax), Ok(Hierarchy::Legacy));
    }
}
