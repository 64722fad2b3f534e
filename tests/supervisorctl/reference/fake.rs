//! A server that answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use abide::supervisord::xmlrpc::{self, Value};

/// What a method answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Value(Value),
    Fault(i32, &'static str),
    /// A status of HTTP.
    Status(u16),
}

type Answers = Arc<Mutex<BTreeMap<&'static str, Answer>>>;

/// It ends with the test.
pub(crate) struct Fake {
    answers: Answers,
    calls: Arc<Mutex<Vec<String>>>,
    url: String,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let fake = Self { answers: Arc::default(), calls: Arc::default(), url };
        let (answers, calls) = (fake.answers.clone(), fake.calls.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, calls) = (answers.clone(), calls.clone());
                std::thread::spawn(move || serve(stream, &answers, &calls));
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Forgets all answers and takes these.
    pub(crate) fn answer(&self, answers: &[(&'static str, Answer)]) {
        let version = ("getVersion", Answer::Value("3.0".into()));
        let all = [version].into_iter().chain(answers.iter().cloned());
        *self.answers.lock().expect("no thread has panicked") = all.collect();
    }

    /// The calls since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().expect("no thread has panicked"))
    }
}

fn serve(mut stream: TcpStream, answers: &Answers, calls: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap_or(0));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let call = xmlrpc::request(&body).ok()?;
        let method = call.method.strip_prefix("supervisor.")?;
        if method != "getVersion" {
            calls.lock().ok()?.push(format!("{method} {:?}", call.params));
        }
        let answer = answers.lock().ok()?.get(method).cloned();
        let (status, body) = match answer.unwrap_or(Answer::Fault(1, "UNKNOWN_METHOD")) {
            Answer::Value(value) => (200, xmlrpc::response(&value)),
            Answer::Fault(code, text) => (200, xmlrpc::fault(code, text)),
            Answer::Status(status) => (status, String::new()),
        };
        let head =
            format!("HTTP/1.1 {status} Reason\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).ok()?;
    }
}
