//! What the reader of supervisord's files may know of the machine.

use crate::source::{Surroundings, Text};
use crate::supervisord::{Around, Source};
use nix::sys::utsname::uname;
use nix::unistd::{Gid, Group, Uid, User};
use std::collections::BTreeMap;
use std::path::Path;

/// The machine, as whoever wrote the files may see it.
pub(in crate::source) struct Machine {
    environment: BTreeMap<String, String>,
    host: String,
    directory: String,
    /// Where `~` is.
    home: Option<String>,
}

impl Machine {
    /// As abide was started on it; of what it was started with, who only has a directory of his own sees nothing.
    pub(in crate::source) fn as_seen(delegated: bool) -> Self {
        let named = std::env::vars_os().filter(|_| !delegated);
        let environment = named.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment: BTreeMap<String, String> = environment.collect();
        let home = environment.get("HOME").cloned();
        Self::with(environment, home)
    }

    pub(super) fn of(around: &Surroundings) -> Self {
        match &around.delegation {
            None => Self::with(around.environment.clone(), around.environment.get("HOME").cloned()),
            Some(delegation) => Self::with(BTreeMap::new(), Some(delegation.person.home.clone())),
        }
    }

    fn with(environment: BTreeMap<String, String>, home: Option<String>) -> Self {
        let host = uname().map(|name| name.nodename().to_string_lossy().into_owned()).unwrap_or_default();
        let directory = std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        Self { environment, host, home, directory: directory.unwrap_or_else(|| "/".to_owned()) }
    }

    /// A text as the reader takes it; `None`: it is no UTF-8.
    pub(in crate::source) fn source(text: &Text) -> Option<Source> {
        let path = std::path::absolute(&text.path).unwrap_or_else(|_| text.path.clone());
        let directory = path.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let content = std::str::from_utf8(&text.bytes).ok()?.to_owned();
        Some(Source { path: text.path.to_string_lossy().into_owned(), directory, text: content })
    }
}

impl Around for Machine {
    fn env(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn working_directory(&self) -> &str {
        &self.directory
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        let home = |user: User| user.dir.into_os_string().into_string().ok();
        match user {
            None => self.home.clone(),
            Some(name) => User::from_name(name).ok().flatten().and_then(home),
        }
    }

    fn user(&self, name: &str) -> Option<(u32, u32)> {
        let by_number = |uid| User::from_uid(Uid::from_raw(uid));
        let user = name.parse().map_or_else(|_| User::from_name(name), by_number);
        user.ok().flatten().map(|user| (user.uid.as_raw(), user.gid.as_raw()))
    }

    fn group(&self, name: &str) -> Option<u32> {
        let by_number = |gid| Group::from_gid(Gid::from_raw(gid));
        let group = name.parse().map_or_else(|_| Group::from_name(name), by_number);
        group.ok().flatten().map(|group| group.gid.as_raw())
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }
}
