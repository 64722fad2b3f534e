//! What supervisord's files mean to abide: each process a service, from the defaults of both, with errors at their place.

use super::machine;
use abide::model::check::Check;
use abide::model::desired::Entry;
use abide::model::diagnostic::{Code, Diagnostic};
use abide::model::limits::{Bound, LimitKind};
use abide::model::logging::{LogWay, StderrTo};
use abide::model::policy::{RestartWhen, StopScope};
use abide::model::service::{Kind, Run, Service};
use abide::model::signal::Signal;
use abide::source::config::{self, Config};
use abide::source::load::load;
use abide::source::{Known, Loaded, Material, Programs, Surroundings, Text};
use proptest::prelude::*;
use std::time::Duration;

fn text(path: &str, text: &str) -> Text {
    Text { path: path.into(), bytes: text.as_bytes().to_vec() }
}

fn read_on(around: &Surroundings, config: &Config, main: &str, known: Known) -> Loaded {
    let texts = vec![text("services.d/web.conf", main)];
    let programs = Programs { texts, known, ..Programs::default() };
    let name = "web.conf".to_owned().try_into().expect("legal");
    load(around, config, &name, &Material::Supervisord(Box::new(programs)))
}

fn read(main: &str) -> Loaded {
    read_on(&machine(), &Config::default(), main, Known::new())
}

fn entry<'l>(loaded: &'l Loaded, name: &str) -> &'l Entry {
    let found = loaded.entries.iter().find(|(known, _)| known.as_str() == name);
    &found.unwrap_or_else(|| panic!("no {name} in {loaded:?}")).1
}

fn service(loaded: &Loaded, name: &str) -> Service {
    let entry = entry(loaded, name);
    entry.service.as_ref().unwrap_or_else(|| panic!("{:?}", entry.diagnostics)).service.clone()
}

fn at(finding: &Diagnostic) -> (u32, u32) {
    finding.place.as_ref().map(|place| (place.line, place.column)).expect("it has a place")
}

#[test]
fn what_nothing_is_said_of_is_as_supervisord_has_it() {
    let web = service(&read("[program:web]\ncommand=/bin/sh -c 'echo $HOME'\n"), "web");
    assert_eq!(web.run, Run::Command(["/bin/sh", "-c", "echo $$HOME"].map(str::to_owned).into()));
    assert_eq!((web.kind, web.enabled, web.instances), (Kind::Supervisord, true, 1));
    assert_eq!((web.restart.when, web.restart.retries), (RestartWhen::OnFailure, Some(3)));
    let exits = web.restart.exits.as_deref().expect("it has rules");
    assert_eq!((exits.success_codes.as_slice(), exits.only_those), ([0].as_slice(), true));
    assert_eq!((web.stop.signal, web.stop.timeout), (Signal::TERM, Duration::from_secs(10)));
    assert_eq!((web.stop.scope, web.stop.kill_scope), (StopScope::Process, None));
    assert_eq!(web.ready.map(|ready| ready.check), Some(Check::After(Duration::from_secs(1))));
    assert_eq!((web.log.way, web.log.stderr), (None, StderrTo::Separate));
    assert!(!web.identity.change && web.limits.is_empty());
    let program = web.program.expect("it is one");
    assert_eq!((program.group.as_str(), program.process.as_str(), program.priority), ("web", "web", 999));
    assert_eq!((program.section.as_str(), program.autostart), ("program:web", true));
}

#[test]
fn each_process_of_a_group_is_a_service() {
    let loaded = read(
        "[program:cat]\ncommand=/bin/cat %(process_num)02d of %(numprocs)d\n\
         process_name=%(program_name)s_%(process_num)02d\nnumprocs=2\nnumprocs_start=5\n",
    );
    assert_eq!((loaded.entries.len(), loaded.problems.len()), (2, 0), "{loaded:?}");
    let second = service(&loaded, "cat:cat_06");
    assert_eq!(second.run, Run::Command(["/bin/cat", "06", "of", "2"].map(str::to_owned).into()));
    assert_eq!(second.environment["SUPERVISOR_PROCESS_NAME"], "cat_06");
    let loaded = read("[group:pair]\nprograms=one\npriority=3\n[program:one]\ncommand=/bin/cat\nprocess_name=ö@1\n");
    let one = service(&loaded, "pair:s.__1");
    assert_eq!(one.program.map(|program| (program.shown(), program.group_priority)), Some(("pair:ö@1".to_owned(), 3)));
}

#[test]
fn limits_that_the_file_asks_for_are_raised_and_never_lowered() {
    let of = |minfds: &str| {
        let loaded = read(&format!("[supervisord]\nminfds={minfds}\nminprocs=1\n[program:web]\ncommand=/bin/cat\n"));
        entry(&loaded, "web").clone()
    };
    let limits = |entry: Entry| entry.service.expect("it is good").service.limits.clone();
    assert!(limits(of("100")).is_empty(), "there are more already");
    let mut around = machine();
    around.ceilings.soft.insert(LimitKind::OpenFiles, Bound(256));
    let text = "[supervisord]\n[program:web]\ncommand=/bin/cat\n";
    let raised = service(&read_on(&around, &Config::default(), text, Known::new()), "web").limits;
    let limit = raised[&LimitKind::OpenFiles];
    assert_eq!((limit.soft, limit.hard), (Bound(1024), Bound(4096)), "the default of minfds");
    let refused = of("5000");
    assert!(refused.service.is_none());
    assert_eq!(refused.diagnostics[0].code, Code::LimitAboveHard);
}

#[test]
fn output_goes_where_the_keys_say() {
    let of = |keys: &str| {
        let loaded = read(&format!("[program:web]\ncommand=/bin/cat\n{keys}"));
        let log = service(&loaded, "web").log;
        let files = log.files().map(|files| files.each().map(|file| file.map(|file| file.path.clone())));
        (files, log.stderr)
    };
    let some = |path: &str| Some(path.to_owned());
    assert_eq!(
        of("stdout_logfile=/tmp/o\nstderr_logfile=/tmp/e\n"),
        (Some([some("/tmp/o"), some("/tmp/e")]), StderrTo::Separate)
    );
    assert_eq!(of("stdout_logfile=/tmp/o\n"), (Some([some("/tmp/o"), some("stderr")]), StderrTo::Separate));
    assert_eq!(of("stdout_logfile=/tmp/o\nredirect_stderr=true\n"), (Some([some("/tmp/o"), None]), StderrTo::Merge));
    assert_eq!(of("stdout_logfile=none\nstderr_logfile=off\n"), (Some([None, None]), StderrTo::Separate));
    assert_eq!(of("stderr_logfile=none\n"), (None, StderrTo::Discard));
    assert_eq!(of("redirect_stderr=true\n"), (None, StderrTo::Merge));
    let syslog = "stdout_logfile=none\nstderr_logfile=none\nstderr_syslog=true\n";
    assert_eq!(of(syslog), (Some([None, some("stderr")]), StderrTo::Separate), "what is not sent is kept");
    let loaded =
        read("[program:web]\ncommand=/bin/cat\nstdout_syslog=true\nstdout_logfile=none\nstderr_events_enabled=1\n");
    assert!(matches!(service(&loaded, "web").log.way.as_deref(), Some(LogWay::Ship { .. })));
    let warning = &entry(&loaded, "web").diagnostics[0];
    assert_eq!((warning.code, at(warning)), (Code::NotYet, (5, 23)));
}

#[test]
fn an_error_stands_where_it_was_made() {
    let loaded = read("[program:good]\ncommand=/bin/cat\n[program:bad]\ncommand=/bin/cat\nstopsignal = NOPE\n");
    assert!(entry(&loaded, "good").service.is_some());
    let problem = &loaded.problems[0];
    assert!(problem.message.contains("in section 'program:bad'"), "{problem}");
    assert_eq!(at(problem), (5, 14));
    let missing = read("[program:web]\ncommand=\n  /no/such/program ; and a comment\n  --option\n");
    let finding = &entry(&missing, "web").diagnostics[0];
    assert_eq!((finding.code, at(finding)), (Code::NoProgram, (3, 3)), "{finding}");
    let quoted = read("[program:web]\ncommand=/bin/sh -c 'a ; b'\n");
    let finding = &entry(&quoted, "web").diagnostics[0];
    assert!(finding.help.as_deref().is_some_and(|help| help.contains("a comment begins at ` ;`")), "{finding:?}");
    let twice = read("[program:a:b]\ncommand=/bin/cat\n[group:x]\nprograms=nobody\n");
    assert!(twice.entries.is_empty() && twice.problems.len() >= 2, "{twice:?}");
}

#[test]
fn a_broken_section_concerns_what_it_last_was_about() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned().try_into().expect("legal")).collect();
    let known = Known::from([
        ("program:a".to_owned(), names(&["a:0", "a:1"])),
        ("program:b".to_owned(), names(&["b"])),
        ("program:c".to_owned(), names(&["c"])),
    ]);
    let text = "[program:a]\ncommand=/bin/cat\nnumprocs=many\n[program:b]\ncommand=/bin/cat\n";
    let loaded = read_on(&machine(), &Config::default(), text, known.clone());
    let is_broken = |name: &str| entry(&loaded, name).service.is_none();
    assert!(is_broken("a:0") && is_broken("a:1") && !is_broken("b"));
    assert_eq!(loaded.entries.len(), 3, "c is gone: {loaded:?}");
    // Before the first section nobody can say what a line is about.
    let lost = read_on(&machine(), &Config::default(), "what is this\n[program:b]\ncommand=/bin/cat\n", known);
    assert!(entry(&lost, "c").service.is_none() && entry(&lost, "b").service.is_some());
}

#[test]
fn what_a_broken_group_withholds_is_not_gone() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned().try_into().expect("legal")).collect();
    let known = Known::from([
        ("program:a".to_owned(), names(&["web:a"])),
        ("program:b".to_owned(), names(&["web:b"])),
        ("program:gone".to_owned(), names(&["gone"])),
    ]);
    let programs = |group: &str, b: &str| {
        format!(
            "[group:web]\nprograms=a,b\n{group}\n[program:a]\ncommand=/bin/cat\n[program:b]\ncommand=/bin/cat\n{b}\n"
        )
    };
    for text in [programs("priority=hi", ""), programs("", "startsecs=soon")] {
        let loaded = read_on(&machine(), &Config::default(), &text, known.clone());
        for name in ["web:a", "web:b"] {
            assert!(entry(&loaded, name).service.is_none(), "{name} stays as it was: {loaded:?}");
        }
        assert_eq!(loaded.entries.len(), 2, "what is not written any more is gone");
    }
    let emptied = read_on(&machine(), &Config::default(), "\n", known);
    assert_eq!(emptied.entries.len(), 3, "a file that was cut off removes nothing: {emptied:?}");
    assert!(read("; nothing yet\n").entries.is_empty());
}

#[test]
fn no_file_makes_more_than_there_is_room_for() {
    let many = read(
        "[program:a]\ncommand=/bin/cat\nnumprocs=9000\nprocess_name=%(process_num)d\n[program:b]\ncommand=/bin/cat\nnumprocs=9000\nprocess_name=%(process_num)d\n",
    );
    assert!(
        many.problems.iter().any(|it| it.message.contains("more than 10000 processes in all")),
        "{:?}",
        many.problems
    );
    let long = "x".repeat(300_000);
    let value = "%(ENV_A)s".repeat(4000);
    let huge = read(&format!("[supervisord]\nenvironment=A=\"{long}\"\n[program:a]\ncommand=/bin/cat {value}\n"));
    assert!(huge.problems.iter().any(|it| it.message.contains("it comes to more than")), "{:?}", huge.problems.len());
    let wide = format!(
        "[supervisord]\nenvironment=A=\"{long}\"\n[program:a]\ncommand=/bin/cat\nnumprocs=5000\nprocess_name=%(process_num)d\n"
    );
    assert!(read(&wide).problems.iter().any(|it| it.message.contains("all values together")));
}

#[test]
fn defaults_of_abide_hold_for_limits_resources_and_log_alone() {
    let file = text(
        "abide.toml",
        "[defaults]\numask = \"0077\"\nlog.format = \"json\"\nlimits.core = 0\nstop.timeout = \"1s\"\n",
    );
    let config = config::parse(&file).0.expect("it is good");
    let loaded = read_on(&machine(), &config, "[program:web]\ncommand=/bin/cat\n", Known::new());
    let web = service(&loaded, "web");
    assert_eq!((web.umask, web.stop.timeout), (0o022, Duration::from_secs(10)));
    assert_eq!(web.log.format.as_str(), "json");
    assert!(web.limits.contains_key(&LimitKind::Core));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_read_and_its_mistakes_stand_within_it(
        lines in prop::collection::vec(
            prop_oneof![
                "\\[(program|group|fcgi-program|eventlistener|supervisord|include|DEFAULT)(:[a-c\u{e9} /:%]{0,4})?\\]?",
                "(command|numprocs|process_name|environment|programs|stdout_logfile|user|umask|exitcodes|files|minfds)[=: ]{1,2}\\PC{0,20}",
                "(command|process_name|directory) = ?[%()a-z0-9_'\"$ds;# ]{0,24}",
                "[ \t;#]\\PC{0,12}",
                "\\PC{0,30}",
            ],
            0..14,
        ),
    ) {
        let main = lines.join("\n");
        let loaded = read(&main);
        let of_services = loaded.entries.iter().flat_map(|(_, entry)| &entry.diagnostics);
        for place in of_services.chain(&loaded.problems).filter_map(|finding| finding.place.as_ref()) {
            prop_assert!(place.line as usize <= main.split('\n').count(), "{place:?}");
            prop_assert!(main.contains(&place.source));
        }
        for (name, entry) in &loaded.entries {
            prop_assert!(entry.service.is_some() || entry.diagnostics.iter().any(Diagnostic::is_error), "{name}");
        }
    }
}
