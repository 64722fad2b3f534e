//! `abide token`: makes a bearer token, and the lines of `abide.toml` by which it is known. Asks nobody and keeps nothing.

use super::{complain, exit, say};
use crate::api::token;
use crate::model::selector::NamePattern;
use crate::source::config::doors::is_token_name;
use clap::ValueEnum;
use std::fmt::Write as _;

/// Stands below its help.
pub const EXAMPLES: &str = "\
Examples:
  abide token ci                              one that may look
  abide token deploy --may full -s 'web*'     one that may do everything with web, web2 and so on
  abide token ci --json                       for programs

The token is shown this once and kept nowhere; abide.toml has its SHA-256.

Exit codes: 0 printed, 1 the kernel gave no random bytes, 64 usage";

/// `abide token`
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// What you call it
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// What it may: read, full, or none (of itself, where an [[access]] names it)
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", hide_possible_values = true)]
    pub may: May,
    /// With which services, as a pattern; may be given several times [default: all]
    #[arg(short, long = "service", value_name = "PATTERN", value_parser = pattern)]
    pub services: Vec<String>,
    /// Print the token and its SHA-256 as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a token may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum May {
    /// Look.
    #[default]
    Read,
    /// Everything.
    Full,
    /// What `[[access]]` says.
    None,
}

fn name(text: &str) -> Result<String, String> {
    if is_token_name(text) {
        Ok(text.to_owned())
    } else {
        Err("write letters, digits, `.`, `_` and `-`, at most 64 of them".to_owned())
    }
}

fn pattern(text: &str) -> Result<String, String> {
    NamePattern::new(text).map(|pattern| pattern.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Makes one and prints it.
pub fn run(args: &TokenArgs) -> u8 {
    let (token, sha256) = match token::make() {
        Ok(made) => made,
        Err(error) => return complain(&error, exit::ERRORS),
    };
    if args.json {
        let made =
            serde_json::json!({ "name": args.name, "token": token, "sha256": sha256, "lines": lines(args, &sha256) });
        say(&format!("{made:#}\n"));
    } else {
        let lines = lines(args, &sha256);
        say(&format!("{token}\n\nIt is shown this once. To let it in, add to abide.toml, below `[http]`:\n\n{lines}"));
    }
    exit::OK
}

fn lines(args: &TokenArgs, sha256: &str) -> String {
    let mut lines = format!("[[http.token]]\nname = \"{}\"\nsha256 = \"{sha256}\"\n", args.name);
    let may = match args.may {
        May::Read => Some("read"),
        May::Full => Some("full"),
        May::None => None,
    };
    if let Some(may) = may {
        let _ = writeln!(lines, "may = \"{may}\"");
    }
    if !args.services.is_empty() {
        let quoted: Vec<String> = args.services.iter().map(|pattern| format!("\"{pattern}\"")).collect();
        let _ = writeln!(lines, "services = [{}]", quoted.join(", "));
    }
    lines
}
