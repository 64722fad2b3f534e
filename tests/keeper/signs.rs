//! What services say of themselves, and who is believed.

use crate::rig::{Rig, define, instance};
use crate::stage::{command, script};
use crate::{descriptors, holds, wait_for};
use abide::decide::effect::Effect;
use abide::decide::event::{Event, RunId};
use abide::host::perform::Trouble;
use abide::log::order::{Order, Report};
use abide::model::check::{Check, Health, OnFailure, Ready, Sign};
use abide::model::desired::Definition;
use abide::model::name::ServiceName;
use abide::model::service::Service;
use nix::sys::socket::{setsockopt, sockopt};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

/// What a speaker says: messages, separated by `|`.
const SAY: &str = "ABIDE_TEST_SAY";

#[test]
#[ignore = "not a test: a service that speaks of itself"]
fn as_speaker() {
    let Ok(say) = std::env::var(SAY) else { return };
    let socket = UnixDatagram::unbound().unwrap();
    // Forbidden to all but root: then the long message is shorter.
    let _ = setsockopt(&socket, sockopt::SndBufForce, &(4 << 20));
    socket.connect(std::env::var("NOTIFY_SOCKET").unwrap()).unwrap();
    println!("watchdog {}", std::env::var("WATCHDOG_USEC").unwrap());
    for message in say.split('|') {
        match message {
            "long" => {
                let sent = socket.send(&vec![b'x'; 1 << 20]).or_else(|_| socket.send(&vec![b'x'; 100_000]));
                sent.unwrap();
            }
            "flood" => {
                for _ in 0..500 {
                    socket.send(b"WATCHDOG=1").unwrap();
                }
            }
            message => {
                socket.send(message.as_bytes()).unwrap();
            }
        }
    }
    loop {
        nix::unistd::pause();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as it stands in a service")]
fn ready(check: Check) -> Option<Box<Ready>> {
    let (timeout, interval) = (Duration::from_secs(1), Duration::from_secs(1));
    Some(Box::new(Ready { check, timeout, interval }))
}

fn speaker(name: &str, say: &str, wrapped: bool) -> Arc<Definition> {
    let program = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let words = ["signs::as_speaker", "--exact", "--ignored", "--nocapture", "--test-threads=1"];
    let mut service: Service = if wrapped {
        script(&format!("{program} {}; true", words.join(" ")))
    } else {
        command(&[&[program.as_str()], &words[..]].concat())
    };
    service.name = ServiceName::new(name).unwrap();
    service.environment.insert(SAY.into(), say.into());
    service.ready = ready(Check::Notify);
    let (interval, timeout) = (Duration::from_millis(1500), Duration::from_secs(1));
    let on_failure = OnFailure::Report;
    service.health = Some(Box::new(Health { check: Check::Notify, interval, timeout, failures: 1, on_failure }));
    define(service)
}

fn signed(rig: &mut Rig, run: u64) -> Sign {
    rig.event("a sign", |event| match event {
        Event::Signed { run: RunId(of), sign, .. } if *of == run => Some(sign.clone()),
        _ => None,
    })
}

/// The next trouble; `others` are those that came along.
fn trouble(rig: &mut Rig, others: &mut Vec<Trouble>) -> Trouble {
    wait_for("a trouble", || {
        rig.turn();
        others.extend(rig.host.take_troubles());
        (!others.is_empty()).then(|| others.remove(0))
    })
}

pub(crate) fn notify(mut rig: Rig) {
    let first = speaker("first", "MAINPID=1\nREADY=1|STATUS=well|long|FDSTORE=1\nFDNAME=x", false);
    let mut others = Vec::new();
    rig.spawn(1, &first);
    // In this order, and none before the word of its start.
    assert_eq!(signed(&mut rig, 1), Sign::Ready);
    assert_eq!(signed(&mut rig, 1), Sign::Status("well".into()));
    let said = trouble(&mut rig, &mut others);
    assert_eq!(said.instance, Some(instance(&first)));
    assert!(said.message.contains("named 1 as its main process"), "{}", said.message);
    let said = trouble(&mut rig, &mut others);
    assert!(said.message.contains("FDSTORE"), "the long message came too soon after: {}", said.message);
    wait_for("its output", || rig.output(1).contains("watchdog 1500000\n").then_some(()));

    let second = speaker("second", "long|MAINPID=1\nRELOADING=1|READY=1", true);
    rig.spawn(2, &second);
    assert_eq!((signed(&mut rig, 2), signed(&mut rig, 2)), (Sign::Reloading, Sign::Ready));
    let said = trouble(&mut rig, &mut others);
    assert_eq!(said.instance, Some(instance(&second)), "a child of the main process is of the service");
    assert!(said.message.contains("more than 4096 bytes"), "{}", said.message);

    // We are the supervisor, and so no part of any service.
    let stranger = UnixDatagram::unbound().unwrap();
    for _ in 0..20 {
        stranger.send_to(b"READY=1", rig.place.join("notify")).unwrap();
        rig.turn();
    }
    let said = trouble(&mut rig, &mut others);
    let us = format!("process {} of uid {}", std::process::id(), nix::unistd::geteuid());
    assert!(said.instance.is_none() && said.message.contains(&us), "{}", said.message);
    rig.turn();
    others.extend(rig.host.take_troubles());
    assert_eq!(others, [], "once is enough");

    let third = speaker("third", "flood|STOPPING=1", false);
    let flooding = rig.spawn(3, &third);
    wait_for("all of the flood", || {
        assert!(flooding > 0);
        rig.host.watched();
        let signs = std::iter::from_fn(|| rig.host.next_event()).collect::<Vec<_>>();
        assert!(signs.len() <= 64, "{} in one turn", signs.len());
        signs.iter().any(|event| matches!(event, Event::Signed { sign: Sign::Stopping, .. })).then_some(())
    });
}

#[test]
fn a_service_is_believed_what_it_says_of_itself_and_strangers_nothing() {
    holds("notify");
}

pub(crate) fn descriptor(mut rig: Rig) {
    let mut service = script(
        "ls /proc/$$/fd; printf 'almost'; printf 'almost' >&7; sleep 0.1; printf '\\nmore' >&7; exec sleep 1000",
    );
    service.ready = ready(Check::Descriptor(7));
    let before = descriptors();
    rig.spawn(1, &define(service.clone()));
    assert_eq!(signed(&mut rig, 1), Sign::Ready);
    assert_eq!(descriptors(), before, "only while it waits does it cost a descriptor");
    let said = rig.output(1);
    let open: Vec<&str> = said.lines().filter(|line| line.parse::<i32>().is_ok()).collect();
    assert_eq!(open, ["0", "1", "2", "7"], "{said}");

    service.name = ServiceName::new("silent").unwrap();
    service.run = abide::model::service::Run::Script("exec 3>&-; exec sleep 1000".into());
    service.ready = ready(Check::Descriptor(3));
    rig.spawn(2, &define(service.clone()));
    wait_for("the end of its descriptor", || {
        rig.turn();
        (descriptors() == before).then_some(())
    });

    // Whatever number it asks for, also one that is one of ours at present.
    for number in 3..40 {
        service.name = ServiceName::new(&format!("n{number}")).unwrap();
        service.run = abide::model::service::Run::Script(format!("eval 'echo >&{number}'; exec sleep 1000"));
        if number > 9 {
            service.run = abide::model::service::Run::Script(format!("echo > /proc/self/fd/{number}; exec sleep 1000"));
        }
        service.ready = ready(Check::Descriptor(number));
        let run = u64::try_from(number).unwrap();
        rig.spawn(run, &define(service.clone()));
        assert_eq!(signed(&mut rig, run), Sign::Ready, "{number}");
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn a_newline_on_its_descriptor_says_that_a_service_is_ready() {
    holds("descriptor");
}

pub(crate) fn line(mut rig: Rig) {
    let mut service = script("echo ready; exec sleep 1000");
    service.ready = ready(Check::Log("^ready$".into()));
    let definition = define(service);
    let looks = |rig: &Rig| {
        let orders = rig.logger.all().into_iter();
        let of = |order| match order {
            Order::Watch { slot: 1, run, pattern, fresh } => Some((run, pattern.is_some(), fresh)),
            _ => None,
        };
        orders.filter_map(of).collect::<Vec<_>>()
    };
    rig.order_spawn(1, &definition);
    rig.logger.report(&Report::Hello);
    rig.turn();
    assert_eq!(looks(&rig), [(1, true, true), (1, true, true)], "a new logger is told too");
    assert_eq!(rig.table.running(1, 1), None, "not before the logger looks");
    // Twice, as both were asked; and of a run that is long over.
    for run in [0, 1, 1] {
        rig.logger.report(&Report::Watching { slot: 1, run });
        rig.turn();
    }
    let pid = rig.event("its start", |event| match event {
        Event::Spawned { pid, .. } => Some(*pid),
        _ => None,
    });
    rig.logger.report(&Report::Hello);
    rig.turn();
    assert_eq!(looks(&rig), [(1, true, false)], "what it said by now counts");
    rig.logger.report(&Report::Matched { slot: 1, run: 0 });
    rig.logger.report(&Report::Matched { slot: 1, run: 1 });
    assert_eq!(signed(&mut rig, 1), Sign::Ready);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    rig.exited(1);
    assert_eq!(looks(&rig), []);

    // One whose logger never answers is given up.
    rig.order_spawn(2, &definition);
    rig.host.perform(Effect::AbandonSpawn { instance: instance(&definition), run: RunId(2) });
    let failure = rig.event("its failure", |event| match event {
        Event::SpawnFailed { run: RunId(2), failure, .. } => Some(failure.to_string()),
        _ => None,
    });
    assert!(failure.contains("logger"), "{failure}");
    assert_eq!(looks(&rig), [(2, true, true), (2, false, false)]);
    rig.logger.report(&Report::Watching { slot: 1, run: 2 });
    rig.turn();
    assert_eq!(rig.table.running(1, 2), None);
}

#[test]
fn a_line_is_looked_for_before_the_service_that_writes_it_is_made() {
    holds("line");
}
