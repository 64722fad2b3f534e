//! What is wrong with a command line, as one sentence that says what to do next. Pure.

use super::args::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};
use std::ffi::OsString;

/// The sentence for clap's finding; `arguments` as they were given, the program's name first.
pub(super) fn sentence(error: &Error, arguments: &[OsString]) -> String {
    let command = command(arguments);
    let of = |kind| error.get(kind).map(words).unwrap_or_default();
    let argument = of(ContextKind::InvalidArg).join(" and ");
    let known = |kind| of(kind).first().map(|near| format!("did you mean {near}?"));
    let all = format!("`{command} --help` lists them all");
    let (wrong, advice) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let given = of(ContextKind::InvalidSubcommand).concat();
            let likely = of(ContextKind::SuggestedSubcommand);
            let nearest = likely.iter().min_by_key(|near| strsim::damerau_levenshtein(&given, near));
            let advice = nearest.map_or(all, |near| format!("did you mean {near}?"));
            (format!("there is no command {given}"), advice)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            (format!("there is no option {argument}"), known(ContextKind::SuggestedArg).unwrap_or(all))
        }
        ErrorKind::UnknownArgument => (format!("{argument} is one argument too many"), help(&command)),
        ErrorKind::MissingRequiredArgument => (format!("{argument} is missing"), help(&command)),
        ErrorKind::ArgumentConflict if argument == of(ContextKind::PriorArg).concat() => {
            (format!("{argument} stands there twice"), "leave one out".to_owned())
        }
        ErrorKind::ArgumentConflict => {
            let prior = of(ContextKind::PriorArg).join(" and ");
            (format!("{argument} and {prior} exclude each other"), "choose one".to_owned())
        }
        ErrorKind::InvalidValue => {
            let (given, values) = (of(ContextKind::InvalidValue).concat(), of(ContextKind::ValidValue));
            let advice =
                if values.is_empty() { help(&command) } else { format!("write one of: {}", values.join(", ")) };
            let wrong = if given.is_empty() {
                format!("{argument} needs a value")
            } else {
                format!("{} is no value of {argument}", given.escape_debug())
            };
            (wrong, advice)
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            (first.trim_start_matches("error: ").to_owned(), help(&command))
        }
    };
    format!("{command}: {wrong}; {advice}")
}

fn help(command: &str) -> String {
    format!("`{command} --help` shows how it is used")
}

/// `abide`, or `abide run` where that is what was called.
fn command(arguments: &[OsString]) -> String {
    let first = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let known = Cli::command().get_subcommands().any(|it| it.get_name() == first && !it.is_hide_set());
    if known { format!("abide {first}") } else { "abide".to_owned() }
}

fn words(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(word) => vec![word.clone()],
        ContextValue::Strings(words) => words.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn each_usage_error_is_one_sentence_that_says_what_to_do_next() {
        let cases = [
            ("xyzzy", "abide: there is no command xyzzy; `abide --help` lists them all"),
            ("statsu", "abide: there is no command statsu; did you mean status?"),
            ("run", "abide run: <DIR>... is missing; `abide run --help` shows how it is used"),
            ("run --confg x y", "abide run: there is no option --confg; did you mean --config?"),
            ("plan --from x", "abide plan: <NEW> is missing; `abide plan --help` shows how it is used"),
            ("stop", "abide stop: <NAME>... is missing; `abide stop --help` shows how it is used"),
            (
                "stop web --for 10",
                "abide stop: invalid value '10' for '--for <TIME>': a duration needs a unit; write \"10s\" for seconds; `abide stop --help` shows how it is used",
            ),
            (
                "check --format xml x",
                "abide check: xml is no value of --format <FORMAT>; write one of: text, json, github",
            ),
            (
                "check --json --format text x",
                "abide check: --json and --format <FORMAT> exclude each other; choose one",
            ),
            (
                "check x --config",
                "abide check: --config <FILE> needs a value; `abide check --help` shows how it is used",
            ),
            ("check --json --json x", "abide check: --json stands there twice; leave one out"),
            (
                "run --exit-with a/b x",
                "abide run: invalid value 'a/b' for '--exit-with <NAME>': a service name begins with a letter or digit and goes on with letters, digits, `.`, `_` and `-`; '/' is none of them; `abide run --help` shows how it is used",
            ),
            ("schema x", "abide schema: x is one argument too many; `abide schema --help` shows how it is used"),
        ];
        for (line, expected) in cases {
            let arguments: Vec<OsString> = std::iter::once("abide").chain(line.split(' ')).map(Into::into).collect();
            let error = Cli::try_parse_from(&arguments).expect_err(line);
            assert_eq!(sentence(&error, &arguments), expected);
        }
    }
}
