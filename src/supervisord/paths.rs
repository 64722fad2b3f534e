//! Paths as Python's `os.path` treats them, with what must be asked of the machine asked of [`Around`].

use super::Around;

/// `~` and `~user` at the beginning replaced by the directory, where there is one.
pub(super) fn expand_user(path: &str, around: &dyn Around) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Some(home) = around.home((!user.is_empty()).then_some(user)) else { return path.to_owned() };
    let full = format!("{}{rest}", home.trim_end_matches('/'));
    if full.is_empty() { "/".to_owned() } else { full }
}

/// The directory part. It is empty for a bare name.
pub(super) fn parent(path: &str) -> &str {
    let Some(at) = path.rfind('/') else { return "" };
    let parent = path[..at].trim_end_matches('/');
    if parent.is_empty() { &path[..=at] } else { parent }
}

/// `path` under `directory`, unless it is absolute.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') || directory.is_empty() {
        path.to_owned()
    } else {
        format!("{}/{path}", directory.strip_suffix('/').unwrap_or(directory))
    }
}

/// An absolute path without `.`, `..` and empty parts; links are not looked at.
pub(super) fn normal(path: &str, around: &dyn Around) -> String {
    let path = join(around.working_directory(), &expand_user(path, around));
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    // POSIX lets a system give two slashes a meaning of their own, so Python keeps them.
    let root = if path.starts_with("//") && !path.starts_with("///") { "//" } else { "/" };
    format!("{root}{}", parts.join("/"))
}
