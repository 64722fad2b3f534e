//! What a closer look finds, for people: trees of processes, an environment, what the machine allows. Pure.

use super::status::{Paint, Style, bytes, clean, span};
use crate::model::look::{Difference, Environment, Finding, Level, Process, Trees, Variable};
use std::collections::HashMap;
use std::time::Duration;

/// The processes of some services, each instance a tree.
pub fn trees(all: &[Trees], style: &Style) -> String {
    let mut lines = Vec::new();
    for service in all {
        for instance in &service.instances {
            let number = if service.instances.len() > 1 { format!("@{}", instance.index) } else { String::new() };
            let name = format!("{}{number}", service.service);
            let none = if instance.processes.is_empty() { "  no process" } else { "" };
            lines.push((Vec::new(), style.paint(Paint::Strong, &name) + &style.paint(Paint::Dim, none)));
            lines.extend(rows(&instance.processes, style));
        }
        if service.instances.is_empty() {
            let none = style.paint(Paint::Dim, "  no instances");
            lines.push((Vec::new(), style.paint(Paint::Strong, service.service.as_str()) + &none));
        }
    }
    aligned(lines, style)
}

/// Cells that stand below each other, and the rest of the line.
type Row = (Vec<String>, String);

fn rows(processes: &[Process], style: &Style) -> Vec<Row> {
    let known: HashMap<i32, usize> = processes.iter().enumerate().map(|(at, process)| (process.pid, at)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); processes.len()];
    let mut tops = Vec::new();
    for (at, process) in processes.iter().enumerate() {
        match known.get(&process.parent) {
            Some(parent) if *parent != at => children[*parent].push(at),
            _ => tops.push(at),
        }
    }
    let (fork, last, on, over) =
        if style.unicode { ("├─ ", "└─ ", "│  ", "   ") } else { ("|- ", "`- ", "|  ", "   ") };
    let mut rows = Vec::with_capacity(processes.len());
    // Not by recursion: a tree can be as deep as there are processes.
    let mut next: Vec<(usize, String, String)> =
        tops.into_iter().rev().map(|at| (at, String::new(), String::new())).collect();
    while let Some((at, branch, below)) = next.pop() {
        rows.push(row(&processes[at], &branch));
        for (n, child) in children[at].iter().rev().enumerate() {
            let (sign, under) = if n == 0 { (last, over) } else { (fork, on) };
            next.push((*child, format!("{below}{sign}"), format!("{below}{under}")));
        }
    }
    rows
}

fn row(process: &Process, branch: &str) -> Row {
    let threads = if process.threads > 1 { format!("{} threads", process.threads) } else { String::new() };
    let cells = vec![
        process.pid.to_string(),
        format!("uid {}", process.uid),
        process.state.as_str().to_owned(),
        span(Duration::from_millis(process.cpu_ms)),
        bytes(process.resident_bytes),
        threads,
    ];
    (cells, format!("{branch}{}", clean(&process.command)))
}

/// Numbers to the right, words to the left; cut at the edge of a terminal.
fn aligned(rows: Vec<Row>, style: &Style) -> String {
    const RIGHT: [bool; 6] = [true, false, false, true, true, true];
    let mut widths = [0; RIGHT.len()];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (cells, rest) in rows {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(widths).zip(RIGHT).filter(|((_, width), _)| *width > 0) {
            let pad = " ".repeat(width - cell.chars().count());
            let (before, after) = if right { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.extend(["  ", before, cell, after]);
        }
        if cells.is_empty() {
            text.push_str(&rest);
        } else {
            line.push_str("  ");
            line.push_str(&rest);
            text.push_str(&cut(&line, style.width));
        }
        text.push('\n');
    }
    text
}

fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => line.chars().take(width).collect(),
        _ => line.to_owned(),
    }
}

/// The environment of an instance: a variable a line, with what is to be known of it.
pub fn environment(environment: &Environment, style: &Style) -> String {
    let Environment { service, instance, pid, uncompared, variables } = environment;
    let process = pid.map_or_else(|| "without a process".to_owned(), |pid| format!("process {pid}"));
    let mut text = style.paint(Paint::Dim, &format!("# {service}, instance {instance}, {process}")) + "\n";
    if let Some(why) = uncompared {
        text += &(style.paint(Paint::Dim, &format!("# not compared: {}", clean(why))) + "\n");
    }
    for variable in variables {
        text.extend([&clean(&variable.name), "=", &clean(&variable.value)]);
        if let Some(note) = note(variable) {
            text.extend(["  ", &style.paint(Paint::Busy, &format!("# {note}"))]);
        }
        text.push('\n');
    }
    if variables.iter().any(|variable| variable.masked) {
        let hint = "# what looks like a secret is hidden; --show-secrets shows it to who may everything";
        text += &(style.paint(Paint::Dim, hint) + "\n");
    }
    text
}

fn note(variable: &Variable) -> Option<String> {
    match variable.process.as_ref()? {
        Difference::Other(value) => Some(format!("its process has {}", clean(value))),
        Difference::Missing => Some("its process does not have it".to_owned()),
        // Abide gives each run some of its own.
        Difference::Only => Some("of this run".to_owned()),
    }
}

/// What the machine allows: the worst first, each with what to do.
pub fn findings(findings: &[Finding], style: &Style) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mut text = String::new();
    for finding in sorted {
        let (sign, plain, paint) = match finding.level {
            Level::Ok => ("●", "+", Paint::Good),
            Level::Warning => ("▲", "!", Paint::Busy),
            Level::Error => ("✗", "X", Paint::Bad),
        };
        let sign = style.paint(paint, if style.unicode { sign } else { plain });
        let what = style.paint(Paint::Strong, &clean(&finding.what));
        text.extend([&sign, " ", &what, ": ", &clean(&finding.says), "\n"]);
        if let Some(remedy) = &finding.remedy {
            text.extend(["  ", &style.paint(Paint::Dim, "do:"), " ", &clean(remedy), "\n"]);
        }
    }
    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    let verdict = match (of(Level::Error), of(Level::Warning)) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("{warnings} to be looked after"),
        (errors, 0) => format!("{errors} amiss"),
        (errors, warnings) => format!("{errors} amiss, {warnings} to be looked after"),
    };
    text + &style.paint(Paint::Strong, &verdict) + "\n"
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::look::{ProcessState, Tree};
    use crate::model::name::ServiceName;

    fn process(pid: i32, parent: i32, command: &str) -> Process {
        let (state, cpu_ms, resident_bytes) = (ProcessState::Sleeping, 1500, 3 << 20);
        let threads = if pid == 7 { 12 } else { 1 };
        Process { pid, parent, command: command.to_owned(), state, cpu_ms, resident_bytes, threads, uid: 33 }
    }

    #[test]
    fn a_tree_shows_who_started_whom_and_nothing_drives_the_terminal() {
        let processes = vec![
            process(7, 1, "master"),
            process(100, 7, "worker \u{1b}[31m"),
            process(102, 100, "child of it"),
            process(101, 7, "worker 2"),
            process(103, 1, "daemon"),
        ];
        let trees = [Trees {
            service: ServiceName::new("web").unwrap(),
            instances: vec![
                Tree { index: 0, pid: Some(7), processes },
                Tree { index: 1, pid: None, processes: vec![] },
            ],
        }];
        let style = Style { unicode: true, ..Style::default() };
        let expected = "\
web@0
    7  uid 33  sleeping  1s  3.0 MiB  12 threads  master
  100  uid 33  sleeping  1s  3.0 MiB              ├─ worker \\u{1b}[31m
  102  uid 33  sleeping  1s  3.0 MiB              │  └─ child of it
  101  uid 33  sleeping  1s  3.0 MiB              └─ worker 2
  103  uid 33  sleeping  1s  3.0 MiB              daemon
web@1  no process
";
        assert_eq!(super::trees(&trees, &style), expected);
        let narrow = super::trees(&trees, &Style { width: Some(40), ..style });
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert!(super::trees(&trees, &Style::default()).contains("|- worker"));
    }

    #[test]
    fn an_environment_is_a_variable_a_line_with_what_is_to_be_known() {
        let variable = |name: &str, value: &str, masked, process| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
            masked,
            process,
        };
        let it = Environment {
            service: ServiceName::new("web").unwrap(),
            instance: 0,
            pid: Some(7),
            uncompared: None,
            variables: vec![
                variable("A", "1\n2", false, None),
                variable("KEY", "***", true, None),
                variable("PORT", "80", false, Some(Difference::Other("81".to_owned()))),
            ],
        };
        let expected = "\
# web, instance 0, process 7
A=1\\n2
KEY=***
PORT=80  # its process has 81
# what looks like a secret is hidden; --show-secrets shows it to who may everything
";
        assert_eq!(environment(&it, &Style::default()), expected);
    }

    #[test]
    fn findings_come_worst_first_each_with_what_to_do() {
        let all = [Finding::ok("clock", "it goes"), Finding::amiss("disk", Level::Error, "it is full", "make room")];
        let expected = "X disk: it is full\n  do: make room\n+ clock: it goes\n1 amiss\n";
        assert_eq!(findings(&all, &Style::default()), expected);
        assert!(findings(&all[..1], &Style::default()).ends_with("all is well\n"));
    }
}
