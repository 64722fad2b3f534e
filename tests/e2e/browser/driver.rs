//! Chromium, driven by chromedriver over WebDriver (W3C): one browser a test, with a profile, a port and an end of
//! its own.

use crate::process::{alive, send, wanted};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A browser on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(25);
/// How WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that have no character, as WebDriver has them.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const DOWN: &str = "\u{e015}";
pub(crate) const END: &str = "\u{e010}";

/// How a browser looks at a page.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

/// At a desk, by day.
pub(crate) const DESK: Look = Look { width: 1280, height: 800, dark: false };

/// A running browser.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None`, said aloud, where none is installed. `options` are those of Chromium.
    pub(crate) fn start(look: Look, options: &[&str]) -> Option<Self> {
        let [chromium, driver] = ["chromium", "chromedriver"].map(wanted);
        let (chromium, driver) = (chromium?, driver?);
        let profile = tempfile::Builder::new().prefix("abide-browser-").tempdir().expect("a directory");
        let mut child = Command::new(driver);
        child.arg("--port=0").envs(["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| (name, profile.path())));
        let mut driver =
            child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it is installed");
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = listening(&mut said);
        // What it says later goes nowhere, and must not block it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut browser = Self { driver, port, session: String::new(), profile };
        browser.begin(&chromium, look, options);
        Some(browser)
    }

    fn begin(&mut self, chromium: &str, look: Look, options: &[&str]) {
        // The pages are ours, and the sandbox needs namespaces that neither root nor every container has.
        let mut words: Vec<String> =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
                .map(Into::into)
                .into();
        words.push(format!("--user-data-dir={}", self.profile.path().display()));
        words.push(format!("--window-size={},{}", look.width, look.height));
        words.extend(options.iter().map(|option| (*option).to_owned()));
        let chrome = json!({ "binary": chromium, "args": words });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer = self.ask("POST", "/session", &capabilities).expect("chromium starts");
        answer["sessionId"].as_str().expect("a session has a name").clone_into(&mut self.session);
        let phone = look.width < 600;
        let size = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": if phone { 2.0 } else { 1.0 }, "mobile": phone });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if look.dark { "dark" } else { "light" };
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// A command of the DevTools protocol.
    fn devtools(&self, command: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What `script` returns.
    pub(crate) fn js(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the promise comes to that `script` hands to `done`.
    pub(crate) fn later(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Waits until `expression` holds.
    pub(crate) fn until(&self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.js(&format!("return Boolean({expression})")) != true {
            assert!(Instant::now() < until, "not seen: {expression}\n{}", self.story());
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until something shows this text.
    pub(crate) fn until_text(&self, selector: &str, text: &str) {
        let quoted = Value::from(text);
        self.until(&format!(
            "[...document.querySelectorAll({})].some((it) => it.innerText.includes({quoted}))",
            Value::from(selector)
        ));
    }

    /// The text that the first such element shows.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.js(&format!("return document.querySelector({})?.innerText ?? ''", Value::from(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Whether such an element can be seen.
    pub(crate) fn sees(&self, selector: &str) -> bool {
        self.js(&format!("return document.querySelector({})?.checkVisibility() ?? false", Value::from(selector)))
            == true
    }

    fn find(&self, selector: &str) -> String {
        self.until(&format!("document.querySelector({})?.checkVisibility()", Value::from(selector)));
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        format!("/element/{}", found[ELEMENT].as_str().expect("just seen"))
    }

    /// Clicks as a person does: where it is, if nothing lies over it. What is drawn anew in between is looked for again.
    pub(crate) fn click(&self, selector: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let path = format!("/session/{}{}/click", self.session, self.find(selector));
            match self.ask("POST", &path, &json!({})) {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < until, "{selector} cannot be clicked: {error}"),
            }
        }
    }

    /// Types into a field.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let path = self.find(selector);
        self.post(&format!("{path}/value"), &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn keys(&self, keys: &str) {
        let strokes = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })));
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() }] });
        self.post("/actions", &actions);
    }

    /// What is seen, as PNG in base64.
    pub(crate) fn picture(&self) -> String {
        self.get("/screenshot").as_str().expect("a picture").to_owned()
    }

    /// What the console has been told since this was asked last.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().into_iter().flatten();
        lines.map(|line| format!("{} {}", line["level"], line["message"])).collect()
    }

    /// What helps to understand a failed test.
    fn story(&self) -> String {
        format!("{}\n{}\n{}", self.js("return location.href"), self.text("body"), self.console().join("\n"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{path}", self.session), body)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", &format!("/session/{}{path}", self.session), &Value::Null)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// One request to the driver; its `value`, or what it complains of.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).map_err(|error| error.to_string())?;
        let (head, body) = answer(&mut BufReader::new(stream)).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        let value = answer["value"].take();
        if head.contains(" 200 ") { Ok(value) } else { Err(value["message"].as_str().unwrap_or(&body).to_owned()) }
    }

    /// Processes of this browser, by its profile, which no other has.
    fn processes(&self) -> Vec<i32> {
        let profile = self.profile.path().display().to_string();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = |pid: &i32| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&profile)
        };
        pids.filter(ours).collect()
    }
}

impl Drop for Browser {
    /// In order, then by force: no test leaves a process behind.
    fn drop(&mut self) {
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let until = Instant::now() + Duration::from_secs(5);
        while !self.processes().is_empty() && Instant::now() < until {
            std::thread::sleep(GLANCE);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        for pid in self.processes() {
            send(pid, nix::sys::signal::Signal::SIGKILL);
            while alive(pid) && Instant::now() < until + Duration::from_secs(5) {
                std::thread::sleep(GLANCE);
            }
        }
    }
}

/// The head of an answer, and its body: the driver keeps the connection.
fn answer(stream: &mut impl BufRead) -> std::io::Result<(String, String)> {
    let mut head = String::new();
    while stream.read_line(&mut head)? > 2 {}
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

/// The port that a driver says it listens on.
fn listening(said: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    while said.read_line(&mut line).is_ok_and(|length| length > 0) {
        let port =
            line.trim_end().trim_end_matches('.').rsplit_once("on port ").and_then(|(_, port)| port.parse().ok());
        if let Some(port) = port.filter(|port| *port != 0) {
            return port;
        }
        line.clear();
    }
    panic!("chromedriver does not start")
}
