//! Commands against a server that is a list of answers.

use super::http::Stream;
use super::keyboard::Keyboard;
use super::remote::{Failure, Remote};
use super::session::Session;
use crate::supervisord::xmlrpc::{Fault, Value};

type Answers = [(&'static str, Result<Value, Failure>)];

/// Answers each method with the first of its answers that is left.
struct Script {
    answers: Vec<(&'static str, Result<Value, Failure>)>,
    calls: Vec<String>,
}

impl Remote for Script {
    fn url(&self) -> &'static str {
        "URL"
    }

    fn open(&mut self, _: &str) {}

    fn login(&mut self, _: &str, _: &str) {}

    fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, Failure> {
        let known = self.answers.iter().position(|(known, _)| *known == method);
        if method == "getVersion" && known.is_none() {
            return Ok("3.0".into());
        }
        let words = params.iter().map(|param| format!(" {}", param.text().unwrap_or("?")));
        self.calls.push(format!("{method}{}", words.collect::<String>()));
        known.map_or(Err(Failure::Refused), |at| self.answers.remove(at).1)
    }

    fn follow(&mut self, _: &str) -> Result<Stream, Failure> {
        Err(Failure::Refused)
    }

    fn rest(&mut self) {}
}

/// What a line writes, its exit code, and what it calls.
fn run(line: &str, answers: &Answers) -> (String, u8, String) {
    let mut script = Script { answers: answers.to_vec(), calls: Vec::new() };
    let mut out = Vec::new();
    let mut keyboard = Keyboard::default();
    let mut session = Session {
        remote: &mut script,
        out: &mut out,
        keyboard: &mut keyboard,
        interactive: false,
        code: 0,
        done: false,
    };
    session.run(line);
    let code = session.code;
    (String::from_utf8(out).unwrap(), code, script.calls.join(", "))
}

fn fault(code: i32) -> Result<Value, Failure> {
    Err(Failure::Fault(Fault { code, text: "TEXT".into() }))
}

const DONE: Result<Value, Failure> = Ok(Value::Bool(true));

fn members(members: &[(&str, Value)]) -> Value {
    Value::Struct(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn result(status: i32) -> Value {
    members(&[("name", "p".into()), ("group", "g".into()), ("status", Value::Int(status)), ("description", "D".into())])
}

fn names(names: &[&str]) -> Value {
    Value::Array(names.iter().map(|name| (*name).into()).collect())
}

#[test]
fn orders_are_told() {
    let (text, code, calls) = run("start a b:c", &[("startProcess", DONE), ("startProcess", fault(50))]);
    assert_eq!(text, "a: started\nb:c: ERROR (spawn error)\n");
    assert_eq!((code, calls.as_str()), (7, "startProcess a, startProcess b:c"));
    let (text, code, calls) = run("restart a", &[("stopProcess", fault(70)), ("startProcess", DONE)]);
    assert_eq!((text.as_str(), code), ("a: ERROR (not running)\na: started\n", 0));
    assert_eq!(calls, "stopProcess a, startProcess a");
    let (text, code, calls) = run("signal HUP g:*", &[("signalProcessGroup", Ok(Value::Array(vec![result(80)])))]);
    assert_eq!((text.as_str(), code, calls.as_str()), ("g:p: signalled\n", 0, "signalProcessGroup g HUP"));
    let (text, code, _) = run("start g:", &[("startProcessGroup", fault(10))]);
    assert_eq!((text.as_str(), code), ("g: ERROR (no such group)\n", 2));
}

#[test]
fn an_update_is_made_of_calls() {
    let lists = Value::Array(vec![Value::Array(vec![names(&["a"]), names(&["c"]), names(&["r", "s"])])]);
    let stopped = |status| Ok(Value::Array(vec![result(status)]));
    let answers = [
        ("reloadConfig", Ok(lists)),
        ("stopProcessGroup", stopped(30)),
        ("stopProcessGroup", stopped(80)),
        ("removeProcessGroup", DONE),
        ("stopProcessGroup", stopped(80)),
        ("removeProcessGroup", DONE),
        ("addProcessGroup", DONE),
        ("addProcessGroup", DONE),
    ];
    let (text, code, calls) = run("update", &answers);
    let expected = "r: stopped\nr: has problems; not removing\ns: stopped\ns: removed process group\n\
                    c: stopped\nc: updated process group\na: added process group\n";
    assert_eq!((text.as_str(), code), (expected, 1));
    let expected = "reloadConfig, stopProcessGroup r, stopProcessGroup s, removeProcessGroup s, stopProcessGroup c, \
                    removeProcessGroup c, addProcessGroup c, addProcessGroup a";
    assert_eq!(calls, expected);
}

#[test]
fn failures_are_told() {
    for (line, method, failure, text, code) in [
        ("version", "getVersion", Failure::Refused, "URL refused connection\n", 4),
        ("version", "getVersion", Failure::Absent, "URL no such file\n", 7),
        ("status", "getVersion", Failure::Absent, "URL no such file\n", 4),
        ("version", "getVersion", Failure::Unauthorized, "Server requires authentication\n", 1),
        ("avail", "getAllConfigInfo", Failure::Refused, "error: URL refused connection\n", 1),
        ("shutdown", "shutdown", Failure::Absent, "ERROR: URL no such file (already shut down?)\n", 1),
    ] {
        let (said, exit, _) = run(line, &[(method, Err(failure))]);
        assert_eq!((said.as_str(), exit), (text, code), "{line}");
    }
    assert_eq!(run("update", &[("reloadConfig", fault(92))]).0, "error: Fault 92: TEXT\n");
    assert_eq!(run("reread", &[("reloadConfig", fault(92))]).0, "ERROR: TEXT\n");
    let strange = members(&[("pid", Value::Int(1))]);
    let (said, exit, _) = run("status", &[("getAllProcessInfo", Ok(Value::Array(vec![strange])))]);
    assert_eq!((said.as_str(), exit), ("error: the server's answer has no group\n", 1));
}

#[test]
fn what_is_no_command_is_named() {
    assert_eq!(run("!ls x", &[]), ("*** Unknown syntax: !ls x\n".into(), 1, String::new()));
    assert_eq!(run("  ", &[]), (String::new(), 0, String::new()));
    assert_eq!(run("help nope", &[]).0, "*** No help on nope\n");
    let (list, _, _) = run("?", &[]);
    assert!(list.ends_with("\nclear  maintail  quit  reread  signal    stop    version\n\n"), "{list}");
}
