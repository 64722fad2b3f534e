//! A plan, for people and for programs.

use crate::model::plan::{Action, Change, Plan, Price, Step};
use std::fmt::Write;

/// How one action is shown: its sign, its word, its colour (ANSI), and how a sum of it reads.
struct Look {
    action: Action,
    sign: char,
    word: &'static str,
    colour: &'static str,
    sum: &'static str,
}

/// In the order in which they are shown.
const LOOKS: [Look; 5] = [
    Look { action: Action::Start, sign: '+', word: "start", colour: "\x1b[32m", sum: "to start" },
    Look { action: Action::Stop, sign: '-', word: "stop", colour: "\x1b[31m", sum: "to stop" },
    Look { action: Action::Restart, sign: '~', word: "restart", colour: "\x1b[33m", sum: "to restart" },
    Look { action: Action::Live, sign: '·', word: "live", colour: "\x1b[36m", sum: "to change live" },
    Look { action: Action::Nothing, sign: ' ', word: "none", colour: "\x1b[2m", sum: "without effect on processes" },
];
const PLAIN: &str = "\x1b[0m";
const FAINT: &str = "\x1b[2m";

/// The plan for people: grouped by what is done, field by field, with a closing sum.
pub fn text(plan: &Plan, coloured: bool) -> String {
    if plan.is_empty() {
        return "Nothing would change.\n".to_owned();
    }
    let mut out = String::new();
    let mut sums = Vec::new();
    let width = plan.steps.iter().map(|step| step.service.as_str().len()).max().unwrap_or(0);
    for look in &LOOKS {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.action == look.action).collect();
        if !steps.is_empty() {
            sums.push(format!("{} {}", steps.len(), look.sum));
        }
        for step in steps {
            let (colour, end) = if coloured { (look.colour, PLAIN) } else { ("", "") };
            let (sign, word, reason) = (look.sign, look.word, shown(&step.reason));
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{colour}{sign} {word:<7}{end}  {:<width$}  {reason}", step.service.as_str());
            fields(&mut out, step, coloured);
        }
    }
    let _ = writeln!(out, "\n{}.", sums.join(", "));
    out
}

/// The plan for programs.
pub fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).expect("a plan is strings, numbers and lists")
}

/// What differs, a line a field.
pub fn field_lines(changes: &[Change], coloured: bool) -> String {
    let mut out = String::new();
    let width = changes.iter().map(|change| change.field.chars().count()).max().unwrap_or(0);
    for change in changes {
        // Writing to a String cannot fail.
        let _ = write!(out, "    {:<width$}  {}", shown(&change.field), values(change));
        if let Some(why) = &change.why {
            let (faint, end) = if coloured { (FAINT, PLAIN) } else { ("", "") };
            let price = if change.price == Price::Restart { "restart: " } else { "" };
            let _ = write!(out, "  {faint}({price}{}){end}", shown(why));
        }
        out.push('\n');
    }
    out
}

fn fields(out: &mut String, step: &Step, coloured: bool) {
    out.push_str(&field_lines(&step.changes, coloured));
    match step.scale {
        0 => {}
        1 => out.push_str("    1 instance more\n"),
        -1 => out.push_str("    1 instance fewer\n"),
        more @ 1.. => {
            let _ = writeln!(out, "    {more} instances more");
        }
        fewer => {
            let _ = writeln!(out, "    {} instances fewer", -fewer);
        }
    }
}

fn values(change: &Change) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{} → {}", shown(from), shown(to)),
        (Some(from), None) => format!("{} → not set", shown(from)),
        (None, Some(to)) => format!("not set → {}", shown(to)),
        (None, None) => "changed".to_owned(),
    }
}

/// What stands in a file is no business of the terminal: control characters are made visible.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::ServiceName;

    fn step(name: &str, action: Action, reason: &str, changes: Vec<Change>, scale: i64) -> Step {
        let service = ServiceName::new(name).expect("legal");
        Step { service, action, reason: reason.to_owned(), changes, scale }
    }

    fn change(field: &str, from: Option<&str>, to: Option<&str>, why: Option<&str>) -> Change {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Change { field: field.to_owned(), from: own(from), to: own(to), price: Price::Restart, why: own(why) }
    }

    fn example() -> Plan {
        let limits = change("limits.open_files", Some("1024"), Some("4096"), Some("raising it needs a right"));
        let command = change("command", Some("/bin/a"), Some("/bin/b\x1b[2J"), None);
        Plan {
            steps: vec![
                step("api", Action::Restart, "command changed", vec![command, limits], 2),
                step(
                    "db",
                    Action::Nothing,
                    "description changed",
                    vec![change("description", None, Some("x"), None)],
                    0,
                ),
                step("old", Action::Stop, "removed", vec![], 0),
                step("worker", Action::Start, "new", vec![], 0),
            ],
        }
    }

    #[test]
    fn a_plan_reads_group_by_group_with_its_sum() {
        insta::assert_snapshot!(text(&example(), false), @r"
        + start    worker  new
        - stop     old     removed
        ~ restart  api     command changed
            command            /bin/a → /bin/b\u{1b}[2J
            limits.open_files  1024 → 4096  (restart: raising it needs a right)
            2 instances more
          none     db      description changed
            description  not set → x

        1 to start, 1 to stop, 1 to restart, 1 without effect on processes.
        ");
    }

    #[test]
    fn colours_come_only_on_request() {
        assert!(text(&example(), true).contains("\x1b[33m~ restart\x1b[0m"));
        assert!(!text(&example(), false).contains('\x1b'));
        assert_eq!(text(&Plan::default(), true), "Nothing would change.\n");
    }

    #[test]
    fn programs_get_the_very_plan() {
        let value: serde_json::Value = serde_json::from_str(&json(&example())).expect("JSON");
        assert_eq!(value["steps"][0]["action"], "restart");
        assert_eq!(value["steps"][0]["changes"][1]["why"], "raising it needs a right");
    }
}
