//! `${VAR}`, `${VAR:-x}` and `$$`, as service files have them.

/// Why a template cannot be expanded. Offsets are bytes into the template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A variable that nobody set, without a default.
    #[error(
        "${{{name}}} is not set: it is looked up in the base environment, what is inherited, and environment_files"
    )]
    Unknown {
        /// The variable.
        name: String,
        /// Where it stands.
        at: usize,
    },
    /// A `$` that begins nothing.
    #[error("a `$` begins `${{NAME}}`; write `$$` for the sign itself")]
    Lone {
        /// Where it stands.
        at: usize,
    },
    /// `${` without its `}`.
    #[error("`${{` without `}}`")]
    Unclosed {
        /// Where it stands.
        at: usize,
    },
    /// What stands between the braces is no name.
    #[error("`{name}` is no variable name")]
    BadName {
        /// What stands there.
        name: String,
        /// Where it stands.
        at: usize,
    },
}

impl BadTemplate {
    /// The byte offset of the `$` in question.
    pub fn offset(&self) -> usize {
        match self {
            Self::Unknown { at, .. } | Self::Lone { at } | Self::Unclosed { at } | Self::BadName { at, .. } => *at,
        }
    }
}

/// Expands `text` with what `lookup` knows.
pub fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> Result<String, BadTemplate> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(offset) = text[at..].find('$') {
        out.push_str(&text[at..at + offset]);
        let dollar = at + offset;
        let rest = &text[dollar + 1..];
        if rest.starts_with('$') {
            out.push('$');
            at = dollar + 2;
            continue;
        }
        let Some(body) = rest.strip_prefix('{') else { return Err(BadTemplate::Lone { at: dollar }) };
        let Some(end) = body.find('}') else { return Err(BadTemplate::Unclosed { at: dollar }) };
        let (name, default) = match body[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&body[..end], None),
        };
        if !is_variable(name) {
            return Err(BadTemplate::BadName { name: name.to_owned(), at: dollar });
        }
        let value = match (lookup(name), default) {
            (Some("") | None, Some(default)) => default,
            (Some(value), _) => value,
            (None, None) => return Err(BadTemplate::Unknown { name: name.to_owned(), at: dollar }),
        };
        out.push_str(value);
        at = dollar + 2 + end + 1;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// Whether `name` can name an environment variable in a template: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<&'static str> {
        match name {
            "PORT" => Some("8080"),
            "EMPTY" => Some(""),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_dollars_expand() {
        let all = |text| expand(text, lookup).expect("legal");
        assert_eq!(all("http://x:${PORT}/$$"), "http://x:8080/$");
        assert_eq!(all("${NO:-x}${EMPTY:-y}${EMPTY}${PORT:-z}"), "xy8080");
        assert_eq!(all("ünï${PORT}"), "ünï8080");
    }

    #[test]
    fn mistakes_say_where() {
        assert_eq!(expand("ab${NO}", lookup), Err(BadTemplate::Unknown { name: "NO".into(), at: 2 }));
        assert_eq!(expand("a$b", lookup), Err(BadTemplate::Lone { at: 1 }));
        assert_eq!(expand("$", lookup), Err(BadTemplate::Lone { at: 0 }));
        assert_eq!(expand("${PORT", lookup), Err(BadTemplate::Unclosed { at: 0 }));
        assert_eq!(expand("${}", lookup), Err(BadTemplate::BadName { name: String::new(), at: 0 }));
    }
}
