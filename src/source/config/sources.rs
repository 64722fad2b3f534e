//! `[[source]]`: the directories that are handed to users.

use super::super::delegation::{Caps, Delegation};
use super::super::toml::reader::{Layer, nearest};
use super::super::toml::shape::{Limits, Resources};
use super::super::toml::table::table;
use super::super::toml::values::{Account, Count, Size};
use super::doors::finding;
use crate::model::diagnostic::{Code, Diagnostic};
use crate::source::identity::names_in;
use schemars::JsonSchema;
use std::path::Path;
use std::sync::Arc;

table! {
    /// A directory that is handed to a user: whatever its files say happens as that user. It is watched as if it were
    /// named on the command line.
    Source {
        /// The directory. A relative path begins at this file.
        path: String,
        /// The user that it belongs to, by name or number. It and root may write there, and nobody else.
        run_as: Account,
        /// How much its files may ask for.
        limits: SourceLimits,
    }
    later &[]
}

table! {
    /// How much the files of a source may ask for.
    SourceLimits {
        /// So many services. Default: 100.
        services: Count,
        /// So many instances of all of them. Default: 1000.
        instances: Count,
        /// So many bytes of all files that are read for it. Default: "64MiB".
        files: Size,
        /// The most that each service may say in its `[limits]`. Default: the hard limits that abide has itself.
        each: Limits,
        /// What all of them together may use, with the keys of `[resources]`: a cgroup around their own. Default: what
        /// there is.
        together: Resources,
    }
    later &[]
}

/// What they mean; tells `findings` what cannot be.
pub(super) fn delegations<T>(
    sources: Vec<Source>,
    layer: &Layer<T>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Arc<Delegation>> {
    let mut all: Vec<Arc<Delegation>> = Vec::new();
    for (index, source) in sources.into_iter().enumerate() {
        let at = |key: &str| format!("source.{index}{key}");
        let (path, run_as) = match (source.path, source.run_as) {
            (Some(path), Some(run_as)) => (path, run_as),
            (path, run_as) => {
                for (key, lacks) in [("path", path.is_none()), ("run_as", run_as.is_none())] {
                    // What is there and could not be read has its own error.
                    if lacks && !layer.places.contains_key(&at(&format!(".{key}"))) {
                        let message = format!("this `[[source]]` has no `{key}`");
                        let help = "write path = \"/home/deploy/services.d\" and run_as = \"deploy\"";
                        findings.push(finding(layer, &at(""), Code::BadValue, message).help(help));
                    }
                }
                continue;
            }
        };
        let path = layer.path.parent().unwrap_or(Path::new("")).join(path);
        let Some(delegation) = Delegation::new(&path, &run_as.0, caps(&source.limits.unwrap_or_default())) else {
            let names = names_in("/etc/passwd");
            let near = nearest(&run_as.0, &names.iter().map(String::as_str).collect::<Vec<_>>()).map(str::to_owned);
            let help =
                near.map_or_else(|| "create it, or name another".to_owned(), |it| format!("did you mean \"{it}\"?"));
            let message = format!("there is no user `{}` on this machine", run_as.0);
            findings.push(finding(layer, &at(".run_as"), Code::UnknownUser, message).help(help));
            continue;
        };
        if delegation.identity().uid == 0 {
            let message = "a source cannot be handed to root".to_owned();
            let help =
                "remove this `[[source]]` and let the directory, and those on the way to it, belong to root alone";
            findings.push(finding(layer, &at(".run_as"), Code::BadValue, message).help(help));
            continue;
        }
        if all.iter().any(|other| other.path == delegation.path) {
            let message = format!("{} is named twice", delegation.path.display());
            findings.push(finding(layer, &at(".path"), Code::BadValue, message).help("remove one of the two"));
            continue;
        }
        all.push(Arc::new(delegation));
    }
    all
}

fn caps(said: &SourceLimits) -> Caps {
    let default = Caps::default();
    Caps {
        services: said.services.as_ref().map_or(default.services, |count| count.0),
        instances: said.instances.as_ref().map_or(default.instances, |count| count.0),
        files: said.files.as_ref().map_or(default.files, |size| size.0),
        each: said.each.as_ref().map(Limits::to_model).unwrap_or_default(),
        together: said.together.as_ref().and_then(Resources::to_model).map_or(default.together, |it| *it),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::limits::{Bound, LimitKind};
    use crate::source::Text;
    use crate::source::config::parse;

    fn said(text: &str) -> (Vec<String>, Vec<std::sync::Arc<super::Delegation>>) {
        let (config, findings) = parse(&Text { path: "/etc/abide/abide.toml".into(), bytes: text.into() });
        let words = findings.iter().map(|finding| format!("{}: {}", finding.code.as_str(), finding.message)).collect();
        (words, config.map(|config| config.sources).unwrap_or_default())
    }

    #[test]
    fn a_source_is_handed_to_a_user_with_limits() {
        let (words, sources) = said(
            "[[source]]\npath = \"/srv/a\"\nrun_as = 1234\n[source.limits]\nservices = 5\neach.open_files = 10\n\
             together.memory_max = \"1GiB\"\n[[source]]\npath = \"b\"\nrun_as = \"4321\"\n",
        );
        assert_eq!(words, [""; 0]);
        assert_eq!(sources[0].caps.services, 5);
        assert_eq!(sources[0].caps.each[&LimitKind::OpenFiles].hard, Bound(10));
        assert_eq!(sources[0].caps.together.memory_max, Some(1 << 30));
        assert_eq!((sources[1].path.as_path(), sources[1].identity().uid), ("/etc/abide/b".as_ref(), 4321));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let (words, _) = said("[[source]]\n[[source]]\npath = \"/a\"\nrun_as = \"root\"\n");
        assert_eq!(words.len(), 3, "{words:?}");
        assert!(words[2].contains("handed to root"), "{words:?}");
        let (words, _) = said("[[source]]\npath = \"/a\"\nrun_as = \"no-such-user\"\n");
        assert!(words[0].contains("no user `no-such-user`"), "{words:?}");
        let (words, _) = said("[[source]]\npath = \"/a\"\nrun_as = 7\n[[source]]\npath = \"/a/\"\nrun_as = 8\n");
        assert!(words[0].contains("named twice"), "{words:?}");
    }
}
