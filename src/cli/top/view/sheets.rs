//! What lies over everything: help, questions, refusals, the choice of states, abide itself.

use super::brush::{Brush, painted};
use crate::cli::top::layout::middle;
use crate::cli::top::state::{Ask, Notice, Sheet, Top};
use crate::cli::top::talk::Verb;
use crate::cli::top::update::capital;
use crate::model::status::{Mechanism, State};
use crate::render::status::{Paint, Style as Means, clean, number, sections, since};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Worst first, as in the table.
pub(in crate::cli::top) const STATES: [State; 10] = [
    State::Failed,
    State::Backoff,
    State::Waiting,
    State::Starting,
    State::Stopping,
    State::Reloading,
    State::Held,
    State::Running,
    State::Ready,
    State::Stopped,
];

const HELP: &str = "\
up down j k       one row; page up and down, home and end as ever
enter             details of the row: files, errors, limits, ends, events
l                 follow its log; tab goes between details and log
J K               the next, the previous service, while one looks closer
esc               back; in the table: clear marks, then the filter

x                 stop, and hold stopped: asks why and for how long
s                 start: lifts a hold, starts what was given up
r                 restart, in the newest version
R                 reload, as [reload] of its file has it
t c               try again what was rolled back; confirm a removal
z Z               suspend, resume: act on its files no more, or again
space *           mark a row, mark all shown: what is done means these

/                 filter: words in name, state or description; web*, @failed
f                 choose states
!                 only what is not as desired
< >  i            sort by another column; turn the order round
                  or click on a title; by state is worst first

in a log          p or space pauses and follows again, up scrolls,
                  left and right move, / searches, n N go on
a                 abide itself: directories, errors, notes
ctrl-l ctrl-z     draw anew; to the shell, `fg` comes back
q ctrl-c          quit

CPU% is of one processor; MEM is what is resident; K M G are powers of
1024; 1H counts restarts of the last hour.";

/// Draws what lies above; where the cursor of the terminal belongs, if something is typed there.
pub(super) fn draw(top: &Top, size: (u16, u16), brush: &mut Brush<'_>) -> Option<Position> {
    match top.sheet.as_ref()? {
        Sheet::Help(scroll) => {
            let lines: Vec<Line<'static>> = HELP.lines().map(help_line).collect();
            text(size, "Keys", &lines, *scroll, brush);
            None
        }
        Sheet::Abide(scroll) => {
            text(size, "abide itself", &abide(top, size), *scroll, brush);
            None
        }
        Sheet::Notice(notice) => {
            text(size, &notice.title, &notice_lines(notice, size), notice.scroll, brush);
            None
        }
        Sheet::States(at) => {
            states(top, size, *at, brush);
            None
        }
        Sheet::Confirm(ask) => confirm(top, ask, size, brush),
    }
}

fn help_line(line: &'static str) -> Line<'static> {
    match line.split_at_checked(18) {
        Some((keys, does)) => {
            let strong = Style::new().add_modifier(Modifier::BOLD);
            Line::from(vec![Span::styled(keys, strong), Span::raw(does)])
        }
        None => Line::raw(line),
    }
}

/// A sheet of lines that scrolls.
fn text(size: (u16, u16), title: &str, lines: &[Line<'_>], scroll: usize, brush: &mut Brush<'_>) {
    let wide = lines.iter().map(Line::width).max().unwrap_or(0).max(title.len() + 4) as u16 + 4;
    let high = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = middle(size, (wide, high));
    let within = brush.sheet(area, title);
    let scroll = scroll.min(lines.len().saturating_sub(usize::from(within.height)));
    for (y, line) in (within.y..within.bottom()).zip(lines.iter().skip(scroll)) {
        brush.put_line(within.x, y, within.width, line);
    }
    let more = lines.len() - scroll > usize::from(within.height);
    if area.height > 2 && area.width > 20 {
        let dim = brush.style(Paint::Dim);
        let word = if more { " down: more " } else { " any key: close " };
        brush.put_right(area.x + 2, area.bottom() - 1, area.width - 4, word, dim);
    }
}

/// Breaks at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        // What is indented, such as lines for a file, keeps its form.
        if line.starts_with([' ', '[']) || line.is_empty() {
            lines.push(line.to_owned());
            continue;
        }
        for word in line.split(' ') {
            if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines
}

fn notice_lines(notice: &Notice, (width, _): (u16, u16)) -> Vec<Line<'static>> {
    let width = usize::from(width.saturating_sub(6)).clamp(10, 76);
    let text: String = notice.text.lines().map(|line| clean(line).into_owned() + "\n").collect();
    wrapped(&text, width).into_iter().map(Line::raw).collect()
}

fn abide(top: &Top, (width, _): (u16, u16)) -> Vec<Line<'static>> {
    let Some(status) = &top.status else { return vec![Line::raw("nothing is known yet")] };
    let wide = usize::from(width.saturating_sub(6)).clamp(20, 100);
    let means = Means { color: true, width: Some(wide), height: None, ..top.style };
    let about = &status.abide;
    let mut lines = vec![format!(
        "abide {} (pid {}, supervisor {}), up {}, snapshot {}",
        clean(&about.version),
        about.pid,
        about.supervisor_pid,
        since(top.seen(), about.started_at),
        number(about.snapshot_seq),
    )];
    lines.extend(status.sources.iter().map(|source| {
        let how = match source.mechanism {
            Mechanism::Inotify => "watched",
            Mechanism::Poll => "looked at again and again",
            Mechanism::None => "not watched at the moment",
        };
        format!("{}: {} entries, {how}", clean(&source.path), number(source.entries))
    }));
    lines.extend(top.rights.as_ref().map(|rights| {
        let each = rights.rights.iter().map(|right| format!("{} {}", clean(&right.may), clean(&right.services)));
        let all = each.collect::<Vec<_>>().join(", ");
        format!("you are {} and may: {}", clean(&rights.name), if all.is_empty() { "nothing" } else { &all })
    }));
    let more = sections(status, &means);
    if !more.is_empty() {
        lines.extend([String::new(), more.trim_end().to_owned()]);
    }
    painted(&lines.join("\n"), top.style.color)
}

fn states(top: &Top, size: (u16, u16), at: usize, brush: &mut Brush<'_>) {
    let area = middle(size, (38, STATES.len() as u16 + 5));
    let within = brush.sheet(area, "Show only");
    let count = |wanted: &dyn Fn(&crate::cli::top::rows::Row) -> bool| {
        number(top.rows.iter().filter(|row| wanted(row)).count() as u64)
    };
    let mut lines =
        vec![(top.filter.trouble, "not as desired".to_owned(), Paint::Strong, count(&|row| !row.as_desired))];
    for state in STATES {
        let (mark, paint) = brush.state(state);
        let word = format!("{mark} {}", state.as_str());
        lines.push((top.filter.states.contains(&state), word, paint, count(&|row| row.state == state)));
    }
    // On a small screen the chosen line stays in sight.
    let first = (at + 1).saturating_sub(usize::from(within.height));
    for (y, (place, (on, word, paint, count))) in (within.y..within.bottom()).zip(lines.iter().enumerate().skip(first))
    {
        let mark = if *on { "[x]" } else { "[ ]" };
        brush.put(within.x, y, 4, mark, Style::new());
        let style = brush.style(*paint);
        brush.put(within.x + 4, y, within.width.saturating_sub(12), word, style);
        let room = within.width.min(8);
        brush.put_right(within.right() - room, y, room, count, Style::new());
        if place == at {
            brush.tint(Rect { y, height: 1, ..within }, Style::reset().add_modifier(Modifier::REVERSED));
        }
    }
    if usize::from(within.height) > lines.len() + 1 {
        let dim = brush.style(Paint::Dim);
        brush.put(within.x, within.bottom() - 1, within.width, "space choose  a all  esc close", dim);
    }
}

fn confirm(top: &Top, ask: &Ask, size: (u16, u16), brush: &mut Brush<'_>) -> Option<Position> {
    let what = match ask.targets.as_slice() {
        [only] => only.to_string(),
        many => format!("{} rows", number(many.len() as u64)),
    };
    let wide = size.0.saturating_sub(4).clamp(30, 70);
    let room = usize::from(wide - 4);
    let mut lines: Vec<(Paint, String)> = Vec::new();
    for target in ask.targets.iter().take(6) {
        let row = top.rows.iter().find(|row| row.target == *target);
        let state = row.map_or_else(
            || "gone".to_owned(),
            |row| {
                let pid = row.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
                format!("{}{pid}", row.state.as_str())
            },
        );
        lines.push((Paint::Strong, format!("{target}  {state}")));
    }
    if ask.targets.len() > 6 {
        lines.push((Paint::Dim, format!("and {} more", number(ask.targets.len() as u64 - 6))));
    }
    let means = match ask.verb {
        Verb::Stop => "It is stopped and held until somebody starts it; an edit of its file does not start it.",
        Verb::Start => "A hold is lifted; what rests, waits or was given up is started.",
        Verb::Restart => "What runs is ended and started anew, in the version that its file now has.",
        Verb::Retry => "The version that its file has, and that was rolled back, is started once more.",
        Verb::Confirm => "Its file is gone, and so are others: it is stopped, and is no service any more.",
        Verb::Suspend => "Nothing that changes in its files is acted on until somebody resumes it.",
        Verb::Resume => "Its files are acted on again, and what changed in them meanwhile.",
        Verb::Reload => "Its process takes up its configuration, as [reload] of its file has it.",
    };
    lines.push((Paint::Dim, String::new()));
    lines.extend(wrapped(means, room).into_iter().map(|line| (Paint::Dim, line)));
    let asks = ask.verb == Verb::Stop;
    let high = lines.len() as u16 + if asks { 5 } else { 2 } + 2;
    let area = middle(size, (wide, high));
    let within = brush.sheet(area, &format!("{} {what}?", capital(ask.verb.word())));
    // Where there is too little room, the fields and keys are worth more than the words.
    let below = if asks { 4 } else { 1 };
    let words = usize::from(within.height.saturating_sub(below));
    let mut y = within.y;
    for (paint, line) in lines.iter().take(words) {
        let style = brush.style(*paint);
        brush.put(within.x, y, within.width, line, style);
        y += 1;
    }
    let keys = if asks { "enter stop   tab next field   esc cancel" } else { "enter or y: yes   esc or n: no" };
    let strong = brush.style(Paint::Strong);
    brush.put(within.x, within.bottom().saturating_sub(1), within.width, keys, strong);
    if asks { fields(ask, within, y, brush) } else { None }
}

/// Reason and duration of a stop.
fn fields(ask: &Ask, within: Rect, y: u16, brush: &mut Brush<'_>) -> Option<Position> {
    let y = y.min(within.bottom().saturating_sub(4));
    let (dim, strong) = (brush.style(Paint::Dim), brush.style(Paint::Strong));
    let y = if y + 4 < within.bottom() { y + 1 } else { y };
    let mut cursor = None;
    for (line, (label, field, active)) in
        [("why", &ask.reason, !ask.second), ("for", &ask.lasts, ask.second)].into_iter().enumerate()
    {
        let y = y + line as u16;
        if y >= within.bottom() {
            break;
        }
        brush.put(within.x, y, 4, label, if active { strong } else { dim });
        let x = within.x + 5;
        let room = within.width.saturating_sub(5);
        let before = field.before();
        // What is longer than the line is moved to the left, so that the cursor is seen.
        let hidden = Span::raw(before.as_str()).width().saturating_sub(usize::from(room).saturating_sub(1));
        let text: String = field.text().chars().skip(hidden).collect();
        brush.tint(Rect::new(x, y, room, 1), Style::new().add_modifier(Modifier::UNDERLINED));
        if text.is_empty() && line == 1 {
            brush.put(x, y, room, "2h, 30m; empty: until it is started", dim);
        } else {
            brush.put(x, y, room, &text, Style::new());
        }
        if active {
            let at = Span::raw(before.as_str()).width() - hidden;
            cursor = Some(Position::new(x + at as u16, y));
        }
    }
    if let Some(wrong) = &ask.wrong {
        let style = brush.style(Paint::Bad);
        brush.put(within.x, y + 2, within.width, wrong, style);
    }
    cursor
}
