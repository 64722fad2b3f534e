//! The thread of the doors: opens and closes them as `abide.toml` says, and hears what happens.

use super::call::{Call, Caller};
use super::doors::Doors;
use super::feed::Feed;
use super::guard::{Guard, guard};
use super::listen::Lobby;
use super::routes;
use super::tls;
use crate::host::priority;
use crate::model::access::{DoorPolicy, TlsFiles};
use axum::middleware::from_fn_with_state;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the doors begin with.
#[derive(Debug)]
pub struct Setup {
    /// The control socket, bound.
    pub control: UnixListener,
    /// Whom to ask.
    pub caller: Caller,
    /// The supervisor's `instance_id`, which ids of events begin with.
    pub instance_id: String,
    /// What happens. Its end is the end of the doors.
    pub feed: Receiver<Feed>,
    /// What `abide.toml` says; told anew when it changes.
    pub policy: watch::Receiver<Arc<DoorPolicy>>,
    /// Where that lies.
    pub file: PathBuf,
}

/// Opens the doors: a thread that serves until the feed ends.
pub fn open(setup: Setup) -> io::Result<()> {
    setup.control.set_nonblocking(true)?;
    let thread = std::thread::Builder::new().name("doors".into()).stack_size(512 << 10);
    thread.spawn(move || {
        // Where that cannot be had, everything is only slower.
        let _ = priority::go_behind();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .thread_stack_size(256 << 10)
            .thread_name("doors-file")
            .build();
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(serve(setup));
            runtime.shutdown_background();
            served
        });
        if let Err(error) = served {
            tracing::error!(cause = %error, "the control socket is not served");
        }
    })?;
    Ok(())
}

async fn serve(setup: Setup) -> io::Result<()> {
    let Setup { control, caller, instance_id, mut feed, mut policy, file } = setup;
    let control = tokio::net::UnixListener::from_std(control)?;
    let doors = Doors::new(caller.clone(), &instance_id);
    let routes = routes::router(doors.clone());
    let known = Guard { caller: caller.clone(), policy: policy.clone(), file: file.into() };
    let lobby = Arc::new(Lobby::new(routes.layer(from_fn_with_state(Arc::new(known), guard))));
    tokio::spawn(Arc::clone(&lobby).keep_local(control));
    let mut ports = Ports { lobby, caller, open: BTreeMap::new(), tls: None, trouble: Vec::new() };
    policy.mark_changed();
    loop {
        tokio::select! {
            fed = feed.recv() => match fed {
                Some(Feed::News(at, news)) => doors.ring.push(at, news),
                None => return Ok(()),
            },
            Ok(()) = policy.changed() => {
                let now = Arc::clone(&policy.borrow_and_update());
                ports.lobby.forget_names();
                ports.set(&now).await;
            }
        }
    }
}

/// The TCP ports that are open, each with who keeps it.
struct Ports {
    lobby: Arc<Lobby>,
    caller: Caller,
    open: BTreeMap<SocketAddr, AbortHandle>,
    /// The files of the certificate that is in use.
    tls: Option<TlsFiles>,
    trouble: Vec<String>,
}

impl Ports {
    /// Closes and opens what the policy says. What cannot be opened is told, and the rest goes on.
    async fn set(&mut self, policy: &DoorPolicy) {
        let mut trouble = Vec::new();
        let is_safe = self.set_tls(policy.http.as_ref().and_then(|http| http.tls.as_ref()), &mut trouble).await;
        let wanted: &[SocketAddr] = policy.http.as_ref().filter(|_| is_safe).map_or(&[], |http| &http.listen);
        let gone: Vec<SocketAddr> = self.open.keys().filter(|address| !wanted.contains(address)).copied().collect();
        for address in gone {
            if let Some(keeper) = self.open.remove(&address) {
                keeper.abort();
                tracing::info!(%address, "does not listen any more");
            }
        }
        // What was closed is closed only once its keeper has been dropped.
        tokio::task::yield_now().await;
        for address in wanted.iter().filter(|address| !self.open.contains_key(address)).copied().collect::<Vec<_>>() {
            match TcpListener::bind(address).await {
                Ok(door) => {
                    let keeper = tokio::spawn(Arc::clone(&self.lobby).keep_remote(door));
                    self.open.insert(address, keeper.abort_handle());
                    tracing::info!(%address, "listens");
                }
                Err(error) => trouble.push(format!("cannot listen at {address}: {}", reason(&error))),
            }
        }
        for sentence in trouble.iter().filter(|sentence| !self.trouble.contains(sentence)) {
            tracing::error!(help = "mend it; an edit of abide.toml or SIGHUP has it tried again", "{sentence}");
        }
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            self.caller.tell(Call::Trouble(trouble));
        }
    }
}

impl Ports {
    /// Reads the certificate anew. `false`: there is none to use, and no port may be open without it. One that was good stays in
    /// use while the same files are not.
    async fn set_tls(&mut self, files: Option<&TlsFiles>, trouble: &mut Vec<String>) -> bool {
        let Some(files) = files.cloned() else {
            self.tls = None;
            self.lobby.speak(None);
            return true;
        };
        let read = files.clone();
        // A file can lie on a disk that hangs.
        match tokio::task::spawn_blocking(move || tls::acceptor(&read)).await {
            Ok(Ok(acceptor)) => {
                self.lobby.speak(Some(acceptor));
                self.tls = Some(files);
                true
            }
            Ok(Err(sentence)) => {
                let has_old = self.tls.as_ref() == Some(&files);
                let what = if has_old { "the certificate as it was is still in use" } else { "no TCP port is open" };
                trouble.push(format!("{sentence}; {what}"));
                has_old
            }
            Err(_) => self.tls.as_ref() == Some(&files),
        }
    }
}

/// The kernel's reason, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
