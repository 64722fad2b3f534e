//! Where a log is cut into files: exactly at the bytes where the original cuts.
//!
//! The original writes blocks: what its buffer of 512 bytes held when it was flushed. Where files end
//! depends on these blocks, so they are counted here; the data themselves are gathered and written in
//! much larger pieces.

use memchr::memrchr;

/// The size of the original's buffer for a log.
const BUFFER: usize = 512;
/// So many bytes before its size a file may end, at a newline.
const MARGIN: usize = 2000;
/// Gathered data are written when there are so many.
const GATHER: usize = 64 * 1024;

/// Where the data of a log end up.
pub(super) trait Sink {
    /// Appends all of `data` to the current file.
    fn write(&mut self, data: &[u8]);
    /// Makes the current file an old one and starts a new one.
    fn rotate(&mut self);
}

/// A log: a stream of bytes, cut into files.
#[derive(Debug)]
pub(super) struct Stream<S> {
    sink: S,
    /// Whether this log gets the line that is being read.
    pub(super) selected: bool,
    /// The most bytes of a file.
    size: usize,
    /// The bytes of the current file, as far as blocks have ended.
    bytes: usize,
    /// Data not yet written. The last `block` bytes of it are not yet counted in `bytes`.
    gathered: Vec<u8>,
    /// How much the original's buffer would hold.
    block: usize,
}

/// What becomes of a block.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// So many bytes of it go into the file.
    len: usize,
    /// And the file is full then.
    full: bool,
}

/// Cuts a block (not empty) that is to be appended to a file of `bytes`, which are less than `size`.
fn cut(bytes: usize, size: usize, block: &[u8]) -> Cut {
    let near = |len| bytes + len >= size - MARGIN;
    let mut len = block.len().min(size - bytes);
    let newline = if near(len) { memrchr(b'\n', &block[..len]) } else { None };
    if let Some(place) = newline {
        len = place + 1;
    }
    Cut { len, full: newline.is_some() && near(len) }
}

impl<S: Sink> Stream<S> {
    /// A log whose current file holds `bytes` and may hold `size`.
    pub(super) fn new(sink: S, size: usize, bytes: usize) -> Stream<S> {
        Stream { sink, selected: false, size, bytes, gathered: Vec::new(), block: 0 }
    }

    /// How many bytes can be added so that the current file is surely not full.
    pub(super) fn room(&self) -> usize {
        (self.size - MARGIN).saturating_sub(self.bytes + 1)
    }

    /// Appends data not longer than `room` past the buffer, which must be empty.
    pub(super) fn whole(&mut self, data: &[u8]) {
        self.write();
        self.sink.write(data);
        self.bytes += data.len();
    }

    /// Appends the beginning of a line: to the buffer as one piece, or past it if it is too large.
    #[inline]
    pub(super) fn piece(&mut self, piece: &[u8]) {
        if self.block + piece.len() > BUFFER {
            self.end_block();
        }
        self.gathered.extend_from_slice(piece);
        self.block += piece.len();
        if piece.len() > BUFFER {
            self.end_block();
        }
    }

    /// Appends data to the buffer byte by byte.
    #[inline]
    pub(super) fn bytes(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.block == BUFFER {
                self.end_block();
            }
            let (now, later) = data.split_at(data.len().min(BUFFER - self.block));
            self.gathered.extend_from_slice(now);
            self.block += now.len();
            data = later;
        }
    }

    /// Flushes the buffer, as the original does before it reads.
    pub(super) fn end_block(&mut self) {
        if self.bytes + self.block >= self.size - MARGIN {
            self.cut_block();
        }
        self.bytes += self.block;
        self.block = 0;
        if self.gathered.len() >= GATHER {
            self.write();
        }
    }

    /// Writes what a block holds beyond the end of the current file; the rest of it stays.
    fn cut_block(&mut self) {
        while self.block > 0 {
            let start = self.gathered.len() - self.block;
            if self.bytes >= self.size {
                self.turn(start);
                continue;
            }
            let cut = cut(self.bytes, self.size, &self.gathered[start..]);
            self.bytes += cut.len;
            self.block -= cut.len;
            if cut.full {
                self.turn(start + cut.len);
            }
        }
    }

    /// Ends the file after the first `len` gathered bytes.
    fn turn(&mut self, len: usize) {
        self.sink.write(&self.gathered[..len]);
        self.gathered.drain(..len);
        self.rotate();
    }

    fn rotate(&mut self) {
        self.sink.rotate();
        self.bytes = 0;
    }

    fn write(&mut self) {
        if !self.gathered.is_empty() {
            self.sink.write(&self.gathered);
            self.gathered.clear();
        }
    }

    /// Writes out everything, so that nothing lingers.
    pub(super) fn flush(&mut self) {
        self.end_block();
        self.write();
    }

    /// Rotates now, unless the file is empty.
    pub(super) fn force(&mut self) {
        self.flush();
        if self.bytes > 0 {
            self.rotate();
        }
    }

    /// Writes out everything and gives up the sink.
    pub(super) fn finish(mut self) -> S {
        self.flush();
        self.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_from_the_end_nothing_is_cut() {
        assert_eq!(cut(2095, 4096, b"x"), Cut { len: 1, full: false });
        assert_eq!(cut(0, 4096, b"x\ny"), Cut { len: 3, full: false });
    }

    #[test]
    fn near_the_end_the_last_newline_cuts() {
        assert_eq!(cut(2094, 4096, b"x\ny"), Cut { len: 2, full: true });
        assert_eq!(cut(2095, 4096, b"\n"), Cut { len: 1, full: true });
        // The cut itself may bring the file back from the threshold.
        assert_eq!(cut(2093, 4096, b"x\nyz"), Cut { len: 2, full: false });
    }

    #[test]
    fn at_the_end_the_size_cuts() {
        assert_eq!(cut(4095, 4096, b"xyz"), Cut { len: 1, full: false });
        assert_eq!(cut(4095, 4096, b"x\n"), Cut { len: 1, full: false });
        assert_eq!(cut(4094, 4096, b"x\n"), Cut { len: 2, full: true });
    }
}
