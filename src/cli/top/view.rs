//! State → what stands on the screen. Pure; only the rows that are seen are laid out.

mod bars;
mod brush;
mod pane;
mod sheets;
mod table;

pub(super) use bars::hint_at;
pub(super) use pane::page_lines;
pub(super) use sheets::STATES;

use super::state::{Link, Top, Typing};
use brush::Brush;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

/// Draws everything into `buffer`; where the cursor of the terminal belongs, if anywhere.
pub fn view(top: &Top, buffer: &mut Buffer) -> Option<Position> {
    // The buffer is as large as the terminal is now, which may have changed since the last input.
    let size = (buffer.area.width, buffer.area.height);
    let notes = top.notes();
    let areas = super::layout::areas(size, top.shown.len(), top.pane.is_some(), notes.is_some());
    let mut brush = Brush::new(buffer, top.style);
    bars::head(top, notes.as_deref(), areas.head, &mut brush);
    if areas.rows.height > 0 {
        table::titles(top, areas.titles, &mut brush);
        table::rows(top, areas.rows, &mut brush);
    }
    if areas.pane.height > 0 {
        pane::draw(top, areas.pane, &mut brush);
    }
    bars::info(top, areas.info, &mut brush);
    let typed = bars::hints(top, areas.hints, &mut brush);
    let asked = sheets::draw(top, size, &mut brush);
    if top.sheet.is_some() {
        asked
    } else if top.typing == Typing::Nobody {
        None
    } else {
        typed
    }
}

/// Whether what stands here is of the past.
fn is_past(top: &Top) -> bool {
    matches!(top.link, Link::Lost(..))
}
