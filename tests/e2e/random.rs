//! Edits of all kinds, at random and at any speed, on a real directory under the real binary: at rest what runs is what
//! the files say, nothing runs twice, and nothing was restarted without an edit that called for it.
//!
//! `ABIDE_RANDOM_EDITS=10000` is the long form; `ABIDE_RANDOM_SEED` says one again.

use super::process::{arguments, children};
use super::world::World;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So many names are played with.
const NAMES: u64 = 12;

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// What the test knows of one name.
#[derive(Default)]
struct Story {
    /// What its file says, if that is good.
    good: Option<u64>,
    /// Whether it is bad: then what was last read of it stays in force, whichever of these that was.
    bad: bool,
    written: Vec<u64>,
    /// Whether there is a file.
    there: bool,
    /// Edits that called for a start: a new meaning, or a file that came back.
    calls: usize,
}

struct Play {
    world: World,
    dice: Dice,
    stories: BTreeMap<u64, Story>,
    versions: u64,
}

impl Play {
    fn file(&self, name: u64) -> PathBuf {
        self.world.file(&format!("r{name}.toml"))
    }

    fn text(&mut self, name: u64) -> (u64, String) {
        self.versions += 1;
        let version = 100_000 + self.versions;
        (version, format!("command = [\"/bin/sleep\", \"{version}\", \"{name}\"]\n"))
    }

    fn took(&mut self, name: u64, version: u64) {
        let story = self.stories.entry(name).or_default();
        story.calls += 1;
        story.written.push(version);
        (story.good, story.bad, story.there) = (Some(version), false, true);
    }

    fn broke(&mut self, name: u64) {
        let story = self.stories.entry(name).or_default();
        (story.good, story.bad) = (None, true);
    }

    fn edit(&mut self) {
        let name = self.dice.roll(NAMES);
        let file = self.file(name);
        let there = self.stories.get(&name).is_some_and(|story| story.there);
        match self.dice.roll(if there { 11 } else { 3 }) {
            0 => {
                let (version, text) = self.text(name);
                self.world.replace(&file, &text);
                self.took(name, version);
            }
            1 => {
                let (version, text) = self.text(name);
                // What is there may be a link, or closed to writers.
                let _ = fs::remove_file(&file);
                fs::write(&file, text).expect("the world is writable");
                self.took(name, version);
            }
            2 => {
                let (version, text) = self.text(name);
                let target = self.world.root().join(format!("target-{version}"));
                fs::write(&target, text).expect("the world is writable");
                let link = self.world.root().join("link");
                let _ = fs::remove_file(&link);
                std::os::unix::fs::symlink(&target, &link).expect("new");
                fs::rename(&link, &file).expect("one file system");
                self.took(name, version);
            }
            3 => {
                let (version, text) = self.text(name);
                let (head, tail) = text.split_at(9 + self.dice.roll(20) as usize);
                fs::write(&file, head).expect("the world is writable");
                std::thread::sleep(Duration::from_millis(self.dice.roll(20)));
                fs::write(&file, format!("{head}{tail}")).expect("the world is writable");
                self.took(name, version);
            }
            4 => {
                fs::write(&file, "command = [\n").expect("the world is writable");
                self.broke(name);
            }
            5 => {
                self.world.replace(&file, "comand = \"x\"\n");
                self.broke(name);
            }
            6 => {
                fs::remove_file(&file).expect("it was there");
                if let Some(story) = self.stories.get_mut(&name) {
                    (story.there, story.good, story.bad) = (false, None, false);
                }
            }
            _ => self.same(&file),
        }
    }

    /// What changes no meaning.
    fn same(&mut self, file: &Path) {
        match self.dice.roll(4) {
            0 => drop(fs::read(file).map(|text| fs::write(file, text))),
            1 => {
                let old = fs::metadata(file).expect("it is there").permissions();
                let mut other = old.clone();
                std::os::unix::fs::PermissionsExt::set_mode(&mut other, 0o600);
                fs::set_permissions(file, other).expect("it is ours");
                fs::set_permissions(file, old).expect("it is ours");
            }
            2 => {
                // Gone, and back with the same text.
                let text = fs::read(file).expect("it is there");
                fs::remove_file(file).expect("it was there");
                std::thread::sleep(Duration::from_millis(self.dice.roll(30)));
                fs::write(file, text).expect("the world is writable");
            }
            _ => {
                // Touched, with a comment or not.
                let mut text = fs::read_to_string(file).expect("it is text");
                text.push_str(if self.dice.roll(2) == 0 { "# a comment\n" } else { "" });
                self.world.replace(file, &text);
            }
        }
    }

    /// At any speed.
    fn pause(&mut self) {
        match self.dice.roll(10) {
            0 => std::thread::sleep(Duration::from_millis(self.dice.roll(400))),
            1..=4 => std::thread::sleep(Duration::from_millis(self.dice.roll(20))),
            _ => {}
        }
    }

    /// The versions that run, by name, as the processes themselves say.
    fn running(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for pid in children(self.world.keeper()) {
            let words = arguments(pid);
            let number = |at: usize| words.get(at).and_then(|word: &String| word.parse().ok());
            if let (Some(version), Some(name)) = (number(1), number(2)) {
                found.entry(name).or_default().push(version);
            }
        }
        found
    }

    /// Whether what runs is what the files say, and nothing twice.
    fn is_right(&self) -> bool {
        let running = self.running();
        self.stories.iter().all(|(name, story)| {
            let versions = running.get(name).map_or(&[][..], Vec::as_slice);
            match (story.good, story.bad) {
                (Some(version), _) => versions == [version],
                (None, true) => versions.len() <= 1 && versions.iter().all(|version| story.written.contains(version)),
                (None, false) => versions.is_empty(),
            }
        })
    }

    /// At rest: waits until what runs is what the files say, and then until nothing is left to come.
    fn rest(&self, seed: u64) {
        let wanted: Vec<(u64, Option<u64>)> = self.stories.iter().map(|(name, story)| (*name, story.good)).collect();
        let claim = format!("what runs is what the files say (ABIDE_RANDOM_SEED={seed}): {wanted:?}");
        self.world.until_true(&claim, || self.is_right());
        self.world.fence();
        assert!(self.is_right(), "{claim}: {:?}", self.running());
        for (name, story) in &self.stories {
            let starts = self.world.starts(&format!("r{name}"));
            assert!(
                starts <= story.calls,
                "r{name}: {starts} starts for {} calls (ABIDE_RANDOM_SEED={seed})",
                story.calls
            );
        }
    }
}

#[test]
fn at_rest_what_runs_is_what_the_files_say_whatever_was_done_to_them() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let edits = number("ABIDE_RANDOM_EDITS").unwrap_or(300);
    let seed = number("ABIDE_RANDOM_SEED").unwrap_or_else(|| u64::from(std::process::id()) ^ edits << 32);
    let mut world = World::empty();
    // What is removed at random is meant, and what takes its place is no trial.
    let config = "[guard]\nwindow = 0\n[watch]\ngrace = \"300ms\"\n[rollout]\nmax_parallel = 100\n[defaults]\nupdate.rollback = false\n";
    world.replace(&world.root().join("abide.toml"), config);
    world.start();
    let mut play = Play { world, dice: Dice(seed), stories: BTreeMap::new(), versions: 0 };
    for edit in 1..=edits {
        play.edit();
        play.pause();
        if edit % 100 == 0 || edit == edits {
            play.rest(seed);
        }
    }
}
