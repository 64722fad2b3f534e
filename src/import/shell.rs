//! The text of a shell script to words and what stands between them: the straight-line part of a shell's grammar.
//!
//! What a shell would do beyond that, such as run a command to get a word, is an error that names it.

/// What was not understood: the line, from 1, and why.
pub(super) type Unclear = (usize, String);

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text. `quoted`: a shell sees nothing in it but itself.
    Text { text: String, quoted: bool },
    /// `$NAME` or `${NAME}`. `quoted`: what it stands for is not divided into words.
    Variable { name: String, quoted: bool },
}

/// A word as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) Vec<Piece>);

impl Word {
    /// The word, if it is nothing but one plain text.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    /// The name and the value, if it is an assignment.
    pub(super) fn assignment(&self) -> Option<(String, Self)> {
        let Some(Piece::Text { text, quoted: false }) = self.0.first() else { return None };
        let (name, value) = text.split_once('=')?;
        if !is_name(name) {
            return None;
        }
        let first = Piece::Text { text: value.to_owned(), quoted: false };
        let rest = self.0[1..].iter().cloned();
        Some((name.to_owned(), Self(std::iter::once(first).chain(rest).collect())))
    }

    fn push(&mut self, c: char, as_quoted: bool) {
        if let Some(Piece::Text { text, quoted }) = self.0.last_mut()
            && *quoted == as_quoted
        {
            text.push(c);
            return;
        }
        self.0.push(Piece::Text { text: c.into(), quoted: as_quoted });
    }
}

/// Whether it can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a shell's line is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `<`, `>`, `>&` and the like, with the number before it.
    Redirect {
        number: Option<String>,
        sign: String,
    },
    /// `;`, `&&`, `||`, or the end of a line as `\n`.
    End(&'static str),
}

/// All tokens of `text`, each with its line.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Unclear> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    reader.all()?;
    Ok(reader.tokens)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<(usize, Token)>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// The next character that a shell sees, where a line may be continued amid what belongs together.
    fn peek_on(&mut self) -> Option<char> {
        while self.continued() {}
        self.peek()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is = self.peek_on() == Some(wanted);
        if is {
            self.next();
        }
        is
    }

    fn unclear<T>(&self, why: impl Into<String>) -> Result<T, Unclear> {
        Err((self.line, why.into()))
    }

    /// Over `\` and the end of a line, which a shell does not see.
    fn continued(&mut self) -> bool {
        let is = self.chars.get(self.at..self.at + 2) == Some(&['\\', '\n']);
        if is {
            self.at += 2;
            self.line += 1;
        }
        is
    }

    fn all(&mut self) -> Result<(), Unclear> {
        loop {
            if self.continued() {
                continue;
            }
            let line = self.line;
            let Some(c) = self.peek() else { return Ok(()) };
            let token = match c {
                ' ' | '\t' => {
                    self.next();
                    continue;
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                    continue;
                }
                '\n' => {
                    self.next();
                    Token::End("\n")
                }
                ';' | '&' | '|' | '(' | ')' => self.operator(c)?,
                '<' | '>' => self.redirect(None)?,
                _ => self.word()?,
            };
            self.tokens.push((line, token));
        }
    }

    fn operator(&mut self, c: char) -> Result<Token, Unclear> {
        let line = self.line;
        self.next();
        let doubled = self.eat(c);
        match (c, doubled) {
            (';', false) => Ok(Token::End(";")),
            ('&', true) => Ok(Token::End("&&")),
            ('|', true) => Ok(Token::End("||")),
            ('|', false) => Err((line, "a pipe".into())),
            ('&', false) => Err((line, "a command in the background".into())),
            (';', true) => Err((line, "`case`".into())),
            _ => Err((line, "parentheses: a function or a subshell".into())),
        }
    }

    fn redirect(&mut self, number: Option<String>) -> Result<Token, Unclear> {
        let mut sign: String = self.next().into_iter().collect();
        while let Some(c @ ('<' | '>' | '&' | '|')) = self.peek_on() {
            sign.push(c);
            self.next();
        }
        if sign.starts_with("<<") {
            return self.unclear("a text within the script (`<<`)");
        }
        Ok(Token::Redirect { number, sign })
    }

    fn word(&mut self) -> Result<Token, Unclear> {
        let mut word = Word::default();
        loop {
            if self.continued() {
                continue;
            }
            match self.peek() {
                None | Some(' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')') => break,
                Some('<' | '>') => {
                    let is_number = |text: &&str| text.chars().all(|c| c.is_ascii_digit());
                    if let Some(number) = word.plain().filter(is_number).map(str::to_owned) {
                        return self.redirect(Some(number));
                    }
                    break;
                }
                Some('\'') => self.single(&mut word)?,
                Some('"') => self.double(&mut word)?,
                Some('`') => return self.unclear("a command that is run to get a word (`...`)"),
                Some('$') => self.dollar(&mut word, false)?,
                Some('\\') => {
                    self.next();
                    let Some(c) = self.next() else { return self.unclear("a `\\` at the very end") };
                    word.push(c, true);
                }
                Some('\r') => {
                    return self.unclear("a carriage return: the file was saved with the line ends of Windows");
                }
                Some(c) => {
                    word.push(c, false);
                    self.next();
                }
            }
        }
        Ok(Token::Word(word))
    }

    /// An empty pair of quotes is a word all the same.
    fn begin_quoted(word: &mut Word) {
        if !matches!(word.0.last(), Some(Piece::Text { quoted: true, .. })) {
            word.0.push(Piece::Text { text: String::new(), quoted: true });
        }
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Unclear> {
        let begun = self.line;
        self.next();
        Self::begin_quoted(word);
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => word.push(c, true),
                None => return Err((begun, "a quote that is not closed".into())),
            }
        }
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Unclear> {
        let begun = self.line;
        self.next();
        Self::begin_quoted(word);
        loop {
            if self.continued() {
                continue;
            }
            match self.peek() {
                None => return Err((begun, "a quote that is not closed".into())),
                Some('"') => {
                    self.next();
                    return Ok(());
                }
                Some('`') => return self.unclear("a command that is run to get a word (`...`)"),
                Some('$') => self.dollar(word, true)?,
                Some('\\') => {
                    self.next();
                    match self.peek() {
                        Some(c @ ('$' | '`' | '"' | '\\')) => {
                            self.next();
                            word.push(c, true);
                        }
                        _ => word.push('\\', true),
                    }
                }
                Some(c) => {
                    self.next();
                    word.push(c, true);
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Result<(), Unclear> {
        self.next();
        let name = match self.peek_on() {
            Some('(') => {
                self.next();
                let is_sum = self.peek() == Some('(');
                let ran = "a command that is run to get a word (`$(...)`)";
                return self.unclear(if is_sum {
                    "a sum (`$((...))`), which is known only while the script runs"
                } else {
                    ran
                });
            }
            Some('{') => {
                self.next();
                let name = self.name();
                if !self.eat('}') || name.is_empty() {
                    return self.unclear(format!("`${{{name}...}}`: only a plain `${{NAME}}` is understood"));
                }
                name
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                return self.unclear(format!("`${c}`, which is known only while the script runs"));
            }
            Some('\'' | '"') if !quoted => return self.unclear("a quote after a `$`, which not all shells understand"),
            // A dollar that begins nothing is one.
            _ => {
                word.push('$', true);
                return Ok(());
            }
        };
        word.0.push(Piece::Variable { name, quoted });
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek_on().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.next();
        }
        name
    }
}
