//! As what abide was called, where it stands in for a command of daemontools that supervises.

use std::fmt;
use std::str::FromStr;

/// A supervisor of daemontools that abide is to be, in all that others can see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guise {
    /// `svscan DIR`.
    Svscan,
    /// `supervise DIR`.
    Supervise {
        /// DIR, as given.
        directory: String,
    },
}

impl Guise {
    /// What its messages begin with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Svscan => "svscan",
            Self::Supervise { .. } => "supervise",
        }
    }
}

impl fmt::Display for Guise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Svscan => f.write_str(self.name()),
            Self::Supervise { directory } => write!(f, "{}={directory}", self.name()),
        }
    }
}

impl FromStr for Guise {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "svscan" => Ok(Self::Svscan),
            Some(("supervise", directory)) => Ok(Self::Supervise { directory: directory.to_owned() }),
            _ => Err("only abide itself says this".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guise_is_what_it_says() {
        for guise in [Guise::Svscan, Guise::Supervise { directory: "a=b/".to_owned() }] {
            assert_eq!(guise.to_string().parse(), Ok(guise));
        }
        assert!("supervise".parse::<Guise>().is_err());
    }
}
