//! Which variables look like secrets, and what of them is shown. In doubt it is hidden: who may see all can ask for it.

/// What stands in the place of what is hidden.
pub const HIDDEN: &str = "***";

/// Parts of names that mean a secret wherever they stand.
const ANYWHERE: [&str; 8] = ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY", "PRIVATE"];
/// Words that mean one when they stand by themselves: `AWS_ACCESS_KEY_ID`, not `MONKEY`.
const WORDS: [&str; 9] = ["KEY", "KEYS", "PASS", "PWD", "PW", "AUTH", "COOKIE", "DSN", "PIN"];
/// Those that have such a word and are none.
const HARMLESS: [&str; 3] = ["PWD", "OLDPWD", "SSH_AUTH_SOCK"];
/// What a value says before a secret, as in `host=db password=…` and `?token=…`.
const BEFORE: [&str; 8] =
    ["password=", "passwd=", "pwd=", "secret=", "token=", "api_key=", "apikey=", "private key-----"];

/// `value` without what looks like a secret; `None`: nothing does.
pub fn masked(name: &str, value: &str) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    let lower = value.to_ascii_lowercase();
    if is_secret_name(name) || BEFORE.iter().any(|before| lower.contains(before)) {
        return Some(HIDDEN.to_owned());
    }
    without_passwords(value)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    if HARMLESS.contains(&name.as_str()) {
        return false;
    }
    let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
    ANYWHERE.iter().any(|part| name.contains(part)) || words.any(|word| WORDS.contains(&word))
}

/// With the passwords of all URLs in it hidden: `scheme://user:password@host`.
fn without_passwords(value: &str) -> Option<String> {
    let mut shown = String::new();
    let mut rest = value;
    let mut found = false;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        // What stands before the host reaches to the last `@`: a password may have one too.
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = after;
        let Some(at) = after[..end].rfind('@') else { continue };
        let Some(colon) = after[..at].find(':').filter(|colon| colon + 1 < at) else { continue };
        shown.push_str(&after[..=colon]);
        shown.push_str(HIDDEN);
        (rest, found) = (&after[at..], true);
    }
    shown.push_str(rest);
    found.then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_secrets_hide_their_values() {
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "db.passwd",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "githubToken",
            "GOOGLE_CREDENTIALS",
            "APIKEY",
            "SENTRY_DSN",
            "DB_PASS",
            "SESSION_COOKIE",
            "KEY2",
        ] {
            assert_eq!(masked(name, "x").as_deref(), Some(HIDDEN), "{name}");
        }
        for name in ["PATH", "MONKEY", "KEYBOARD", "PWD", "OLDPWD", "SSH_AUTH_SOCK", "COMPASS", "AUTHOR", "SPINNER"] {
            assert_eq!(masked(name, "/usr/bin"), None, "{name}");
        }
        assert_eq!(masked("PASSWORD", ""), None, "that there is none is no secret");
    }

    #[test]
    fn of_urls_only_the_password_is_hidden() {
        let shown = |value: &str| masked("URL", value);
        assert_eq!(shown("postgres://app:s3cr@t@db:5432/x").as_deref(), Some("postgres://app:***@db:5432/x"));
        // Where no path parts them, more is hidden and not less.
        assert_eq!(shown("a://u:p@h,b://v:q@i/").as_deref(), Some("a://u:***@h,b://v:***@i/"));
        assert_eq!(shown("http://u:p@h/ http://v:q@i/").as_deref(), Some("http://u:***@h/ http://v:***@i/"));
        assert_eq!(shown("redis://:pw@h").as_deref(), Some("redis://:***@h"));
        for harmless in ["http://localhost:8080/", "http://user@host/", "http://h/a:b@c", "a:b@c", "://", "x://@"] {
            assert_eq!(shown(harmless), None, "{harmless}");
        }
    }

    #[test]
    fn values_that_say_that_a_secret_follows_are_hidden() {
        for value in ["host=db password=x", "https://h/?Token=x", "-----BEGIN PRIVATE KEY-----\nMII"] {
            assert_eq!(masked("CONFIG", value).as_deref(), Some(HIDDEN), "{value}");
        }
    }
}
