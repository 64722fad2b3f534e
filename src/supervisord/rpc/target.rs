//! Which log an address asks for.

use super::Channel;

/// An output of a process.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The process, as the client names it.
    pub namespec: &'a str,
    /// Which of its outputs.
    pub channel: Channel,
}

/// Reads what follows `/logtail` in a path that is decoded already: `/<namespec>[/<stdout|stderr>]`. None: there is no
/// such log.
pub fn target(rest: &str) -> Option<Target<'_>> {
    let (namespec, channel) = match rest.strip_prefix('/')?.split_once('/') {
        None => (rest.strip_prefix('/')?, Channel::Stdout),
        Some((namespec, "" | "stdout")) => (namespec, Channel::Stdout),
        Some((namespec, "stderr")) => (namespec, Channel::Stderr),
        Some(_) => return None,
    };
    (!namespec.is_empty()).then_some(Target { namespec, channel })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |rest| target(rest).map(|target| (target.namespec, target.channel));
        assert_eq!(read("/g:p"), Some(("g:p", Channel::Stdout)));
        assert_eq!(read("/p/stdout"), Some(("p", Channel::Stdout)));
        assert_eq!(read("/p/stderr"), Some(("p", Channel::Stderr)));
        assert_eq!(read("/p/other"), None);
        assert_eq!(read("/p/stdout/x"), None);
        assert_eq!(read("/"), None);
        assert_eq!(read(""), None);
    }
}
