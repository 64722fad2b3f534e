//! A part of the newest file alone, as clients of supervisord ask for it.

use super::Reading;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

impl Reading {
    /// The size of the newest file, and the part of it that `part` tells of that size, of at most `most` bytes. `None`: there
    /// is no such file.
    pub fn part(&mut self, part: impl FnOnce(u64) -> Range<u64>, most: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(open) = self.newest()? else { return Ok(None) };
        let size = open.file.metadata()?.len();
        let Range { start, end } = part(size);
        let length = end.min(size).saturating_sub(start);
        if length > most {
            let sentence = format!("this would be {length} bytes, more than {most}: ask for a smaller part");
            return Err(io::Error::other(sentence));
        }
        let mut bytes = vec![0; length as usize];
        match open.file.read_exact_at(&mut bytes, start) {
            // Somebody has emptied it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some((0, Vec::new()))),
            read => read.map(|()| Some((size, bytes))),
        }
    }

    /// Goes to the lines within the last `reach` bytes of the newest file, in place of [`Self::last`].
    pub fn near_end(&mut self, reach: u64) -> io::Result<()> {
        self.open = self.newest()?;
        self.after = self.rotated()?.and_then(|rotated| rotated.last().map(|it| it.at)).unwrap_or(i64::MIN);
        match &mut self.open {
            Some(open) => open.back(reach, reach).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::For;
    use super::*;

    #[test]
    fn a_part_is_of_the_newest_file_and_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap().join("web.log");
        let of = |part: Range<u64>, most| Reading::of(&path, For::Others).part(|_| part, most);
        assert!(of(0..1, 9).unwrap().is_none());
        std::fs::write(&path, "one\ntwo\n").unwrap();
        std::fs::write(path.with_extension("log.1"), "zero\n").unwrap();
        assert_eq!(of(4..100, 9).unwrap().unwrap(), (8, b"two\n".to_vec()));
        assert!(of(0..8, 7).unwrap_err().to_string().contains("smaller part"));
        let mut reading = Reading::of(&path, For::Others);
        reading.near_end(5).unwrap();
        assert_eq!(reading.next(true).unwrap().unwrap(), b"two\n");
        assert!(reading.next(true).unwrap().is_none());
    }
}
