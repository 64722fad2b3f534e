//! What is written for processes to read: as much at once as there is room for, and the rest when they have read that.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::unix::pipe::Sender;

/// So many bytes wait for one process at most.
const MOST: usize = 1 << 20;

/// What waits, by the pipe that it is for: each run of a process has one of its own.
#[derive(Debug, Default)]
pub(in crate::api) struct Inputs(Mutex<BTreeMap<Id, VecDeque<u8>>>);

/// Device and inode of a pipe, which are no other's as long as something waits for it.
type Id = (u64, u64);

impl Inputs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Id, VecDeque<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to `pipe`, which waits for nobody, behind what waits for it already.
    pub(super) fn write(self: &Arc<Self>, pipe: OwnedFd, bytes: &[u8]) -> io::Result<()> {
        let mut pipe = File::from(pipe);
        let about = pipe.metadata()?;
        let id = (about.dev(), about.ino());
        let mut all = self.all();
        let entry = match all.entry(id) {
            Entry::Occupied(mut entry) if entry.get().len() + bytes.len() <= MOST => {
                entry.get_mut().extend(bytes);
                return Ok(());
            }
            Entry::Occupied(_) => {
                return Err(io::Error::other("it reads too slowly, and too much waits for it already"));
            }
            Entry::Vacant(entry) => entry,
        };
        let written = match pipe.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            written => written?,
        };
        if written < bytes.len() {
            let pipe = Sender::from_owned_fd(pipe.into())?;
            entry.insert(bytes[written..].iter().copied().collect());
            tokio::spawn(Arc::clone(self).go_on(id, pipe));
        }
        Ok(())
    }

    /// Writes what waits, as there is room for it. Who is gone reads no more: nothing waits for them.
    async fn go_on(self: Arc<Self>, id: Id, pipe: Sender) {
        while pipe.writable().await.is_ok() {
            let mut all = self.all();
            let Some(waiting) = all.get_mut(&id) else { return };
            match pipe.try_write(waiting.as_slices().0) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => waiting.clear(),
            }
            if waiting.is_empty() {
                all.remove(&id);
                return;
            }
        }
        self.all().remove(&id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::unix::pipe;

    #[test]
    fn what_finds_no_room_waits_in_order_and_within_bounds() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let inputs = Arc::<Inputs>::default();
            let (theirs, mut reader) = pipe::pipe().unwrap();
            let pipe = theirs.into_nonblocking_fd().unwrap();
            let write = |bytes: &[u8]| inputs.write(pipe.try_clone().unwrap(), bytes);
            let much = vec![b'a'; 200_000];
            write(&much).unwrap();
            write(b"end").unwrap();
            assert!(write(&vec![b'b'; MOST]).is_err());
            let mut read = vec![0; 200_003];
            reader.read_exact(&mut read).await.unwrap();
            assert_eq!(read, [&much[..], b"end"].concat());
            while !inputs.all().is_empty() {
                tokio::task::yield_now().await;
            }
            write(b"more").unwrap();
            let mut read = [0; 4];
            reader.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"more");
        });
    }
}
