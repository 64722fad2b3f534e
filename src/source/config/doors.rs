//! `[control]`, `[[access]]` and `[http]`: who may what at the doors, and where there are doors.
//!
//! Names of users and groups are looked up in the system's user database, here and now: a rule for somebody who
//! is not there would be a rule for nobody.

use super::addresses::{Listen, is_host_name};
use super::values::{AccessMay, Digest, Patterns, TableList, TokenMay};
use crate::model::access::{DoorPolicy, Group, Http, Right, Rule, TlsFiles, Token};
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::selector::NamePattern;
use crate::source::identity::names_in;
use crate::source::toml::reader::{Layer, clipped, nearest};
use crate::source::toml::table::table;
use crate::source::toml::values::{Account, ChoiceOf};
use nix::unistd::{Gid, Uid, User};
use schemars::JsonSchema;
use std::path::PathBuf;

table! {
    /// Who may everything, beside root and the user that abide runs as.
    Control {
        /// A group whose members may everything.
        group: Account,
    }
    later &[]
}

table! {
    /// What others may, who are not root: whoever one of `users`, `groups` and `tokens` names. Each rule adds to the others.
    /// Without any rule a user may read the status and the logs of those services that run as this user, and nothing else.
    Access {
        /// Users of this machine.
        users: Vec<Account>,
        /// Groups of this machine: whoever is in one of them.
        groups: Vec<Account>,
        /// Names of `[[http.token]]`.
        tokens: Vec<String>,
        /// What: "read" (status, logs, events) or "operate" (also start, stop, restart, reload and signal).
        #[schemars(with = "Option<ChoiceOf<AccessMay>>")]
        may: AccessMay,
        /// With which services, as patterns. Default: ["*"].
        #[schemars(with = "Option<Vec<String>>")]
        services: Patterns,
    }
    later &[]
}

table! {
    /// The doors over TCP. Who comes in by them shows a token; the name that they were called by is checked, and where the
    /// page comes from that calls, so that no page elsewhere can reach them through somebody's browser.
    HttpTable {
        /// Addresses with ports, such as "127.0.0.1:9700" or a list of them; a number alone is a port on 127.0.0.1. Without
        /// it nothing listens.
        listen: Listen,
        /// Whether a web page is shown there. Default: false.
        dashboard: bool,
        /// Names by which it may be called, beside `localhost` and the addresses that it listens at.
        hosts: Vec<String>,
        /// Speak TLS; without it whoever is on the way can read along.
        tls: Tls,
        /// Who may come in.
        #[schemars(with = "Option<Vec<HttpToken>>")]
        token: TableList<HttpToken>,
    }
    later &[]
}

table! {
    /// The certificate: read anew when this file changes, and on SIGHUP.
    Tls {
        /// The file of the certificate and of those that lead to its root, PEM. A relative path begins at this file.
        certificate: String,
        /// The file of its private key, PEM.
        key: String,
    }
    later &[]
}

table! {
    /// A token: `abide token NAME` makes one, and prints these lines.
    HttpToken {
        /// What you call it.
        name: String,
        /// SHA-256 of its text, in hex.
        sha256: Digest,
        /// What it may of itself: "read", or "full" (everything, of the services that it names). Without it, only what an
        /// `[[access]]` that names it says.
        #[schemars(with = "Option<ChoiceOf<TokenMay>>")]
        may: TokenMay,
        /// With which services, as patterns. Default: ["*"].
        #[schemars(with = "Option<Vec<String>>")]
        services: Patterns,
    }
    later &[]
}

/// The tables of the doors, as the file has them.
pub(super) struct Tables {
    pub(super) control: Option<Control>,
    pub(super) access: Option<TableList<Access>>,
    pub(super) http: Option<HttpTable>,
}

/// What they mean; tells `findings` what cannot be.
pub(super) fn policy<T>(tables: Tables, layer: &Layer<T>, findings: &mut Vec<Diagnostic>) -> DoorPolicy {
    let mut lowering = Lowering { layer, findings };
    let control = tables.control.and_then(|control| lowering.control(control));
    let http = tables.http.map(|http| lowering.http(http));
    let known: Vec<&str> = http.iter().flat_map(|http| &http.tokens).map(|token| token.name.as_str()).collect();
    let access = tables.access.map_or(Vec::new(), |access| access.0);
    let rules = access.into_iter().enumerate().map(|(index, access)| lowering.rule(index, access, &known)).collect();
    DoorPolicy { control, rules, http }
}

/// The groups that may write service files; tells `findings` which there are not.
pub(super) fn groups<T>(named: &[Account], layer: &Layer<T>, findings: &mut Vec<Diagnostic>) -> Vec<u32> {
    let mut lowering = Lowering { layer, findings };
    let group = |(at, group): (usize, &Account)| lowering.group(&format!("trusted_groups.{at}"), group);
    named.iter().enumerate().filter_map(group).collect()
}

/// Who has this many to mend may be told the others afterwards.
const MOST_FINDINGS: usize = 64;

struct Lowering<'a, T> {
    layer: &'a Layer<T>,
    findings: &'a mut Vec<Diagnostic>,
}

/// An error about the value of `path`.
pub(super) fn finding<T>(layer: &Layer<T>, path: &str, code: Code, message: String) -> Diagnostic {
    // What is missing is said of the table that lacks it.
    let mut at = path;
    loop {
        if let Some(span) = layer.places.get(at) {
            return layer.finding(span.clone(), code, message);
        }
        match at.rsplit_once('.') {
            Some((above, _)) => at = above,
            None => return Diagnostic::error(&layer.path, code, message),
        }
    }
}

impl<T> Lowering<'_, T> {
    fn finding(&self, path: &str, code: Code, message: String) -> Diagnostic {
        finding(self.layer, path, code, message)
    }

    /// Whether the file says anything there, be it wrong.
    fn has(&self, path: &str) -> bool {
        self.layer.places.contains_key(path)
    }

    fn wrong(&mut self, path: &str, code: Code, message: String, help: impl Into<String>) {
        if self.findings.len() >= MOST_FINDINGS {
            return;
        }
        let finding = self.finding(path, code, message).help(help);
        self.findings.push(finding);
    }

    fn warn(&mut self, path: &str, code: Code, message: &str, help: &str) {
        let mut finding = self.finding(path, code, message.to_owned()).help(help);
        finding.severity = crate::model::diagnostic::Severity::Warning;
        self.findings.push(finding);
    }

    fn control(&mut self, control: Control) -> Option<Group> {
        let Some(account) = control.group else {
            if self.has("control.group") {
                return None;
            }
            self.wrong("control", Code::BadValue, "`[control]` names no group".into(), "add `group = \"NAME\"`");
            return None;
        };
        let gid = self.group("control.group", &account)?;
        let named = nix::unistd::Group::from_gid(Gid::from_raw(gid)).ok().flatten();
        Some(Group { name: named.map_or(account.0, |group| group.name), gid })
    }

    fn rule(&mut self, index: usize, access: Access, tokens: &[&str]) -> Rule {
        let path = format!("access.{index}");
        let lists = ["users", "groups", "tokens"];
        if lists.iter().all(|key| !self.has(&format!("{path}.{key}"))) {
            let message = "this `[[access]]` names nobody".to_owned();
            self.wrong(&path, Code::BadValue, message, "add `users`, `groups` or `tokens`");
        }
        if !self.has(&format!("{path}.may")) {
            let message = "this `[[access]]` does not say what they may".to_owned();
            self.wrong(&path, Code::BadValue, message, "add `may = \"read\"` or `may = \"operate\"`");
        }
        let users = access.users.unwrap_or_default().into_iter().enumerate();
        let users = users.filter_map(|(at, user)| self.user(&format!("{path}.users.{at}"), &user)).collect();
        let groups = access.groups.unwrap_or_default().into_iter().enumerate();
        let groups = groups.filter_map(|(at, group)| self.group(&format!("{path}.groups.{at}"), &group)).collect();
        let named = access.tokens.unwrap_or_default();
        for (at, token) in named.iter().enumerate().filter(|(_, token)| !tokens.contains(&token.as_str())) {
            let help = match nearest(token, tokens) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("make it by `abide token {}`", clipped(token)),
            };
            let message = format!("there is no `[[http.token]]` of the name \"{}\"", clipped(token));
            self.wrong(&format!("{path}.tokens.{at}"), Code::BadValue, message, help);
        }
        let may = access.may.map_or(Right::Read, Right::from);
        Rule { users, groups, tokens: named, may, services: patterns(access.services) }
    }

    fn http(&mut self, http: HttpTable) -> Http {
        let listen = http.listen.map_or(Vec::new(), |listen| listen.0);
        if listen.is_empty() && !self.has("http.listen") {
            let help = "add `listen = \"127.0.0.1:9700\"`, or remove `[http]`";
            self.warn("http", Code::BadValue, "`[http]` does not say where to listen, so nothing does", help);
        }
        let tls = http.tls.and_then(|tls| self.tls(tls));
        if tls.is_none() && listen.iter().any(|address| !address.ip().is_loopback()) {
            let message = "others can reach this address, and without TLS whoever is on the way can read the tokens";
            let help = "add `tls = { certificate = \"FILE\", key = \"FILE\" }`, or listen at 127.0.0.1";
            self.warn("http.listen", Code::ClearText, message, help);
        }
        let hosts: Vec<String> = http.hosts.unwrap_or_default();
        for (at, host) in hosts.iter().enumerate().filter(|(_, host)| !is_host_name(host)) {
            let message = format!("\"{}\" is no name of a host", clipped(host));
            let help = "write it like \"abide.example.org\", without scheme and port";
            self.wrong(&format!("http.hosts.{at}"), Code::BadValue, message, help);
        }
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        let tokens = self.tokens(http.token.map_or(Vec::new(), |tokens| tokens.0));
        Http { listen, dashboard: http.dashboard.unwrap_or(false), hosts, tls, tokens }
    }

    fn tls(&mut self, tls: Tls) -> Option<TlsFiles> {
        let beside = self.layer.path.parent().map(ToOwned::to_owned).unwrap_or_default();
        let file = |text: String| std::path::absolute(beside.join(text)).ok();
        for (key, value) in [("certificate", &tls.certificate), ("key", &tls.key)] {
            if value.as_ref().is_none_or(String::is_empty) {
                let message = format!("`http.tls` lacks the file of its `{key}`");
                self.wrong(&format!("http.tls.{key}"), Code::BadValue, message, format!("add `{key} = \"FILE\"`"));
            }
        }
        let (certificate, key): (Option<PathBuf>, _) = (tls.certificate.and_then(file), tls.key.and_then(file));
        Some(TlsFiles { certificate: certificate?, key: key? })
    }

    fn tokens(&mut self, tokens: Vec<HttpToken>) -> Vec<Token> {
        let mut known: Vec<Token> = Vec::with_capacity(tokens.len());
        for (index, token) in tokens.into_iter().enumerate() {
            let path = format!("http.token.{index}");
            for (key, help) in [("name", "add `name = \"NAME\"`"), ("sha256", "let `abide token NAME` make one")] {
                if !self.has(&format!("{path}.{key}")) {
                    let message = format!("this `[[http.token]]` lacks its `{key}`");
                    self.wrong(&path, Code::BadValue, message, help);
                }
            }
            let (Some(name), Some(digest)) = (token.name, token.sha256) else { continue };
            if !is_token_name(&name) {
                let message = format!("\"{}\" can be no name of a token", clipped(&name));
                let help = "write letters, digits, `.`, `_` and `-`, at most 64 of them";
                self.wrong(&format!("{path}.name"), Code::BadValue, message, help);
            }
            if known.iter().any(|other| other.name == name) {
                let message = format!("there are two tokens of the name \"{}\"", clipped(&name));
                self.wrong(&format!("{path}.name"), Code::BadValue, message, "give one of them another name");
            }
            if known.iter().any(|other| other.sha256 == digest.0) {
                let message = "two names have the same token".to_owned();
                self.wrong(&format!("{path}.sha256"), Code::BadValue, message, "let `abide token NAME` make another");
            }
            let (may, services) = (token.may.map(Right::from), patterns(token.services));
            known.push(Token { name, sha256: digest.0, may, services });
        }
        known
    }

    fn user(&mut self, path: &str, account: &Account) -> Option<u32> {
        if let Ok(uid) = account.0.parse() {
            return Some(uid);
        }
        if let Ok(Some(user)) = User::from_name(&account.0) {
            return Some(Uid::as_raw(user.uid));
        }
        self.unknown(path, Code::UnknownUser, "user", "/etc/passwd", "useradd --system", account);
        None
    }

    fn group(&mut self, path: &str, account: &Account) -> Option<u32> {
        if let Ok(gid) = account.0.parse() {
            return Some(gid);
        }
        if let Ok(Some(group)) = nix::unistd::Group::from_name(&account.0) {
            return Some(group.gid.as_raw());
        }
        self.unknown(path, Code::UnknownGroup, "group", "/etc/group", "groupadd --system", account);
        None
    }

    fn unknown(&mut self, path: &str, code: Code, what: &str, database: &str, make: &str, account: &Account) {
        if self.findings.len() >= MOST_FINDINGS {
            return;
        }
        let names = names_in(database);
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let name = clipped(&account.0);
        let help = match nearest(&account.0, &known) {
            Some(near) => format!("did you mean \"{near}\"? Else create the {what}: {make} {name}"),
            None => format!("create it ({make} {name}), or name another {what}"),
        };
        self.wrong(path, code, format!("there is no {what} `{name}` on this machine"), help);
    }
}

/// All services, unless some are named.
fn patterns(named: Option<Patterns>) -> Vec<NamePattern> {
    named.map_or_else(|| vec![NamePattern::any()], |patterns| patterns.0)
}

/// Whether a token may be called so.
pub fn is_token_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(legal)
}
