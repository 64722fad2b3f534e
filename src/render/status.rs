//! The snapshot for people: the table, the page of one service, the line for Nagios. Pure.
//!
//! Everything that came out of a file is cleaned of control characters before it reaches a
//! terminal.

mod nagios;
mod page;
mod table;
mod words;

pub use nagios::nagios;
pub use page::page;
pub use table::table;
pub use words::span;

use crate::model::status::{AbideState, State, Status};
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
    /// Lines of the screen that is to be filled, where it is (`--watch`): the worst comes first
    /// and what does not fit is counted.
    pub height: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Good,
    Busy,
    Bad,
    Dim,
    Strong,
}

impl Style {
    fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Busy => "33",
            Paint::Bad => "1;31",
            Paint::Dim => "2",
            Paint::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { " - " }
    }
}

/// The sign and colour of a state.
fn sign(state: State, style: &Style) -> (&'static str, Paint) {
    let (pretty, plain, paint) = match state {
        State::Running => ("●", "+", Paint::Good),
        State::Stopped => ("○", "-", Paint::Dim),
        State::Starting => ("◔", ">", Paint::Busy),
        State::Stopping => ("◑", "<", Paint::Busy),
        State::Waiting => ("…", "?", Paint::Busy),
        State::Backoff => ("↻", "!", Paint::Bad),
        State::Failed => ("✗", "X", Paint::Bad),
    };
    (if style.unicode { pretty } else { plain }, paint)
}

/// The last line of the table: everything in one sentence.
pub fn summary(status: &Status, now: Wall, style: &Style) -> String {
    let all = &status.summary;
    let total = status.services.len() as u64;
    let mut parts = vec![style.paint(Paint::Strong, &words::count(total, "service"))];
    let good = status.services.iter().filter(|s| s.as_desired).count() as u64;
    let said = match total {
        0 => String::new(),
        _ if good == total => style.paint(Paint::Good, "all as desired"),
        _ => format!("{good} as desired"),
    };
    let of = |state: State| status.services.iter().filter(|s| s.state == state).count() as u64;
    let invalid = status.services.iter().filter(|s| !s.errors.is_empty()).count() as u64;
    let bad = |count: u64, text: String| (count > 0).then(|| style.paint(Paint::Bad, &text));
    let busy = |count: u64, text: String| (count > 0).then(|| style.paint(Paint::Busy, &text));
    parts.extend(Some(said).filter(|said| !said.is_empty()));
    parts.extend(bad(of(State::Failed), format!("{} failed", of(State::Failed))));
    parts.extend(bad(of(State::Backoff), format!("{} in back-off", of(State::Backoff))));
    parts.extend(busy(of(State::Waiting), format!("{} waiting", of(State::Waiting))));
    parts.extend(busy(invalid, format!("{} with an error in the file", words::number(invalid))));
    parts.extend(busy(all.out_of_sync, format!("{} not yet what the file says", all.out_of_sync)));
    let first = parts.remove(0);
    let counts = if parts.is_empty() { first } else { format!("{first}: {}", parts.join(", ")) };
    let abide = &status.abide;
    let state = match abide.state {
        AbideState::Running => format!("up {}", words::since(now, abide.started_at)),
        AbideState::Stopping => "stopping".to_owned(),
        AbideState::Stopped => "stopped".to_owned(),
    };
    let about = format!("abide {} (pid {}) {state}", words::clean(&abide.version), abide.pid);
    format!("{counts}{}{}\n", style.dot(), style.paint(Paint::Dim, &about))
}
