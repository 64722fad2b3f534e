//! Where everything stands, for the drawing and for the mouse. Pure.

use super::rows::Column;
use ratatui::layout::Rect;

/// The parts of the screen; one that finds no room has no height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Areas {
    pub(super) head: Rect,
    pub(super) titles: Rect,
    pub(super) rows: Rect,
    pub(super) pane: Rect,
    pub(super) info: Rect,
    pub(super) hints: Rect,
}

/// So many lines beside each other are enough for table and pane.
const BOTH: u16 = 26;

/// Parts of a screen of this size for so many rows: with a closer look or without, with notes on abide itself or without.
pub(super) fn areas((width, height): (u16, u16), rows: usize, pane: bool, notes: bool) -> Areas {
    let mut left = height;
    let mut take = |wanted: u16, needs: u16| {
        let given = if height >= needs { wanted.min(left) } else { 0 };
        left -= given;
        given
    };
    let hints = take(1, 6);
    let info = take(1, 12);
    let head = take(1, 4) + take(1, 14) + if notes { take(1, 16) } else { 0 };
    let table = if !pane {
        left
    } else if left >= BOTH {
        (left / 3).max(8).min(u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2))
    } else {
        0
    };
    let titles = table.min(1);
    let mut y = 0;
    let mut next = |height: u16| {
        let area = Rect::new(0, y, width, height);
        y += height;
        area
    };
    Areas {
        head: next(head),
        titles: next(titles),
        rows: next(table - titles),
        pane: next(left - table),
        info: next(info),
        hints: next(hints),
    }
}

/// A column and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) column: Column,
    pub(super) x: u16,
    pub(super) width: u16,
}

impl Placed {
    /// Numbers stand on the right.
    pub(super) fn is_right(self) -> bool {
        !matches!(self.column, Column::Name | Column::State | Column::Why)
    }
}

/// What goes first where there is no room.
const DISPENSABLE: [Column; 7] =
    [Column::Hour, Column::Log, Column::Pid, Column::Up, Column::Restarts, Column::Memory, Column::Cpu];
/// Names have at least this much, if that is what they need.
const NAME: u16 = 14;
const LONG_NAME: u16 = 40;
/// Reasons get a column of their own from this on.
const WHY: u16 = 20;
/// A mark stands before the name.
const MARK: u16 = 1;

fn width(column: Column) -> u16 {
    match column {
        Column::Name | Column::Why => 0,
        Column::State => 11,
        Column::Restarts => 9,
        Column::Hour | Column::Cpu | Column::Memory | Column::Log => 6,
        Column::Pid | Column::Up => 7,
    }
}

/// The columns of a table of this width; the longest name has `widest` characters.
pub(super) fn columns(screen: u16, widest: usize) -> Vec<Placed> {
    let gap = if screen >= 100 { 2 } else { 1 };
    let widest = u16::try_from(widest).unwrap_or(u16::MAX).max(4);
    let mut kept: Vec<Column> = Column::SORTABLE.into_iter().filter(|column| *column != Column::Name).collect();
    let room = |kept: &[Column]| {
        let fixed: u16 = kept.iter().map(|column| width(*column) + gap).sum();
        screen.saturating_sub(fixed + MARK)
    };
    for column in DISPENSABLE {
        if room(&kept) >= widest.min(NAME) {
            break;
        }
        kept.retain(|it| *it != column);
    }
    let room = room(&kept);
    let mut name = widest.min(room).min(LONG_NAME);
    let why = room.saturating_sub(name + gap);
    if why < WHY {
        name = room;
    }
    let mut x = MARK;
    let mut placed = vec![Placed { column: Column::Name, x, width: name }];
    x += name + gap;
    for column in kept {
        placed.push(Placed { column, x, width: width(column) });
        x += width(column) + gap;
    }
    if why >= WHY {
        placed.push(Placed { column: Column::Why, x, width: screen.saturating_sub(x) });
    }
    placed
}

/// A rectangle of this size in the middle of the screen, as far as it fits.
pub(super) fn middle((width, height): (u16, u16), (w, h): (u16, u16)) -> Rect {
    let (w, h) = (w.min(width), h.min(height));
    Rect::new((width - w) / 2, (height - h) / 2, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_parts_lie_on_the_screen_one_below_the_other(width: u16, height: u16, rows in 0usize..40, pane: bool, notes: bool) {
            let areas = areas((width, height), rows, pane, notes);
            let parts = [areas.head, areas.titles, areas.rows, areas.pane, areas.info, areas.hints];
            prop_assert_eq!(parts.iter().map(|part| part.height).sum::<u16>(), height);
            prop_assert!(parts.windows(2).all(|two| two[0].bottom() == two[1].top()));
        }

        #[test]
        fn columns_lie_on_the_screen_side_by_side(width in 16u16..400, widest in 0usize..200) {
            let placed = columns(width, widest);
            prop_assert!(placed.windows(2).all(|two| two[0].x + two[0].width < two[1].x));
            let last = placed.last().expect("the name is always there");
            prop_assert!(last.x + last.width <= width, "{placed:?}");
        }
    }
}
