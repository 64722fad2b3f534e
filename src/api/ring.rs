//! The last events, kept for who listens: a reader holds only the number of the last that it got, so that memory is
//! bounded whatever readers do, and one that was too slow is told what it missed.

use super::asked::bad;
use super::problem::Problem;
use crate::model::news::News;
use crate::model::order::{Author, Done};
use crate::model::selector::Selector;
use crate::model::time::Wall;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// So many events are kept.
const KEPT: usize = 1024;
/// And no more than so many bytes of them: an order can name thousands of services.
const MOST_BYTES: usize = 4 << 20;

/// One event, as its `data` in the stream.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventData<'a> {
    /// When.
    at: Wall,
    /// What.
    #[serde(flatten)]
    news: &'a News,
}

/// An event that is kept.
#[derive(Debug)]
struct Event {
    at: Wall,
    news: News,
    data: String,
}

/// What has happened since the doors opened.
#[derive(Debug)]
pub(super) struct Ring {
    /// The first eight digits of the supervisor's `instance_id`: with a number the id of an event.
    life: String,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// How many went before the first of these; the first event is number 1.
    gone: u64,
}

/// Where a reader stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of the last event that it knows.
    last: u64,
    /// What it missed before that: how much, and why.
    missed: Option<(Option<u64>, String)>,
}

/// Which events a reader wants, and may see.
pub(super) struct Filter<'a> {
    /// Those about these; `None`: all.
    pub(super) names: Option<&'a [Selector]>,
    /// Whether it may know of this service; asked with `None` of what is about no service.
    pub(super) may: &'a (dyn Fn(Option<&str>) -> bool + Sync),
}

impl Ring {
    pub(super) fn new(instance_id: &str) -> Self {
        let digits = instance_id.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).take(8);
        let life = format!("{:0>8}", digits.collect::<String>());
        Self { life, kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Keeps what happened; the oldest go.
    pub(super) fn push(&self, at: Wall, news: News) {
        let data = serde_json::to_string(&EventData { at, news: &news }).expect("strings and numbers only");
        let newest = {
            let mut kept = self.kept();
            kept.bytes += data.len();
            kept.events.push_back(Arc::new(Event { at, news, data }));
            while kept.events.len() > KEPT || (kept.bytes > MOST_BYTES && kept.events.len() > 1) {
                let first = kept.events.pop_front().map_or(0, |event| event.data.len());
                kept.bytes -= first;
                kept.gone += 1;
            }
            kept.newest()
        };
        self.newest.send_replace(newest);
    }

    /// Tells of each new event.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Behind the newest event.
    pub(super) fn now(&self) -> Cursor {
        Cursor { last: self.kept().newest(), missed: None }
    }

    /// Behind the event of this id.
    pub(super) fn since(&self, id: &str) -> Result<Cursor, Problem> {
        let parts = id.split_once('-').filter(|(life, _)| life.len() == 8 && is_lower_hex(life));
        let number = parts.and_then(|(_, number)| number.parse().ok().filter(|_| is_digits(number)));
        let (Some((life, _)), Some(last)) = (parts, number) else {
            let shown: String = id.chars().take(60).collect();
            return Err(bad(
                format!("{shown:?} is no id of an event"),
                format!("give the `id` of the last event that you got, such as {}-1, or none", self.life),
            ));
        };
        let kept = self.kept();
        if life != self.life {
            let why = "abide has been started anew since, and what happened before that is not kept".to_owned();
            return Ok(Cursor { last: kept.gone, missed: Some((None, why)) });
        }
        if last > kept.newest() {
            let why = "there has been no event of this id yet".to_owned();
            return Ok(Cursor { last: kept.newest(), missed: Some((None, why)) });
        }
        Ok(Cursor { last, missed: None })
    }

    /// The id of where a reader stands.
    pub(super) fn id(&self, cursor: &Cursor) -> String {
        format!("{}-{}", self.life, cursor.last)
    }

    /// The next events for a reader as text of the stream, about so many bytes of them; none if there are none yet.
    pub(super) fn read(&self, cursor: &mut Cursor, filter: &Filter<'_>, room: usize) -> Bytes {
        let mut text = String::new();
        while text.len() < room {
            let (gone, event) = {
                let kept = self.kept();
                let at = usize::try_from(cursor.last.saturating_sub(kept.gone)).unwrap_or(usize::MAX);
                (kept.gone, kept.events.get(at).cloned())
            };
            if cursor.last < gone {
                let why = format!("only the last {KEPT} events are kept, and these were gone before they were read");
                cursor.missed = Some((Some(gone - cursor.last), why));
                cursor.last = gone;
            }
            if let Some((count, why)) = cursor.missed.take() {
                let news = News::Missed { count, why };
                let at = crate::host::clock::now().wall;
                let data = serde_json::to_string(&EventData { at, news: &news }).expect("strings and numbers only");
                self.write(&mut text, cursor, news.kind(), &data);
                continue;
            }
            let Some(event) = event else { break };
            cursor.last += 1;
            if let Some(data) = filter.shown(&event) {
                self.write(&mut text, cursor, event.news.kind(), &data);
            }
        }
        text.into()
    }

    fn write(&self, text: &mut String, cursor: &Cursor, kind: &str, data: &str) {
        // Writing to a string cannot fail.
        let _ = write!(text, "id: {}\nevent: {kind}\ndata: {data}\n\n", self.id(cursor));
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn newest(&self) -> u64 {
        self.gone + self.events.len() as u64
    }
}

impl Filter<'_> {
    /// What of an event the reader gets. Of an order that names others too, only what is theirs to know; and with what
    /// somebody gave it is for those who may read all.
    fn shown<'e>(&self, event: &'e Event) -> Option<Cow<'e, str>> {
        let whole = self.wants(&event.news).then_some(Cow::Borrowed(event.data.as_str()))?;
        let News::Order { act, targets, author } = &event.news else { return Some(whole) };
        if (self.may)(None) {
            return Some(whole);
        }
        let theirs = |done: &&Done| (self.may)(done.target.split('@').next());
        let targets: Vec<Done> = targets.iter().filter(theirs).cloned().collect();
        let author = Author { pid: None, command: None, ..author.clone() };
        let news = News::Order { act: act.clone(), targets, author };
        let data = EventData { at: event.at, news: &news };
        // As wanted as before, where what is left is about what they asked for.
        self.wants(&news).then(|| Cow::Owned(serde_json::to_string(&data).expect("strings and numbers only")))
    }

    fn wants(&self, news: &News) -> bool {
        if matches!(news, News::Missed { .. }) {
            return true;
        }
        let services = news.services();
        let may = if services.is_empty() { (self.may)(None) } else { services.iter().any(|it| (self.may)(Some(it))) };
        may && self.names.is_none_or(|names| names.iter().any(|name| is_about(news, name)))
    }
}

/// Whether an event is about what `selector` names. By a state, that is who came into it.
fn is_about(news: &News, selector: &Selector) -> bool {
    let named = |service: &str| selector.names.matches(service);
    match news {
        News::Transition { service, instance, to, .. } => {
            let index = selector.index.is_none_or(|index| instance.unwrap_or(0) == index);
            named(service) && index && selector.state.is_none_or(|state| state == *to)
        }
        _ if selector.state.is_some() => false,
        News::Order { targets, .. } => targets.iter().any(|done| {
            let (service, index) =
                done.target.split_once('@').map_or((done.target.as_str(), None), |(s, i)| (s, Some(i)));
            let same = |wanted: u32| index.is_none_or(|index| index.parse() == Ok(wanted));
            named(service) && selector.index.is_none_or(same)
        }),
        other => other.services().into_iter().any(named),
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::status::State;
    use proptest::prelude::*;

    const LIFE: &str = "0123abcd-1111-2222-3333-444455556666";

    fn transition(service: &str, to: State) -> News {
        News::Transition {
            service: service.to_owned(),
            instance: None,
            from: State::Starting,
            to,
            reason: "r".to_owned(),
            pid: None,
            exit: None,
            grave: false,
        }
    }

    fn ring(events: usize) -> Ring {
        let ring = Ring::new(LIFE);
        for _ in 0..events {
            ring.push(Wall(0), transition("web", State::Running));
        }
        ring
    }

    fn all() -> Filter<'static> {
        Filter { names: None, may: &|_| true }
    }

    /// The ids and kinds of what a reader gets.
    fn heard(ring: &Ring, cursor: &mut Cursor, filter: &Filter<'_>) -> Vec<String> {
        let text = String::from_utf8(ring.read(cursor, filter, usize::MAX).to_vec()).unwrap();
        let of = |event: &str| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
            format!("{} {}", field("id: "), field("event: "))
        };
        text.split_terminator("\n\n").map(of).collect()
    }

    #[test]
    fn a_reader_gets_what_happens_after_it_came_and_resumes_behind_what_it_got() {
        let ring = ring(2);
        let mut cursor = ring.now();
        assert!(ring.read(&mut cursor, &all(), 1).is_empty());
        ring.push(Wall(0), transition("web", State::Failed));
        let text = ring.read(&mut cursor, &all(), 1);
        let data = "{\"at\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"transition\",\"service\":\"web\",\"from\":\"starting\",\
                    \"to\":\"failed\",\"reason\":\"r\",\"grave\":false}";
        assert_eq!(text, format!("id: 0123abcd-3\nevent: transition\ndata: {data}\n\n"));
        assert_eq!(ring.id(&cursor), "0123abcd-3");
        let mut resumed = ring.since("0123abcd-1").unwrap();
        assert_eq!(heard(&ring, &mut resumed, &all()), ["0123abcd-2 transition", "0123abcd-3 transition"]);
    }

    #[test]
    fn who_was_too_slow_is_told_how_much_is_missing() {
        let ring = ring(1);
        let mut cursor = ring.since("0123abcd-0").unwrap();
        for _ in 0..KEPT + 4 {
            ring.push(Wall(0), transition("web", State::Running));
        }
        let text = String::from_utf8(ring.read(&mut cursor.clone(), &all(), 1).to_vec()).unwrap();
        assert!(text.starts_with("id: 0123abcd-5\nevent: missed\n") && text.contains("\"count\":5,"), "{text}");
        let heard = heard(&ring, &mut cursor, &all());
        assert_eq!((heard.len(), heard.last().unwrap().as_str()), (KEPT + 1, "0123abcd-1029 transition"));
    }

    #[test]
    fn an_id_of_another_life_or_of_no_event_is_said_to_be_that() {
        let ring = ring(3);
        let mut other = ring.since("ffffffff-900").unwrap();
        assert_eq!(heard(&ring, &mut other, &all())[..2], ["0123abcd-0 missed", "0123abcd-1 transition"]);
        let mut ahead = ring.since("0123abcd-900").unwrap();
        assert_eq!(heard(&ring, &mut ahead, &all()), ["0123abcd-3 missed"]);
        for bad in
            ["", "1", "0123abcd", "0123abcd-", "0123abcd-+1", "0123ABCD-1", "0123abcd-99999999999999999999999", "é-1"]
        {
            assert_eq!(ring.since(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn events_are_told_by_name_instance_and_state_and_only_to_who_may_know() {
        let ring = Ring::new(LIFE);
        ring.push(Wall(0), transition("web", State::Running));
        ring.push(Wall(0), transition("db", State::Failed));
        let done = Done { target: "web@2".into(), done: true, words: String::new(), refused: false };
        ring.push(Wall(0), News::Order { act: "stop".into(), targets: vec![done], author: Author::default() });
        ring.push(Wall(0), News::Mended { service: None, file: "abide.toml".into() });
        ring.push(Wall(0), News::Missed { count: Some(1), why: String::new() });
        let numbers = |names: Option<&str>, may: &(dyn Fn(Option<&str>) -> bool + Sync)| {
            let names: Option<Vec<Selector>> = names.map(|it| it.split(',').map(|it| it.parse().unwrap()).collect());
            let filter = Filter { names: names.as_deref(), may };
            let heard = heard(&ring, &mut ring.since("0123abcd-0").unwrap(), &filter);
            heard.iter().map(|it| it[9..10].to_owned()).collect::<String>()
        };
        assert_eq!(numbers(None, &|_| true), "12345");
        assert_eq!(numbers(None, &|service| service != Some("db")), "1345");
        assert_eq!(numbers(None, &|service| service == Some("db")), "25");
        assert_eq!(numbers(Some("web"), &|_| true), "135");
        assert_eq!(numbers(Some("web@2,db"), &|_| true), "235");
        assert_eq!(numbers(Some("web@1"), &|_| true), "5");
        assert_eq!(numbers(Some("@failed"), &|_| true), "25");
    }

    #[test]
    fn of_an_order_for_several_each_reader_hears_of_those_that_it_may_know() {
        let ring = Ring::new(LIFE);
        let done = |name: &str| Done { target: name.into(), done: true, words: String::new(), refused: false };
        let author = Author { name: "root".into(), uid: Some(0), pid: Some(7), command: Some("abide stop".into()) };
        ring.push(Wall(0), News::Order { act: "stop".into(), targets: vec![done("db@1"), done("web")], author });
        let text = |may: &(dyn Fn(Option<&str>) -> bool + Sync), names: Option<&[Selector]>| {
            let filter = Filter { names, may };
            String::from_utf8(ring.read(&mut ring.since("0123abcd-0").unwrap(), &filter, 1).to_vec()).unwrap()
        };
        let whole = text(&|_| true, None);
        assert!(whole.contains("db@1") && whole.contains("web") && whole.contains("abide stop"), "{whole}");
        let webs = text(&|service| service == Some("web"), None);
        assert!(webs.contains("web") && webs.contains("root"), "{webs}");
        assert!(!webs.contains("db@1") && !webs.contains("abide stop"), "{webs}");
        assert_eq!(text(&|service| service == Some("web"), Some(&["db".parse().unwrap()])), "");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_too() {
        let ring = Ring::new("");
        let done =
            |n: usize| Done { target: format!("service-{n}"), done: true, words: "x".repeat(80), refused: false };
        for _ in 0..40 {
            let targets = (0..5000).map(done).collect();
            ring.push(Wall(0), News::Order { act: "stop".into(), targets, author: Author::default() });
        }
        let kept = ring.kept();
        assert!(kept.bytes <= MOST_BYTES && kept.newest() == 40, "{}", kept.bytes);
        assert_eq!(kept.bytes, kept.events.iter().map(|event| event.data.len()).sum::<usize>());
    }

    proptest! {
        #[test]
        fn no_id_panics_and_each_good_one_is_read_back(id in "\\PC{0,30}", number in 0_u64..3) {
            let ring = ring(3);
            let _ = ring.since(&id);
            let cursor = ring.since(&format!("0123abcd-{number}")).unwrap();
            prop_assert_eq!(ring.id(&cursor), format!("0123abcd-{number}"));
        }

        /// Whatever happens between two looks: an event is heard once and in order, or counted as missed.
        #[test]
        fn nothing_is_lost_unsaid(steps in proptest::collection::vec((0_usize..900, 1_usize..4000), 1..12)) {
            let ring = Ring::new(LIFE);
            let mut cursor = ring.now();
            let (mut pushed, mut accounted) = (0_u64, 0_u64);
            for (events, room) in steps {
                for _ in 0..events {
                    ring.push(Wall(0), transition("web", State::Running));
                }
                pushed += events as u64;
                let text = String::from_utf8(ring.read(&mut cursor, &all(), room).to_vec()).unwrap();
                for event in text.split_terminator("\n\n") {
                    let count = event.split("\"count\":").nth(1).map(|rest| rest.split(',').next().unwrap().parse::<u64>().unwrap());
                    accounted += count.unwrap_or(1);
                    let expected = format!("id: 0123abcd-{accounted}\n");
                    prop_assert!(event.starts_with(&expected), "{} {}", event, accounted);
                }
            }
            prop_assert!(accounted <= pushed);
            heard(&ring, &mut cursor, &all());
            prop_assert_eq!(cursor.last, pushed);
        }
    }
}
