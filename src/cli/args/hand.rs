//! Options of the commands that act on a running abide: start, stop, restart, reload, signal, wait.

use super::PlaceArgs;
use crate::model::selector::Selector;
use crate::model::signal::Signal;
use crate::model::units;
use clap::{Args, ValueEnum};
use std::time::Duration;

pub(super) const START: &str = "\
Examples:
  abide start web                  lift its hold, and start it if it rests
  abide start 'web*' db            all whose names begin with web, and db
  abide start @failed              whatever abide has given up
  abide start --no-wait web        do not wait until it runs

NAME is a service (web), a pattern ('web*'), an instance (web@2) or a state (@failed, 'web*@backoff').
A service that has [ready] counts as started when it is ready.

Exit codes: 0 all run, 1 one does not or may not be started, 3 no daemon, 64 usage, 124 time-out";

pub(super) const STOP: &str = "\
Examples:
  abide stop web                             stop it, and hold it until `abide start web`
  abide stop web --for 2h --reason upgrade   the hold lifts itself after two hours
  abide stop --yes 'web*'                    all whose names begin with web, without a question

The hold outlives abide and the machine's reboot, and an edit of the file does not lift it. Where a
pattern means more than one service, it is asked on a terminal whether they are meant.

Exit codes: 0 all are stopped, 1 one is not or may not be, 3 no daemon, 64 usage, 124 time-out";

pub(super) const RESTART: &str = "\
Examples:
  abide restart web             stop it and start it, in the newest version of its file
  abide restart web@2           one instance
  abide restart --rolling web   its processes one after the other, each up before the next
  abide restart --yes 'web*'    many, without a question

Where a pattern means more than one service, it is asked on a terminal whether they are meant.

Exit codes: 0 all run again, 1 one does not or may not be restarted, 3 no daemon, 64 usage, 124 time-out";

pub(super) const RELOAD: &str = "\
Examples:
  abide reload web             as [reload] in its file has it: a signal, or a command
  abide reload --json 'web*'   for programs

Exit codes: 0 all have taken it up, 1 one has not or knows no reload, 3 no daemon, 64 usage, 124 time-out";

pub(super) const ROTATE: &str = "\
Examples:
  abide rotate web        current gets its rotated name, and a new one is begun
  abide rotate '*'        of all services

Logs are rotated by size, and by time where `[log] rotate` says so; this is for in between.

Exit codes: 0 done, 1 refused, or there is no such service, 3 no daemon, 64 usage";

pub(super) const REOPEN: &str = "\
Examples:
  abide reopen web        after `mv current elsewhere`: what comes goes to a new current
  abide reopen '*'        as logrotate's postrotate

Exit codes: 0 done, 1 refused, or there is no such service, 3 no daemon, 64 usage";

pub(super) const SIGNAL: &str = "\
Examples:
  abide signal HUP web           to the process that abide watches, and to no other
  abide signal USR1 'web*' db    by name or number, with or without SIG
  abide signal web HUP           the signal may stand last, too

A service that ends by it is restarted as its [restart] says; `abide stop` is what stops one.

Exit codes: 0 all were sent, 1 one was not, 3 no daemon, 64 usage";

pub(super) const WAIT: &str = "\
Examples:
  abide wait web --for ready --timeout 30s    until it is ready; where it has no [ready], until it runs
  abide wait web --for in-sync                until what runs is what the file says
  abide wait web --for in-sync --hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
                                              until its file has that hash, as `sha256sum` prints it, and it runs that
  abide wait 'web*' db --for running          until all of them run

Exit codes: 0 reached, 1 cannot be any more, 3 no daemon, 64 usage, 124 time-out";

/// How long the outcome is waited for, unless said otherwise.
const OUTCOME: &str = "90s";

/// What all of them have.
#[derive(Debug, Clone, Args)]
pub struct AnswerArgs {
    /// Print what came of it as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: PlaceArgs,
}

/// Whether and how long the outcome is waited for.
#[derive(Debug, Clone, Args)]
pub struct OutcomeArgs {
    /// Give the order, and do not wait for what comes of it
    #[arg(long)]
    pub no_wait: bool,
    /// Wait at most so long for what comes of it
    #[arg(long, value_name = "TIME", default_value = OUTCOME, value_parser = duration, conflicts_with = "no_wait")]
    pub timeout: Duration,
}

/// `abide start`, `abide reload`
#[derive(Debug, Clone, Args)]
pub struct OrderArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide stop`
#[derive(Debug, Clone, Args)]
pub struct StopArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    /// Why, for those who find it stopped
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Lift the hold after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// Do not ask, however many are meant
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide restart`
#[derive(Debug, Clone, Args)]
pub struct RestartArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    /// The processes of each service one after the other, each up before the next
    #[arg(long)]
    pub rolling: bool,
    /// Do not ask, however many are meant
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide signal`
#[derive(Debug, Clone, Args)]
#[command(override_usage = "abide signal [OPTIONS] <SIGNAL> <NAME>...")]
pub struct SignalArgs {
    /// The signal, then services, patterns, instances or states
    #[arg(value_names = ["SIGNAL", "NAME"], num_args = 2.., required = true)]
    pub words: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

/// `abide rotate` and `abide reopen`
#[derive(Debug, Clone, Args)]
pub struct LogTendArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

impl SignalArgs {
    /// The signal and who gets it; or what is wrong.
    pub fn parts(&self) -> Result<(Signal, Vec<Selector>), String> {
        let (first, last) = (self.words.first(), self.words.last());
        let is_signal = |word: Option<&String>| word.and_then(|word| word.parse::<Signal>().ok());
        let (signal, names) = match (is_signal(first), is_signal(last)) {
            (Some(signal), _) => (signal, &self.words[1..]),
            (None, Some(signal)) => (signal, &self.words[..self.words.len() - 1]),
            (None, None) => {
                let given = first.map_or("", String::as_str).escape_default();
                return Err(format!("{given} is no signal; write one such as HUP, USR1 or 15, then the services"));
            }
        };
        let names: Result<Vec<Selector>, _> = names.iter().map(|name| name.parse::<Selector>()).collect();
        match names {
            Ok(names) if names.is_empty() => Err("<NAME>... is missing; say which services get it".to_owned()),
            Ok(names) => Ok((signal, names)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// A process runs, ready or not.
    Running,
    /// It is ready; where nothing says when it is, it runs.
    Ready,
    /// No process is left.
    Stopped,
    /// What runs is what the file says.
    InSync,
}

impl Until {
    /// The word, as on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Stopped => "stopped",
            Self::InSync => "in-sync",
        }
    }
}

/// `abide wait`
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Services, patterns, instances or states
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<Selector>,
    /// What for: running, ready, stopped or in-sync
    #[arg(long = "for", value_enum, value_name = "STATE", default_value = "ready", hide_possible_values = true)]
    pub until: Until,
    /// With --for in-sync: until its file is the one with this SHA-256, too
    #[arg(long, value_name = "SHA256")]
    pub hash: Option<String>,
    /// At most so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub answer: AnswerArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).map_err(|error| format!("{}; {}", error.message, error.help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(words: &[&str]) -> Result<(Signal, Vec<String>), String> {
        let answer = AnswerArgs { json: false, places: PlaceArgs::default() };
        let args = SignalArgs { words: words.iter().map(|word| (*word).to_owned()).collect(), answer };
        args.parts().map(|(signal, names)| (signal, names.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_signal_stands_first_or_else_last() {
        let hup = |names: &[&str]| Ok((Signal::HUP, names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(parts(&["HUP", "web", "db"]), hup(&["web", "db"]));
        assert_eq!(parts(&["web*", "sighup"]), hup(&["web*"]));
        assert_eq!(parts(&["1", "hup"]), hup(&["hup"]));
        assert!(parts(&["web", "db"]).unwrap_err().starts_with("web is no signal"));
        assert!(parts(&["HUP", "a/b"]).unwrap_err().contains("cannot stand in a name"));
    }
}
