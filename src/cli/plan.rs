//! `abide plan`: what the running abide would do, or has not done yet; with `--from`, offline.

mod offline;

use super::args::{Format, PlanArgs};
use super::talk::{Refusal, Talk};
use super::{exit, say};
use crate::api::client::encoded;
use crate::model::diagnostic::escaped;
use crate::model::plan::Plan;
use crate::render;
use serde::Deserialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Shows the plan; exit 0 when nothing would change, 2 when something would.
pub(super) fn run(args: PlanArgs) -> u8 {
    if let (Some(new), Some(from)) = (args.new.clone(), args.from.clone()) {
        return offline::run(args, &from, &new);
    }
    online(&args).unwrap_or_else(|refusal| refusal.told("plan"))
}

/// What the daemon answers.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(flatten)]
    plan: Plan,
    /// As `abide check --json` has them.
    diagnostics: Vec<Value>,
}

fn online(args: &PlanArgs) -> Result<u8, Refusal> {
    let talk = Talk::new(args.places.clone())?;
    let query = match &args.new {
        None => String::new(),
        Some(directory) => {
            // The daemon stands elsewhere.
            let absolute = std::path::absolute(directory)?;
            format!("?directory={}", encoded(&absolute.to_string_lossy()))
        }
    };
    let answer: Value = talk.get(&format!("/v1/plan{query}"))?;
    let Ok(Answer { plan, diagnostics }) = serde_json::from_value(answer.clone()) else {
        return Err(talk.strange());
    };
    let findings: String = diagnostics.iter().map(sentence).collect();
    let _ = std::io::stderr().write_all(findings.as_bytes());
    let coloured = super::status::coloured(std::io::stdout().is_terminal());
    match args.format.format() {
        Format::Json => say(&format!("{answer:#}\n")),
        Format::Text if args.new.is_none() && plan.is_empty() => say("All is as the files say.\n"),
        Format::Text => say(&render::plan::text(&plan, coloured)),
        Format::Github => say(&render::plan::text(&plan, false)),
    }
    let errors = diagnostics.iter().any(|finding| finding["severity"] == "error");
    Ok(match (errors, plan.is_empty()) {
        (true, _) => exit::ERRORS,
        (false, true) => exit::OK,
        (false, false) => exit::CHANGES,
    })
}

/// A finding with its place and a way out, without the source line: `abide check` shows that.
fn sentence(finding: &Value) -> String {
    let text = |key: &str| escaped(finding[key].as_str().unwrap_or_default());
    let number = |key: &str| finding[key].as_u64().or(finding["place"][key].as_u64());
    let place = ["line", "column"].into_iter().filter_map(number);
    let place = place.fold(String::new(), |place, number| format!("{place}:{number}"));
    let help = [text("help"), text("hint")].into_iter().find(|help| !help.is_empty());
    let help = help.map_or_else(String::new, |help| format!("; {help}"));
    let file = Path::new(finding["file"].as_str().unwrap_or_default()).display().to_string();
    format!("{}[{}]: {}{place}: {}{help}\n", text("severity"), text("code"), escaped(&file), text("message"))
}
