//! abide's own log: JSON lines for the pipe of slot 0, and a short form for people on stderr.
//!
//! Neither is ever waited for. The pipe is written without blocking; stderr, perhaps a stopped
//! terminal, by a thread of its own behind a bounded channel. What finds no room is counted.

mod pipe;

use crate::log::stamp::Civil;
use crate::model::guise::Guise;
use crate::model::status::State;
use crate::model::transition::Transition;
use pipe::Pipe;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};

/// The variable with the filter: a level, or `TARGET=LEVEL` pairs: `ABIDE_LOG=debug`.
pub const FILTER: &str = "ABIDE_LOG";
/// So many lines for people may wait.
const WAITING: usize = 512;
/// How long the end of abide waits for a terminal.
const FLUSH: Duration = Duration::from_millis(200);

/// The log, once started: what it could not write, and the way to its end.
#[derive(Debug, Clone)]
pub struct Trace {
    pipe: Option<Arc<Pipe>>,
    people: Option<SyncSender<Line>>,
    unshown: Arc<AtomicU64>,
    filter: Handle<Targets, Registry>,
}

/// What is said of this log itself goes to people only, under this target: of a file that cannot
/// be written it would be one more line that cannot, and one more to say it of.
pub(super) const NOT_IN_THE_FILE: &str = "abide::own_log";

/// Under this target people are told the very message, where abide is in a guise.
pub(super) const AS_IT_IS: &str = "abide::as_it_is";

/// Starts the log for the whole process: JSON lines into `pipe`, and, for people, to stderr:
/// everything if it is a terminal, else warnings and errors. The filter is [`FILTER`], by default `info`.
pub fn start(pipe: Option<OwnedFd>, stderr_is_terminal: bool, guise: Option<&Guise>) -> Trace {
    let filter = std::env::var(FILTER).unwrap_or_default();
    let (filter, complaint) = filter_of(&filter);
    // A descriptor of its own: a thread that hangs in a write must not hold the lock of std's stderr.
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().ok().map(std::fs::File::from);
    let manner = guise.map_or(Manner::Own { is_terminal: stderr_is_terminal }, |guise| Manner::Guise(guise.name()));
    let (subscriber, trace) = assemble(pipe, stderr, manner, filter);
    // Fails only if the process has a log already; then that one goes on.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if let Some(pipe) = trace.pipe.clone() {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            pipe.rescue();
        }));
    }
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    trace
}

/// One transition, one event.
///
/// In a guise it is nothing to warn of: svscan and supervise do not speak of it.
pub fn transition(t: &Transition, is_news: bool) {
    let service = t.instance.service.as_str();
    let instance = t.numbered.then_some(t.instance.index);
    let (from, to, reason, pid) = (t.from.as_str(), t.to.as_str(), t.reason.as_str(), t.pid);
    let exit = t.exit.map(tracing::field::display);
    // One that went down for want of what it requires is down though its file wants it up.
    let taken_down = t.from == State::Stopping && t.to == State::Waiting;
    if is_news && (t.grave || taken_down || matches!(t.to, State::Backoff | State::Failed)) {
        tracing::warn!(service, instance, from, to, reason, pid, exit);
    } else {
        tracing::info!(service, instance, from, to, reason, pid, exit);
    }
}

impl Trace {
    /// Tells from now on what that filter lets through, if it is one; what it tells then, or what is wrong with it.
    pub fn tell(&self, filter: Option<&str>) -> Result<String, String> {
        if let Some(text) = filter {
            let targets = text.trim().parse::<Targets>().map_err(|error| format!("{text:?} is no filter: {error}"))?;
            if targets.iter().next().is_none() && targets.default_level().is_none() {
                return Err(format!("{text:?} is no filter"));
            }
            let changed = self.filter.modify(|known| *known = targets.clone());
            changed.map_err(|error| error.to_string())?;
            tracing::info!(filter = text, "abide's own log tells something else from now on");
        }
        self.filter.with_current(ToString::to_string).map_err(|error| error.to_string())
    }

    /// How many lines for the file found no room in its pipe, or not wholly, since the start.
    pub fn dropped(&self) -> u64 {
        self.pipe.as_ref().map_or(0, |pipe| pipe.dropped())
    }

    /// How many lines for people were not written: nobody reads, as at a stopped terminal.
    pub fn unshown(&self) -> u64 {
        self.unshown.load(Ordering::Relaxed)
    }

    /// From now on lines for the file are held back, up to a pipe's worth, until [`Self::release`]:
    /// what belongs together wakes the logger once. Held for moments only: who is killed takes them along.
    pub fn hold(&self) {
        if let Some(pipe) = &self.pipe {
            pipe.hold();
        }
    }

    /// Writes what was held back.
    pub fn release(&self) {
        if let Some(pipe) = &self.pipe {
            pipe.release();
        }
    }

    /// Waits a moment for what is still on its way: the last thing before the end.
    pub fn flush(&self) {
        if let Some(pipe) = &self.pipe {
            pipe.finish();
        }
        let (done, finished) = sync_channel(1);
        if let Some(people) = &self.people
            && people.try_send(Line::Flush(done)).is_ok()
        {
            let _ = finished.recv_timeout(FLUSH);
        }
    }
}

/// The filter that a text means (not env-filter, whose regular expressions would be a tenth of
/// the program for fields nobody filters by), or `info` and what is wrong with the text.
fn filter_of(text: &str) -> (Targets, Option<String>) {
    let text = if text.trim().is_empty() { "info" } else { text };
    match text.parse() {
        Ok(filter) => (filter, None),
        Err(error) => {
            let complaint = format!("cannot read {FILTER}={text:?}: {error}. Write a level such as `debug`");
            (Targets::new().with_default(LevelFilter::INFO), Some(complaint))
        }
    }
}

fn assemble(
    pipe: Option<OwnedFd>,
    people: Option<impl Write + Send + 'static>,
    manner: Manner,
    filter: Targets,
) -> (impl Subscriber + Send + Sync, Trace) {
    let pipe = pipe.map(|fd| Arc::new(Pipe::new(fd)));
    let json = pipe.clone().map(|pipe| {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        layer
            .with_current_span(true)
            .with_span_list(false)
            .with_target(false)
            .with_timer(Micros)
            .with_writer(pipe.with_filter(|event| event.target() != NOT_IN_THE_FILE))
    });
    let unshown = Arc::new(AtomicU64::new(0));
    let people = people.and_then(|out| write_for_people(out, unshown.clone()).ok());
    let short = people.clone().map(|lines| ForPeople { lines, unshown: unshown.clone(), manner });
    let (filter, handle) = reload::Layer::new(filter);
    let subscriber = Registry::default().with(filter).with(json).with(short);
    (subscriber, Trace { pipe, people, unshown, filter: handle })
}

fn now() -> Civil {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Civil::new(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// RFC 3339 in UTC with microseconds.
struct Micros;

impl FormatTime for Micros {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        now().rfc3339(w)
    }
}

/// What travels to the thread that writes for people.
#[derive(Debug)]
enum Line {
    Text(String),
    Flush(SyncSender<()>),
}

/// Starts the thread that may hang instead of the loop.
fn write_for_people(out: impl Write + Send + 'static, unshown: Arc<AtomicU64>) -> std::io::Result<SyncSender<Line>> {
    let (lines, waiting) = sync_channel(WAITING);
    let thread = std::thread::Builder::new().name("abide-stderr".into()).stack_size(64 << 10);
    thread.spawn(move || write_lines(out, &waiting, &unshown))?;
    Ok(lines)
}

fn write_lines(mut out: impl Write, waiting: &Receiver<Line>, unshown: &AtomicU64) {
    for line in waiting {
        match line {
            Line::Text(text) => {
                if out.write_all(text.as_bytes()).is_err() {
                    unshown.fetch_add(1, Ordering::Relaxed);
                }
            }
            Line::Flush(done) => drop(done.send(())),
        }
    }
}

/// Formats events for people: `05:14:02 ! web@1 running → backoff: exit code 1 (pid 4711)`.
struct ForPeople {
    lines: SyncSender<Line>,
    unshown: Arc<AtomicU64>,
    manner: Manner,
}

/// How people are spoken to.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Own {
        is_terminal: bool,
    },
    /// As this command of daemontools: warnings alone, without a time.
    Guise(&'static str),
}

impl<S: Subscriber> Layer<S> for ForPeople {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let is_terminal = matches!(self.manner, Manner::Own { is_terminal: true });
        if !is_terminal && level > Level::WARN {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let line = match self.manner {
            Manner::Own { .. } => words.draw(now(), level, is_terminal),
            Manner::Guise(_) if event.metadata().target() == AS_IT_IS => words.message + "\n",
            Manner::Guise(name) => words.as_warning(name),
        };
        if self.lines.try_send(Line::Text(line)).is_err() {
            self.unshown.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The fields of an event, sorted by what people read first.
#[derive(Default)]
struct Words {
    service: String,
    instance: String,
    from: String,
    to: String,
    reason: String,
    pid: String,
    message: String,
    action: String,
    file: String,
    line: String,
    column: String,
    help: String,
    others: String,
}

impl Words {
    fn draw(&self, at: Civil, level: Level, colour: bool) -> String {
        let mut line = String::with_capacity(120);
        let written = self.write(&mut line, at, level, colour);
        debug_assert!(written.is_ok(), "a String takes everything");
        line
    }

    fn as_warning(&self, name: &str) -> String {
        let mut line = format!("{name}: warning: ");
        let written = self.write_facts(&mut line, false);
        debug_assert!(written.is_ok(), "a String takes everything");
        line
    }

    fn write(&self, line: &mut String, at: Civil, level: Level, colour: bool) -> fmt::Result {
        let (sign, paint) = match level {
            Level::ERROR => ("✗", "\x1b[31m"),
            Level::WARN => ("!", "\x1b[33m"),
            Level::INFO => ("·", "\x1b[32m"),
            _ => (" ", "\x1b[2m"),
        };
        let paints = |paint| if colour { paint } else { "" };
        line.write_str(paints("\x1b[2m"))?;
        at.clock(line)?;
        write!(line, "Z{} {}{sign}{} ", paints("\x1b[0m"), paints(paint), paints("\x1b[0m"))?;
        self.write_facts(line, colour)
    }

    fn write_facts(&self, line: &mut String, colour: bool) -> fmt::Result {
        let paints = |paint| if colour { paint } else { "" };
        if !self.service.is_empty() {
            write!(line, "{}{}", paints("\x1b[1m"), self.service)?;
            if !self.instance.is_empty() {
                write!(line, "@{}", self.instance)?;
            }
            write!(line, "{} ", paints("\x1b[0m"))?;
        }
        if !self.file.is_empty() {
            line.push_str(&self.file);
            for number in [&self.line, &self.column].into_iter().filter(|number| !number.is_empty()) {
                write!(line, ":{number}")?;
            }
            line.push_str(": ");
        }
        if !self.to.is_empty() {
            write!(line, "{} → {}", self.from, self.to)?;
        }
        for words in [&self.message, &self.action, &self.reason] {
            if !words.is_empty() {
                let separator = if line.ends_with(' ') { "" } else { ": " };
                write!(line, "{separator}{words}")?;
            }
        }
        if !self.pid.is_empty() {
            write!(line, " (pid {})", self.pid)?;
        }
        if !self.help.is_empty() {
            write!(line, "; {}", self.help)?;
        }
        line.push_str(&self.others);
        line.push('\n');
        Ok(())
    }

    fn take(&mut self, field: &Field, value: &dyn fmt::Display) {
        let place = match field.name() {
            "service" => &mut self.service,
            "instance" => &mut self.instance,
            "from" => &mut self.from,
            "to" => &mut self.to,
            "reason" => &mut self.reason,
            "pid" => &mut self.pid,
            "message" => &mut self.message,
            "action" => &mut self.action,
            "file" | "path" => &mut self.file,
            "line" => &mut self.line,
            "column" => &mut self.column,
            "help" => &mut self.help,
            // The reason or the message says it in words.
            "exit" | "code" => return,
            name => {
                self.others.push(' ');
                self.others.push_str(name);
                self.others.push('=');
                &mut self.others
            }
        };
        // Cannot fail: `Plain` writes into a String.
        let _ = write!(Plain(place), "{value}");
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, &value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format_args!("{value:?}"));
    }
}

/// Takes the teeth out of what a terminal would obey: file names can hold anything.
struct Plain<'a>(&'a mut String);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
