//! Findings as text for people, JSON for programs, annotations for GitHub.
//!
//! Pure. Nothing that a file or its name holds reaches a terminal unescaped.

use crate::model::diagnostic::{Diagnostic, Place, Severity, disturbs, escaped};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// More than so many characters of a source line are cut to the part around the place.
const WIDEST: usize = 160;

/// For people: each with its source line and the place marked. Coloured for a terminal.
pub fn text(findings: &[Diagnostic], coloured: bool) -> String {
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for finding in findings {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&[report(finding)]));
        out.push('\n');
    }
    out
}

fn report(finding: &Diagnostic) -> Group<'_> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = escaped(&finding.file.display().to_string());
    let mut group = level
        .primary_title(escaped(&finding.message))
        .id(finding.code.as_str())
        .elements(None::<Snippet<'_, annotate_snippets::Annotation<'_>>>);
    group = match &finding.place {
        Some(place) => {
            let (source, marked) = window(place);
            let snippet = Snippet::source(source).path(path).line_start(place.line as usize);
            group.element(snippet.annotation(AnnotationKind::Primary.span(marked)))
        }
        None => group.element(annotate_snippets::Origin::path(path)),
    };
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(escaped(help))),
        None => group,
    }
}

/// The source line made printable, and the bytes of it that are marked.
fn window(place: &Place) -> (String, std::ops::Range<usize>) {
    let (start, end) = (place.column as usize - 1, place.end_column as usize - 1);
    let mut source = String::new();
    let (mut from, mut to) = (None, None);
    for (index, c) in place.source.chars().chain([' ']).enumerate() {
        if index == start {
            from = Some(source.len());
        }
        if index == end {
            to = Some(source.len());
        }
        if c == '\t' || !disturbs(c) { source.push(c) } else { source.extend(c.escape_default()) }
    }
    source.truncate(source.trim_end().len());
    let from = from.unwrap_or(source.len()).min(source.len());
    let to = to.unwrap_or(source.len()).clamp(from, source.len());
    if source.chars().count() <= WIDEST {
        return (source, from..to);
    }
    // A line without end is shown around its place only.
    let boundary = |mut at: usize| {
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let first = boundary(from.saturating_sub(WIDEST / 2));
    let last = boundary((from + WIDEST / 2).min(source.len()));
    (source[first..last].to_owned(), from - first..to.min(last).max(from) - first)
}

/// One finding as programs get it.
#[derive(Serialize)]
struct Json<'a> {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    end_column: Option<u32>,
    code: &'static str,
    severity: Severity,
    message: &'a str,
    hint: Option<&'a str>,
    source: Option<&'a str>,
}

/// For programs: one array.
pub fn json(findings: &[Diagnostic]) -> String {
    let all: Vec<Json<'_>> = findings.iter().map(json_of).collect();
    let mut out = serde_json::to_string_pretty(&all).expect("strings and numbers always serialise");
    out.push('\n');
    out
}

/// The same, as part of another document.
pub fn values(findings: &[Diagnostic]) -> Vec<serde_json::Value> {
    let value = |finding: &Diagnostic| serde_json::to_value(json_of(finding));
    findings.iter().map(|finding| value(finding).expect("strings and numbers always serialise")).collect()
}

fn json_of(finding: &Diagnostic) -> Json<'_> {
    let place = finding.place.as_ref();
    Json {
        file: finding.file.display().to_string(),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        end_column: place.map(|place| place.end_column),
        code: finding.code.as_str(),
        severity: finding.severity,
        message: &finding.message,
        hint: finding.help.as_deref(),
        source: place.map(|place| place.source.as_str()),
    }
}

/// For GitHub's workflow log: one annotation a line.
pub fn github(findings: &[Diagnostic]) -> String {
    findings.iter().map(annotation).collect()
}

fn annotation(finding: &Diagnostic) -> String {
    let kind = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = format!("file={}", property(&finding.file.display().to_string()));
    if let Some(place) = &finding.place {
        use std::fmt::Write as _;
        let Place { line, column, end_column, .. } = place;
        let _ = write!(properties, ",line={line},col={column},endColumn={end_column}");
    }
    let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let message = data(&format!("{}{help}", finding.message));
    format!("::{kind} {properties},title={}::{message}\n", property(finding.code.as_str()))
}

/// A message, as workflow commands want it escaped.
fn data(text: &str) -> String {
    escaped(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

/// A property, likewise.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnostic::Code;

    fn finding(source: &str, span: std::ops::Range<usize>) -> Diagnostic {
        Diagnostic::error("dir/web\u{1b}[2J.toml", Code::UnknownKey, "unknown key `restrat`")
            .at(Place::of(source, span))
            .help("did you mean `restart`?")
    }

    #[test]
    fn text_marks_the_place_and_escapes_what_a_terminal_would_obey() {
        let shown = text(&[finding("a = 1\nrestrat = \"\u{1b}[31m\"\n", 6..13)], false);
        assert!(shown.starts_with("error[unknown-key]: unknown key `restrat`\n"), "{shown}");
        assert!(shown.contains("--> dir/web\\u{1b}[2J.toml:2:1"), "{shown}");
        assert!(shown.contains("^^^^^^^"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(text(&[finding("x", 0..1)], true).contains("\u{1b}["));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = format!("{} = {}", "k".repeat(300), "ü".repeat(500_000));
        assert!(text(&[finding(&long, 700..600_000)], false).len() < 2000);
        assert!(text(&[finding(&long, 0..300)], false).len() < 2000);
    }

    #[test]
    fn json_is_one_array_with_every_field() {
        let all: serde_json::Value = serde_json::from_str(&json(&[finding("restrat = 1", 0..7)])).expect("JSON");
        assert_eq!(all[0]["line"], 1);
        assert_eq!(all[0]["end_column"], 8);
        assert_eq!(all[0]["hint"], "did you mean `restart`?");
        assert_eq!(json(&[]), "[]\n");
    }

    #[test]
    fn an_annotation_is_one_line() {
        let mut odd = finding("a", 0..1);
        odd.file = "a,b:c\n.toml".into();
        odd.message = "100%\nwrong".into();
        let line = github(&[odd]);
        assert_eq!(
            line,
            "::error file=a%2Cb%3Ac%0A.toml,line=1,col=1,endColumn=2,title=unknown-key::100%25%0Awrong; did you mean `restart`?\n"
        );
    }
}
