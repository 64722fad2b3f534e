//! What services use: cumulative samples of `GET /v1/usage` to rates. Pure.

use crate::model::look::Usage;
use crate::model::selector::Target;
use crate::model::time::Wall;
use std::collections::BTreeMap;

/// What one instance uses at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// How many processes.
    pub processes: u64,
    /// Processor time since the start, in milliseconds.
    pub cpu_ms: u64,
    /// Thousandths of one processor; not known before the second sample.
    pub cpu: Option<u64>,
    /// Resident bytes.
    pub memory: Option<u64>,
    /// Bytes of log a second; not known before the second sample.
    pub log: Option<u64>,
}

/// The last samples, and what they came to.
#[derive(Debug, Default)]
pub(super) struct Samples {
    at: Option<Wall>,
    last: BTreeMap<Target, (u64, Option<u64>)>,
    /// What each instance uses, by service and number.
    pub used: BTreeMap<Target, Used>,
}

impl Samples {
    /// Takes the next sample in.
    pub(super) fn take(&mut self, usage: Usage) {
        let passed = self.at.map(|at| usage.at.0.saturating_sub(at.0)).and_then(|micros| u64::try_from(micros).ok());
        let passed = passed.filter(|micros| *micros > 0);
        self.at = Some(usage.at);
        let mut last = BTreeMap::new();
        self.used = BTreeMap::new();
        for sample in usage.services {
            let target = Target { service: sample.service, index: Some(sample.instance) };
            let before = self.last.get(&target).copied();
            let rate = |now: u64, before: Option<u64>, unit: u64| {
                // A counter that fell is another process, or another file.
                let grown = now.checked_sub(before?)?;
                Some((u128::from(grown) * u128::from(unit) / u128::from(passed?)) as u64)
            };
            let used = Used {
                processes: sample.processes,
                cpu_ms: sample.cpu_ms,
                cpu: rate(sample.cpu_ms, before.map(|it| it.0), 1_000_000),
                memory: Some(sample.resident_bytes),
                log: sample.log_bytes.and_then(|bytes| rate(bytes, before.and_then(|it| it.1), 1_000_000)),
            };
            last.insert(target.clone(), (sample.cpu_ms, sample.log_bytes));
            self.used.insert(target, used);
        }
        self.last = last;
    }

    /// Forgets everything: the next sample is a first one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Processor, memory and log of all.
    pub(super) fn sums(&self) -> Used {
        let mut sum = Used::default();
        let add = |a: Option<u64>, b: Option<u64>| if a.is_none() { b } else { a.map(|a| a + b.unwrap_or(0)) };
        for used in self.used.values() {
            sum.processes += used.processes;
            sum.cpu = add(sum.cpu, used.cpu);
            sum.memory = add(sum.memory, used.memory);
            sum.log = add(sum.log, used.log);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::look::InstanceUsage;
    use crate::model::name::ServiceName;

    fn usage(seconds: i64, cpu_ms: u64, log_bytes: u64) -> Usage {
        let service = ServiceName::new("web").expect("legal");
        let log_bytes = Some(log_bytes);
        let sample =
            InstanceUsage { service, instance: 0, pid: Some(7), processes: 2, cpu_ms, resident_bytes: 4096, log_bytes };
        Usage { at: Wall(seconds * 1_000_000), services: vec![sample] }
    }

    #[test]
    fn rates_need_two_samples_and_a_counter_that_fell_is_none() {
        let mut samples = Samples::default();
        samples.take(usage(10, 500, 100));
        let sum = samples.sums();
        assert_eq!((sum.cpu, sum.memory, sum.log), (None, Some(4096), None));
        samples.take(usage(12, 1_500, 300));
        let sum = samples.sums();
        assert_eq!((sum.cpu, sum.log), (Some(500), Some(100)), "half a processor, 100 bytes a second");
        samples.take(usage(14, 20, 400));
        assert_eq!((samples.sums().cpu, samples.sums().log), (None, Some(50)));
        samples.take(usage(14, 30, 500));
        assert_eq!(samples.sums().cpu, None, "no time has passed");
    }
}
