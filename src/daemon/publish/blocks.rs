//! Where each service stands in a large `status.json` or its index, so that writing one anew moves none of the
//! others. Pure.
//!
//! Neighbours by name share a block, filled up with spaces, which JSON allows between values and at the end of a line. A
//! file that tells an earlier state is brought up to date by its head, its tail and the blocks of
//! those that changed since. Where all is small there is one block and no space to spare.

use super::{Cached, Services};
use crate::model::name::ServiceName;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Bound;

/// Room of a block: a dozen services.
const ROOM: usize = 8 << 10;
/// So much of it is filled at first.
const FULL: usize = 7 << 10;
/// Up to this size all is written each time.
const SMALL: usize = 32 << 10;
/// Space is written in pieces of this size.
const BLANK: [u8; 512] = [b' '; 512];

type Member<'a> = (&'a ServiceName, &'a Cached);

/// Neighbours by name.
#[derive(Debug)]
struct Block {
    /// The first of them; all up to the next block's first belong here.
    first: ServiceName,
    used: usize,
    room: usize,
    /// The number of the snapshot that first tells it as it is, where it is.
    changed: u64,
}

/// What stands between services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// They are values of one array.
    #[default]
    Array,
    /// Each is a line.
    Lines,
}

/// The blocks of a file.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    form: Form,
    /// Room of what stands before them.
    head: usize,
    list: Vec<Block>,
}

impl Blocks {
    /// Of a file of that form, of which nothing is known.
    pub(super) fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    /// `name` changes, comes or goes with snapshot `number`.
    pub(super) fn touch(&mut self, name: &ServiceName, number: u64) {
        let after = self.list.partition_point(|block| block.first <= *name);
        if let Some(block) = self.list.get_mut(after.saturating_sub(1)) {
            block.changed = number;
        }
    }

    /// Nothing of what was written can be used again.
    pub(super) fn forget(&mut self) {
        self.list.clear();
    }

    /// Finds room for a head of this size and for all that changes with snapshot `number`.
    pub(super) fn arrange(&mut self, head: usize, services: &Services, number: u64) {
        let touched = self.list.iter().filter(|block| block.changed == number).count();
        let (used, room) = self.list.iter().fold((0, 0), |sum, block| (sum.0 + block.used, sum.1 + block.room));
        if head > self.head || touched * 2 > self.list.len() || room > 2 * (used + ROOM) {
            self.forget();
        }
        if self.list.is_empty() {
            let total: usize = services.values().map(size).sum();
            let is_small = total <= SMALL;
            self.head = if is_small { head } else { with_slack(head) };
            self.list = lay_out(services.iter(), if is_small { SMALL } else { FULL }, number);
            if is_small {
                self.list.iter_mut().for_each(|block| block.room = block.used);
            }
            return;
        }
        let mut index = 0;
        while index < self.list.len() {
            index += if self.list[index].changed == number { self.renew(index, services, number) } else { 1 };
        }
    }

    /// Brings one block in line with its services, as several or none where it must be. How many it became.
    fn renew(&mut self, index: usize, services: &Services, number: u64) -> usize {
        let used = self.members(index, services).map(|(_, cached)| size(cached)).sum();
        let block = &mut self.list[index];
        block.used = used;
        if 0 < used && used <= block.room {
            return 1;
        }
        // Names that are given in order come last each time: then the old block stays full.
        let is_last = index + 1 == self.list.len();
        let parts = lay_out(self.members(index, services), if is_last { FULL } else { used.div_ceil(2) }, number);
        let count = parts.len();
        self.list.splice(index..=index, parts);
        self.list[index..].iter_mut().for_each(|block| block.changed = number);
        count
    }

    /// Writes to a file what is new since the snapshot that it tells; all, where it tells none.
    pub(super) fn write(
        &self,
        out: &mut (impl Write + Seek),
        (head, tail): (&[u8], &[u8]),
        services: &Services,
        since: Option<u64>,
    ) -> io::Result<()> {
        out.write_all(head)?;
        blank(out, self.head - head.len())?;
        let (mut at, mut next) = (self.head, self.head);
        for (index, block) in self.list.iter().enumerate() {
            let start = next;
            next += block.room;
            if since.is_some_and(|since| block.changed <= since) {
                continue;
            }
            if at != start {
                out.seek(SeekFrom::Start(start as u64))?;
            }
            let (first, later): (&[u8], &[u8]) = match (self.form, index) {
                (Form::Lines, _) => (b"", b"\n"),
                (Form::Array, 0) => (b"[", b","),
                (Form::Array, _) => (b",", b","),
            };
            for (position, (_, cached)) in self.members(index, services).enumerate() {
                out.write_all(if position == 0 { first } else { later })?;
                out.write_all(&cached.json)?;
            }
            blank(out, block.room - block.used)?;
            out.write_all(if self.form == Form::Lines { b"\n" } else { b"" })?;
            at = next;
        }
        if at != next {
            out.seek(SeekFrom::Start(next as u64))?;
        }
        let is_empty_array = self.form == Form::Array && self.list.is_empty();
        out.write_all(if is_empty_array { b"[" } else { b"" })?;
        out.write_all(tail)
    }

    /// The services of a block.
    fn members<'a>(&self, index: usize, services: &'a Services) -> impl Iterator<Item = Member<'a>> + use<'a> {
        // What comes before all others belongs to the first.
        let from = self.list.get(index).filter(|_| index > 0).map_or(Bound::Unbounded, |it| Bound::Included(&it.first));
        let to = self.list.get(index + 1).map_or(Bound::Unbounded, |next| Bound::Excluded(&next.first));
        services.range::<ServiceName, _>((from, to))
    }
}

/// Blocks for `members`, filled up to `full`; who is larger has one of its own.
fn lay_out<'a>(members: impl Iterator<Item = Member<'a>>, full: usize, number: u64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (name, cached) in members {
        let size = size(cached);
        match blocks.last_mut().filter(|block| block.used + size <= full) {
            Some(block) => block.used += size,
            None => blocks.push(Block { first: name.clone(), used: size, room: 0, changed: number }),
        }
    }
    for block in &mut blocks {
        block.room = with_slack(block.used).max(ROOM);
    }
    blocks
}

/// A service and what precedes it.
fn size(cached: &Cached) -> usize {
    cached.json.len() + 1
}

/// An eighth more, in whole pages.
fn with_slack(used: usize) -> usize {
    (used + used / 8).next_multiple_of(4096)
}

fn blank(out: &mut impl Write, mut length: usize) -> io::Result<()> {
    while length > 0 {
        let piece = length.min(BLANK.len());
        out.write_all(&BLANK[..piece])?;
        length -= piece;
    }
    Ok(())
}
