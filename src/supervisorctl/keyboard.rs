//! Where lines come from: a terminal with an editor, or whatever stdin is.

use std::io::{self, IsTerminal, Write};

use nix::errno::Errno;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd;

/// The lines of stdin. They are not read ahead of what is asked for by anybody else: `fg` waits for the same lines.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    pending: Vec<u8>,
    ended: bool,
}

impl Keyboard {
    /// A line without its end, if there is a whole one. At the end of the input what is left is one too.
    pub(super) fn take(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|&byte| byte == b'\n');
        let end = match end {
            Some(at) => at + 1,
            None if self.ended && !self.pending.is_empty() => self.pending.len(),
            None => return None,
        };
        let line: Vec<u8> = self.pending.drain(..end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Some(String::from_utf8_lossy(line).into_owned())
    }

    /// Waits for more; `false` at the end.
    pub(super) fn fill(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match unistd::read(io::stdin(), &mut buffer) {
                Err(Errno::EINTR) => {}
                Ok(0) | Err(_) => {
                    self.ended = true;
                    return false;
                }
                Ok(n) => {
                    self.pending.extend_from_slice(&buffer[..n]);
                    return true;
                }
            }
        }
    }

    /// The next line, once it is there.
    pub(super) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.take() {
                return Some(line);
            }
            if !self.fill() {
                return self.take();
            }
        }
    }

    /// The answer to a question.
    pub(super) fn ask(&mut self, question: &str, out: &mut dyn Write) -> Option<String> {
        let _ = out.write_all(question.as_bytes());
        let _ = out.flush();
        self.line()
    }

    /// The answer to a question, which a terminal does not show.
    pub(super) fn ask_secret(&mut self, question: &str, out: &mut dyn Write) -> Option<String> {
        let shown = if io::stdin().is_terminal() { tcgetattr(io::stdin()).ok() } else { None };
        if let Some(shown) = &shown {
            let mut hidden = shown.clone();
            hidden.local_flags.remove(LocalFlags::ECHO);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &hidden);
        }
        let answer = self.ask(question, out);
        if let Some(shown) = &shown {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, shown);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole() {
        let mut keyboard = Keyboard { pending: b"a\n\nb".to_vec(), ended: false };
        assert_eq!(keyboard.take().as_deref(), Some("a"));
        assert_eq!(keyboard.take().as_deref(), Some(""));
        assert_eq!(keyboard.take(), None);
        keyboard.ended = true;
        assert_eq!(keyboard.take().as_deref(), Some("b"));
        assert_eq!(keyboard.take(), None);
    }
}
