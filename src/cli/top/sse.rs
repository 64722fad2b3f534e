//! The stream of events: bytes to what they tell. Pure.

use crate::model::news::News;
use crate::model::time::Wall;
use serde::Deserialize;

/// One event, when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Told {
    /// When.
    pub at: Wall,
    /// What.
    #[serde(flatten)]
    pub news: News,
}

/// An event longer than this is none of ours.
const LONGEST: usize = 4 << 20;

/// Reads `text/event-stream` piece by piece.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What has come of a line that is not whole yet.
    line: Vec<u8>,
    data: String,
    /// The id of the last event, to go on from.
    pub id: Option<String>,
}

impl Reader {
    /// Takes bytes in; the events that are whole by them. One that is not understood, of a newer abide, is left out.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < LONGEST {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            told.extend(self.line(line.trim_end_matches('\r')));
        }
        told
    }

    /// What came before a connection broke off is no event.
    pub(super) fn restart(&mut self) {
        self.line.clear();
        self.data.clear();
    }

    fn line(&mut self, line: &str) -> Option<Told> {
        if line.is_empty() {
            return serde_json::from_str(&std::mem::take(&mut self.data)).ok();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" if self.data.len() + value.len() < LONGEST => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: &str = concat!(
        ": still here\n\nid: 5f0c1a2b-7\nevent: mended\n",
        "data: {\"at\":\"2026-11-22T15:09:36.123Z\",\"kind\":\"mended\",\"file\":\"web.toml\"}\n\n",
        "id: 5f0c1a2b-8\nevent: odd\ndata: {\"at\":\"2026-11-22T15:09:36.123Z\",\"kind\":\"odd\"}\n\n",
    );

    #[test]
    fn an_event_is_read_and_one_of_a_newer_abide_is_left_out() {
        let mut reader = Reader::default();
        let told = reader.take(TWO.as_bytes());
        let mended = News::Mended { service: None, file: "web.toml".into() };
        assert_eq!(told, [Told { at: Wall(1_795_360_176_123_000), news: mended }]);
        assert_eq!(reader.id.as_deref(), Some("5f0c1a2b-8"));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_events_are_the_same(cuts in proptest::collection::vec(0usize..300, 0..8)) {
            let mut reader = Reader::default();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(TWO.len())).collect();
            cuts.extend([0, TWO.len()]);
            cuts.sort_unstable();
            let told: Vec<Told> = cuts.windows(2).flat_map(|w| reader.take(&TWO.as_bytes()[w[0]..w[1]])).collect();
            prop_assert_eq!(told.len(), 1);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            Reader::default().take(&bytes);
        }
    }
}
