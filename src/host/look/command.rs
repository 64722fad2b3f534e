//! Whether the command of a service can be executed at all, told before it is started, in supervisord's words.

use crate::host::within;
use crate::model::launch::Launch;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What keeps a command from being executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// There is no such file.
    Missing(String),
    /// It is none that can be executed.
    Unfit(String),
}

/// What the first word of `launch` lacks; `None`: nothing that can be seen from here.
pub fn lack(launch: &Launch) -> Option<Lack> {
    let word = launch.argv.first()?;
    let root = launch.security.as_ref().and_then(|security| security.chroot.as_deref()).map(Path::new);
    let path = launch.environment.get("PATH").map_or("/usr/bin:/bin", String::as_str);
    let base = Path::new(&launch.directory);
    let candidates: Vec<PathBuf> = if word.contains('/') {
        vec![base.join(word)]
    } else {
        path.split(':').map(|directory| base.join(directory).join(word)).collect()
    };
    let found = candidates.iter().find_map(|path| Some((path, within::metadata(root, path).ok()?)));
    let Some((path, about)) = found else { return Some(Lack::Missing(format!("can't find command '{word}'"))) };
    let path = if word.contains('/') { word.clone() } else { path.display().to_string() };
    if about.is_dir() {
        return Some(Lack::Unfit(format!("command at '{path}' is a directory")));
    }
    let can = about.permissions().mode() & 0o111 != 0;
    (!can).then(|| Lack::Unfit(format!("command at '{path}' is not executable")))
}
