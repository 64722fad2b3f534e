//! The words of the command line.

/// What the words say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) configuration: Option<String>,
    pub(super) url: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) history: Option<String>,
    pub(super) interactive: bool,
    pub(super) help: bool,
    /// The action and its arguments.
    pub(super) action: Vec<String>,
}

/// Short, long, whether it has a value.
const KNOWN: [(char, &str, bool); 7] = [
    ('c', "configuration", true),
    ('h', "help", false),
    ('i', "interactive", false),
    ('p', "password", true),
    ('r', "history-file", true),
    ('s', "serverurl", true),
    ('u', "username", true),
];

/// The options up to the first word that is none; all after that is the action.
pub(super) fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.as_slice().first() {
        if word == "--" {
            words.next();
            break;
        }
        if !word.starts_with('-') || word == "-" {
            break;
        }
        words.next();
        match word.strip_prefix("--") {
            Some(long) => read_long(long, &mut words, &mut options)?,
            None => read_short(&word[1..], &mut words, &mut options)?,
        }
        if options.help {
            return Ok(options);
        }
    }
    options.action = words.cloned().collect();
    Ok(options)
}

fn read_long(word: &str, words: &mut std::slice::Iter<'_, String>, options: &mut Options) -> Result<(), String> {
    let (name, given) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
    let mut fitting = KNOWN.iter().filter(|(_, long, _)| long.starts_with(name) && !name.is_empty());
    let Some(&(letter, long, valued)) = fitting.next() else { return Err(format!("option --{name} not recognized")) };
    if fitting.next().is_some() {
        return Err(format!("option --{name} not a unique prefix"));
    }
    let value = match (valued, given) {
        (false, None) => String::new(),
        (false, Some(_)) => return Err(format!("option --{long} must not have an argument")),
        (true, Some(value)) => value,
        (true, None) => words.next().cloned().ok_or_else(|| format!("option --{long} requires argument"))?,
    };
    options.set(letter, &format!("--{long}"), value)
}

fn read_short(word: &str, words: &mut std::slice::Iter<'_, String>, options: &mut Options) -> Result<(), String> {
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        let shown = format!("-{letter}");
        if letter == '?' {
            options.help = true;
            continue;
        }
        let Some((_, _, valued)) = KNOWN.iter().find(|(short, ..)| *short == letter) else {
            return Err(format!("option {shown} not recognized"));
        };
        if !valued {
            options.set(letter, &shown, String::new())?;
            continue;
        }
        let attached = letters.as_str();
        let value = if attached.is_empty() { words.next().cloned() } else { Some(attached.to_owned()) };
        let value = value.ok_or_else(|| format!("option {shown} requires argument"))?;
        return options.set(letter, &shown, value);
    }
    Ok(())
}

impl Options {
    fn set(&mut self, letter: char, shown: &str, value: String) -> Result<(), String> {
        let place = match letter {
            'h' => {
                self.help = true;
                return Ok(());
            }
            'i' if self.interactive => return Err(format!("conflicting command line option '{shown}'")),
            'i' => {
                self.interactive = true;
                return Ok(());
            }
            'c' => &mut self.configuration,
            'p' => &mut self.password,
            'r' => &mut self.history,
            's' => &mut self.url,
            _ => &mut self.username,
        };
        if letter == 's' && !is_url(&value) {
            return Err(format!("invalid value for {shown} '{value}': value '{value}' is not a URL"));
        }
        if place.is_some() {
            return Err(format!("conflicting command line option '{shown}'"));
        }
        *place = Some(value);
        Ok(())
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_at_the_action() {
        let options = read("-c a -ub -p c --serverurl=unix:///x --hist d -i tail -f x").unwrap();
        let some = |text: &str| Some(text.to_owned());
        let expected = Options {
            configuration: some("a"),
            url: some("unix:///x"),
            username: some("b"),
            password: some("c"),
            history: some("d"),
            interactive: true,
            help: false,
            action: vec!["tail".into(), "-f".into(), "x".into()],
        };
        assert_eq!(options, expected);
        assert_eq!(read("-- -x").unwrap().action, ["-x"]);
        assert!(read("-i? status").unwrap().help);
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, why) in [
            ("-x", "option -x not recognized"),
            ("-c", "option -c requires argument"),
            ("--h a", "option --h not a unique prefix"),
            ("--conf", "option --configuration requires argument"),
            ("--interactive=x", "option --interactive must not have an argument"),
            ("-i -i", "conflicting command line option '-i'"),
            ("-s foo", "invalid value for -s 'foo': value 'foo' is not a URL"),
        ] {
            assert_eq!(read(line), Err(why.to_owned()));
        }
    }
}
