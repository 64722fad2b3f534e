//! Whose lines, and lines of several in the order of time. Pure.

use crate::log::entry::Entry;
use crate::model::status::{InstanceStatus, ServiceStatus};

/// One who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) service: String,
    /// Its number.
    pub(super) index: u32,
    /// Its number, where there is more than one.
    pub(super) instance: Option<u32>,
    /// `web`, or `web@2`.
    pub(super) label: String,
    /// Where it goes.
    pub(super) file: String,
}

impl Source {
    /// An instance of a service.
    pub(super) fn new(service: &ServiceStatus, instance: &InstanceStatus) -> Self {
        let name = service.name.to_string();
        let numbered = service.instances.len() > 1;
        let label = if numbered { format!("{name}@{}", instance.id) } else { name.clone() };
        let file = instance.log.as_ref().map_or_else(String::new, |log| log.path.clone());
        Self { service: name, index: instance.id, instance: numbered.then_some(instance.id), label, file }
    }
}

/// Lines of one, in the order in which they were written.
pub(super) type Lines<'a, E> = Box<dyn Iterator<Item = Result<Vec<u8>, E>> + 'a>;

/// Lines of several by the time that they begin with, each with the number of who said it. A line that begins with none
/// belongs to the one before it; where no line has a time, each one's lines stay together. Takes no more of any than it
/// must, so it may be as much as there is.
pub(super) struct Merged<'a, E> {
    all: Vec<Waiting<'a, E>>,
}

struct Waiting<'a, E> {
    next: Option<(i64, Result<Vec<u8>, E>)>,
    rest: Lines<'a, E>,
}

impl<E> Waiting<'_, E> {
    fn advance(&mut self, time: i64) {
        self.next = self.rest.next().map(|line| {
            let own = line.as_ref().ok().and_then(|line| Entry::of(line).at);
            (own.unwrap_or(time), line)
        });
    }
}

impl<'a, E> Merged<'a, E> {
    pub(super) fn new(sources: Vec<Lines<'a, E>>) -> Self {
        let waiting = |rest| {
            let mut waiting = Waiting { next: None, rest };
            waiting.advance(i64::MIN);
            waiting
        };
        Self { all: sources.into_iter().map(waiting).collect() }
    }
}

impl<E> Iterator for Merged<'_, E> {
    type Item = (usize, Result<Vec<u8>, E>);

    fn next(&mut self) -> Option<Self::Item> {
        let times = self.all.iter().enumerate().filter_map(|(who, it)| Some((it.next.as_ref()?.0, who)));
        let (time, who) = times.min()?;
        let (_, line) = self.all[who].next.take()?;
        self.all[who].advance(time);
        Some((who, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(read: &[(&str, &[&str])]) -> Vec<String> {
        let own = |lines: &[&str]| -> Lines<'static, ()> {
            Box::new(lines.iter().map(|line| Ok(line.as_bytes().to_vec())).collect::<Vec<_>>().into_iter())
        };
        let all = Merged::new(read.iter().map(|(_, lines)| own(lines)).collect());
        all.map(|(who, line)| format!("{} {}", read[who].0, String::from_utf8(line.unwrap()).unwrap())).collect()
    }

    #[test]
    fn lines_of_several_stand_in_the_order_of_time() {
        let (early, late) = ("2026-11-22T15:09:36.000001Z - ", "2026-11-22T15:09:36.000002Z - ");
        let web = [&format!("{early}a"), "  more of a", &format!("{late}c")].map(str::to_owned);
        let web: Vec<&str> = web.iter().map(String::as_str).collect();
        let db = format!("{early}b");
        let all = merged(&[("web", &web), ("db", &[&db])]);
        assert_eq!(
            all,
            [format!("web {early}a"), "web   more of a".into(), format!("db {early}b"), format!("web {late}c")]
        );
    }

    #[test]
    fn lines_without_a_time_stay_with_their_neighbours() {
        assert_eq!(merged(&[("web", &["1", "2"]), ("db", &["3", ""])]), ["web 1", "web 2", "db 3", "db "]);
    }
}
