//! Configurations as people write them, and what abide's own reader makes of the files that come of them.

use super::{Host, Loss, Unit, import, losses, units};
use crate::import::Imported;
use crate::import::tests::{launch, service};
use crate::model::launch::Launch;
use crate::model::limits::{Bound, LimitKind};
use crate::model::logging::{LogFormat, StderrTo};
use crate::model::policy::{RestartWhen, StopScope};
use crate::model::signal::Signal;
use crate::supervisord::{Around, Reading, Source, Way, read};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A machine with the users root and www.
#[derive(Default)]
struct Machine(BTreeMap<String, String>);

impl Around for Machine {
    fn env(&self) -> &BTreeMap<String, String> {
        &self.0
    }
    fn host(&self) -> &'static str {
        "box"
    }
    fn working_directory(&self) -> &'static str {
        "/srv"
    }
    fn home(&self, _: Option<&str>) -> Option<String> {
        None
    }
    fn user(&self, name: &str) -> Option<(u32, u32)> {
        [("root", 0), ("www", 33), ("34", 34)].iter().find(|(known, _)| *known == name).map(|(_, id)| (*id, *id))
    }
    fn group(&self, _: &str) -> Option<u32> {
        None
    }
    fn is_directory(&self, path: &str) -> bool {
        !path.contains("missing")
    }
}

fn reading(text: &str) -> Reading {
    let main = Source { path: "s.conf".into(), directory: "/etc".into(), text: text.into() };
    let reading = read(&[main], &Machine::default(), Way::Watched);
    assert!(reading.faults.is_empty(), "{:?}\n{text}", reading.faults);
    reading
}

fn account(uid: u32) -> Option<String> {
    (uid == 33).then(|| "www".to_owned())
}

fn host() -> Host<'static> {
    let limits = BTreeMap::from([(LimitKind::OpenFiles, (Bound(1024), Bound(4096)))]);
    Host { account: &account, directory: "/srv", limits }
}

fn made(unit: &Unit<'_>, reading: &Reading) -> Imported {
    import(unit, reading, &host()).unwrap_or_else(|why| panic!("{why}: {unit:?}"))
}

/// All service files by name.
fn all(text: &str) -> BTreeMap<String, Imported> {
    let reading = reading(text);
    units(&reading).iter().map(|unit| (unit.name.clone(), made(unit, &reading))).collect()
}

/// The service file of the one program, whose keys are `keys`.
fn one(keys: &str) -> Imported {
    let mut all = all(&format!("[program:web]\ncommand=/bin/web\n{keys}\n"));
    assert_eq!(all.keys().collect::<Vec<_>>(), ["web"]);
    all.remove("web").unwrap()
}

fn remarked(made: &Imported, key: &str) -> bool {
    let begin = format!("{key}: ");
    let is_in_text = |remark: &String| made.text.contains(&format!("# - {remark}\n"));
    made.remarks.iter().any(|remark| remark.starts_with(&begin) && is_in_text(remark))
}

#[test]
fn a_program_becomes_keys() {
    let text = "[supervisord]\nenvironment=A=\"1\",B=\"of all\"\numask=027\ndirectory=/srv/shop\nstrip_ansi=true\n\
                minfds=2048\n\
                [program:web]\ncommand=bin/web --price '$5' \"a b\" ''\nuser=www\n\
                environment=B=\"x, $y ${Z}\",HOME=\"/home/www\"\nstopsignal=INT\nstopwaitsecs=30\nstopasgroup=true\n\
                exitcodes=0,3\nstartsecs=5\nredirect_stderr=true\nstdout_logfile=/var/log/web.log\n\
                stdout_logfile_maxbytes=2MB\nstdout_logfile_backups=4\n";
    let made = &all(text)["web"];
    let service = service(&made.text);
    let launch = Launch::prepare(&service, 0).unwrap();
    assert_eq!(launch.argv, ["/srv/shop/bin/web", "--price", "$5", "a b", ""]);
    assert_eq!((launch.directory.as_str(), launch.umask), ("/srv/shop", 0o027));
    let variable = |name: &str| launch.environment.get(name).cloned().unwrap_or_default();
    let names = ["A", "B", "HOME", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_ENABLED"];
    assert_eq!(names.map(variable), ["1", "x, $y ${Z}", "/home/www", "web", "1"]);
    assert!(made.text.contains("user = \"www\"\n"), "{}", made.text);
    let limit = launch.limits.get(&LimitKind::OpenFiles).map(|limit| (limit.soft.0, limit.hard.0));
    assert_eq!(limit, Some((2048, 4096)));
    assert_eq!((service.stop.signal, service.stop.timeout.as_secs()), (Signal::INT, 30));
    assert_eq!(service.stop.scope, StopScope::Group);
    assert_eq!(service.restart.when, RestartWhen::OnFailure);
    assert_eq!(service.restart.exits.as_ref().map(|rules| rules.success_codes.clone()), Some(vec![3]));
    let log = &service.log;
    assert_eq!(
        (log.directory.as_deref(), log.format, log.stderr),
        (Some("/var/log"), LogFormat::Plain, StderrTo::Merge)
    );
    assert_eq!((log.max_size, log.max_files), (2 << 20, 4));
    assert!(made.text.contains("ansi = \"strip\""));
    assert!(made.remarks.iter().any(|remark| remark.starts_with("user: USER, LOGNAME, SHELL are")), "{made:?}");
}

#[test]
fn pauses_are_those_of_supervisord() {
    let restart = service(&one("startretries=3").text).restart;
    let times = (restart.delay.as_secs(), restart.max_delay.as_secs(), restart.reset_after.as_secs());
    assert_eq!((times, restart.factor, restart.jitter), ((1, 3, 1), 2.0, 0.0));
    let limit = restart.limit.expect("it is given up");
    assert!(limit.count == 3 && limit.window.as_secs() == 2 + 3 + 3 + 2, "{limit:?}");
    let at_once = service(&one("startsecs=0\nautorestart=true").text);
    assert_eq!((at_once.restart.when, at_once.restart.limit), (RestartWhen::Always, None));
    assert!(at_once.ready.is_none());
    let once = service(&one("autorestart=false\nstartsecs=0").text);
    assert_eq!(once.restart.when, RestartWhen::Never);
    assert_eq!(service(&one("exitcodes=").text).restart.when, RestartWhen::Always);
    for keys in ["startretries=0", "startretries=999999", "startsecs=99999999999", "stopwaitsecs=-1\nstartretries=-3"] {
        service(&one(keys).text);
    }
}

#[test]
fn what_is_not_quite_the_same_is_a_remark_about_its_key() {
    for (keys, key) in [
        ("priority=5", "priority"),
        ("autostart=false", "autostart"),
        ("startretries=0", "startretries"),
        ("startretries=9999", "startretries"),
        ("autorestart=false\nstartretries=5", "startretries"),
        ("exitcodes=2", "exitcodes"),
        ("killasgroup=true", "killasgroup"),
        ("stopsignal=0", "stopsignal"),
        ("serverurl=http://localhost:1", "serverurl"),
        ("colour=red", "colour"),
        ("user=34", "user"),
        ("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0", "stdout_logfile"),
        ("stdout_logfile=/tmp/x.log", "stdout_logfile"),
        ("stdout_logfile=/var/log/web", "stdout_logfile"),
        ("stdout_logfile=AUTO", "stdout_logfile"),
        ("stdout_logfile=NONE", "stdout_logfile"),
        ("stderr_logfile=/var/log/e.log", "stderr_logfile"),
        ("stderr_logfile_maxbytes=1MB", "stderr_logfile_maxbytes"),
        ("stderr_logfile_backups=1", "stderr_logfile_backups"),
        ("stdout_logfile_maxbytes=100", "stdout_logfile_maxbytes"),
        ("stdout_syslog=true", "stdout_syslog"),
        ("stderr_syslog=true", "stderr_syslog"),
        ("stdout_capture_maxbytes=1MB", "stdout_capture_maxbytes"),
        ("stderr_events_enabled=true", "stderr_events_enabled"),
        ("", "directory"),
    ] {
        let made = one(keys);
        assert!(remarked(&made, key), "{keys}: {:?}", made.remarks);
        service(&made.text);
    }
    assert!(one("directory=/").remarks.is_empty(), "{:?}", one("directory=/").remarks);
}

#[test]
fn output_goes_where_it_can() {
    let log = |keys: &str| service(&one(keys).text).log;
    assert_eq!(log("").stderr, StderrTo::Separate);
    assert_eq!((log("").max_size, log("").max_files), (50 << 20, 10));
    assert_eq!(log("stderr_logfile=NONE").stderr, StderrTo::Discard);
    let both = log("stdout_logfile=/l/a\nstderr_logfile=/l/a");
    assert_eq!((both.stderr, both.format), (StderrTo::Merge, LogFormat::Plain));
    let none = log("stdout_logfile=NONE\nstderr_logfile=NONE");
    assert!(none.selection.is_some_and(|selection| selection.exclude.len() == 1));
    let syslog = log("stdout_logfile=syslog\nredirect_stderr=true");
    assert!(syslog.way.is_some());
    assert!(log("stdout_logfile=/l/a\nstdout_logfile_maxbytes=0").max_size > 1 << 50);
}

#[test]
fn processes_that_differ_by_their_number_are_instances() {
    let text = "[program:web]\ncommand=/bin/web -p 80%(process_num)02d $0%(process_num)d\nnumprocs=3\n\
                process_name=%(program_name)s_%(process_num)02d\nenvironment=N=\"%(process_num)d of %(numprocs)d\"\n";
    let made = &all(text)["web"];
    let service = service(&made.text);
    assert_eq!(service.instances, 3);
    let launch = Launch::prepare(&service, 2).unwrap();
    assert_eq!(launch.argv, ["/bin/web", "-p", "8002", "$02"]);
    assert_eq!((&*launch.environment["N"], &*launch.environment["SUPERVISOR_PROCESS_NAME"]), ("2 of 3", "web_02"));
    // Beyond ten the digits are no longer the number with something before it.
    let padded = all(&text.replace("numprocs=3", "numprocs=12"));
    assert_eq!(padded.len(), 12);
    let argv = |name: &str| self::launch(&padded[name].text).argv;
    assert_eq!((argv("web_00")[2].as_str(), argv("web_11")[2].as_str()), ("8000", "8011"));
    let plain = "[program:web]\ncommand=/bin/web %(process_num)d\nnumprocs=12\nprocess_name=w%(process_num)d\n";
    assert_eq!(all(plain).len(), 1);
    let later = all(&plain.replace("numprocs=12", "numprocs=2\nnumprocs_start=1"));
    assert_eq!(later.keys().collect::<Vec<_>>(), ["web-w1", "web-w2"]);
}

#[test]
fn names_are_those_of_groups_and_processes() {
    let text = "[group:pair]\nprograms=one,two\npriority=3\n[program:one]\ncommand=/bin/a\n[program:two]\ncommand=/bin/b\n\
                numprocs=2\nnumprocs_start=7\nprocess_name=%(process_num)d\n[program:pair2]\ncommand=/bin/c\nprocess_name=other\n\
                [program:ü]\ncommand=/bin/d\n";
    let names: Vec<String> = all(text).into_keys().collect();
    assert_eq!(names, ["pair-7", "pair-8", "pair-one", "pair2-other", "s._"]);
}

#[test]
fn what_is_no_program_is_left_or_lost() {
    let text = "[supervisord]\nlogfile=/l/x.log\nnodaemon=true\numask=077\nminfds=100\nuser=root\nuseful=1\n[unix_http_server]\nfile=/run/s\n\
                [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=a:b\n[supervisorctl]\n[group:g]\nprograms=\npriority=4\n\
                [eventlistener:mail]\ncommand=/bin/m\nevents=TICK_5\n[fcgi-program:f]\ncommand=/bin/f\nsocket=tcp://localhost:9\n[colours]\nred=1\n";
    let reading = reading(text);
    let why: Vec<String> =
        units(&reading).iter().map(|unit| import(unit, &reading, &host()).expect_err("none is carried over")).collect();
    assert!(why[0].contains("eventlistener") && why[1].contains("fcgi-program"), "{why:?}");
    let losses = losses(&reading, &host());
    let lost = |section: &str, key: Option<&str>| {
        losses.iter().any(|loss: &Loss| loss.section == section && loss.key.as_deref() == key)
    };
    for key in ["logfile", "nodaemon", "umask", "minfds", "useful"] {
        assert!(lost("supervisord", Some(key)), "{key}: {losses:?}");
    }
    for section in ["unix_http_server", "rpcinterface:supervisor", "supervisorctl", "colours"] {
        assert!(lost(section, None), "{section}: {losses:?}");
    }
    assert!(lost("group:g", Some("priority")) && !lost("supervisord", Some("user")));
    let bad = self::reading("[program:x]\ncommand=sh -c 'x ; y'\n[program:y]\ncommand=\n");
    let why: Vec<_> = units(&bad).iter().map(|unit| import(unit, &bad, &host()).expect_err("no command")).collect();
    assert_eq!(why, ["the command cannot be split into words: No closing quotation", "the command is empty"]);
}

proptest! {
    #[test]
    fn every_word_gets_to_the_program_as_it_stands(words in proptest::collection::vec("[^\0\n\r%;# \t]{0,8}", 0..4), number in 0..3_u32) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\"'\"'"))).collect();
        let text = format!(
            "[program:web]\ncommand=/bin/web %(process_num)d {}\nnumprocs=3\nprocess_name=%(process_num)d\n", quoted.join(" ")
        );
        let service = service(&all(&text)["web"].text);
        let argv = Launch::prepare(&service, number).unwrap().argv;
        prop_assert_eq!(argv[1].clone(), number.to_string());
        prop_assert_eq!(&argv[2..], &words[..]);
    }

    #[test]
    fn no_configuration_makes_it_panic(lines in proptest::collection::vec(proptest::sample::select(vec![
        "[program:web]", "[program:x]", "[group:g]", "programs=web,x", "command=a $b", "command=./%(process_num)d", "numprocs=3",
        "process_name=%(process_num)d", "numprocs_start=-2", "startsecs=-1", "startretries=2147483647", "[supervisord]",
        "directory=/", "umask=7777", "user=www", "environment=A=\"$\",B=\"%(process_num)d\"", "stdout_logfile=/", "stdout_logfile=x",
        "stdout_logfile_maxbytes=-1", "stdout_logfile_backups=-1", "stopsignal=0", "autorestart=true", "[fcgi-program:x]",
    ]), 0..16)) {
        let main = Source { path: "s.conf".into(), directory: "/etc".into(), text: lines.join("\n") };
        let reading = read(&[main], &Machine::default(), Way::Watched);
        losses(&reading, &host());
        for unit in units(&reading) {
            if let Ok(made) = import(&unit, &reading, &host()) {
                service(&made.text);
            }
        }
    }
}
