//! One row an instance: what it is made of, which rows are shown and in which order. Pure.

use super::samples::Used;
use crate::model::selector::{Selector, Target};
use crate::model::status::{InstanceStatus, ServiceStatus, State, Status};
use crate::model::time::Wall;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "as their titles say")]
pub enum Column {
    Name,
    State,
    Restarts,
    Hour,
    Pid,
    Cpu,
    Memory,
    Log,
    Up,
    Why,
}

impl Column {
    /// All that rows can be sorted by, from left to right.
    pub const SORTABLE: [Self; 9] =
        [Self::Name, Self::State, Self::Restarts, Self::Hour, Self::Pid, Self::Cpu, Self::Memory, Self::Log, Self::Up];

    /// What stands above it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::State => "STATE",
            Self::Restarts => "RESTARTS",
            Self::Hour => "1H",
            Self::Pid => "PID",
            Self::Cpu => "CPU%",
            Self::Memory => "MEM",
            Self::Log => "LOG/S",
            Self::Up => "UP",
            Self::Why => "WHY",
        }
    }
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// The column; by state is worst first.
    pub column: Column,
    /// The other way round than people want it first.
    pub reversed: bool,
}

/// One instance, or a service that has none.
#[derive(Debug, Clone)]
pub struct Row {
    /// What an order about this row is about.
    pub target: Target,
    /// The number of the instance, also where it is the only one.
    pub number: Option<u32>,
    /// Its service's place in the snapshot.
    pub service: usize,
    /// Its own place in the service.
    pub instance: Option<usize>,
    /// Its name as shown.
    pub label: String,
    /// Where it is.
    pub state: State,
    /// Whether all of its service is as it should be.
    pub as_desired: bool,
    /// Its process.
    pub pid: Option<i32>,
    /// When that started.
    pub began: Option<Wall>,
    /// Restarts in all.
    pub restarts: u64,
    /// Restarts of the last hour.
    pub hour: u64,
    /// What it uses.
    pub used: Used,
}

impl Row {
    /// Its state looks well, and yet something about the service is not as it should be.
    pub fn is_doubtful(&self) -> bool {
        !self.as_desired && (self.state.is_running() || self.state == State::Stopped)
    }

    /// 0 is worst.
    fn rank(&self) -> u8 {
        match self.state {
            State::Failed => 0,
            State::Backoff => 1,
            _ if self.is_doubtful() => 2,
            State::Waiting => 3,
            State::Starting | State::Stopping | State::Reloading => 4,
            State::Held => 5,
            State::Running | State::Ready => 6,
            State::Stopped => 7,
        }
    }
}

/// A row for each instance of each service, in the order of the snapshot.
pub(super) fn rows(status: &Status, used: &BTreeMap<Target, Used>) -> Vec<Row> {
    let mut rows = Vec::with_capacity(status.services.len());
    for (place, service) in status.services.iter().enumerate() {
        let numbered = service.instances.len() > 1;
        if service.instances.is_empty() {
            rows.push(bare(place, service));
        }
        for (at, instance) in service.instances.iter().enumerate() {
            rows.push(row(place, at, service, instance, numbered, used));
        }
    }
    rows
}

fn bare(place: usize, service: &ServiceStatus) -> Row {
    Row {
        target: Target { service: service.name.clone(), index: None },
        number: None,
        service: place,
        instance: None,
        label: service.name.to_string(),
        state: service.state,
        as_desired: service.as_desired,
        pid: None,
        began: None,
        restarts: 0,
        hour: 0,
        used: Used::default(),
    }
}

fn row(
    place: usize,
    at: usize,
    service: &ServiceStatus,
    instance: &InstanceStatus,
    numbered: bool,
    used: &BTreeMap<Target, Used>,
) -> Row {
    let target = Target { service: service.name.clone(), index: numbered.then_some(instance.id) };
    let own = Target { service: service.name.clone(), index: Some(instance.id) };
    let used = used.get(&own).filter(|_| instance.pid.is_some()).copied().unwrap_or_default();
    Row {
        label: target.to_string(),
        target,
        number: Some(instance.id),
        service: place,
        instance: Some(at),
        state: instance.state,
        as_desired: service.as_desired,
        pid: instance.pid,
        began: instance.started_at.filter(|_| instance.pid.is_some()),
        restarts: instance.restarts,
        hour: instance.restarts_1h,
        used,
    }
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words that must all be found, in name, state or description; `web*`, `web@2` and `@failed` mean what they mean
    /// everywhere.
    pub words: String,
    /// Only these states; none: all.
    pub states: BTreeSet<State>,
    /// Only what is not as desired.
    pub trouble: bool,
}

impl Filter {
    /// Whether it leaves anything out.
    pub fn is_on(&self) -> bool {
        !self.words.trim().is_empty() || !self.states.is_empty() || self.trouble
    }

    /// Where in `rows` those are that are wanted.
    pub fn apply(&self, rows: &[Row], status: &Status) -> Vec<usize> {
        let words: Vec<Word> = self.words.split_whitespace().map(Word::new).collect();
        let wanted = |row: &Row| {
            (self.states.is_empty() || self.states.contains(&row.state))
                && (!self.trouble || !row.as_desired)
                && words.iter().all(|word| word.fits(row, status))
        };
        rows.iter().enumerate().filter(|(_, row)| wanted(row)).map(|(at, _)| at).collect()
    }
}

enum Word {
    Selector(Selector),
    Part(String),
}

impl Word {
    fn new(text: &str) -> Self {
        let selector = text.parse::<Selector>().ok().filter(|_| text.contains(['*', '?', '@']));
        selector.map_or_else(|| Self::Part(text.to_lowercase()), Self::Selector)
    }

    fn fits(&self, row: &Row, status: &Status) -> bool {
        match self {
            Self::Selector(selector) => {
                selector.names.matches(row.target.service.as_str())
                    && selector.state.is_none_or(|state| state == row.state)
                    && selector.index.is_none_or(|index| row.number == Some(index))
            }
            Self::Part(part) => {
                let described = || {
                    let about = status.services.get(row.service).and_then(|service| service.description.as_deref());
                    about.is_some_and(|about| about.to_lowercase().contains(part))
                };
                row.label.to_lowercase().contains(part) || row.state.as_str().contains(part) || described()
            }
        }
    }
}

impl Sort {
    /// Puts places in `rows` into order; like ones stay in the order of the snapshot, which is by name.
    pub fn apply(self, rows: &[Row], places: &mut [usize]) {
        let by = |a: &usize, b: &usize| {
            let order = self.compare(&rows[*a], &rows[*b]);
            if self.reversed { order.reverse() } else { order }
        };
        places.sort_by(|a, b| by(a, b).then(a.cmp(b)));
    }

    /// The most interesting first: what is worst, most or youngest. What has no value comes last.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let most = |value: fn(&Row) -> Option<u64>| Reverse(value(a)).cmp(&Reverse(value(b)));
        match self.column {
            Column::Name | Column::Why => a.service.cmp(&b.service).then(a.instance.cmp(&b.instance)),
            Column::State => a.rank().cmp(&b.rank()),
            Column::Restarts => most(|row| Some(row.restarts)),
            Column::Hour => most(|row| Some(row.hour)),
            Column::Pid => a.pid.unwrap_or(i32::MAX).cmp(&b.pid.unwrap_or(i32::MAX)),
            Column::Cpu => most(|row| row.used.cpu),
            Column::Memory => most(|row| row.used.memory),
            Column::Log => most(|row| row.used.log),
            Column::Up => most(|row| row.began.map(|at| at.0.cast_unsigned())),
        }
    }
}
