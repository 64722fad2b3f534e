//! Scripts as people write them, and what abide's own reader makes of the files that come of them.

use super::daemontools::{Directory, import};
use super::{Account, Imported, Left, Machine};
use crate::model::launch::Launch;
use crate::model::limits::{Bound, Ceilings, LimitKind, Rights};
use crate::model::logging::{LogFormat, LogWay, OnFull, StderrTo};
use crate::model::name::ServiceName;
use crate::model::policy::StopScope;
use crate::model::resources::Cgroups;
use crate::model::service::Service;
use crate::source::config::Config;
use crate::source::load::load_file;
use crate::source::{Surroundings, Text};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// `www` is in its own group alone, `many` in others too.
fn account(name: &str) -> Option<Account> {
    let is_in_more_groups = name == "many";
    ["www", "many", "logs"].contains(&name).then_some(Account { uid: 1000, is_in_more_groups })
}

fn machine() -> Machine<'static> {
    Machine { account: &account, hard: BTreeMap::from([(LimitKind::OpenFiles, Bound(4096))]) }
}

fn directory(run: &[u8], log: Option<&str>) -> Directory {
    Directory {
        name: ServiceName::new("web").unwrap(),
        path: "/srv/web".into(),
        run: run.to_vec(),
        down: false,
        log: log.map(|text| text.as_bytes().to_vec()),
        log_is_down: false,
        entries: Vec::new(),
    }
}

fn with_log(run: &str, log: Option<&str>) -> Result<Imported, Left> {
    import(&directory(run.as_bytes(), log), &machine())
}

/// The lines of `run` after its first.
fn of(lines: &str) -> Result<Imported, Left> {
    with_log(&format!("#!/bin/sh\n{lines}\n"), None)
}

/// What abide's reader makes of it, without a look at the machine.
pub(super) fn service(text: &str) -> Service {
    let hard = BTreeMap::new();
    let cgroups = Cgroups::default();
    let rights = Rights {
        effective: 0,
        bounding: 0,
        permitted: 0,
        last_capability: 40,
        nice: 0,
        nice_limit: 0,
        realtime_limit: 0,
        oom_score_adjust: 0,
        cpus: vec![0],
    };
    let ceilings = Ceilings { soft: hard.clone(), hard, may_raise: true, nr_open: 1 << 20, uid: 0, cgroups, rights };
    let environment = BTreeMap::from([("PATH".to_owned(), "/own/bin".to_owned())]);
    let around = Surroundings {
        ceilings,
        environment,
        uid: 0,
        umask: 0o022,
        is_init: false,
        preflight: false,
        advise: false,
        delegation: None,
    };
    let main = Text { path: "web.toml".into(), bytes: text.as_bytes().to_vec() };
    let entry = load_file(&around, &Config::default(), &ServiceName::new("web").unwrap(), &main, &[]);
    assert!(entry.diagnostics.is_empty(), "{:?}\n{text}", entry.diagnostics);
    entry.service.unwrap().service.clone()
}

pub(super) fn launch(text: &str) -> Launch {
    Launch::prepare(&service(text), 0).unwrap()
}

fn command(lines: &str) -> Vec<String> {
    launch(&of(lines).unwrap_or_else(|left| panic!("{left}\n{lines}")).text).argv
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_usual_script_becomes_keys() {
    let run = "#!/bin/sh -e\n# the shop\nexec 2>&1\nPORT=8080; export PORT\nexport URL=\"http://localhost:$PORT\"\n\
               umask 027\nulimit -n 1024\ncd /srv/shop || exit 1\n\
               exec setuidgid www softlimit -m 9000000 -o250 \\\n  nice -n 5 ./shop --port ${PORT} 'a b' \"\"\n";
    let made = with_log(run, None).unwrap();
    let service = service(&made.text);
    let launch = Launch::prepare(&service, 0).unwrap();
    assert_eq!(launch.argv, ["./shop", "--port", "8080", "a b", ""]);
    assert_eq!((launch.directory.as_str(), launch.umask), ("/srv/shop", 0o027));
    let variable = |name: &str| launch.environment.get(name).cloned().unwrap_or_default();
    assert_eq!(["PORT", "URL", "PWD"].map(variable), ["8080", "http://localhost:8080", "/srv/shop"]);
    assert!(made.text.contains("user = \"www\""), "{}", made.text);
    let limit = |kind| launch.limits.get(&kind).map(|limit| (limit.soft.0, limit.hard.0));
    assert_eq!(limit(LimitKind::OpenFiles), Some((250, 1024)));
    for kind in [LimitKind::Data, LimitKind::Stack, LimitKind::MemoryLock, LimitKind::AddressSpace] {
        assert_eq!(limit(kind), Some((9_000_000, u64::MAX)), "{kind:?}");
    }
    assert_eq!(launch.schedule.and_then(|schedule| schedule.nice), Some(5));
    assert_eq!(service.stop.scope, StopScope::Process);
    assert_eq!(service.log.stderr, StderrTo::Merge);
    // A run of a second is good, another one waits for a second.
    assert_eq!((service.restart.reset_after.as_secs(), service.restart.delay.as_secs()), (1, 1));
}

#[test]
fn a_soft_limit_is_never_above_the_hard_one() {
    assert!(of("exec softlimit -o 100000 prog").unwrap().text.contains("open_files = 4096\n"));
    assert!(of("ulimit -Sn 20\nexec prog").unwrap().text.contains("open_files = { soft = 20, hard = 4096 }"));
    assert!(of("ulimit -c 0\nexec prog").unwrap().text.contains("core = 0\n"));
    assert!(of("ulimit -c unlimited\nexec prog").unwrap().text.contains("core = \"unlimited\"\n"));
}

#[test]
fn what_no_key_does_stays_in_the_command_with_all_that_follows() {
    for (line, left) in [
        ("exec envdir ./env /bin/prog", "envdir ./env /bin/prog"),
        ("exec envdir ./env setuidgid www /bin/prog", "envdir ./env setuidgid www /bin/prog"),
        ("exec setlock -n lock setuidgid www prog", "setlock -n lock setuidgid www prog"),
        ("exec fghack softlimit -o 9 prog", "fghack softlimit -o 9 prog"),
        ("exec setuidgid many prog", "setuidgid many prog"),
        ("exec setuidgid nobody-here prog", "setuidgid nobody-here prog"),
        ("exec setuidgid 1000 prog", "setuidgid 1000 prog"),
        ("exec chpst -u www -e ./env prog", "chpst -u www -e ./env prog"),
        ("exec envuidgid www softlimit -o 9 prog", "envuidgid www prog"),
        ("exec envuidgid www envdir ./env softlimit -d300000 /bin/dns", "envuidgid www envdir ./env /bin/dns"),
        // envdir may set PATH, by which softlimit and not envdir would look for it.
        ("exec envdir ./env softlimit -o 9 prog", "envdir ./env softlimit -o 9 prog"),
        ("exec env -i prog", "env -i prog"),
        ("exec softlimit -o 9x prog", "softlimit -o 9x prog"),
        ("exec setuidgid www nice -n -5 prog", "nice -n -5 prog"),
        ("exec pgrphack prog", "prog"),
        ("exec s6-setuidgid many prog", "prog"),
        ("exec /usr/bin/setuidgid www prog", "prog"),
        ("exec ./setuidgid www prog", "./setuidgid www prog"),
        ("exec env A=b C=d prog", "prog"),
        ("exec chpst -u www -o 9 -P prog", "prog"),
    ] {
        assert_eq!(command(line), words(left), "{line}");
    }
}

#[test]
fn the_reason_for_what_stays_is_told() {
    let many = of("exec setuidgid many prog").unwrap();
    assert!(many.remarks[0].contains("many is in further groups"), "{:?}", many.remarks);
    assert!(many.text.contains(&format!("# - {}\n", many.remarks[0])));
    let www = of("exec setuidgid www prog").unwrap();
    assert!(www.remarks[0].contains("HOME, USER, LOGNAME and SHELL"), "{:?}", www.remarks);
}

#[test]
fn a_dollar_is_a_dollar_and_path_goes_on_from_what_it_was() {
    assert_eq!(command("exec prog '$HOME' \"a\\$b\" $ '${X:-y}'"), ["prog", "$HOME", "a$b", "$", "${X:-y}"]);
    let made = of("PATH=/opt/bin:$PATH\nexec prog").unwrap();
    assert_eq!(launch(&made.text).environment["PATH"], "/opt/bin:/own/bin");
}

#[test]
fn a_line_that_is_continued_is_one_wherever_that_happens() {
    assert_eq!(
        command("AB=x\nexec prog $\\\nAB ${A\\\nB} $A\\\nB \"$A\\\nB\" 'a\\\nb' 2\\\n>\\\n&1"),
        ["prog", "x", "x", "x", "x", "a\\\nb"]
    );
}

#[test]
fn what_is_not_exported_stays_in_the_script() {
    let launch = launch(&of("USERNAME=x\nWHO=www\nexec setuidgid $WHO prog $USERNAME").unwrap().text);
    assert!(!launch.environment.contains_key("USERNAME") && launch.argv == ["prog", "x"]);
    assert_eq!(self::launch(&of("A=1 B=2 exec prog").unwrap().text).environment["B"], "2");
}

#[test]
fn input_and_errors_go_where_the_script_turns_them() {
    let made = of("exec <seed\nexec 2>/dev/null\nexec setuidgid www dnscache").unwrap();
    let service = service(&made.text);
    assert_eq!(service.stdin.as_deref(), Some("/srv/web/seed"));
    assert_eq!(service.log.stderr, StderrTo::Discard);
    // The file may be one that only root opens.
    assert_eq!(launch(&made.text).argv, words("setuidgid www dnscache"));
}

const LOGGED: &str = "#!/bin/sh\nexec 2>&1\nexec setuidgid www prog\n";

fn log_command(made: &Imported) -> Vec<String> {
    match service(&made.text).log.way.as_deref() {
        Some(LogWay::Command(words)) => words.clone(),
        other => panic!("{other:?}\n{}", made.text),
    }
}

#[test]
fn a_logger_of_the_same_user_is_a_log_command() {
    let log = "#!/bin/sh\nexec setuidgid www multilog t s1000000 n20 '-*debug*' ./main =status\n";
    let made = with_log(LOGGED, Some(log)).unwrap();
    let expected = words("multilog t s1000000 n20 -*debug* /srv/web/log/main =/srv/web/log/status");
    assert_eq!(log_command(&made), expected);
    assert_eq!(launch(&made.text).argv, ["prog"]);
    assert_eq!(service(&made.text).log.stderr, StderrTo::Merge);
}

#[test]
fn a_logger_of_another_user_keeps_both_users_in_their_commands() {
    for log in ["exec setuidgid logs multilog t ./main", "exec multilog t ./main"] {
        let made = with_log(LOGGED, Some(&format!("#!/bin/sh\n{log}\n"))).unwrap();
        let expected = log.trim_start_matches("exec ").replace("./main", "/srv/web/log/main");
        assert_eq!(log_command(&made), words(&expected));
        assert_eq!(launch(&made.text).argv, words("setuidgid www prog"));
        assert!(made.remarks[0].contains("the logger runs as another user"), "{:?}", made.remarks);
    }
}

#[test]
fn where_abide_writes_the_same_files_it_is_its_own_logger() {
    let made = with_log(LOGGED, Some("#!/bin/sh\nexec multilog t s1000 n20 /var/log/web\n")).unwrap();
    let log = service(&made.text).log;
    assert_eq!((log.format, log.directory.as_deref()), (LogFormat::Multilog, Some("/var/log")));
    assert_eq!((log.max_size, log.max_files, log.on_full), (4096, 19, OnFull::Block));
    assert_eq!(launch(&made.text).argv, ["prog"]);
    // In another directory, without the label, with two of them, or with a pattern: it is not the same.
    for actions in ["t /var/log/other", "/var/log/web", "t ./a /var/log/web", "t '-*' /var/log/web", "t e /var/log/web"]
    {
        let made = with_log(LOGGED, Some(&format!("#!/bin/sh\nexec multilog {actions}\n"))).unwrap();
        assert_eq!(log_command(&made)[0], "multilog", "{actions}");
    }
}

#[test]
fn stderr_that_supervise_does_not_log_is_not_logged() {
    let made = with_log("#!/bin/sh\nexec prog\n", Some("#!/bin/sh\nexec multilog t ./main\n")).unwrap();
    assert_eq!(service(&made.text).log.stderr, StderrTo::Discard);
    assert!(made.remarks[0].contains("exec 2>&1"), "{:?}", made.remarks);
}

#[test]
fn a_down_file_is_enabled_false() {
    let made = import(&Directory { down: true, ..directory(b"#!/bin/sh\nexec prog\n", None) }, &machine()).unwrap();
    assert!(!service(&made.text).enabled);
}

#[test]
fn what_is_not_understood_is_left_with_its_line_and_the_reason() {
    for (lines, line, why) in [
        ("if [ -f x ]; then\nexec a\nfi", 2, "`if`"),
        ("\n\nfor i in a b; do :; done", 4, "`for`"),
        ("echo hello\nexec prog", 2, "it runs `echo` and goes on"),
        ("exec prog `cat args`", 2, "run to get a word"),
        ("exec prog $(cat args)", 2, "run to get a word"),
        ("exec prog $((1 + 1))", 2, "a sum"),
        ("exec prog $ARGS", 2, "`$ARGS` is not set"),
        ("exec prog ${ARGS:-x}", 2, "`${ARGS...}`"),
        ("exec prog $1", 2, "`$1`"),
        ("ARGS='-a -b'\nexec prog $ARGS", 3, "without quotes"),
        ("exec prog *.conf", 2, "names of files"),
        ("exec prog ~/x", 2, "a home"),
        ("exec prog {a,b}", 2, "several words"),
        ("exec prog | logger", 2, "a pipe"),
        ("exec prog &", 2, "in the background"),
        ("exec prog >log", 2, "`>log`"),
        ("exec <<EOF\nx\nEOF\n", 2, "within the script"),
        ("exec prog\necho done", 3, "it goes on"),
        ("cd ..\nexec prog", 2, "`cd`"),
        ("cd /x || true\nexec prog", 2, "`||`"),
        ("A=1 cd /x\nexec prog", 2, "a single command"),
        ("set -x\nexec prog", 2, "`set`"),
        (". ./config\nexec prog", 2, "another script"),
        ("ulimit -p 10\nexec prog", 2, "`ulimit -p`"),
        ("ulimit -Hn 10\nexec prog", 2, "`ulimit -H`"),
        ("IFS=:\nexec prog", 2, "IFS"),
        ("exec prog 'open", 2, "not closed"),
        ("exec prog\r", 2, "Windows"),
        ("exec -a x prog", 2, "options"),
        ("exec setuidgid www", 2, "no program"),
        ("start() {\n", 2, "a function"),
    ] {
        let left = of(lines).expect_err(lines);
        assert!(left.line == Some(line) && left.why.contains(why), "{left}\n{lines}");
        assert!(left.to_string().starts_with(&format!("run, line {line}: ")), "{left}");
    }
    for (run, why) in [
        ("exec prog\n", "`#!`"),
        ("#!/usr/bin/perl\nexec 'prog'\n", "`/usr/bin/perl`"),
        ("#!/bin/sh -x\nexec prog\n", "`-x`"),
        ("#!/bin/sh\r\nexec prog\n", "Windows"),
        ("#!/bin/sh\nprog\n", "it runs `prog`"),
        ("#!/bin/sh\n# nothing\n", "does not end by `exec"),
        ("#!/bin/sh\n\0", "NUL"),
    ] {
        let left = with_log(run, None).expect_err(run);
        assert!(left.why.contains(why), "{left}\n{run}");
    }
    let left = with_log(LOGGED, Some("#!/bin/sh\nexec svlogd -tt ./main\n")).expect_err("no multilog");
    assert!(left.to_string().starts_with("log/run, line 2: only multilog"), "{left}");
    let finish = Directory { entries: vec!["finish".into()], ..directory(LOGGED.as_bytes(), None) };
    assert!(import(&finish, &machine()).expect_err("runit").why.contains("`finish`"));
}

/// As a shell reads it again.
fn quoted(word: &str, double: bool) -> String {
    if double {
        let escape = |c: char| if "$`\"\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        return format!("\"{}\"", word.chars().map(escape).collect::<String>());
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(run in proptest::collection::vec(any::<u8>(), 0..200), log: Option<String>) {
        let mut directory = directory(&run, log.as_deref());
        let _ = import(&directory, &machine());
        directory.run.splice(0..0, *b"#!/bin/sh\n");
        let _ = import(&directory, &machine());
    }

    #[test]
    fn no_script_makes_it_panic_and_what_comes_of_it_is_read(lines in proptest::collection::vec(
        proptest::sample::select(vec!["exec ", "setuidgid www ", "softlimit -o", "-m 9 ", "envdir ./e ", "nice ", "env A=b ", "chpst -u ",
            "prog", " 2>&1", "'", "\"", "$", "$A", "A=", "${", "}", "\\", "\n", ";", "||", "exit 1", "ulimit -n ", "77", "cd ",
            "/x", "#", "ü", "export ", "=", "<", " ", "~"]), 0..14,
    )) {
        let script: String = lines.concat();
        for text in [script.clone(), format!("{script}\nexec prog")] {
            if let Ok(made) = of(&text) {
                service(&made.text);
            }
        }
    }

    #[test]
    fn every_word_gets_to_the_program_as_it_stands(all in proptest::collection::vec(("[^\0]{0,12}", any::<bool>()), 0..5)) {
        let words: Vec<String> = all.iter().map(|(word, double)| quoted(word, *double)).collect();
        let argv = command(&format!("exec prog {}", words.join(" ")));
        let expected: Vec<&str> = std::iter::once("prog").chain(all.iter().map(|(word, _)| word.as_str())).collect();
        prop_assert_eq!(argv, expected);
    }

    #[test]
    fn every_value_gets_into_the_environment_as_it_stands(value in "[^\0]{0,16}") {
        let launch = launch(&of(&format!("export A={}\nexec prog", quoted(&value, false))).unwrap().text);
        prop_assert_eq!(&launch.environment["A"], &value);
    }
}
