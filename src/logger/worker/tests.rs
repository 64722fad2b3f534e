use super::*;
use crate::host::pipe;
use nix::sys::epoll::EpollCreateFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
use nix::sys::stat::Mode;
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;

#[test]
fn no_command_is_lost_however_close_it_follows_another() {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let control = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
    let outbox = Arc::new(Outbox::new(Arc::new(ours), control, 0));
    let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
    let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap());
    epoll.add(&*bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL)).unwrap();
    let (commands, inbox) = channel();
    let directory = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&directory.path().join(pipe::witness(0)), Mode::S_IRWXU).unwrap();
    let pipes: Arc<OwnedFd> = Arc::new(std::fs::File::open(directory.path()).unwrap().into());
    let machine = crate::table::Machine { boot_id: [1, 2], pid_namespace: 3, init_start: 4 };
    let table = Arc::new(Table::create(tempfile::tempfile().unwrap(), machine).unwrap());
    let lane = Lane::enter(table.clone(), 0, &pipes).unwrap();
    let (bell_of_worker, memory) = (bell.clone(), Memory::default());
    let worker = Worker {
        epoll,
        bell: bell_of_worker,
        commands: inbox,
        pipes,
        outbox,
        table,
        lane,
        packer: Packer::new(),
        memory,
    };
    let thread = std::thread::spawn(move || worker.run());
    let tell = |command| {
        commands.send(command).unwrap();
        bell.write(1).unwrap();
    };
    // The answer to one command is the sign for the next: it comes when the worker has just
    // found its box empty.
    for slot in 0..50_000 {
        tell(Command::Detach { slot });
        let asked = Instant::now();
        while recv(theirs.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT).is_err() {
            assert!(asked.elapsed() < Duration::from_secs(10), "command {slot} was never carried out");
        }
    }
    tell(Command::Finish);
    thread.join().unwrap();
}
