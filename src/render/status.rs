//! The snapshot for people: the table, the page of one service, the line for Nagios. Pure.
//!
//! Everything that came out of a file is cleaned of control characters before it reaches a
//! terminal.

mod advice;
mod nagios;
mod page;
mod table;
mod withheld;
mod words;

pub use advice::{advice, reason, remark, why_not};
pub use nagios::nagios;
pub use page::{Closer, Uses, page};
pub use table::{sections, table};
pub use withheld::withheld;
pub use words::{bytes, clean, count, number, since, span, why_instance};

use crate::model::status::{AbideState, ConditionKind, ServiceStatus, State, Status};
use crate::model::time::Wall;

/// What the output may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colours and weights.
    pub color: bool,
    /// Signs beyond ASCII.
    pub unicode: bool,
    /// Columns of the terminal; `None`: no terminal, lines may be of any length.
    pub width: Option<usize>,
    /// Lines of the screen, where not more may be shown than it has: what does not fit is counted.
    pub height: Option<usize>,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Busy,
    /// Not as it should be.
    Bad,
    /// Of less weight than the rest.
    Dim,
    /// Of more.
    Strong,
    /// Of no meaning beyond its words.
    Plain,
}

impl Style {
    /// `text` in the colour of its meaning, where there are colours.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() || paint == Paint::Plain {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Busy => "33",
            Paint::Bad => "1;31",
            Paint::Dim => "2",
            Paint::Strong | Paint::Plain => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The sign and colour of a state.
pub fn sign(state: State, style: &Style) -> (&'static str, Paint) {
    let (pretty, plain, paint) = match state {
        State::Running | State::Ready => ("●", "+", Paint::Good),
        State::Reloading => ("◕", "~", Paint::Busy),
        State::Stopped => ("○", "-", Paint::Dim),
        State::Held => ("‖", "=", Paint::Busy),
        State::Starting => ("◔", ">", Paint::Busy),
        State::Stopping => ("◑", "<", Paint::Busy),
        State::Waiting => ("…", "?", Paint::Busy),
        State::Backoff => ("↻", "!", Paint::Bad),
        State::Failed => ("✗", "X", Paint::Bad),
    };
    (if style.unicode { pretty } else { plain }, paint)
}

/// The last lines of the table: everything in one sentence, then abide itself, on a line of its own where both are too
/// long for one.
fn summary(status: &Status, now: Wall, style: &Style) -> String {
    let parts = counts(status);
    let (mut text, mut used) = (String::new(), 0);
    for (index, (paint, part)) in parts.iter().enumerate() {
        let comma = match index {
            _ if index + 1 == parts.len() => "",
            0 => ":",
            _ => ",",
        };
        let wide = part.chars().count() + comma.len();
        if index > 0 {
            let fits = style.width.is_none_or(|width| used + 1 + wide <= width);
            text.push_str(if fits { " " } else { "\n" });
            used = if fits { used + 1 } else { 0 };
        }
        text.push_str(&style.paint(*paint, part));
        text.push_str(comma);
        used += wide;
    }
    let abide = &status.abide;
    let state = match abide.state {
        AbideState::Running => format!("up {}", since(now, abide.started_at)),
        AbideState::Stopping => "stopping".to_owned(),
        AbideState::Stopped => "stopped".to_owned(),
    };
    let about = format!("abide {} (pid {}) {state}", clean(&abide.version), abide.pid);
    let fits = style.width.is_none_or(|width| used + 3 + about.chars().count() <= width);
    let between = match (fits, style.unicode) {
        (false, _) => "\n",
        (true, true) => " · ",
        (true, false) => " - ",
    };
    format!("{text}{between}{}\n", style.paint(Paint::Dim, &about))
}

/// How many services there are, then of what kinds.
pub fn counts(status: &Status) -> Vec<(Paint, String)> {
    let services = &status.services;
    let total = services.len();
    let good = services.iter().filter(|s| s.as_desired).count();
    let of = |state: State| services.iter().filter(|s| s.state == state).count();
    let invalid = services.iter().filter(|s| !s.errors.is_empty()).count();
    let stale = services
        .iter()
        .filter(|s| s.errors.is_empty() && s.instances.iter().any(|i| i.pid.is_some() && !i.in_sync))
        .count();
    // Who runs and is not as desired, for a reason that no other word here tells.
    let lacks = |s: &ServiceStatus, kind| s.conditions.iter().any(|c| c.kind == kind);
    let doubtful = || services.iter().filter(|s| !s.as_desired && s.state.is_running());
    let unwell = doubtful().filter(|s| lacks(s, ConditionKind::Healthy)).count();
    let unread = doubtful().filter(|s| lacks(s, ConditionKind::Reloaded)).count();
    let unready = doubtful().filter(|s| s.state == State::Running && s.conditions.is_empty()).count();
    let moving = |state: State| services.iter().filter(|s| !s.as_desired && s.state == state).count();
    let held = services.iter().filter(|s| lacks(s, ConditionKind::NotHeld)).count();
    let (starting, stopping) = (moving(State::Starting), moving(State::Stopping));
    let all_good = if total == 1 { "as desired" } else { "all as desired" }.to_owned();
    let number = |count: usize| number(count as u64);
    let mut parts = vec![(true, Paint::Strong, count(total as u64, "service"))];
    parts.extend([
        (total > 0 && good == total, Paint::Good, all_good),
        (good < total, Paint::Dim, format!("{} as desired", number(good))),
        (of(State::Failed) > 0, Paint::Bad, format!("{} failed", number(of(State::Failed)))),
        (of(State::Backoff) > 0, Paint::Bad, format!("{} in back-off", number(of(State::Backoff)))),
        (of(State::Waiting) > 0, Paint::Busy, format!("{} waiting", number(of(State::Waiting)))),
        (held > 0, Paint::Busy, format!("{} held", number(held))),
        (starting > 0, Paint::Busy, format!("{} starting", number(starting))),
        (stopping > 0, Paint::Busy, format!("{} stopping", number(stopping))),
        (unready > 0, Paint::Busy, format!("{} not ready yet", number(unready))),
        (unwell > 0, Paint::Bad, format!("{} not well", number(unwell))),
        (unread > 0, Paint::Bad, format!("{} with a failed reload", number(unread))),
        (invalid > 0, Paint::Busy, format!("{} with an error in the file", number(invalid))),
        (stale > 0, Paint::Busy, format!("{} not yet what the file says", number(stale))),
    ]);
    parts.into_iter().filter(|(said, ..)| *said).map(|(_, paint, text)| (paint, text)).collect()
}
