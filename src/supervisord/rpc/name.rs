//! Which process is meant: everything is a process in a group.

/// A process by its group and its name within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The group.
    pub group: String,
    /// The process within the group.
    pub process: String,
}

/// What a namespec asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Namespec<'a> {
    /// `group:process`, or one word for both.
    Process(&'a str, &'a str),
    /// `group:*` or `group:`.
    Group(&'a str),
}

impl Name {
    /// The process `process` of `group`.
    pub fn new(group: impl Into<String>, process: impl Into<String>) -> Self {
        Self { group: group.into(), process: process.into() }
    }

    /// How clients name it: one word if group and process are called the same.
    pub fn namespec(&self) -> String {
        if self.group == self.process { self.group.clone() } else { format!("{}:{}", self.group, self.process) }
    }
}

impl<'a> Namespec<'a> {
    /// Reads a namespec. Any text is one; that there is such a process is another matter.
    pub fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            None => Self::Process(text, text),
            Some((group, "" | "*")) => Self::Group(group),
            Some((group, process)) => Self::Process(group, process),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_stands_for_group_and_process() {
        assert_eq!(Namespec::parse("x"), Namespec::Process("x", "x"));
        assert_eq!(Namespec::parse("g:x"), Namespec::Process("g", "x"));
        assert_eq!(Namespec::parse("g:x:"), Namespec::Process("g", "x:"));
        assert_eq!(Namespec::parse("g:*"), Namespec::Group("g"));
        assert_eq!(Namespec::parse(":"), Namespec::Group(""));
        assert_eq!(Namespec::parse("*"), Namespec::Process("*", "*"));
        assert_eq!(Name::new("x", "x").namespec(), "x");
        assert_eq!(Name::new("g", "x").namespec(), "g:x");
    }
}
