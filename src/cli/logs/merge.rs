//! Whose lines, and lines of several in the order of time. Pure.

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

/// The last `most` lines of all, by the time that they begin with. A line that begins with none belongs to the one
/// before it; where no line has a time, each one's lines stay together.
pub(super) fn by_time(read: Vec<(Source, Vec<String>)>, most: usize) -> Vec<(Source, String)> {
    let mut lines: Vec<(String, Source, String)> = Vec::new();
    for (source, own) in read {
        let mut time = String::new();
        for line in own {
            if let Some(stamp) = stamp(&line) {
                stamp.clone_into(&mut time);
            }
            lines.push((time.clone(), source.clone(), line));
        }
    }
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    let surplus = lines.len().saturating_sub(most);
    lines.into_iter().skip(surplus).map(|(_, source, line)| (source, line)).collect()
}

/// The time that a line begins with: `2026-11-22T15:09:36.123456Z`, as abide writes it, all of one length.
fn stamp(line: &str) -> Option<&str> {
    let (stamp, _) = line.split_once(' ')?;
    let bytes = stamp.as_bytes();
    let looks = bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[bytes.len() - 1] == b'Z';
    looks.then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> Source {
        let name = name.to_owned();
        Source { service: name.clone(), index: 0, instance: None, label: name, file: String::new() }
    }

    fn merged(read: &[(&str, &[&str])], most: usize) -> Vec<String> {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let read = read.iter().map(|(name, lines)| (source(name), own(lines))).collect();
        by_time(read, most).into_iter().map(|(source, line)| format!("{} {line}", source.label)).collect()
    }

    #[test]
    fn lines_of_several_stand_in_the_order_of_time() {
        let (early, late) = ("2026-11-22T15:09:36.000001Z", "2026-11-22T15:09:36.000002Z");
        let web = [&format!("{early} a"), "  more of a", &format!("{late} c")].map(str::to_owned);
        let web: Vec<&str> = web.iter().map(String::as_str).collect();
        let db = format!("{early} b");
        let all = merged(&[("web", &web), ("db", &[&db])], 9);
        assert_eq!(
            all,
            [format!("web {early} a"), "web   more of a".into(), format!("db {early} b"), format!("web {late} c")]
        );
        assert_eq!(merged(&[("web", &web), ("db", &[&db])], 1), [format!("web {late} c")]);
    }

    #[test]
    fn lines_without_a_time_stay_with_their_neighbours() {
        assert_eq!(merged(&[("web", &["1", "2"]), ("db", &["3", ""])], 9), ["web 1", "web 2", "db 3", "db "]);
    }
}
