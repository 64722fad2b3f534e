//! Everything that `abide top` knows and shows. Pure: clocks, threads and the terminal are the callers' business.

use super::field::Field;
use super::layout::{self, Areas};
use super::log::Log;
use super::rows::{Column, Filter, Row, Sort, rows};
use super::samples::Samples;
use super::sse::Told;
use super::talk::{Refusal, Right, Rights, Step, Verb};
use crate::model::name::ServiceName;
use crate::model::selector::{NamePattern, Target};
use crate::model::status::{ServiceStatus, Status};
use crate::model::time::{Mono, Now, Wall};
use crate::render::status::{Paint, Style, counts};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The way to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing was heard yet.
    Connecting,
    /// Events come.
    Listening,
    /// It answers, but tells nothing by itself.
    Asking,
    /// Nobody answers, since then.
    Lost(String, Wall),
}

/// What lies over everything.
#[derive(Debug)]
pub(super) enum Sheet {
    Help(usize),
    Abide(usize),
    States(usize),
    Confirm(Ask),
    Notice(Notice),
}

/// A question before something is done.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) verb: Verb,
    pub(super) targets: Vec<Target>,
    pub(super) reason: Field,
    pub(super) lasts: Field,
    /// Whether the second field is typed in.
    pub(super) second: bool,
    pub(super) wrong: Option<String>,
}

/// Something to be read and put away.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) scroll: usize,
}

/// What is looked at closer.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) target: Target,
    pub(super) log: bool,
    pub(super) scroll: usize,
}

/// Who gets what is typed, if anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typing {
    Nobody,
    Filter(Field),
    Search(Field),
}

/// Which services have to be asked for anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stale {
    None,
    Some(BTreeSet<ServiceName>),
    All,
}

/// When which question is due, and which is on its way.
#[derive(Debug)]
pub(super) struct Timing {
    pub(super) interval: Duration,
    pub(super) redraw: Mono,
    pub(super) usage: Mono,
    /// Since when an answer is awaited.
    pub(super) usage_asked: Option<Mono>,
    pub(super) status: Mono,
    pub(super) status_asked: Option<Mono>,
    pub(super) samples: u64,
    /// Whether what is pending may be another, for what is looked at closer.
    pub(super) plan: bool,
}

/// So many events are kept.
pub(super) const EVENTS: usize = 2_000;

/// All of it.
#[derive(Debug)]
pub struct Top {
    pub(super) style: Style,
    pub(super) size: (u16, u16),
    pub(super) now: Now,
    pub(super) link: Link,
    pub(super) status: Option<Box<Status>>,
    pub(super) refusal: Option<Refusal>,
    pub(super) counts: Vec<(Paint, String)>,
    pub(super) samples: Samples,
    pub(super) rows: Vec<Row>,
    /// The longest label.
    pub(super) widest: usize,
    /// Places in `rows` that are shown, in order.
    pub(super) shown: Vec<usize>,
    /// Place in `shown`.
    pub(super) cursor: usize,
    /// The first that is on the screen.
    pub(super) offset: usize,
    /// Which row the cursor goes with; none: it stays at the top.
    pub(super) held: Option<Target>,
    pub(super) marks: BTreeSet<Target>,
    pub(super) sort: Sort,
    pub(super) filter: Filter,
    pub(super) typing: Typing,
    pub(super) sheet: Option<Sheet>,
    pub(super) pane: Option<Pane>,
    pub(super) log: Log,
    /// The number of the log that is followed.
    pub(super) turn: u64,
    pub(super) rights: Option<Rights>,
    pub(super) plan: Result<Vec<Step>, Refusal>,
    pub(super) events: VecDeque<Told>,
    pub(super) message: Option<(Paint, String)>,
    pub(super) stale: Stale,
    pub(super) timing: Timing,
    pub(super) last_click: Option<(Mono, u16)>,
}

impl Top {
    /// Nothing known yet. `interval`: how often usage is asked for.
    pub fn new(style: Style, size: (u16, u16), now: Now, interval: Duration) -> Self {
        Self {
            style,
            size,
            now,
            link: Link::Connecting,
            status: None,
            refusal: None,
            counts: Vec::new(),
            samples: Samples::default(),
            rows: Vec::new(),
            widest: 0,
            shown: Vec::new(),
            cursor: 0,
            offset: 0,
            held: None,
            marks: BTreeSet::new(),
            sort: Sort { column: Column::State, reversed: false },
            filter: Filter::default(),
            typing: Typing::Nobody,
            sheet: None,
            pane: None,
            log: Log::default(),
            turn: 0,
            rights: None,
            plan: Ok(Vec::new()),
            events: VecDeque::new(),
            message: None,
            stale: Stale::None,
            timing: Timing {
                interval: interval.max(Duration::from_millis(100)),
                redraw: now.mono,
                usage: now.mono,
                usage_asked: None,
                status: now.mono,
                status_asked: None,
                samples: 0,
                plan: false,
            },
            last_click: None,
        }
    }

    /// With only these rows to begin with.
    #[must_use]
    pub fn showing(mut self, words: &str) -> Self {
        words.clone_into(&mut self.filter.words);
        self
    }

    /// The row that the cursor is on, which is one of those shown.
    pub fn selected(&self) -> Option<&Row> {
        self.shown.get(self.cursor).and_then(|at| self.rows.get(*at))
    }

    /// The time that what stands here is of: that of the loss, where the daemon is lost.
    pub(super) fn seen(&self) -> Wall {
        match self.link {
            Link::Lost(_, since) => since,
            _ => self.now.wall,
        }
    }

    /// Where the cursor is, how many rows are shown, and which of them is the first on the screen.
    pub fn position(&self) -> (usize, usize, usize) {
        (self.cursor, self.shown.len(), self.offset)
    }

    /// What is known of a row's service.
    pub(super) fn service(&self, row: &Row) -> Option<&ServiceStatus> {
        self.status.as_ref()?.services.get(row.service)
    }

    pub(super) fn areas(&self) -> Areas {
        layout::areas(self.size, self.shown.len(), self.pane.is_some(), self.notes().is_some())
    }

    /// What is wrong with abide itself or with files of no service, in a few words.
    pub(super) fn notes(&self) -> Option<String> {
        use crate::model::status::SourceState;
        let status = self.status.as_ref()?;
        let mut parts = Vec::new();
        let plural = |n: usize, one: &str, many: &str| if n == 1 { one.to_owned() } else { format!("{n} {many}") };
        let sources = status.sources.iter().filter(|s| s.state != SourceState::Ok || s.reason.is_some());
        parts.extend(sources.take(2).map(|source| {
            let word = match source.state {
                SourceState::Ok => "ok",
                SourceState::Suspect => "suspect",
                SourceState::Absent => "not there",
                SourceState::Degraded => "seen late",
            };
            format!("{} is {word}", crate::render::status::clean(&source.path))
        }));
        if !status.problems.is_empty() {
            parts.push(plural(
                status.problems.len(),
                "an error in a file of no service",
                "errors in files of no service",
            ));
        }
        parts.extend(crate::render::status::withheld(&status.withheld));
        if let Some(note) = status.abide.notes.first() {
            parts.push(crate::render::status::clean(note).into_owned());
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Whether the visitor may act on a service, or on any at all, as far as is known.
    pub(super) fn may_act(&self, service: Option<&ServiceName>) -> bool {
        let Some(rights) = &self.rights else { return true };
        let covers = |right: &Right| {
            let matches = |name: &ServiceName| {
                NamePattern::new(&right.services).is_ok_and(|pattern| pattern.matches(name.as_str()))
            };
            matches!(right.may.as_str(), "all" | "operate" | "full") && service.is_none_or(matches)
        };
        rights.rights.iter().any(covers)
    }

    /// The status or the usage is another: rows anew.
    pub(super) fn make_rows(&mut self) {
        let Some(status) = &self.status else { return };
        self.rows = rows(status, &self.samples.used);
        self.widest = self.rows.iter().map(|row| row.label.len()).max().unwrap_or(0);
        self.arrange();
    }

    /// The status is another.
    pub(super) fn take_status(&mut self, status: Box<Status>) {
        self.counts = counts(&status);
        self.status = Some(status);
        self.make_rows();
        let alive: BTreeSet<&Target> = self.rows.iter().map(|row| &row.target).collect();
        self.marks.retain(|mark| alive.contains(mark));
    }

    /// Rows, filter or order are another: what is shown anew, with the cursor on the row that it was on.
    pub(super) fn arrange(&mut self) {
        let Some(status) = &self.status else { return };
        self.shown = self.filter.apply(&self.rows, status);
        self.sort.apply(&self.rows, &mut self.shown);
        let place = self.held.as_ref().map(|held| self.shown.iter().position(|at| self.rows[*at].target == *held));
        match place {
            Some(Some(place)) => self.cursor = place,
            // It went: the one that took its place.
            Some(None) => {}
            None => self.cursor = 0,
        }
        self.settle();
    }

    /// Cursor and offset are where they can be, and the cursor on the screen.
    pub(super) fn settle(&mut self) {
        self.cursor = self.cursor.min(self.shown.len().saturating_sub(1));
        let height = usize::from(self.areas().rows.height).max(1);
        if self.cursor < self.offset {
            self.offset = self.cursor;
        }
        if self.cursor >= self.offset + height {
            self.offset = self.cursor + 1 - height;
        }
        self.offset = self.offset.min(self.shown.len().saturating_sub(height));
    }

    /// Puts the cursor on a row by a person's will: it goes with that row from now on, unless it is the first.
    pub(super) fn go(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.shown.len().saturating_sub(1));
        self.held = if self.cursor == 0 { None } else { self.selected().map(|row| row.target.clone()) };
        self.settle();
    }
}
