//! Orphans: who forked away from a service, and so became the keeper's child, and whose it is.
//!
//! Told by session and group while it keeps them, else by the mark that every run has in its
//! environment. That is read when the orphan is first seen and then remembered: PostgreSQL, nginx and
//! sshd overwrite theirs. Who has overwritten it before is nobody's: only a cgroup would know.

use crate::host::proc;
use crate::table::{Role, Table};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The variable that names the run.
pub const MARK: &str = "ABIDE_RUN";

/// How long an environment may take to be read. A process that hangs in the kernel can hold the lock
/// of its memory, and whoever reads it then hangs too.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often one is looked for that is empty at first.
const LOOKS: u32 = 25;

/// No environment is read further than this.
const MOST: u64 = 1 << 20;

/// The mark of a run: which abide, which slot, which run.
pub fn mark(abide: &str, slot: usize, run: u64) -> String {
    format!("{abide}.{slot}.{run}")
}

/// A run, by slot and number.
type Whose = (usize, u64);

/// All orphans, as last seen.
#[derive(Debug, Default)]
pub struct Strays {
    abide: String,
    /// By pid: when it started, and whose it is, if anybody's.
    known: HashMap<i32, (u64, Option<Whose>)>,
    reader: Option<(Sender<i32>, Receiver<Option<Whose>>)>,
}

impl Strays {
    /// None seen yet; marks begin with `abide`.
    pub fn new(abide: String) -> Self {
        Self { abide, ..Self::default() }
    }

    /// What marks begin with.
    pub fn abide(&self) -> &str {
        &self.abide
    }

    /// Looks at the children of the keeper that are neither roles nor services.
    pub fn look(&mut self, table: &Table) {
        let mut known = HashMap::new();
        for pid in orphans(table) {
            let Some(stat) = proc::stat(pid).filter(|stat| !stat.has_ended()) else { continue };
            let whose = match self.known.get(&pid) {
                Some((since, whose)) if *since == stat.start_ticks => *whose,
                _ => self.whose(table, &stat),
            };
            known.insert(pid, (stat.start_ticks, whose));
        }
        self.known = known;
    }

    /// Those of a present run: slot and pid.
    pub fn all<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (usize, i32)> + 'a {
        let of = |(pid, (_, whose)): (&i32, &(u64, Option<Whose>))| Some((*pid, (*whose)?));
        let present = |(pid, (slot, run)): (i32, Whose)| (table.run(slot) == Some(run)).then_some((slot, pid));
        self.known.iter().filter_map(of).filter_map(present)
    }

    fn whose(&mut self, table: &Table, stat: &proc::Stat) -> Option<Whose> {
        let led = |leader: i32| table.slot_of(leader).or_else(|| table.slot_of_group(leader));
        if let Some(slot) = led(stat.session).or_else(|| led(stat.group)) {
            return Some((slot, table.run(slot)?));
        }
        self.read(stat.pid)
    }

    fn read(&mut self, pid: i32) -> Option<Whose> {
        let abide = &self.abide;
        let (ask, answer) = match self.reader.take() {
            Some(reader) => reader,
            None => start(abide.clone())?,
        };
        ask.send(pid).ok()?;
        // Late: then this thread is left to itself, and the next question has another.
        let whose = answer.recv_timeout(PATIENCE).ok()?;
        self.reader = Some((ask, answer));
        whose
    }
}

fn start(abide: String) -> Option<(Sender<i32>, Receiver<Option<Whose>>)> {
    let ((ask, asked), (tell, answer)) = (channel::<i32>(), channel());
    let read = move || {
        for pid in asked {
            if tell.send(environment(pid).and_then(|text| find(&text, &abide))).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("marks".into()).stack_size(64 << 10).spawn(read).ok()?;
    Some((ask, answer))
}

/// None while it executes a program: that has to be waited for, or its mark would never be found.
fn environment(pid: i32) -> Option<Vec<u8>> {
    let read = |file: &str| {
        let mut text = Vec::new();
        File::open(format!("/proc/{pid}/{file}")).ok()?.take(MOST).read_to_end(&mut text).ok().map(|_| text)
    };
    let mut empty = 0;
    for _ in 0..LOOKS {
        match read("environ")? {
            text if !text.is_empty() => return Some(text),
            // With arguments it is there; twice, since it may have come to be there between the two.
            _ if read("cmdline").is_some_and(|words| !words.is_empty()) => empty += 1,
            _ => {}
        }
        if empty > 1 {
            break;
        }
        std::thread::sleep(PATIENCE / (2 * LOOKS));
    }
    None
}

/// The run that an environment names, if it is one of this abide.
fn find(environment: &[u8], abide: &str) -> Option<Whose> {
    let value = |entry: &[u8]| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_owned);
    let value = String::from_utf8(environment.split(|byte| *byte == 0).find_map(value)?).ok()?;
    let (slot, run) = value.strip_prefix(abide)?.strip_prefix('.')?.split_once('.')?;
    Some((slot.parse().ok()?, run.parse().ok()?))
}

/// The keeper's children that the table does not name.
fn orphans(table: &Table) -> HashSet<i32> {
    let (keeper, _) = table.role(Role::Keeper);
    let mut orphans = children(keeper);
    for slot in 0..table.used() {
        if let Some((pid, ..)) = table.resident(slot) {
            orphans.remove(&pid);
        }
    }
    for role in [Role::Supervisor, Role::Logger] {
        orphans.remove(&table.role(role).0);
    }
    orphans
}

fn children(parent: i32) -> HashSet<i32> {
    let list = || proc::read(format!("/proc/{parent}/task/{parent}/children")).ok();
    let read = |text: String| text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>();
    if let Some(first) = list() {
        // Twice: where one ends while the list is read, the kernel may leave out another.
        return read(first).into_iter().chain(list().map(read).unwrap_or_default()).collect();
    }
    // A kernel without the list.
    let all = proc::processes().unwrap_or_default();
    all.into_iter().filter(|stat| stat.parent == parent).map(|stat| stat.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_wherever_it_stands_and_only_if_it_is_ours() {
        let own = mark("11-22", 7, 31);
        let text = |value: &str| format!("A=b\0{MARK}={value}\0X=\0").into_bytes();
        assert_eq!(find(&text(&own), "11-22"), Some((7, 31)));
        assert_eq!(find(&text(&own), "11-2"), None);
        assert_eq!(find(&text(&own), "33"), None);
        for broken in ["", "11-22", "11-22.7", "11-22.x.1", "11-22.7.99999999999999999999999"] {
            assert_eq!(find(&text(broken), "11-22"), None, "{broken}");
        }
        assert_eq!(find(b"XABIDE_RUN=11-22.7.31\0", "11-22"), None);
        assert_eq!(find(&[0xff, 0, 0xff], "11-22"), None);
    }

    #[test]
    fn our_children_are_seen() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
        // Of the thread that made it.
        let thread = nix::unistd::gettid().as_raw();
        let seen = children(thread).contains(&(child.id() as i32))
            || children(std::process::id() as i32).contains(&(child.id() as i32));
        assert!(seen);
        child.kill().and_then(|()| child.wait()).expect("it is ours");
    }
}
