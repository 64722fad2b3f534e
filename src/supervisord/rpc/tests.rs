use super::*;
use crate::supervisord::xmlrpc::Value;
use proptest::prelude::*;

fn process(group: &str, process: &str, priority: i64, state: ProcessState) -> Process {
    let lives = state.is_signallable();
    Process {
        name: Name::new(group, process),
        priority,
        state,
        pid: if lives { 7 } else { 0 },
        start: 100,
        stop: None,
        exit_status: 0,
        spawn_error: String::new(),
        stdout_log: Some(format!("/log/{process}")),
        stderr_log: None,
    }
}

/// A group `g` in which each state is once, a group `first` before it, and `off`, which is in the file only.
fn view() -> View {
    let states = ProcessState::ALL.into_iter().map(|state| process("g", &state.name().to_lowercase(), 999, state));
    let first = process("first", "first", 999, ProcessState::Running);
    View {
        identifier: "supervisor".into(),
        version: "4.3.0".into(),
        pid: 1,
        state: DaemonState::Running,
        now: 102,
        main_log: Some("/log/main".into()),
        groups: vec![
            Group { name: "g".into(), priority: 999, processes: states.collect() },
            Group { name: "first".into(), priority: 1, processes: vec![first] },
        ],
        parsed: ["g", "first", "off"].map(str::to_owned).to_vec(),
        configs: vec![config("off", "b"), config("first", "first"), config("off", "a")],
    }
}

fn config(group: &str, process: &str) -> Config {
    let stdout = ConfigStream {
        logfile: LogFile::Auto,
        maxbytes: 50 << 20,
        backups: 10,
        capture: 0,
        events: false,
        syslog: false,
    };
    Config {
        name: Name::new(group, process),
        command: "/bin/cat".into(),
        group_priority: 999,
        priority: 999,
        autostart: true,
        killasgroup: false,
        redirect_stderr: false,
        exitcodes: vec![0],
        startretries: 3,
        startsecs: 1,
        stopwaitsecs: 10,
        stopsignal: 15,
        directory: None,
        uid: None,
        serverurl: None,
        stderr: ConfigStream { logfile: LogFile::None, ..stdout.clone() },
        stdout,
    }
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::string(*text)).collect()
}

fn ask(method: &str, params: &[Value]) -> Step {
    call(&format!("supervisor.{method}"), params, &view())
}

/// The step in a few words.
fn shown(step: &Step) -> String {
    match step {
        Step::Answer(value) => value_shown(value),
        Step::Fault(fault) => format!("{} {}", fault.code.number(), fault.text()),
        Step::Do(orders, _) => orders.iter().map(order_shown).collect::<Vec<_>>().join(", "),
    }
}

fn value_shown(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(value_shown).collect::<Vec<_>>().join(", ")),
        Value::Struct(members) => members.iter().map(|(_, value)| value_shown(value)).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

fn order_shown(order: &Order) -> String {
    match order {
        Order::Look(name) => format!("look {}", name.process),
        Order::Start { name, .. } => format!("start {}", name.process),
        Order::Stop { name, .. } => format!("stop {}", name.process),
        Order::Signal { name, signal } => format!("signal {} {signal}", name.process),
        other => format!("{other:?}"),
    }
}

/// The last step, if each order has this outcome, the last order first.
fn all(mut step: Step, outcome: &Outcome) -> Step {
    while let Step::Do(orders, then) = step {
        let outcomes = (0..orders.len()).rev().map(|place| (place, outcome.clone())).collect();
        step = then.resume(outcomes, &view());
    }
    step
}

fn well(step: Step) -> String {
    shown(&all(step, &Ok(Done::Plain)))
}

#[test]
fn faults_before_anything_is_done() {
    for (method, params, expected) in [
        ("nope", &[][..], "1 UNKNOWN_METHOD"),
        ("_x", &[], "1 UNKNOWN_METHOD"),
        ("getPID.x", &[], "1 UNKNOWN_METHOD"),
        ("getPID", &["x"], "2 INCORRECT_PARAMETERS"),
        ("startProcess", &[], "2 INCORRECT_PARAMETERS"),
        ("getProcessInfo", &["g:*"], "10 BAD_NAME: g:*"),
        ("getProcessInfo", &["g:"], "10 BAD_NAME: g:"),
        ("getProcessInfo", &["running"], "10 BAD_NAME: running"),
        ("startProcess", &["nope:*"], "10 BAD_NAME: nope:*"),
        ("startProcessGroup", &["g:running"], "10 BAD_NAME: g:running"),
        ("stopProcess", &["g:stopped"], "70 NOT_RUNNING: g:stopped"),
        ("stopProcess", &["g:stopping"], "70 NOT_RUNNING: g:stopping"),
        ("signalProcess", &["nope", "foo"], "10 BAD_NAME: nope"),
        ("signalProcess", &["g:stopped", "foo"], "11 BAD_SIGNAL: foo"),
        ("signalProcess", &["g:backoff", "TERM"], "70 NOT_RUNNING: g:backoff"),
        ("sendProcessStdin", &["nope", "x"], "10 BAD_NAME: nope"),
        ("sendProcessStdin", &["g:stopping", "x"], "70 NOT_RUNNING: g:stopping"),
        ("sendProcessStdin", &["g:exited", "x"], "70 NOT_RUNNING: g:exited"),
        ("addProcessGroup", &["nope"], "10 BAD_NAME: nope"),
        ("addProcessGroup", &["g"], "90 ALREADY_ADDED: g"),
        ("removeProcessGroup", &["off"], "10 BAD_NAME: off"),
        ("removeProcessGroup", &["g"], "91 STILL_RUNNING: g"),
        ("clearProcessLogs", &["g:*"], "10 BAD_NAME: g:*"),
        ("readLog", &["a", "b"], "2 INCORRECT_PARAMETERS: parameter 1 has to be of type int"),
    ] {
        assert_eq!(shown(&ask(method, &texts(params))), expected, "{method} {params:?}");
    }
    let not_text = ask("sendProcessStdin", &[Value::string("nope"), Value::Int(1)]);
    assert_eq!(shown(&not_text), "2 INCORRECT_PARAMETERS: 1");
}

#[test]
fn a_start_looks_for_the_command_first() {
    for (state, ask_for, then) in [
        ("stopped", "start stopped", "true"),
        ("exited", "start exited", "true"),
        ("fatal", "start fatal", "true"),
        ("starting", "look starting", "60 ALREADY_STARTED: g:starting"),
        ("running", "look running", "60 ALREADY_STARTED: g:running"),
        ("backoff", "look backoff", "60 ALREADY_STARTED: g:backoff"),
        ("unknown", "look unknown", "30 FAILED: g:unknown"),
        ("stopping", "look stopping", "40 ABNORMAL_TERMINATION: g:stopping"),
    ] {
        let step = ask("startProcess", &texts(&[&format!("g:{state}")]));
        assert_eq!(shown(&step), ask_for);
        let missing = Err(Trouble::NoFile(Some("can't find command 'x'".into())));
        assert_eq!(shown(&all(step.clone(), &missing)), "20 NO_FILE: can't find command 'x'");
        assert_eq!(well(step), then);
    }
    let not_waiting = ask("startProcess", &[Value::string("g:stopping"), Value::Bool(false)]);
    assert_eq!(well(not_waiting), "true");
    let too_soon = all(ask("startProcess", &texts(&["g:stopped"])), &Err(Trouble::SpawnError));
    assert_eq!(shown(&too_soon), "50 SPAWN_ERROR: g:stopped");
}

#[test]
fn groups_have_a_result_for_each_that_is_concerned() {
    let step = ask("startProcess", &texts(&["g:*"]));
    assert_eq!(shown(&step), "start exited, start fatal, start stopped, look stopping, look unknown");
    assert_eq!(
        well(step),
        "[unknown g 30 FAILED: g:unknown, stopping g 40 ABNORMAL_TERMINATION: g:stopping, stopped g 80 OK, \
         fatal g 80 OK, exited g 80 OK]"
    );
    assert_eq!(shown(&ask("stopAllProcesses", &[])), "stop first, stop backoff, stop running, stop starting");
    assert_eq!(
        shown(&ask("signalAllProcesses", &texts(&["hup"]))),
        "signal first 1, signal running 1, signal starting 1, signal stopping 1"
    );
    assert_eq!(shown(&ask("signalProcessGroup", &texts(&["first", "x"]))), "[first first 11 BAD_SIGNAL: x]");
    assert_eq!(shown(&ask("startProcessGroup", &texts(&["first"]))), "[]");
}

#[test]
fn logs() {
    let read = |method: &str, offset, length| {
        ask(method, &[Value::string("g:running"), Value::Int(offset), Value::Int(length)])
    };
    let log = Ok(Done::Log { size: 9, bytes: b"a\x1b\xff".to_vec() });
    assert_eq!(shown(&all(read("readProcessLog", 0, 0), &log)), "a\u{1b}\u{fffd}");
    assert_eq!(shown(&all(read("readProcessLog", -1, 1), &log)), "3 BAD_ARGUMENTS");
    assert_eq!(shown(&all(read("tailProcessLog", 0, 3), &log)), "[a\u{1b}\u{fffd}, 9, true]");
    let none = Err(Trouble::NoFile(None));
    assert_eq!(shown(&all(read("readProcessLog", -1, 1), &none)), "20 NO_FILE: /log/running");
    assert_eq!(shown(&all(read("tailProcessLog", 0, 3), &none)), "[, 0, false]");
    assert_eq!(shown(&read("readProcessStderrLog", 0, 0)), "20 NO_FILE");
    assert_eq!(shown(&read("tailProcessStderrLog", 0, 0)), "[, 0, false]");
}

#[test]
fn a_daemon_that_stops_refuses_all_but_remote_events() {
    for state in [DaemonState::Shutdown, DaemonState::Restarting] {
        let view = View { state, ..view() };
        for method in METHODS {
            let params: Vec<_> = method.parameters.iter().map(|_| Value::string("x")).collect();
            let refused = shown(&call(method.name, &params, &view)) == "6 SHUTDOWN_STATE";
            let goes = method.name.starts_with("system.") || method.name == "supervisor.sendRemoteCommEvent";
            assert_eq!(refused, !goes, "{}", method.name);
        }
        assert_eq!(shown(&call("supervisor.getPID", &texts(&["x"]), &view)), "2 INCORRECT_PARAMETERS");
    }
}

#[test]
fn a_multicall_goes_one_by_one() {
    let one = |name: &str, params: &[&str]| {
        Value::members([("methodName", Value::string(name)), ("params", Value::Array(texts(params)))])
    };
    let calls = Value::Array(vec![
        one("supervisor.getPID", &[]),
        one("supervisor.stopProcess", &["first"]),
        Value::members([("methodName", Value::string("supervisor.getVersion"))]),
        one("supervisor.startProcess", &["g:stopped"]),
        one("system.multicall", &[]),
        Value::members([]),
        Value::members([("methodName", Value::string("supervisor.getPID")), ("params", Value::Int(5))]),
        one("nope", &[]),
    ]);
    let Step::Do(orders, then) = call("system.multicall", &[calls], &view()) else { panic!("a stop comes first") };
    assert_eq!(orders.iter().map(order_shown).collect::<Vec<_>>(), ["stop first"]);
    let step = then.resume(vec![(0, Ok(Done::Plain))], &view());
    assert_eq!(shown(&step), "start stopped");
    assert_eq!(
        shown(&all(step, &Err(Trouble::SpawnError))),
        "[1, true, 3.0, 50 SPAWN_ERROR: g:stopped, \
         2 INCORRECT_PARAMETERS: Recursive system.multicall forbidden, 2 INCORRECT_PARAMETERS: No methodName, \
         2 INCORRECT_PARAMETERS, 1 UNKNOWN_METHOD]"
    );
}

#[test]
fn a_multicall_is_bounded_by_what_it_would_answer() {
    let long = "x".repeat(1 << 20);
    let one = Value::members([("methodName", Value::string("nope"))]);
    let mut view = view();
    view.identifier = long;
    let asks = Value::members([("methodName", Value::string("supervisor.getIdentification"))]);
    let few = call("system.multicall", &[Value::Array(vec![asks.clone(), one])], &view);
    assert!(matches!(few, Step::Answer(_)));
    let many = call("system.multicall", &[Value::Array(vec![asks; 100])], &view);
    assert!(shown(&many).starts_with("30 FAILED: the answer becomes too large"), "{}", shown(&many));
}

#[test]
fn answers() {
    let done = Ok(Done::Reloaded { added: vec!["a".into()], changed: vec![], removed: vec!["c".into(), "d".into()] });
    assert_eq!(shown(&all(ask("reloadConfig", &[]), &done)), "[[[a], [], [c, d]]]");
    assert_eq!(shown(&all(ask("reloadConfig", &[]), &Err(Trouble::CantReread("why".into())))), "92 CANT_REREAD: why");
    assert_eq!(shown(&ask("getState", &[])), "1 RUNNING");
    assert_eq!(
        shown(&ask("getProcessInfo", &texts(&["first"]))),
        "first first 100 0 102 20 RUNNING  0 /log/first /log/first  7 pid 7, uptime 0:00:02"
    );
    let Step::Answer(Value::Array(configs)) = ask("getAllConfigInfo", &[]) else { panic!("an answer") };
    let facts = configs.iter().map(|config| {
        ["name", "inuse", "stdout_logfile", "stderr_logfile", "uid"]
            .map(|key| value_shown(config.field(key).expect("each has it")))
            .join(" ")
    });
    let facts: Vec<_> = facts.collect();
    assert_eq!(facts, ["a false auto none none", "b false auto none none", "first true /log/first none none"]);
    assert_eq!(shown(&call("system.methodHelp", &texts(&["nope"]), &view())), "4 SIGNATURE_UNSUPPORTED");
    assert!(METHODS.is_sorted_by_key(|method| method.name));
}

#[test]
fn who_waits_has_waited_long_enough() {
    for state in ProcessState::ALL {
        let expected = match state {
            ProcessState::Starting => None,
            ProcessState::Running => Some(Ok(Done::Plain)),
            _ => Some(Err(Trouble::Abnormal)),
        };
        assert_eq!(started(state, ""), expected);
        assert_eq!(stopped(state).is_some(), state.is_stopped());
    }
    assert_eq!(started(ProcessState::Backoff, "x"), Some(Err(Trouble::SpawnError)));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Double),
        "[a-z:*]{0,6}".prop_map(Value::Text),
        prop::sample::select(vec!["g:*", "g:running", "first", "TERM", "supervisor.getPID"]).prop_map(Value::string),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(vec!["methodName", "params", "x"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..3).prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn any_call_comes_to_an_end(
        place in 0..METHODS.len(),
        params in prop::collection::vec(any_value(), 0..4),
        outcome in prop::sample::select(vec![Ok(Done::Plain), Err(Trouble::Failed), Ok(Done::Log { size: 3, bytes: vec![0xff] })]),
    ) {
        let step = call(METHODS[place].name, &params, &view());
        let ended = !matches!(all(step, &outcome), Step::Do(..));
        prop_assert!(ended);
    }
}
