//! What our supervisorctl makes of answers against what the real one makes of them: the servers are ours, and say
//! whatever one can.

use std::path::Path;

use super::reference::fake::{Answer, Fake};
use super::reference::pair::Pair;
use super::reference::python;
use abide::supervisord::xmlrpc::Value;

/// Both clients, each with a server of its own.
struct Trial<'a> {
    fakes: [Fake; 2],
    pair: Pair<'a>,
}

impl<'a> Trial<'a> {
    fn new(python: &'a Path) -> Self {
        let fakes = [Fake::start(), Fake::start()];
        let pair = Pair::new(python, fakes[0].url().to_owned(), fakes[1].url().to_owned());
        Self { fakes, pair }
    }

    /// Both must call the same and say the same.
    fn line(&mut self, line: &str, answers: &[(&'static str, Answer)]) {
        for fake in &self.fakes {
            fake.answer(answers);
        }
        self.pair.line(line);
        let [expected, got] = self.fakes.each_ref().map(Fake::calls);
        // What is refused for want of a login the real one tries again.
        if !answers.iter().any(|(_, answer)| matches!(answer, Answer::Status(401))) {
            assert_eq!(expected, got, "the calls of {line}");
        }
    }
}

fn result(status: i32) -> Value {
    let members =
        [("name", "p".into()), ("group", "g".into()), ("status", Value::Int(status)), ("description", "D".into())];
    Value::Array(vec![Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())])
}

#[test]
fn faults_are_told_alike() {
    const FAULTS: [(&str, &str, &[i32]); 16] = [
        ("start x", "startProcess", &[1, 6, 10, 20, 21, 30, 40, 50, 60, 70]),
        ("start x:*", "startProcessGroup", &[6, 10]),
        ("stop x", "stopProcess", &[6, 10, 11, 30, 70]),
        ("signal HUP x", "signalProcess", &[6, 10, 11, 30, 70]),
        ("clear x", "clearProcessLogs", &[6, 10, 20, 30]),
        ("tail x", "readProcessStdoutLog", &[3, 10, 20, 30]),
        ("maintail", "readLog", &[3, 10, 20, 30]),
        ("add x", "addProcessGroup", &[6, 10, 30, 90]),
        ("remove x", "removeProcessGroup", &[6, 10, 91]),
        ("pid x", "getProcessInfo", &[6, 10]),
        ("fg x", "getProcessInfo", &[6, 10]),
        ("shutdown", "shutdown", &[6, 30]),
        ("reload", "restart", &[6, 30]),
        ("reread", "reloadConfig", &[6, 30, 92]),
        ("update", "reloadConfig", &[6, 30, 92]),
        ("avail", "getAllConfigInfo", &[6, 30]),
    ];
    let Some(python) = python() else { return };
    let mut trial = Trial::new(&python);
    for (line, method, codes) in FAULTS {
        for code in codes {
            trial.line(line, &[(method, Answer::Fault(*code, "TEXT: it's"))]);
        }
    }
    trial.pair.end();
}

#[test]
fn results_are_told_alike() {
    let Some(python) = python() else { return };
    let mut trial = Trial::new(&python);
    for (line, method) in [
        ("start x:*", "startProcessGroup"),
        ("stop all", "stopAllProcesses"),
        ("signal HUP x:", "signalProcessGroup"),
        ("clear all", "clearAllProcessLogs"),
    ] {
        for status in [6, 10, 11, 20, 21, 30, 40, 50, 60, 70, 80] {
            trial.line(line, &[(method, Answer::Value(result(status)))]);
        }
    }
    trial.pair.end();
}

#[test]
fn strange_servers_are_met_alike() {
    let Some(python) = python() else { return };
    let mut trial = Trial::new(&python);
    for line in ["version", "status", "avail", "start x", "update"] {
        trial.line(line, &[("getVersion", Answer::Value("2.0".into()))]);
        trial.line(line, &[("getVersion", Answer::Fault(1, "UNKNOWN_METHOD"))]);
        trial.line(line, &[("getVersion", Answer::Fault(6, "SHUTDOWN_STATE"))]);
        trial.line(line, &[("getVersion", Answer::Status(401)), ("getAllConfigInfo", Answer::Status(401))]);
        trial.line(line, &[("getVersion", Answer::Status(500)), ("reloadConfig", Answer::Status(500))]);
    }
    trial.pair.end();
}

#[test]
fn names_are_sent_alike() {
    const METHODS: [&str; 4] = ["startProcess", "stopProcess", "addProcessGroup", "removeProcessGroup"];
    let Some(python) = python() else { return };
    let mut trial = Trial::new(&python);
    for line in [
        "start a:b:c",
        "start :a",
        "start a:a",
        "start *",
        "start a:*:b",
        "restart a:b a",
        "add a:b",
        "remove a:*",
        "stop a:a",
    ] {
        trial.line(line, &METHODS.map(|method| (method, Answer::Value(Value::Bool(true)))));
    }
    trial.pair.end();
}

#[test]
fn updates_are_made_alike() {
    let Some(python) = python() else { return };
    let mut trial = Trial::new(&python);
    let names = |names: &[&str]| Value::Array(names.iter().map(|name| Value::from(*name)).collect());
    let lists = Value::Array(vec![Value::Array(vec![names(&["a", "z", "b"]), names(&["c"]), names(&["e"])])]);
    for status in [30, 70, 80] {
        for line in ["reread", "update", "update c", "update e a", "update x all"] {
            let answers = [
                ("reloadConfig", Answer::Value(lists.clone())),
                ("getAllProcessInfo", Answer::Value(names(&[]))),
                ("stopProcessGroup", Answer::Value(result(status))),
                ("removeProcessGroup", Answer::Value(Value::Bool(true))),
                ("addProcessGroup", Answer::Value(Value::Bool(true))),
            ];
            trial.line(line, &answers);
        }
    }
    trial.pair.end();
}
