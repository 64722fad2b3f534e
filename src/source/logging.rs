//! `[log]`: what it means, and whether it can be had.

use super::merge::Stack;
use super::toml::select::Patterns;
use super::toml::shape::{Log, ServiceFile};
use super::words::{ENOUGH, Templates};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::log_to::LogTo;
use crate::model::logging::{Compress, LogFormat, LogPolicy, LogWay, MOST_A_LINE};
use crate::model::select::Selection;
use crate::model::service::Environment;
use std::path::PathBuf;

/// What the patterns of a service may be together, bytes: they travel to the logger in one packet.
const MOST_PATTERNS: usize = 8 << 10;
/// The smallest `max_size` of a log: below it rotation would be all that happens.
const LEAST_LOG: u64 = 4096;
/// A shorter part of a line would be no use to anybody.
const LEAST_LINE: u64 = 64;

/// What `[log]` means.
pub(super) fn log_policy(file: &ServiceFile) -> LogPolicy {
    let default = LogPolicy::default();
    let Some(said) = &file.log else { return default };
    LogPolicy {
        directory: said.directory.clone(),
        way: way(said),
        format: said.format.unwrap_or(default.format),
        stderr: said.stderr.unwrap_or(default.stderr),
        max_line: said.max_line.map_or(default.max_line, |size| size.0),
        on_full: said.on_full.unwrap_or(default.on_full),
        selection: selection(said),
        max_size: said.max_size.map_or(default.max_size, |size| size.0),
        rotate: said.rotate,
        max_files: said.max_files.map_or(default.max_files, |files| files.0),
        max_age: said.max_age,
        max_total: said.max_total.map(|size| size.0),
        // Who reads multilog's directories unpacks nothing.
        compress: match said.format {
            Some(LogFormat::Multilog) => Compress::None,
            _ => said.compress.unwrap_or(default.compress),
        },
    }
}

fn way(said: &Log) -> Option<Box<LogWay>> {
    if let Some(command) = &said.command {
        return Some(Box::new(LogWay::Command(command.words.clone())));
    }
    let to = said.to.as_ref().map(|to| &to.0).filter(|to| **to != LogTo::File)?;
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("abide"));
    // Where the program was replaced, the new one is meant.
    let program = program.to_string_lossy().trim_end_matches(" (deleted)").replace('$', "$$");
    Some(Box::new(LogWay::Ship { to: to.to_string().replace('$', "$$"), program }))
}

fn selection(said: &Log) -> Option<Box<Selection>> {
    let patterns = |said: &Option<Patterns>| said.as_ref().map_or_else(Vec::new, |said| said.0.clone());
    let selection = Selection {
        include: patterns(&said.include),
        exclude: patterns(&said.exclude),
        redact: patterns(&said.redact),
        ansi: said.ansi.unwrap_or_default(),
        rate_limit: said.rate_limit,
    };
    (selection != Selection::default()).then(|| Box::new(selection))
}

/// Checks the templates of `environment` and `[log]`, and the latter's sizes.
pub(super) fn templates_and_log(
    stack: &Stack<'_>,
    file: &ServiceFile,
    base: &Environment,
    partial: bool,
    findings: &mut Vec<Diagnostic>,
) {
    let templates = Templates { stack, base, partial };
    let values = file.environment.iter().flat_map(|variables| &variables.0);
    let wrong = values.filter_map(|(name, value)| templates.check(&format!("environment.{name}"), value).err());
    findings.extend(wrong.take(ENOUGH));
    let Some(log) = &file.log else { return };
    if let Some(directory) = &log.directory {
        match templates.check("log.directory", directory) {
            Ok(expanded) if expanded.starts_with('/') || (partial && expanded.contains('$')) => {}
            Ok(expanded) => {
                let message = format!("the log directory {expanded:?} is not absolute");
                findings.push(stack.error("log.directory", Code::BadValue, message).help("begin it with `/`"));
            }
            Err(finding) => findings.push(finding),
        }
    }
    if log.max_line.is_some_and(|size| !(LEAST_LINE..=MOST_A_LINE).contains(&size.0)) {
        let message = "a line has room for at least 64 bytes and at most 16 KiB, a quarter of a pipe";
        let help = "write a size from \"64B\" to \"16KiB\"; longer lines are split and marked";
        findings.push(stack.error("log.max_line", Code::BadValue, message).help(help));
    }
    let patterns = [&log.include, &log.exclude, &log.redact].into_iter().flatten().flat_map(|patterns| &patterns.0);
    if patterns.map(String::len).sum::<usize>() > MOST_PATTERNS {
        let message = "the patterns of `[log]` are longer than 8 KiB, all together";
        let help = "write fewer or shorter ones: each line of output is held against each of them";
        findings.push(stack.error("log", Code::BadValue, message).help(help));
    }
    if log.max_size.is_some_and(|size| size.0 < LEAST_LOG) {
        let message = "a log file of less than 4 KiB would only be rotated";
        findings.push(stack.error("log.max_size", Code::BadValue, message).help("write \"4KiB\" or more"));
    }
}
