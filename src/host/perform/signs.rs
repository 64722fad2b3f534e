//! What services say of themselves: over the notify socket, and over the descriptor of their readiness.

use super::{Host, Trouble};
use crate::decide::event::{Event, RunId};
use crate::host::clock;
use crate::host::notify_socket::{Datagram, NotifySocket};
use crate::host::pipe::{KeeperOrder, Kept};
use crate::host::seat::Run;
use crate::host::watch::Happened;
use crate::model::check::{Check, Sign};
use crate::model::name::InstanceId;
use crate::model::sd_notify::{self, MAX_MESSAGE};
use crate::model::service::Service;
use crate::model::time::Mono;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Messages taken in one turn, so that nobody's flood starves the rest.
const MESSAGES_PER_TURN: usize = 64;

/// The least time between two words on refused messages.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(10);

/// So many ended processes are remembered.
const LATELY: usize = 64;

/// So many signs wait for the word that their process was started.
const HELD_BACK: usize = 16;

/// Messages that were refused, and not said yet: a stranger may send many.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<Mono>,
    unsaid: u32,
    /// Whether people heard that a wish to store descriptors is not granted.
    told_of_store: bool,
}

impl Host {
    /// Readable when [`Host::watched`] has something to look at.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Looks at what happened to the descriptors of [`Host::watch`]. Whether more may have happened.
    pub fn watched(&mut self) -> bool {
        let mut more = false;
        let mut happened = self.watch.happened();
        happened.sort_unstable_by_key(|happened| *happened == Happened::Message);
        for happened in &happened {
            match *happened {
                Happened::Message => more = self.messages(),
                Happened::Ready(slot) => self.readiness(slot),
                Happened::Control(number) => self.letters(number),
            }
        }
        more || !happened.is_empty()
    }

    /// The variable that tells a program of supervisord's where its clients ask, unless its file says another place.
    pub(super) fn server_url(&self, service: &Service) -> Option<(String, String)> {
        const NAME: &str = "SUPERVISOR_SERVER_URL";
        let is_missing = service.program.is_some() && !service.environment.contains_key(NAME);
        is_missing.then(|| (NAME.to_owned(), format!("unix://{}", self.control_path.display())))
    }

    /// The variables that tell a service how to speak of itself; makes the socket if it is the first that does.
    pub(super) fn notify_variables(&mut self, service: &Service) -> io::Result<Vec<(String, String)>> {
        let ready = service.ready.as_deref().is_some_and(|ready| ready.check == Check::Notify);
        let health = service.health.as_deref().filter(|health| health.check == Check::Notify);
        if !ready && health.is_none() {
            return Ok(Vec::new());
        }
        if self.notify.is_none() {
            let socket = NotifySocket::new(&self.notify_path)?;
            self.watch.add_socket(socket.as_fd())?;
            // Should we die, what is said meanwhile waits for the next one there.
            self.pipes.tell_keeper(KeeperOrder::Keep(Kept::Notify as u32), Some(socket.as_fd()))?;
            self.notify = Some(socket);
        }
        let mut variables = vec![("NOTIFY_SOCKET".to_owned(), self.notify_path.to_string_lossy().into_owned())];
        // Not WATCHDOG_PID: the pid is known only after the environment is made, and without it
        // sd_watchdog_enabled(3) takes whoever asks for the one that is meant.
        variables.extend(health.map(|health| ("WATCHDOG_USEC".to_owned(), health.interval.as_micros().to_string())));
        Ok(variables)
    }

    /// Whether more may wait.
    fn messages(&mut self) -> bool {
        for _ in 0..MESSAGES_PER_TURN {
            match self.notify.as_ref().map(NotifySocket::receive) {
                Some(Ok(Some(datagram))) => self.message(&datagram),
                // No error of a datagram socket stays: what was wrong with one message is gone with it.
                Some(Err(_)) => {}
                Some(Ok(None)) | None => return false,
            }
        }
        true
    }

    fn message(&mut self, datagram: &Datagram) {
        let Some((pid, uid)) = datagram.sender else {
            return self.refuse(None, "a process that abide cannot see sent a message to NOTIFY_SOCKET: refused");
        };
        let slot = self.slot_of(pid);
        let seat = slot.and_then(|slot| self.seats.at(slot));
        let Some((instance, seat)) = seat else {
            if self.gone.contains(&pid) {
                return;
            }
            let who = format!("process {pid} of uid {uid}");
            return self
                .refuse(None, &format!("{who} sent a message to NOTIFY_SOCKET and belongs to no service: refused"));
        };
        let (slot, numbered) = (seat.slot, seat.numbered);
        let Some(text) = &datagram.text else {
            let message =
                format!("its process {pid} sent a message of more than {MAX_MESSAGE} bytes to NOTIFY_SOCKET: refused");
            return self.refuse(Some((instance, numbered)), &message);
        };
        let parsed = sd_notify::parse(text);
        let refusals = self.refusals.entry(Some(instance.clone())).or_default();
        if parsed.store && !std::mem::replace(&mut refusals.told_of_store, true) {
            let message = "asks abide to keep descriptors for it (FDSTORE=1), which abide does not do: they are closed";
            let instance = Some(instance.clone());
            self.troubles.push(Trouble { instance, numbered, message: message.to_owned() });
        }
        for sign in parsed.signs {
            if let Sign::Main(main) = sign
                && self.slot_of(main) != Some(slot)
            {
                let message =
                    format!("its process {pid} named {main} as its main process, which is none of it: refused");
                self.refuse(Some((instance.clone(), numbered)), &message);
                continue;
            }
            self.sign(slot, None, sign);
        }
    }

    /// What a process says just before its end (STOPPING=1) may be read only after it.
    pub(super) fn remember_gone(&mut self, pid: i32) {
        if self.notify.is_none() {
            return;
        }
        if self.gone.len() == LATELY {
            self.gone.pop_front();
        }
        self.gone.push_back(pid);
    }

    /// Says that something was refused, at most once in a while for each service, and for all strangers.
    fn refuse(&mut self, whose: Option<(InstanceId, bool)>, message: &str) {
        let now = clock::now().mono;
        let refusals = self.refusals.entry(whose.as_ref().map(|(instance, _)| instance.clone())).or_default();
        if refusals.last.is_some_and(|last| now.since(last) < BETWEEN_REFUSALS) {
            refusals.unsaid = refusals.unsaid.saturating_add(1);
            return;
        }
        let unsaid = std::mem::take(&mut refusals.unsaid);
        refusals.last = Some(now);
        let message =
            if unsaid == 0 { message.to_owned() } else { format!("{message}; and {unsaid} others before it") };
        let (instance, numbered) = whose.map_or((None, false), |(instance, numbered)| (Some(instance), numbered));
        self.troubles.push(Trouble { instance, numbered, message });
    }

    /// Passes on what the process of the present run of a slot says, or of `run` if it is that one still.
    pub(super) fn sign(&mut self, slot: u32, run: Option<RunId>, sign: Sign) {
        let Some((instance, seat)) = self.seats.at(slot) else { return };
        if run.is_some() && seat.run.id() != run {
            return;
        }
        match &mut seat.run {
            // The word that it was started is still on its way.
            Run::Ordered { signs, .. } if signs.len() < HELD_BACK => signs.push(sign),
            Run::Living { run } | Run::Leftovers { run } => {
                let run = *run;
                self.events.push_back(Event::Signed { instance, run, sign });
            }
            Run::None | Run::Ordered { .. } | Run::Refused { .. } => {}
        }
    }

    /// Nobody waits any more for the run in `slot` to be ready.
    pub(super) fn forget_readiness(&mut self, slot: u32) {
        self.watch.remove(Happened::Ready(slot));
        self.forget_line(slot);
    }

    /// Waits for the newline that says that the run in `slot` is ready.
    pub(super) fn await_readiness(&mut self, slot: u32, reader: OwnedFd) {
        // Without a place for it the run is as one that never says so.
        let _ = self.watch.add(reader, Happened::Ready(slot));
    }

    /// It is ready with the first newline, whatever stands before; and will never be, once nobody holds the other end.
    fn readiness(&mut self, slot: u32) {
        let Some(reader) = self.watch.get(Happened::Ready(slot)) else { return };
        let mut buffer = [0; 256];
        let said = nix::unistd::read(reader, &mut buffer).map(|count| &buffer[..count]);
        let ready = said.is_ok_and(|said| said.contains(&b'\n'));
        let later = matches!(said, Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR));
        if ready || !(later || said.is_ok_and(|said| !said.is_empty())) {
            self.watch.remove(Happened::Ready(slot));
        }
        if ready {
            self.sign(slot, None, Sign::Ready);
        }
    }
}
