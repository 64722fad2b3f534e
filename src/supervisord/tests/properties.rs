//! Whatever the text is, it is read without a panic, and what is pointed at lies in it.

use super::*;
use proptest::prelude::*;

/// Pieces that mean something, and any others.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "[supervisord]\n", "[program:x]\n", "[program:é]\n", "[group:g]\n", "[eventlistener:e]\n", "[DEFAULT]\n",
            "[fcgi-program:f]\n", "[unix_http_server]\n", "[inet_http_server]\n", "[include]\n", "[supervisorctl]\n",
            "[rpcinterface:r]\n", "command=", "environment=", "process_name=", "numprocs=", "numprocs_start=", "files=",
            "programs=x", "events=TICK", "socket=", "file=", "port=", "serverurl=", "stdout_logfile=", "umask=",
            "%(program_name)s", "%(process_num)", "%(here)s", "%(numprocs)-09.3", "x=é", "\n", "\r\n", "\n  ", " ;", "\t#",
        ]).prop_map(str::to_owned),
        1 => "[\\[\\]%().0-9diouxXeEfFgGcrsa'\"\\\\=:,;# \t\n\r~/]{0,8}",
        1 => "\\PC{0,4}",
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn lies(sources: &[Source], file: usize, span: &Range<usize>) -> bool {
    sources.get(file).is_some_and(|source| source.text.get(span.clone()).is_some())
}

fn look(main: &str, more: &str, way: Way) -> Result<(), TestCaseError> {
    let sources = [source("/etc/s.conf", main), source("/etc/conf.d/a.conf", more)];
    if let Err(fault) = includes(&sources[0], &Machine::new()) {
        prop_assert!(lies(&sources, fault.file, &fault.span), "{fault:?}");
    }
    let reading = read(&sources, &Machine::new(), way);
    for fault in reading.faults.iter().chain(&reading.ctl_faults) {
        prop_assert!(lies(&sources, fault.file, &fault.span), "{fault:?}");
        prop_assert!(!fault.message.is_empty() && !fault.help.is_empty(), "{fault:?}");
    }
    for note in &reading.notes {
        prop_assert!(lies(&sources, note.file, &note.span), "{note:?}");
    }
    for group in &reading.groups {
        prop_assert!(lies(&sources, group.place.file, &group.place.span), "{group:?}");
        prop_assert!(group.is_same(group));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_of_what_means_something(main in text(), more in text(), watched: bool) {
        look(&main, &more, if watched { Way::Watched } else { Way::Daemon })?;
    }

    #[test]
    fn of_any_sort(main in any::<String>(), more in "(?s).{0,200}") {
        look(&main, &more, Way::Daemon)?;
    }

    #[test]
    fn a_part_of_a_value_lies_in_the_value(text in text(), one: usize, two: usize) {
        let ini = ini::parse(&text, 0, "f");
        for (_, value) in ini.sections.iter().flat_map(|section| &section.keys) {
            let ends: Vec<_> = (0..=value.text.len()).filter(|&at| value.text.is_char_boundary(at)).collect();
            let (one, two) = (ends[one % ends.len()], ends[two % ends.len()]);
            let part = value.within(&(one.min(two)..one.max(two)));
            prop_assert!(text.get(part.clone()).is_some(), "{part:?} of {value:?}");
            prop_assert!(text.get(value.span()).is_some());
        }
    }
}
