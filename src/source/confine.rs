//! `[security]` and `stdin`: what they mean, and whether they can be had here.

use super::Surroundings;
use super::environment::reason;
use super::merge::Stack;
use super::toml::shape::ServiceFile;
use super::words::Templates;
use crate::host::within;
use crate::model::capability;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::model::security::Security;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// No service is kept from more paths than this.
const MANY: usize = 256;
/// The longest host name of Linux.
const LONGEST_NAME: usize = 64;

/// What `[security]` means; `None` where it asks for nothing.
pub(super) fn security(stack: &Stack<'_>, file: &ServiceFile, findings: &mut Vec<Diagnostic>) -> Option<Box<Security>> {
    let said = file.security.clone()?;
    let security = Security {
        no_new_privileges: said.no_new_privileges.unwrap_or(false),
        capabilities: said.capabilities.map(|set| set.0),
        ambient_capabilities: said.ambient_capabilities.map(|set| set.0),
        chroot: said.chroot,
        private_tmp: said.private_tmp.unwrap_or(false),
        read_only_paths: said.read_only_paths.unwrap_or_default(),
        inaccessible_paths: said.inaccessible_paths.unwrap_or_default(),
        private_network: said.private_network.unwrap_or(false),
        hostname: said.hostname,
    };
    let beyond = security.ambient_capabilities.unwrap_or(0) & !security.capabilities.unwrap_or(u64::MAX);
    if beyond != 0 {
        let message = format!("`ambient_capabilities` has {}, which `capabilities` lacks", capability::list(beyond));
        let help = "name it in both, or in none";
        findings.push(stack.error("security.ambient_capabilities", Code::BadValue, message).help(help));
    }
    for (key, paths) in paths(&security) {
        if paths.len() > MANY {
            let message = format!("{} paths are more than {MANY}", paths.len());
            let help = "name a directory that holds them";
            findings.push(stack.error(&format!("security.{key}"), Code::BadValue, message).help(help));
        }
    }
    (security != Security::default()).then(|| Box::new(security))
}

/// The file that is the standard input; `None`: `/dev/null`.
pub(super) fn stdin(file: &ServiceFile) -> Option<String> {
    file.stdin.clone().and_then(|input| input.0)
}

fn paths(security: &Security) -> [(&'static str, &Vec<String>); 2] {
    [("read_only_paths", &security.read_only_paths), ("inaccessible_paths", &security.inaccessible_paths)]
}

/// The root that the service has, and what is wrong with what it is given and kept from.
pub(super) struct Check<'a> {
    pub(super) around: &'a Surroundings,
    pub(super) templates: &'a Templates<'a>,
    /// Whether to look at the machine; no more once there is no root to look in.
    pub(super) look: bool,
    pub(super) findings: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    /// Checks all of it; returns the root that programs and paths are to be looked up in.
    pub(super) fn all(&mut self, security: Option<&Security>, stdin: Option<&str>) -> Option<PathBuf> {
        let nothing = Security::default();
        let security = security.unwrap_or(&nothing);
        if self.look {
            self.rights(security);
            self.capabilities(security);
        }
        let root = security.chroot.as_ref().and_then(|chroot| self.path("security.chroot", chroot, ""));
        if let Some(root) = root.as_deref().filter(|_| self.look) {
            self.chroot(root);
        }
        let root = root.map(PathBuf::from);
        if let Some(stdin) = stdin
            && let Some(path) = self.path("stdin", stdin, "file:")
        {
            self.seen("stdin", root.as_deref(), &path, |found| !found.is_dir(), "a directory");
            if self.look {
                self.findings.extend(hidden(self.templates.stack, security, "stdin", Path::new(&path)));
            }
        }
        for (key, paths) in paths(security) {
            for (index, path) in paths.iter().take(MANY).enumerate() {
                let place = format!("security.{key}.{index}");
                if let Some(path) = self.path(&place, path, "") {
                    self.seen(&place, root.as_deref(), &path, |_| true, "");
                }
            }
        }
        if security.private_tmp {
            self.seen("security.private_tmp", root.as_deref(), "/tmp", Metadata::is_dir, "no directory");
        }
        if let Some(name) = &security.hostname {
            self.hostname(name);
        }
        root
    }

    fn say(&mut self, path: &str, code: Code, message: String, help: impl Into<String>) {
        self.findings.push(self.templates.stack.error(path, code, message).help(help));
    }

    /// `text`, the value of `place` behind `prefix`, expanded: an absolute path.
    fn path(&mut self, place: &str, text: &str, prefix: &str) -> Option<String> {
        let expanded = match self.templates.check(place, &format!("{prefix}{text}")) {
            Ok(expanded) => expanded[prefix.len()..].to_owned(),
            Err(finding) => {
                self.findings.push(finding);
                return None;
            }
        };
        if self.templates.partial && expanded.contains('$') {
            return None;
        }
        if !expanded.starts_with('/') {
            self.say(place, Code::BadValue, format!("the path {expanded:?} is not absolute"), "begin it with `/`");
            return None;
        }
        Some(expanded)
    }

    fn chroot(&mut self, root: &str) {
        let message = match std::fs::metadata(root) {
            Ok(found) if found.is_dir() => return,
            Ok(_) => format!("{root:?} is no directory"),
            Err(error) => format!("cannot look at the root {root:?}: {}", reason(&error)),
        };
        self.look = false;
        let help = "name a directory that holds all that the service needs";
        self.say("security.chroot", Code::NoDirectory, message, help);
    }

    /// Looks whether `path` is there, and as it should be.
    fn seen(&mut self, place: &str, root: Option<&Path>, path: &str, good: fn(&Metadata) -> bool, bad: &str) {
        if !self.look {
            return;
        }
        let within = root.map_or(String::new(), |root| format!(" within {:?}", root.display().to_string()));
        let message = match within::metadata(root, Path::new(path)) {
            Ok(found) if good(&found) => return,
            Ok(_) => format!("{path:?}{within} is {bad}"),
            Err(error) => format!("cannot look at {path:?}{within}: {}", reason(&error)),
        };
        self.say(place, Code::NoFile, message, "create it, or correct the path");
    }

    fn hostname(&mut self, name: &str) {
        let name = match self.templates.check("security.hostname", name) {
            Ok(name) => name,
            Err(finding) => return self.findings.push(finding),
        };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let unknown = self.templates.partial && name.contains('$');
        let good = !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(legal);
        if !good && !unknown {
            let help = "write letters, digits, `-` and `.`, at most 64";
            self.say("security.hostname", Code::BadValue, format!("{name:?} is no host name"), help);
        }
    }

    fn rights(&mut self, security: &Security) {
        let keys = [
            ("chroot", security.chroot.is_some(), capability::SYS_CHROOT),
            ("private_tmp", security.private_tmp, capability::SYS_ADMIN),
            ("read_only_paths", !security.read_only_paths.is_empty(), capability::SYS_ADMIN),
            ("inaccessible_paths", !security.inaccessible_paths.is_empty(), capability::SYS_ADMIN),
            ("private_network", security.private_network, capability::SYS_ADMIN),
            ("hostname", security.hostname.is_some(), capability::SYS_ADMIN),
        ];
        for (key, _, needed) in
            keys.into_iter().filter(|(_, asked, needed)| *asked && !self.around.ceilings.rights.has(*needed))
        {
            let finding = missing_right(self.around, self.templates.stack, &format!("security.{key}"), needed);
            self.findings.push(finding);
        }
    }

    fn capabilities(&mut self, security: &Security) {
        let rights = self.around.ceilings.rights.clone();
        let sets = [
            ("security.capabilities", security.capabilities, rights.bounding),
            ("security.ambient_capabilities", security.ambient_capabilities, rights.permitted),
        ];
        for (place, asked, had) in sets {
            let asked = asked.unwrap_or(0);
            let lacking = asked & !had;
            if lacking == 0 {
                continue;
            }
            let unknown = lacking >> (rights.last_capability + 1).min(63) << (rights.last_capability + 1).min(63);
            let (message, help) = if unknown == 0 {
                let names = capability::list(lacking);
                if self.around.delegation.is_some() {
                    (format!("services of this directory are not given {names}"), "remove it")
                } else {
                    let help = "let abide have it, or name only what it has";
                    (format!("abide does not have {names} and cannot hand it on"), help)
                }
            } else {
                (format!("this kernel does not know {}", capability::list(unknown)), "remove it")
            };
            self.say(place, Code::MissingRight, message, help);
        }
        let drops = security.capabilities.is_some_and(|kept| rights.bounding & !kept != 0);
        if drops && !rights.has(capability::SETPCAP) {
            let place = "security.capabilities";
            self.findings.push(missing_right(self.around, self.templates.stack, place, capability::SETPCAP));
        }
    }
}

/// Whether the service sees its own directory, and the program `word` if that is a path.
pub(super) fn visible(
    stack: &Stack<'_>,
    security: &Security,
    (directory, word): (&str, Option<&str>),
    findings: &mut Vec<Diagnostic>,
) {
    let program = word.filter(|word| word.contains('/')).map(|word| Path::new(directory).join(word));
    let command = if stack.names("command.0") { "command.0" } else { "command" };
    findings.extend(hidden(stack, security, "directory", Path::new(directory)));
    findings.extend(program.and_then(|program| hidden(stack, security, command, &program)));
}

/// That `path`, the value of `key`, is one that the service is kept from.
fn hidden(stack: &Stack<'_>, security: &Security, key: &str, path: &Path) -> Option<Diagnostic> {
    let by = security.hides(path)?;
    let message = format!("{:?} lies in {by}, which `security` keeps the service from", path.display().to_string());
    Some(stack.error(key, Code::BadValue, message).help("move it elsewhere, or remove the key that hides it"))
}

/// That the key `path` needs a capability which abide does not have.
pub(super) fn missing_right(around: &Surroundings, stack: &Stack<'_>, path: &str, needed: u32) -> Diagnostic {
    let key = path.rsplit('.').next().unwrap_or(path);
    let name = capability::name(needed);
    if let Some(delegation) = &around.delegation {
        let user = &delegation.identity().user;
        let message = format!("`{key}` needs {name}, and everything in this directory has the rights of `{user}` only");
        let help = format!("move the file to a directory of root's own, or remove `{key}`");
        return stack.error(path, Code::MissingRight, message).help(help);
    }
    let message = format!("`{key}` needs {name}, which abide does not have");
    let how = if around.uid == 0 {
        format!("let abide keep it (in a container: --cap-add {})", name.trim_start_matches("CAP_"))
    } else {
        "run abide as root".to_owned()
    };
    stack.error(path, Code::MissingRight, message).help(format!("{how}, or remove `{key}`"))
}
