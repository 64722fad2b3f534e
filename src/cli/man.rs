//! `abide man`: the man pages, made from the options themselves.

use super::args::Cli;
use super::args::look::ManArgs;
use super::talk::complain;
use super::{exit, say};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::fmt::Write as _;
use std::path::Path;

/// Writes them all into the directory, or prints the first.
pub(super) fn run(args: &ManArgs) -> u8 {
    let pages = pages();
    let Some(directory) = &args.directory else {
        say(pages.first().map_or("", |(_, page)| page));
        return exit::OK;
    };
    match write(directory, &pages) {
        Ok(()) => exit::OK,
        Err(error) => {
            let directory = directory.display();
            complain("man", &format!("could not write into {directory}: {error}; name a directory of yours"));
            exit::ERRORS
        }
    }
}

fn write(directory: &Path, pages: &[(String, String)]) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    pages.iter().try_for_each(|(name, page)| std::fs::write(directory.join(name), page))
}

/// Each with the name of its file; abide's own first.
fn pages() -> Vec<(String, String)> {
    let mut all = Cli::command();
    all.build();
    let visible: Vec<Command> = all.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect();
    let seen: Vec<String> = visible.iter().map(|it| it.get_name().to_owned()).collect();
    let mut pages = vec![("abide.1".to_owned(), page(&all, "abide", &seen))];
    for command in &visible {
        let name = format!("abide-{}", command.get_name());
        pages.push((format!("{name}.1"), page(command, &name, &[])));
    }
    pages
}

/// One page: what clap knows of the command, then what stands behind its help, by sections.
fn page(command: &Command, name: &str, seen: &[String]) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let shown = command.clone().display_name(name.to_owned()).bin_name(name.replacen('-', " ", 1));
    let source = format!("abide {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(shown).title(name.to_uppercase()).section("1").source(source).manual("abide");
    let mut out = Vec::new();
    // Memory takes all that is written.
    let _ = man.render_title(&mut out);
    let name_line = format!(".SH NAME\n{} \\- {}\n", escaped(name), escaped(first_small(&about).trim_end_matches('.')));
    out.extend_from_slice(name_line.as_bytes());
    let _ = man.render_synopsis_section(&mut out);
    let _ = man.render_description_section(&mut out);
    let _ = man.render_options_section(&mut out);
    let mut text = String::from_utf8_lossy(&out).into_owned();
    if !seen.is_empty() {
        text.push_str(".SH COMMANDS\n");
        for subcommand in command.get_subcommands().filter(|it| seen.iter().any(|name| name == it.get_name())) {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            let name = escaped(subcommand.get_name());
            let _ = write!(text, ".TP\n\\fBabide {name}\\fR(1)\n{}\n", escaped(&about));
        }
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    text.push_str(&sections(&after));
    text.push_str(&see_also(name, seen));
    text
}

/// `Examples:` and `Exit codes:` have sections of their own, everything else is a note.
fn sections(after: &str) -> String {
    let mut text = String::new();
    let mut notes = String::new();
    let mut codes = String::new();
    for paragraph in after.split("\n\n") {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        if first.ends_with(':') && rest.starts_with("  ") {
            let lines: String = rest.lines().map(|line| escaped(line) + "\n").collect();
            let _ = write!(text, ".SH EXAMPLES\n.nf\n{lines}.fi\n");
        } else if let Some(rest) = paragraph.strip_prefix("Exit codes: ") {
            codes = format!(".SH EXIT STATUS\n{}\n", escaped(&rest.replace('\n', " ")));
        } else {
            let _ = write!(notes, ".PP\n{}\n", escaped(&paragraph.replace('\n', " ")));
        }
    }
    let notes = if notes.is_empty() { notes } else { format!(".SH NOTES\n{}", notes.trim_start_matches(".PP\n")) };
    text + &notes + &codes
}

fn see_also(name: &str, seen: &[String]) -> String {
    let pages: Vec<String> = match name {
        "abide" => seen.iter().map(|it| format!("abide-{it}")).collect(),
        _ => vec!["abide".to_owned()],
    };
    let pages: Vec<String> = pages.iter().map(|page| format!("\\fB{}\\fR(1)", escaped(page))).collect();
    format!(".SH SEE ALSO\n{}\n", pages.join(",\n"))
}

/// Text that roff prints as it stands.
fn escaped(text: &str) -> String {
    let escape = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
        if line.starts_with('.') { format!("\\&{line}") } else { line }
    };
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn first_small(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
