//! Who may do what at the doors: what `abide.toml` says of it as plain values, and which of its lines is missing.

use super::selector::NamePattern;
use core::net::SocketAddr;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What one may do with a service. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See how it is, what it logs, what happens to it.
    Read,
    /// Start, stop, restart, reload and signal it, too.
    Operate,
    /// And, where that is granted of all services, what concerns abide as a whole.
    All,
}

impl Right {
    /// The word, as in `abide.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::All => "all",
        }
    }
}

/// Who comes to a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A user of this machine, by the kernel's word.
    User {
        /// The effective uid of the program that came.
        uid: u32,
        /// The user's name, or the uid in digits where the user database has none.
        name: String,
        /// Its groups, the primary one too.
        groups: Vec<u32>,
        /// Root, or the user that abide runs as: may everything.
        sovereign: bool,
    },
    /// Who has the token of this name.
    Token(String),
    /// Somebody who has shown nothing.
    Nobody,
}

/// A group of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As `abide.toml` names it.
    pub name: String,
    /// Its number.
    pub gid: u32,
}

/// What `abide.toml` says of the doors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DoorPolicy {
    /// Whose members may everything.
    pub control: Option<Group>,
    /// `[[access]]`.
    pub rules: Vec<Rule>,
    /// `[http]`; `None`: no TCP.
    pub http: Option<Http>,
}

/// One `[[access]]`: whoever is named in one of the three lists may do that with those services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Users by uid.
    pub users: Vec<u32>,
    /// Groups by gid.
    pub groups: Vec<u32>,
    /// Tokens by name.
    pub tokens: Vec<String>,
    /// What.
    pub may: Right,
    /// With which services.
    pub services: Vec<NamePattern>,
}

/// `[http]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Whether it shows the web page.
    pub dashboard: bool,
    /// Names that `Host` may have beside the loopback's and the addresses themselves; lower case.
    pub hosts: Vec<String>,
    /// With TLS.
    pub tls: Option<TlsFiles>,
    /// `[[http.token]]`.
    pub tokens: Vec<Token>,
}

/// The files of a certificate, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A token that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// What it may of itself; `None`: only what `[[access]]` gives it.
    pub may: Option<Right>,
    /// With which services.
    pub services: Vec<NamePattern>,
}

/// One thing that somebody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'p> {
    /// What.
    pub right: Right,
    /// With which services; `None`: with all.
    pub services: Option<&'p [NamePattern]>,
}

impl Grant<'_> {
    /// Whether it is of every service there is or ever will be.
    pub fn is_of_all(&self) -> bool {
        self.services.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.as_str() == "*"))
    }

    fn is_of(&self, service: &str) -> bool {
        self.services.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(service)))
    }
}

/// Everything that somebody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights<'p>(pub Vec<Grant<'p>>);

impl Rights<'_> {
    /// Whether `right` is among them for `service`.
    pub fn may(&self, right: Right, service: &str) -> bool {
        self.0.iter().any(|grant| grant.right >= right && grant.is_of(service))
    }

    /// Whether `right` is among them for all services.
    pub fn may_with_all(&self, right: Right) -> bool {
        self.0.iter().any(|grant| grant.right >= right && grant.is_of_all())
    }
}

impl DoorPolicy {
    /// What `who` may.
    pub fn rights(&self, who: &Who) -> Rights<'_> {
        let everything = Grant { right: Right::All, services: None };
        let of_rules = |named: &dyn Fn(&Rule) -> bool| {
            let rules = self.rules.iter().filter(|rule| named(rule));
            rules.map(|rule| Grant { right: rule.may, services: Some(&rule.services) }).collect::<Vec<_>>()
        };
        Rights(match who {
            Who::Nobody => Vec::new(),
            Who::User { sovereign: true, .. } => vec![everything],
            Who::User { groups, .. } if self.control.as_ref().is_some_and(|group| groups.contains(&group.gid)) => {
                vec![everything]
            }
            Who::User { uid, groups, .. } => of_rules(&|rule: &Rule| {
                rule.users.contains(uid) || rule.groups.iter().any(|group| groups.contains(group))
            }),
            Who::Token(name) => {
                let tokens = self.http.iter().flat_map(|http| &http.tokens);
                let Some(token) = tokens.into_iter().find(|token| token.name == *name) else {
                    return Rights(Vec::new());
                };
                let own = token.may.map(|right| Grant { right, services: Some(&token.services) });
                let mut grants: Vec<_> = own.into_iter().collect();
                grants.extend(of_rules(&|rule: &Rule| rule.tokens.contains(name)));
                grants
            }
        })
    }

    /// The lines of `abide.toml` that would let `who` do that with `services` (empty: with all). `None` where
    /// no line would: nobody knows who it is.
    pub fn missing(&self, who: &Who, right: Right, services: &[&str]) -> Option<String> {
        if right == Right::All {
            return self.missing_control(who);
        }
        let subject = match who {
            Who::Nobody => return None,
            Who::Token(name) => format!("tokens = [{}]", quoted(name)),
            // A name of digits alone would be read as a number.
            Who::User { uid, name, .. } if name.bytes().all(|byte| byte.is_ascii_digit()) => format!("users = [{uid}]"),
            Who::User { name, .. } => format!("users = [{}]", quoted(name)),
        };
        let all = services.is_empty() || services.len() > MOST_NAMED;
        let services: Vec<String> = if all { &["*"] } else { services }.iter().map(|name| quoted(name)).collect();
        let (may, services) = (right.as_str(), services.join(", "));
        Some(format!("[[access]]\n{subject}\nmay = \"{may}\"\nservices = [{services}]\n"))
    }

    fn missing_control(&self, who: &Who) -> Option<String> {
        let mut lines = String::new();
        match (who, &self.control) {
            (Who::Nobody, _) => return None,
            (Who::Token(name), _) => {
                let _ = writeln!(lines, "# in the [[http.token]] whose name is {}:", quoted(name));
                let _ = writeln!(lines, "may = \"full\"\nservices = [\"*\"]");
            }
            (Who::User { name, .. }, Some(group)) => {
                let _ = writeln!(lines, "# members of the group may everything: usermod -aG {} {name}", group.name);
                let _ = writeln!(lines, "[control]\ngroup = {}", quoted(&group.name));
            }
            (Who::User { name, .. }, None) => {
                let _ = writeln!(lines, "# a group whose members may everything, such as {name}");
                let _ = writeln!(lines, "[control]\ngroup = \"ops\"");
            }
        }
        Some(lines)
    }
}

/// A rule that names more services than this would rather be one of all.
const MOST_NAMED: usize = 16;

/// As a string of TOML; that of JSON is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(uid: u32, groups: &[u32]) -> Who {
        Who::User { uid, name: format!("u{uid}"), groups: groups.to_vec(), sovereign: uid == 0 }
    }

    fn pattern(text: &str) -> NamePattern {
        NamePattern::new(text).expect("legal")
    }

    fn rule(users: &[u32], groups: &[u32], may: Right, services: &[&str]) -> Rule {
        let services = services.iter().map(|text| pattern(text)).collect();
        Rule { users: users.to_vec(), groups: groups.to_vec(), tokens: Vec::new(), may, services }
    }

    fn token(name: &str, may: Option<Right>, services: &[&str]) -> Token {
        let services = services.iter().map(|text| pattern(text)).collect();
        Token { name: name.to_owned(), sha256: [0; 32], may, services }
    }

    #[test]
    fn root_may_everything_and_a_stranger_nothing() {
        let policy = DoorPolicy::default();
        assert!(policy.rights(&user(0, &[])).may_with_all(Right::All));
        assert_eq!(policy.rights(&user(1000, &[0, 1000])), Rights(Vec::new()));
        assert_eq!(policy.rights(&Who::Nobody), Rights(Vec::new()));
        assert_eq!(policy.rights(&Who::Token("ci".into())), Rights(Vec::new()));
    }

    #[test]
    fn the_group_of_control_may_everything() {
        let control = Some(Group { name: "ops".into(), gid: 50 });
        let policy = DoorPolicy { control, ..DoorPolicy::default() };
        assert!(policy.rights(&user(1000, &[50])).may_with_all(Right::All));
        assert!(!policy.rights(&user(1000, &[51])).may(Right::Read, "web"));
    }

    #[test]
    fn a_rule_gives_what_it_names_to_whom_it_names() {
        let rules = vec![rule(&[1000], &[7], Right::Operate, &["web*"]), rule(&[], &[8], Right::Read, &["*"])];
        let policy = DoorPolicy { rules, ..DoorPolicy::default() };
        for (who, right, service, expected) in [
            (user(1000, &[]), Right::Operate, "web1", true),
            (user(1000, &[]), Right::Read, "web1", true),
            (user(1000, &[]), Right::Read, "db", false),
            (user(1000, &[]), Right::All, "web1", false),
            (user(2000, &[7]), Right::Operate, "web", true),
            (user(2000, &[8]), Right::Read, "db", true),
            (user(2000, &[8]), Right::Operate, "db", false),
            (user(2000, &[9]), Right::Read, "web", false),
            (Who::Token("ci".into()), Right::Read, "web", false),
        ] {
            assert_eq!(policy.rights(&who).may(right, service), expected, "{who:?} {right:?} {service}");
        }
    }

    #[test]
    fn a_token_may_what_it_says_and_what_rules_add() {
        let mut added = rule(&[], &[], Right::Operate, &["web"]);
        added.tokens = vec!["ci".into(), "gone".into()];
        let tokens = vec![token("ci", Some(Right::Read), &["*"]), token("boss", Some(Right::All), &["*"])];
        let http = Some(Http { tokens, ..Http::default() });
        let policy = DoorPolicy { rules: vec![added], http, ..DoorPolicy::default() };
        let may = |name: &str, right, service| policy.rights(&Who::Token(name.into())).may(right, service);
        assert!(may("ci", Right::Read, "db") && may("ci", Right::Operate, "web") && !may("ci", Right::Operate, "db"));
        assert!(policy.rights(&Who::Token("boss".into())).may_with_all(Right::All));
        // A rule outlives no token.
        assert!(!may("gone", Right::Read, "web"));
    }

    #[test]
    fn what_is_missing_is_said_in_lines_of_abide_toml() {
        let policy = DoorPolicy::default();
        let who = Who::User { uid: 1000, name: "deploy".into(), groups: vec![], sovereign: false };
        let lines = "[[access]]\nusers = [\"deploy\"]\nmay = \"operate\"\nservices = [\"web\", \"db\"]\n";
        assert_eq!(policy.missing(&who, Right::Operate, &["web", "db"]).as_deref(), Some(lines));
        let nameless = Who::User { uid: 1000, name: "1000".into(), groups: vec![], sovereign: false };
        assert!(policy.missing(&nameless, Right::Read, &[]).unwrap().contains("users = [1000]\n"));
        assert_eq!(policy.missing(&Who::Nobody, Right::Read, &[]), None);
        assert!(policy.missing(&who, Right::All, &[]).unwrap().contains("[control]"));
    }

    fn any_right() -> impl Strategy<Value = Right> {
        prop::sample::select(vec![Right::Read, Right::Operate, Right::All])
    }

    prop_compose! {
        fn any_rule()(
            users in prop::collection::vec(1_u32..5, 0..3),
            groups in prop::collection::vec(1_u32..5, 0..3),
            operate in any::<bool>(),
            services in prop::collection::vec("[ab]{1,2}|\\*|a\\*", 1..3),
        ) -> Rule {
            let may = if operate { Right::Operate } else { Right::Read };
            let services: Vec<&str> = services.iter().map(String::as_str).collect();
            rule(&users, &groups, may, &services)
        }
    }

    proptest! {
        #[test]
        fn another_rule_takes_nothing_away_and_gives_only_what_it_names(
            rules in prop::collection::vec(any_rule(), 0..4), more in any_rule(), uid in 1_u32..5, group in 1_u32..5,
            right in any_right(), service in "[ab]{1,2}",
        ) {
            let who = user(uid, &[group]);
            let before = DoorPolicy { rules: rules.clone(), ..DoorPolicy::default() };
            let after = DoorPolicy { rules: [rules, vec![more.clone()]].concat(), ..DoorPolicy::default() };
            let was = before.rights(&who).may(right, &service);
            let named = (more.users.contains(&uid) || more.groups.contains(&group))
                && more.may >= right && more.services.iter().any(|pattern| pattern.matches(&service));
            prop_assert_eq!(after.rights(&who).may(right, &service), was || named);
        }

        #[test]
        fn a_greater_right_includes_the_smaller(
            rules in prop::collection::vec(any_rule(), 0..4), uid in 1_u32..5, service in "[ab]{1,2}",
        ) {
            let policy = DoorPolicy { rules, ..DoorPolicy::default() };
            let rights = policy.rights(&user(uid, &[]));
            prop_assert!(!rights.may(Right::Operate, &service) || rights.may(Right::Read, &service));
            prop_assert!(!rights.may(Right::All, &service));
            prop_assert!(!rights.may_with_all(Right::Read) || rights.may(Right::Read, &service));
        }
    }
}
