//! How people name services on the command line and to the doors: `web`, `web*`, `web@2`, `@failed`.

use super::name::ServiceName;
use super::status::State;
use std::fmt;
use std::str::FromStr;

/// Names one or more instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Which services; `*` where only a state is named.
    pub names: NamePattern,
    /// Of these, only the instances in this state (`@failed`).
    pub state: Option<State>,
    /// Of these, only the one of this number (`web@2`).
    pub index: Option<u32>,
}

/// A name, in which `*` stands for any number of characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

/// What one order is about: a service, or one of its instances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Which service.
    pub service: ServiceName,
    /// Which instance; `None`: all of them.
    pub index: Option<u32>,
}

/// Names that mean nothing, each with the nearest name that does; where only the instance is wrong, its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuch(pub Vec<(Selector, Option<ServiceName>)>);

/// Why a text names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSelector {
    /// Nothing is there.
    #[error("a name is missing")]
    Empty,
    /// A character that no name has.
    #[error(
        "{0:?} cannot stand in a name: write a service (web), a pattern (web*), an instance (web@2) or a state (@failed)"
    )]
    Character(char),
    /// After `@` stands neither a number nor a state.
    #[error("{0:?} is neither the number of an instance nor a state ({states})", states = State::ALL.map(State::as_str).join(", "))]
    At(String),
}

impl NamePattern {
    /// Checks a pattern.
    pub fn new(text: &str) -> Result<Self, BadSelector> {
        if text.is_empty() {
            return Err(BadSelector::Empty);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '*' | '?');
        match text.chars().find(|c| !legal(*c)) {
            Some(c) => Err(BadSelector::Character(c)),
            // All of a group, as supervisord's clients write it too.
            None if text.ends_with(':') => Ok(Self(format!("{text}*"))),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The pattern that matches every name.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether it can match more than one name.
    pub fn is_pattern(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is one of those that it stands for.
    pub fn matches(&self, name: &str) -> bool {
        // The last `*`, and how much of the name it has swallowed so far.
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n, mut star) = (0, 0, None);
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

impl Selector {
    /// Whether it names one service, and not whatever there is of a form or in a state.
    pub fn is_exact(&self) -> bool {
        self.state.is_none() && !self.names.is_pattern()
    }
}

impl FromStr for Selector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let (names, at) = match text.split_once('@') {
            None => return Ok(Self { names: NamePattern::new(text)?, state: None, index: None }),
            Some(("", at)) => (NamePattern::any(), at),
            Some((names, at)) => (NamePattern::new(names)?, at),
        };
        // `web@*` is every instance of web, which is web.
        if at == "*" {
            return Ok(Self { names, state: None, index: None });
        }
        let state = State::ALL.into_iter().find(|state| state.as_str() == at);
        let index = at.parse().ok().filter(|_| at.bytes().all(|byte| byte.is_ascii_digit()));
        if state.is_none() && index.is_none() {
            return Err(BadSelector::At(at.to_owned()));
        }
        Ok(Self { names, state, index })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone = self.state.is_some() && self.names.as_str() == "*";
        f.write_str(if alone { "" } else { self.names.as_str() })?;
        match (self.state, self.index) {
            (Some(state), _) => write!(f, "@{}", state.as_str()),
            (None, Some(index)) => write!(f, "@{index}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}@{index}", self.service),
            None => write!(f, "{}", self.service),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn selector(text: &str) -> Selector {
        text.parse().expect(text)
    }

    #[test]
    fn services_patterns_instances_and_states_are_told_apart() {
        assert_eq!(selector("web").names.as_str(), "web");
        assert_eq!(selector("web@2").index, Some(2));
        assert_eq!(selector("@failed").state, Some(State::Failed));
        assert_eq!(selector("web*@backoff").state, Some(State::Backoff));
        assert_eq!(selector("web@*"), selector("web"));
        assert_eq!(selector("cat:"), selector("cat:*"));
        assert!(selector("cat:").names.matches("cat:cat_00") && !selector("cat:").names.matches("cat"));
        for text in ["web", "web*", "web@2", "@failed", "web*@backoff"] {
            assert_eq!(selector(text).to_string(), text);
        }
        assert_eq!("".parse::<Selector>(), Err(BadSelector::Empty));
        assert_eq!("a/b".parse::<Selector>(), Err(BadSelector::Character('/')));
        assert!("web@".parse::<Selector>().is_err());
        assert!("web@+2".parse::<Selector>().unwrap_err().to_string().contains("failed"));
    }

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web", true),
            ("*b*1", "web-b-1", true),
            ("*b*1", "web-b-2", false),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*", "anything", true),
        ] {
            assert_eq!(NamePattern::new(pattern).expect("legal").matches(name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_made_of_a_name_matches_it(name in "[a-z0-9][a-z0-9.-]{0,20}", holes in proptest::collection::vec(any::<bool>(), 21)) {
            let punched: String = name.chars().zip(holes).map(|(c, hole)| if hole { '*' } else { c }).collect();
            prop_assert!(NamePattern::new(&punched).expect("legal").matches(&name));
        }
    }
}
