//! State × what happens → state and wishes: what the daemon says, and what is due. Pure.

use super::state::{EVENTS, Link, Notice, Sheet, Stale, Top};
use super::talk::{Input, Refusal, Said, Verb, Wish};
use crate::model::look::Usage;
use crate::model::name::ServiceName;
use crate::model::order::Done;
use crate::model::status::Status;
use crate::model::time::{Mono, Now};
use crate::render::status::{Paint, clean};
use std::collections::BTreeSet;
use std::time::Duration;

/// Ages are drawn anew this often.
const AGES: Duration = Duration::from_secs(1);
/// The second sample of usage comes early, since there is no rate before it.
const SECOND_SAMPLE: Duration = Duration::from_millis(700);
/// What happens within this time is asked for together.
const TOGETHER: Duration = Duration::from_millis(40);
/// So often all is asked for, whatever was told.
const ANYWAY: Duration = Duration::from_secs(60);
/// Who is refused asks again this often: rights are a matter of a file that may change.
const REFUSED: Duration = Duration::from_secs(10);
/// More services than this are not asked for by name.
const BY_NAME: usize = 40;
/// An answer that takes longer is missed.
pub(super) const LATE: Duration = Duration::from_secs(5);

impl Top {
    /// Takes `input` in at `now`; what is to be done about it.
    pub fn update(&mut self, now: Now, input: Input) -> Vec<Wish> {
        self.now = now;
        let mut wishes = Vec::new();
        match input {
            Input::Key(key) => self.key(key, &mut wishes),
            Input::Mouse(mouse) => self.mouse(mouse, &mut wishes),
            Input::Paste(text) => self.paste(&text),
            Input::Resize(width, height) => self.size = (width, height),
            Input::Wake => {}
            Input::Said(said) => self.said(said, &mut wishes),
        }
        self.due(&mut wishes);
        self.settle();
        self.settle_pane();
        wishes
    }

    /// When [`Input::Wake`] is to come, if nothing else does.
    pub fn deadline(&self) -> Mono {
        let mut next = self.timing.redraw;
        if self.wants_usage() {
            next = next.min(self.timing.usage);
        }
        if self.wants_status() {
            next = next.min(self.timing.status);
        }
        next
    }

    fn is_up(&self) -> bool {
        matches!(self.link, Link::Listening | Link::Asking)
    }

    /// Usage is for who sees it.
    fn wants_usage(&self) -> bool {
        let seen = self.areas().rows.height > 0 || self.pane.as_ref().is_some_and(|pane| !pane.log);
        self.is_up() && seen && self.timing.usage_asked.is_none()
    }

    fn wants_status(&self) -> bool {
        self.is_up() && self.timing.status_asked.is_none()
    }

    fn due(&mut self, wishes: &mut Vec<Wish>) {
        let now = self.now.mono;
        if self.timing.redraw <= now {
            self.timing.redraw = now.plus(AGES);
        }
        if self.wants_usage() && self.timing.usage <= now {
            self.timing.usage_asked = Some(now);
            wishes.push(Wish::Usage);
        }
        if self.wants_status() && self.timing.status <= now {
            let names = match std::mem::replace(&mut self.stale, Stale::None) {
                Stale::Some(names) if names.len() <= BY_NAME => Some(names.into_iter().collect()),
                _ => None,
            };
            self.timing.status_asked = Some(now);
            wishes.push(Wish::Status(names));
            if std::mem::take(&mut self.timing.plan) {
                wishes.push(Wish::Plan);
            }
        }
    }

    /// For how long an answer is missing, where that is long.
    pub(super) fn late(&self) -> Option<Duration> {
        let since = self.timing.status_asked.into_iter().chain(self.timing.usage_asked).min()?;
        let waited = self.now.mono.since(since);
        (self.is_up() && waited >= LATE).then_some(waited)
    }

    fn said(&mut self, said: Said, wishes: &mut Vec<Wish>) {
        match said {
            Said::Listening => self.connected(Link::Listening, wishes),
            Said::Deaf(refusal) => {
                if !matches!(self.link, Link::Asking) {
                    self.connected(Link::Asking, wishes);
                }
                self.refusal = (refusal.status == 403).then_some(refusal);
            }
            Said::Lost(words) => self.lost(words),
            Said::News(told) => self.news(told),
            Said::Status(names, answer) => self.take_answer(names, answer),
            Said::Usage(answer) => self.take_usage(answer),
            Said::Rights(rights) => self.rights = rights,
            Said::Plan(plan) => self.plan = plan,
            Said::Acted(verb, answer) => {
                // What we may can have changed since we asked.
                if answer.as_ref().is_err_and(|refusal| refusal.status == 403) {
                    wishes.push(Wish::Rights);
                }
                self.acted(verb, answer);
                self.stale(Stale::All);
            }
            Said::Lines(turn, lines) if turn == self.turn => self.log.push(lines),
            Said::LogEnded(turn, words) if turn == self.turn => self.log.ended = Some(words),
            Said::Lines(..) | Said::LogEnded(..) => {}
        }
    }

    fn connected(&mut self, link: Link, wishes: &mut Vec<Wish>) {
        let again = matches!(self.link, Link::Lost(..));
        self.link = link;
        self.refusal = None;
        self.timing.status_asked = None;
        self.timing.usage_asked = None;
        self.timing.usage = self.now.mono;
        self.timing.status = self.now.mono;
        self.timing.samples = 0;
        self.stale = Stale::All;
        self.samples.clear();
        wishes.push(Wish::Rights);
        if let Some(pane) = &self.pane {
            if pane.log && again {
                self.turn += 1;
                self.log.ended = None;
                wishes.push(Wish::Follow(self.turn, pane.target.clone()));
            }
            wishes.push(Wish::Plan);
        }
    }

    fn lost(&mut self, words: String) {
        let since = match &self.link {
            Link::Lost(_, since) => *since,
            _ => self.now.wall,
        };
        self.link = Link::Lost(words, since);
        self.samples.clear();
        self.make_rows();
    }

    fn news(&mut self, told: super::sse::Told) {
        let names: BTreeSet<ServiceName> =
            told.news.services().into_iter().filter_map(|name| ServiceName::new(name).ok()).collect();
        let close = self.pane.as_ref().map(|pane| &pane.target.service);
        self.timing.plan |= close.is_some_and(|close| names.is_empty() || names.contains(close));
        self.stale(if names.is_empty() { Stale::All } else { Stale::Some(names) });
        self.events.push_back(told);
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    /// These have to be asked for anew, soon.
    pub(super) fn stale(&mut self, stale: Stale) {
        let soon = self.now.mono.plus(TOGETHER);
        self.timing.status = self.timing.status.min(soon);
        self.stale = match (std::mem::replace(&mut self.stale, Stale::None), stale) {
            (Stale::All, _) | (_, Stale::All) => Stale::All,
            (Stale::None, other) | (other, Stale::None) => other,
            (Stale::Some(mut names), Stale::Some(more)) => {
                names.extend(more);
                Stale::Some(names)
            }
        };
    }

    fn take_answer(&mut self, names: Option<Vec<ServiceName>>, answer: Result<Box<Status>, Refusal>) {
        let now = self.now.mono;
        let took = self.timing.status_asked.take().map(|at| now.since(at)).unwrap_or_default();
        // Who changes often is asked less often: a tenth of the time at most goes into asking.
        let pause = (took * 10).clamp(Duration::from_millis(200), Duration::from_secs(5));
        let next = match (&self.stale, &self.link) {
            (Stale::None, Link::Asking) => self.timing.interval.max(pause),
            (Stale::None, _) => ANYWAY,
            _ => pause,
        };
        self.timing.status = now.plus(next);
        match (answer, names) {
            (Ok(status), None) => {
                self.refusal = None;
                self.take_status(status);
            }
            (Ok(part), Some(names)) => {
                let whole = self.merged(*part, &names);
                self.take_status(whole);
            }
            // One that was asked for by name has gone, or its name means nothing yet.
            (Err(refusal), Some(_)) if refusal.status == 404 => {
                self.stale = Stale::All;
                self.timing.status = now;
            }
            (Err(refusal), _) if refusal.status == 0 => {}
            (Err(refusal), _) => {
                self.refusal = Some(refusal);
                self.timing.status = now.plus(REFUSED);
            }
        }
    }

    /// The snapshot with these services as `part` has them.
    fn merged(&mut self, mut part: Status, names: &[ServiceName]) -> Box<Status> {
        let Some(mut old) = self.status.take() else { return Box::new(part) };
        let mut services = std::mem::take(&mut old.services);
        services.retain(|service| !names.contains(&service.name));
        part.services.retain(|service| names.contains(&service.name));
        services.append(&mut part.services);
        services.sort_by(|a, b| a.name.cmp(&b.name));
        part.services = services;
        Box::new(part)
    }

    fn take_usage(&mut self, answer: Result<Usage, Refusal>) {
        self.timing.usage_asked = None;
        let interval = self.timing.interval;
        let pause = if self.timing.samples == 0 { interval.min(SECOND_SAMPLE) } else { interval };
        self.timing.usage = self.now.mono.plus(pause);
        match answer {
            Ok(usage) => {
                self.timing.samples += 1;
                self.samples.take(usage);
                self.make_rows();
            }
            // An older abide has none; the columns stay empty.
            Err(_) => self.timing.usage = self.now.mono.plus(interval.max(Duration::from_secs(10))),
        }
    }

    fn acted(&mut self, verb: Verb, answer: Result<Vec<Done>, Refusal>) {
        self.message = None;
        match answer {
            Err(refusal) => {
                let hint = refusal.hint.map_or_else(String::new, |hint| format!("\n\n{hint}"));
                let title = format!("{} was refused", capital(verb.word()));
                self.notice(title, format!("{}{hint}", refusal.detail));
            }
            Ok(targets) => {
                let line = |done: &Done| format!("{}: {}", clean(&done.target), clean(&done.words));
                let refused: Vec<&Done> = targets.iter().filter(|done| done.refused).collect();
                match (refused.as_slice(), targets.as_slice()) {
                    ([], [only]) => self.message = Some((Paint::Good, line(only))),
                    ([], many) => {
                        let done = many.iter().filter(|done| done.done).count();
                        let words = many.first().map(|done| clean(&done.words).into_owned()).unwrap_or_default();
                        let text = format!("{}: {done} of {} done ({words} …)", verb.word(), many.len());
                        self.message = Some((Paint::Good, text));
                    }
                    ([only], [_]) => self.message = Some((Paint::Bad, line(only))),
                    (some, all) => {
                        let title = format!("{}: {} of {} refused", capital(verb.word()), some.len(), all.len());
                        let text = some.iter().map(|done| line(done)).collect::<Vec<_>>().join("\n");
                        self.notice(title, text);
                    }
                }
            }
        }
    }

    pub(super) fn notice(&mut self, title: String, text: String) {
        self.sheet = Some(Sheet::Notice(Notice { title, text, scroll: 0 }));
    }
}

pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
