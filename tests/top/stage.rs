//! A view on a stage of its own: time, inputs, what is seen; and what a daemon may say.

use crate::sample::{NOW, ago, exit, flaky, greedy, misspelt, service, status, workers};
use abide::cli::top::{Input, Refusal, Said, Step, Told, Top, Wish, view};
use abide::model::look::{InstanceUsage, Usage};
use abide::model::name::ServiceName;
use abide::model::news::News;
use abide::model::status::{State, Status};
use abide::model::time::{Mono, Now, Wall};
use abide::render::status::Style;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;

pub(crate) const PLAIN: Style = Style { color: false, unicode: true, width: None, height: None };

/// A view, and the time that passes for it.
pub(crate) struct Stage {
    pub(crate) top: Top,
    pub(crate) now: Now,
    pub(crate) size: (u16, u16),
}

impl Stage {
    pub(crate) fn new(size: (u16, u16)) -> Self {
        Self::styled(size, PLAIN)
    }

    pub(crate) fn styled(size: (u16, u16), style: Style) -> Self {
        let now = Now { mono: Mono(1_000_000_000), wall: NOW };
        Self { top: Top::new(style, size, now, Duration::from_secs(2)), now, size }
    }

    /// Connected, and told how all stands and what is used.
    pub(crate) fn with(size: (u16, u16), status: Status) -> Self {
        let mut stage = Self::new(size);
        stage.know(status);
        stage
    }

    pub(crate) fn know(&mut self, status: Status) {
        self.said(Said::Listening);
        let first = usage(&status, 0);
        let second = usage(&status, 2);
        self.said(Said::Status(None, Ok(Box::new(status))));
        self.said(Said::Usage(Ok(first)));
        self.said(Said::Usage(Ok(second)));
    }

    pub(crate) fn put(&mut self, input: Input) -> Vec<Wish> {
        self.now.mono = self.now.mono.plus(Duration::from_millis(1));
        self.top.update(self.now, input)
    }

    pub(crate) fn said(&mut self, said: Said) -> Vec<Wish> {
        self.put(Input::Said(said))
    }

    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Wish> {
        self.now.mono = self.now.mono.plus(time);
        self.now.wall = Wall(self.now.wall.0 + time.as_micros() as i64);
        self.put(Input::Wake)
    }

    /// Presses keys: a word of several letters is that key, anything else is typed.
    pub(crate) fn keys(&mut self, keys: &[&str]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for key in keys {
            let code = match *key {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "down" => KeyCode::Down,
                "up" => KeyCode::Up,
                "end" => KeyCode::End,
                "home" => KeyCode::Home,
                typed => {
                    for c in typed.chars() {
                        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
                        wishes.extend(self.put(Input::Key(key)));
                    }
                    continue;
                }
            };
            wishes.extend(self.put(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))));
        }
        wishes
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> Vec<Wish> {
        self.put(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
    }

    pub(crate) fn click(&mut self, column: u16, row: u16) -> Vec<Wish> {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row)
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        view(&self.top, &mut buffer);
        buffer
    }

    /// What is seen, line by line.
    pub(crate) fn screen(&self) -> String {
        let buffer = self.buffer();
        let line = |y| -> String { (0..self.size.0).map(|x| buffer[(x, y)].symbol().to_owned()).collect() };
        (0..self.size.1).map(|y| line(y).trim_end().to_owned() + "\n").collect()
    }

    pub(crate) fn selected(&self) -> String {
        self.top.selected().map(|row| row.label.clone()).unwrap_or_default()
    }

    /// The labels that are on the screen, from above.
    pub(crate) fn labels(&self) -> Vec<String> {
        let lines = self.screen();
        let rows = lines.lines().skip_while(|line| !line.trim_start().starts_with("NAME")).skip(1);
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        rows.map_while(first).collect()
    }
}

/// Something used by everybody, more by those later in the list.
pub(crate) fn usage(status: &Status, seconds: i64) -> Usage {
    let instances = status.services.iter().flat_map(|it| it.instances.iter().map(move |instance| (it, instance)));
    let services = instances.enumerate().map(|(at, (service, instance))| InstanceUsage {
        service: service.name.clone(),
        instance: instance.id,
        pid: instance.pid,
        processes: 1,
        cpu_ms: 100 + seconds as u64 * 10 * (at as u64 % 13),
        resident_bytes: (at as u64 % 29 + 1) << 20,
        log_bytes: Some(seconds as u64 * 500 * (at as u64 % 7)),
    });
    Usage { at: ago(2 - seconds), services: services.collect() }
}

pub(crate) fn five() -> Status {
    let mut held = service("mail", State::Held);
    held.instances[0].reason = Some("stopped by ops: disk full".into());
    status(vec![service("db", State::Running), flaky(), greedy(), held, misspelt()])
}

/// So many services, a few of which are not well.
pub(crate) fn many(count: usize) -> Status {
    let services = (0..count).map(|n| {
        let name = format!("svc-{n:04}");
        match n % 997 {
            7 => {
                let mut it = service(&name, State::Failed);
                it.instances[0].last_exit = Some(exit(1, 40, 200));
                it
            }
            20 => service(&name, State::Starting),
            31 => service(&name, State::Stopped),
            _ => service(&name, State::Running),
        }
    });
    let mut status = status(services.collect());
    status.services[3] = workers("svc-0003", 4);
    status
}

pub(crate) fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden/top");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).expect("legal")
}

pub(crate) fn pending(service: &str, reason: &str) -> Step {
    Step { service: name(service), action: "restart".into(), reason: reason.into(), changes: Vec::new() }
}

pub(crate) fn transition(service: &str, from: State, to: State) -> Told {
    let reason = "its process runs".to_owned();
    let news = News::Transition {
        service: service.into(),
        instance: None,
        from,
        to,
        reason,
        pid: None,
        exit: None,
        grave: false,
    };
    Told { at: ago(5), news }
}

pub(crate) fn forbidden() -> Refusal {
    Refusal {
        title: "forbidden".into(),
        detail: "carol may not stop db".into(),
        hint: Some(
            "add to abide.toml:\n\n[[access]]\nusers = [\"carol\"]\nmay = \"operate\"\nservices = [\"db\"]".into(),
        ),
        status: 403,
    }
}
