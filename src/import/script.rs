//! A `run` script of the common kind: it sets things, one after the other, and executes a program in the end.
//!
//! Every text that comes of it is a template of the service file: a dollar sign of the script is `$$`, and
//! `${PATH}` stands for the one variable that is always there and whose value is not known yet.

use super::Left;
use super::commands::{Simple, commands, interpreter, is_harmless};
use super::shell::{Piece, Unclear, Word, is_name, tokens};
use crate::model::limits::{Bound, LimitKind};
use std::collections::{BTreeMap, BTreeSet};

/// What a script does before the program runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// Where the program runs, absolute.
    pub(super) directory: String,
    /// The variables that it exports.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) umask: Option<u32>,
    /// In their order.
    pub(super) limits: Vec<(LimitKind, Change)>,
    pub(super) stderr: Stderr,
    /// A file that is the standard input, absolute.
    pub(super) stdin: Option<String>,
    /// The program and what stands before and behind it.
    pub(super) words: Vec<String>,
    /// The line that executes it.
    pub(super) line: usize,
}

/// What becomes of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Soft and hard become this.
    Both(Bound),
    /// Soft becomes this, or what the hard one allows.
    Soft(Bound),
}

/// Where stderr goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stderr {
    /// Where that of the supervisor goes, which is no log.
    #[default]
    Apart,
    Merged,
    Discarded,
}

/// Variables that shells themselves keep, or that change how they read.
const OF_SHELLS: [&str; 12] =
    ["IFS", "UID", "EUID", "PPID", "RANDOM", "SECONDS", "LINENO", "OLDPWD", "PWD", "PS4", "CDPATH", "ENV"];

/// Variables that a service of abide always has: what a script says of them is seen by the program, exported or not.
const ALWAYS_THERE: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"];

const OR: &str = "`||` with anything but `exit` behind it";

/// Reads the script `bytes`, which is called `file` and runs in `directory` (a template).
pub(super) fn read(file: &'static str, bytes: &[u8], directory: &str) -> Result<Script, Left> {
    let left = |(line, why): Unclear| Left { file, line: Some(line), why };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        Ok(_) => return Err(Left::of(file, "it is a program, or has a NUL byte, and is no script")),
        Err(wrong) => {
            let line = String::from_utf8_lossy(&bytes[..wrong.valid_up_to()]).matches('\n').count() + 1;
            return Err(left((line, "this is no UTF-8, as a service file has to be".into())));
        }
    };
    let is_bash = interpreter(text).map_err(|why| left((1, why)))?;
    let commands = commands(tokens(text).map_err(left)?).map_err(left)?;
    let script = Script { directory: directory.to_owned(), ..Script::default() };
    let mut reading = Reading { script, variables: BTreeMap::new(), exported: BTreeSet::new(), is_bash, done: false };
    let mut commands = commands.into_iter();
    while let Some(command) = commands.next() {
        if command.end == "||" {
            // `cd x || exit 1`: where it fails nothing is started, which is how abide has it anyway.
            commands.next().filter(Simple::is_exit).ok_or((command.line, OR.to_owned())).map_err(left)?;
        }
        reading.command(&command).map_err(left)?;
    }
    if !reading.done {
        return Err(Left::of(file, "it does not end by `exec PROGRAM`, so that the shell itself would be the service"));
    }
    Ok(reading.script)
}

struct Reading {
    script: Script,
    /// All that it has set, exported or not.
    variables: BTreeMap<String, String>,
    exported: BTreeSet<String>,
    is_bash: bool,
    /// Whether the program was executed.
    done: bool,
}

/// How a word is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// One that a shell might divide, or take for names of files.
    Argument,
    /// What stands behind the `=`.
    Value,
}

impl Reading {
    fn command(&mut self, simple: &Simple) -> Result<(), Unclear> {
        let line = simple.line;
        let unclear = |why: String| Err((line, why));
        if self.done {
            // `cd x || exit 1` stands for no command of its own.
            return unclear("it goes on behind the `exec` that should end it".into());
        }
        let split = simple.words.iter().position(|word| word.assignment().is_none()).unwrap_or(simple.words.len());
        let (before, words) = simple.words.split_at(split);
        let assigned = before.iter().filter_map(Word::assignment);
        let assigned: Vec<(String, String)> = assigned
            .map(|(name, value)| Ok((name, self.expand(&value, As::Value, line)?)))
            .collect::<Result<_, _>>()?;
        let name = words.first().map(|word| word.plain().map(str::to_owned));
        let is_exec = name.as_ref().is_some_and(|name| name.as_deref() == Some("exec"));
        if !simple.redirects.is_empty() && !is_exec {
            return unclear("input or output of a single command is turned elsewhere".into());
        }
        if is_exec && simple.end != "\n" && simple.end != ";" {
            return unclear(format!("`{}` behind an `exec`", simple.end));
        }
        for (name, value) in assigned {
            self.assign(name.clone(), value, line)?;
            // Before a command of the shell's own they stay, and the program sees them.
            if is_exec {
                self.exported.insert(name);
            }
        }
        match name {
            None => Ok(()),
            Some(_) if split > 0 && !is_exec => unclear("variables for a single command".into()),
            Some(Some(name)) if name == "exec" => self.exec(words, &simple.redirects, line),
            Some(Some(name)) => self.setting(&name, &words[1..], line),
            Some(None) => unclear("a command whose name is in quotes, or comes from a variable".into()),
        }
    }

    fn assign(&mut self, name: String, value: String, line: usize) -> Result<(), Unclear> {
        if OF_SHELLS.contains(&name.as_str()) {
            return Err((line, format!("the variable {name} means something to the shell itself")));
        }
        if ALWAYS_THERE.contains(&name.as_str()) {
            self.exported.insert(name.clone());
        }
        self.variables.insert(name, value);
        Ok(())
    }

    /// A command that sets something for what comes.
    fn setting(&mut self, name: &str, words: &[Word], line: usize) -> Result<(), Unclear> {
        let unclear = |why: &str| Err((line, why.to_owned()));
        match name {
            "export" => return words.iter().try_for_each(|word| self.export(word, line)),
            "if" | "for" | "while" | "until" | "case" | "{" | "!" | "[" | "[[" | "test" | "eval" | "trap" | "unset"
            | "exit" | "function" | "wait" | "command" | "readonly" | "shift" => {
                return Err((line, format!("`{name}`: only commands that set something are understood")));
            }
            "." | "source" => return unclear("it reads another script"),
            _ => {}
        }
        let words: Vec<String> = self.arguments(words, line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (name, words.as_slice()) {
            // Either the shell ends where something fails, and abide starts nothing, or nothing fails.
            ("set", options) if !options.is_empty() && options.iter().all(|option| is_harmless(option)) => Ok(()),
            ("cd", [to]) => self.cd(to, line),
            ("cd", _) => unclear("`cd` with anything but one directory"),
            ("umask", [mask]) => {
                let octal = mask.len() <= 4 && !mask.is_empty() && mask.chars().all(|c| c.is_digit(8));
                let mask = u32::from_str_radix(mask, 8).ok().filter(|mask| octal && *mask <= 0o777);
                self.script.umask = Some(mask.ok_or((line, "a `umask` that is no octal number".to_owned()))?);
                Ok(())
            }
            ("ulimit", words) => self.ulimit(words, line),
            ("set", _) => unclear("`set` with anything but -e and -u"),
            _ => {
                let why = "it runs `NAME` and goes on; write `exec` before it if it is the program";
                Err((line, why.replace("NAME", &name.replace("$$", "$"))))
            }
        }
    }

    fn export(&mut self, word: &Word, line: usize) -> Result<(), Unclear> {
        if let Some((name, value)) = word.assignment() {
            let value = self.expand(&value, As::Value, line)?;
            self.assign(name.clone(), value, line)?;
            self.exported.insert(name);
            return Ok(());
        }
        match word.plain() {
            Some(name) if is_name(name) => {
                self.exported.insert(name.to_owned());
                Ok(())
            }
            _ => Err((line, "`export` of something that is no NAME=value".into())),
        }
    }

    fn cd(&mut self, to: &str, line: usize) -> Result<(), Unclear> {
        if to.is_empty() || to.starts_with('-') || to.split('/').any(|part| part == "..") {
            return Err((line, "a `cd` to `..`, or to where it depends on more than its words".into()));
        }
        self.script.directory = self.within(to);
        Ok(())
    }

    /// A path as from where the script now is, absolute.
    fn within(&self, path: &str) -> String {
        joined(&self.script.directory, path)
    }

    fn ulimit(&mut self, words: &[&str], line: usize) -> Result<(), Unclear> {
        let unclear = |why: String| Err((line, why));
        let (mut soft, mut hard, mut letter, mut value) = (false, false, None, None);
        for word in words {
            match word.strip_prefix('-') {
                Some(letters) if value.is_none() && !letters.is_empty() => {
                    for c in letters.chars() {
                        match c {
                            'S' => soft = true,
                            'H' => hard = true,
                            c if letter.is_none() => letter = Some(c),
                            _ => return unclear("`ulimit` of several limits at once".into()),
                        }
                    }
                }
                _ if value.is_none() => value = Some(*word),
                _ => return unclear("`ulimit` with more than one value".into()),
            }
        }
        let Some(value) = value else { return unclear("a `ulimit` that sets nothing".into()) };
        // What a file's size and a core's are counted in differs.
        let block = if self.is_bash { 1024 } else { 512 };
        let (kind, unit) = match letter.unwrap_or('f') {
            'n' => (LimitKind::OpenFiles, 1),
            'c' => (LimitKind::Core, block),
            'f' => (LimitKind::FileSize, block),
            't' => (LimitKind::CpuTime, 1),
            'd' => (LimitKind::Data, 1024),
            's' => (LimitKind::Stack, 1024),
            'l' => (LimitKind::MemoryLock, 1024),
            'm' => (LimitKind::ResidentSet, 1024),
            'v' => (LimitKind::AddressSpace, 1024),
            'u' if self.is_bash => (LimitKind::Processes, 1),
            other => return unclear(format!("`ulimit -{other}` does not mean the same in every shell")),
        };
        let bound = match value {
            "unlimited" => Bound::UNLIMITED,
            digits if digits.chars().all(|c| c.is_ascii_digit()) => {
                let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
                Bound(bytes.ok_or((line, "a number that is too large".to_owned()))?)
            }
            _ => return unclear("a `ulimit` whose value is no number".into()),
        };
        match (soft, hard) {
            (true, false) => self.script.limits.push((kind, Change::Soft(bound))),
            (false, true) => return unclear("`ulimit -H` alone: a service file sets the soft limit, too".into()),
            _ => self.script.limits.push((kind, Change::Both(bound))),
        }
        Ok(())
    }

    fn exec(
        &mut self,
        words: &[Word],
        redirects: &[(Option<String>, String, Word)],
        line: usize,
    ) -> Result<(), Unclear> {
        for (number, sign, to) in redirects {
            let to = self.arguments(std::slice::from_ref(to), line)?.join(" ");
            match (number.as_deref(), sign.as_str(), to.as_str()) {
                (Some("2"), ">&", "1") => self.script.stderr = Stderr::Merged,
                (Some("2"), ">" | ">>", "/dev/null") => self.script.stderr = Stderr::Discarded,
                (None | Some("0"), "<", "/dev/null") => self.script.stdin = None,
                (None | Some("0"), "<", path) if !path.is_empty() => self.script.stdin = Some(self.within(path)),
                (number, sign, to) => {
                    let number = number.unwrap_or_default();
                    return Err((
                        line,
                        format!("`{number}{sign}{to}`: only `2>&1`, `2>/dev/null` and `<FILE` are understood"),
                    ));
                }
            }
        }
        if words.len() < 2 {
            return Ok(());
        }
        let words = self.arguments(&words[1..], line)?;
        if words[0].is_empty() || words[0].starts_with('-') {
            return Err((line, "`exec` with options".into()));
        }
        self.script.words = words;
        self.script.line = line;
        for name in &self.exported {
            // What is exported and was never set is as it comes, which is how a service file has it, too.
            if let Some(value) = self.variables.get(name) {
                self.script.environment.insert(name.clone(), value.clone());
            }
        }
        self.done = true;
        Ok(())
    }

    fn arguments(&self, words: &[Word], line: usize) -> Result<Vec<String>, Unclear> {
        words.iter().map(|word| self.expand(word, As::Argument, line)).collect()
    }

    /// The word as a program gets it.
    fn expand(&self, word: &Word, how: As, line: usize) -> Result<String, Unclear> {
        let mut out = String::new();
        for (index, piece) in word.0.iter().enumerate() {
            match piece {
                Piece::Text { text, quoted } => {
                    if !quoted {
                        plain(text, how, index == 0).map_err(|why| (line, why))?;
                    }
                    out.push_str(&text.replace('$', "$$"));
                }
                Piece::Variable { name, quoted } => {
                    let value = self.value(name).map_err(|why| (line, why))?;
                    let is_one_word = !value.is_empty() && !value.contains([' ', '\t', '\n', '*', '?', '[', '\\']);
                    if how == As::Argument && !quoted && (!is_one_word || value.contains("${")) {
                        let why = format!("`${name}` without quotes may become no word, or several; write \"${name}\"");
                        return Err((line, why));
                    }
                    out.push_str(&value);
                }
            }
        }
        Ok(out)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        match self.variables.get(name) {
            Some(value) => Ok(value.clone()),
            None if name == "PATH" => Ok("${PATH}".to_owned()),
            None => Err(format!("`${name}` is not set in it, so that its value depends on who starts it")),
        }
    }
}

/// What a shell makes of text without quotes, where that is not the text itself.
fn plain(text: &str, how: As, first: bool) -> Result<(), String> {
    if first && text.starts_with('~') || how == As::Value && text.contains(":~") {
        return Err("`~`, a home that depends on who starts it; write it in full".into());
    }
    if how == As::Value {
        return Ok(());
    }
    if text.contains(['*', '?', '[']) {
        return Err(format!("`{text}` without quotes may stand for names of files; put it in quotes"));
    }
    if text.contains('{') && (text.contains(',') || text.contains("..")) {
        return Err(format!("`{text}` without quotes is several words to some shells; put it in quotes"));
    }
    // Some shells look behind a `=` in an argument, too.
    if text.contains("=~") || text.contains(":~") {
        return Err(format!("`{text}`: some shells take the `~` for a home; write it in full"));
    }
    Ok(())
}

/// `path` as from `directory`, absolute; both are templates.
pub(super) fn joined(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path.is_empty() || path == "." {
        return directory.to_owned();
    }
    format!("{}/{path}", directory.trim_end_matches('/'))
}
