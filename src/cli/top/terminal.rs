//! The terminal: taken, given back whatever happens, and asked for keys. Thin.

use super::state::Top;
use super::talk::Input;
use super::view::view;
use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

/// What the loop hears.
pub(super) enum Heard {
    /// Something for the state.
    Input(Input),
    /// A signal; or the terminal has gone, which is told as SIGHUP.
    Signal(Signal),
}

/// Whether the terminal is ours at the moment: who panics gives it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The signals that would leave the terminal in disorder.
const SIGNALS: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGCONT];

/// The terminal, ours until this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take(mouse: bool) -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        enter(mouse)?;
        // A frame is one write where it fits.
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(64 << 10, io::stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal, mouse }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// How large it is.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, top: &Top) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            if let Some(cursor) = view(top, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        })?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }

    /// Everything has to be drawn anew. Not by ratatui's `clear`, which asks the terminal where its cursor is: the answer
    /// would come to the thread that reads keys.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let (width, height) = self.size()?;
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    /// Gives the terminal back and stops, as Ctrl-Z does everywhere; takes it again afterwards.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        let stop = SigSet::from(Signal::SIGTSTP);
        stop.thread_unblock()?;
        // All of the pipeline, as the terminal itself would do it.
        let stopped = kill(Pid::from_raw(0), Signal::SIGTSTP);
        stop.thread_block()?;
        stopped?;
        self.resume()
    }

    /// Takes the terminal again.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done where the terminal has gone.
        let _ = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Has signals come as something heard. To be called before any thread is made, since all inherit what is blocked.
pub(super) fn hear_signals(heard: SyncSender<Heard>) -> io::Result<()> {
    let signals: SigSet = SIGNALS.into_iter().collect();
    signals.thread_block()?;
    let descriptor = SignalFd::new(&signals)?;
    let hear = move || {
        while let Ok(Some(info)) = descriptor.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            let Some(signal) = signal else { continue };
            if heard.send(Heard::Signal(signal)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(hear).map(drop)
}

/// Has keys and the mouse come as something heard.
pub(super) fn hear_keys(heard: SyncSender<Heard>) -> io::Result<()> {
    let hear = move || {
        loop {
            let input = match crossterm::event::read() {
                Ok(Event::Key(key)) => Heard::Input(Input::Key(key)),
                Ok(Event::Mouse(mouse)) => Heard::Input(Input::Mouse(mouse)),
                Ok(Event::Paste(text)) => Heard::Input(Input::Paste(text)),
                Ok(Event::Resize(width, height)) => Heard::Input(Input::Resize(width, height)),
                Ok(Event::FocusGained | Event::FocusLost) => continue,
                Err(_) => Heard::Signal(Signal::SIGHUP),
            };
            let last = matches!(input, Heard::Signal(_));
            if heard.send(input).is_err() || last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(hear).map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Set for the run of this test that has a terminal, and shall panic.
    const INNER: &str = "ABIDE_TEST_PANICS_ON_ITS_TERMINAL";

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        if std::env::var_os(INNER).is_some() {
            let _screen = Screen::take(true).unwrap();
            panic!("on purpose");
        }
        let own = std::env::current_exe().unwrap();
        let test = "cli::top::terminal::tests::a_panic_gives_the_terminal_back_before_it_is_told";
        let line = format!("stty rows 24 cols 80; exec '{}' --exact {test} --nocapture", own.display());
        let run =
            Command::new("script").args(["-qec", &line, "/dev/null"]).env(INNER, "1").stdin(Stdio::null()).output();
        let Ok(run) = run else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true and script is not installed");
            eprintln!("NOT CHECKED: script, which makes a terminal here, is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("no {what:?} in {said:?}"));
        let order = [at("\x1b[?1049h"), at("\x1b[?1000h"), at("\x1b[?1000l"), at("\x1b[?1049l"), at("on purpose")];
        assert!(order.is_sorted(), "{order:?}: {said:?}");
    }
}
