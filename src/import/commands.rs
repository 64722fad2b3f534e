//! Which shell reads a script, and its tokens to single commands with what stands between them.

use super::shell::{Token, Unclear, Word};

/// Whether it is bash that reads the script; an error if it is no shell that we know.
pub(super) fn interpreter(text: &str) -> Result<bool, String> {
    let first = text.split('\n').next().unwrap_or_default();
    let Some(line) = first.strip_prefix("#!") else {
        return Err("it does not begin with `#!`, so that the kernel does not know how to run it".into());
    };
    if line.contains('\r') {
        return Err("its first line ends as on Windows, so that the kernel looks for a program of another name".into());
    }
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let program = words.next().unwrap_or_default();
    let shell = match program {
        "/usr/bin/env" => words.next().unwrap_or_default(),
        "/bin/sh" | "/usr/bin/sh" => "sh",
        "/bin/dash" | "/usr/bin/dash" => "dash",
        "/bin/bash" | "/usr/bin/bash" | "/usr/local/bin/bash" => "bash",
        other => other,
    };
    if !["sh", "dash", "bash"].contains(&shell) {
        return Err(format!("it is a script for `{program}`, and only those for a shell are read"));
    }
    match words.find(|word| !is_harmless(word)) {
        Some(word) => Err(format!("the shell is started with `{word}`, which changes what it does")),
        None => Ok(shell == "bash"),
    }
}

/// Options of a shell that end a script which fails, and change nothing else.
pub(super) fn is_harmless(option: &str) -> bool {
    option.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "eu".contains(c)))
}

/// A command, with what stands behind it.
pub(super) struct Simple {
    pub(super) line: usize,
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<(Option<String>, String, Word)>,
    /// `;`, `&&`, `||`, or the end of a line.
    pub(super) end: &'static str,
}

impl Simple {
    /// Whether it is `exit` and nothing else follows from it.
    pub(super) fn is_exit(&self) -> bool {
        let words: Option<Vec<&str>> = self.words.iter().map(Word::plain).collect();
        let number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let ends = matches!(words.as_deref(), Some(["exit"]))
            || matches!(words.as_deref(), Some(["exit", code]) if number(code));
        ends && self.redirects.is_empty() && matches!(self.end, "\n" | ";")
    }
}

pub(super) fn commands(tokens: Vec<(usize, Token)>) -> Result<Vec<Simple>, Unclear> {
    let mut all = Vec::new();
    let begin = |line| Simple { line, words: Vec::new(), redirects: Vec::new(), end: "\n" };
    let mut current: Option<Simple> = None;
    let mut tokens = tokens.into_iter();
    while let Some((line, token)) = tokens.next() {
        match token {
            Token::Word(word) => current.get_or_insert_with(|| begin(line)).words.push(word),
            Token::Redirect { number, sign } => {
                let Some((_, Token::Word(word))) = tokens.next() else {
                    return Err((line, format!("`{sign}` without a file behind it")));
                };
                current.get_or_insert_with(|| begin(line)).redirects.push((number, sign, word));
            }
            Token::End(end) => match current.take() {
                Some(simple) => all.push(Simple { end, ..simple }),
                None if end == "\n" => {}
                None => return Err((line, format!("`{end}` without a command before it"))),
            },
        }
    }
    all.extend(current);
    Ok(all)
}
