//! The web page in a real browser: what it shows, what its buttons and keys do, and what another site's page cannot.

mod driver;
mod hostile;
mod screens;

use super::doors::http::{get, over_tcp};
use super::servers::free_port;
use super::world::{DEADLINE, SLEEPER, World};
use driver::{Browser, DESK, DOWN, END, ENTER, ESCAPE, Look, TAB};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

/// A token that may everything, one that may look, one that may operate `web*` and see nothing else.
const FULL: &str = "abide_full-0123456789abcdef";
const READ: &str = "abide_read-0123456789abcdef";
const WEB: &str = "abide_web-0123456789abcdef";

/// A world whose page is served at the second.
struct Site {
    world: World,
    port: u16,
}

impl Site {
    /// With these services.
    fn with(services: &[(&str, &str)]) -> Self {
        let (mut world, port) = (World::empty(), free_port());
        for (name, text) in services {
            world.drop_file(&format!("{name}.toml"), text);
        }
        world.replace(&world.root().join("abide.toml"), &settings(port));
        world.start();
        world.until_true("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { world, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A browser that shows the page to who has `token`.
    fn visit(&self, look: Look, token: &str) -> Option<Browser> {
        let browser = Browser::start(look, &[])?;
        browser.open(&self.url());
        sign_in(&browser, token);
        browser
            .until("document.querySelector('.rows .row') && document.querySelector('#link').dataset.state === 'live'");
        Some(browser)
    }
}

fn settings(port: u16) -> String {
    use sha2::Digest as _;
    let mut text = format!("[http]\nlisten = \"127.0.0.1:{port}\"\ndashboard = true\n");
    for (name, token, may, services) in
        [("boss", FULL, "full", "*"), ("guest", READ, "read", "*"), ("web", WEB, "none", "")]
    {
        let hash = sha2::Sha256::digest(token).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let own =
            if services.is_empty() { String::new() } else { format!("may = \"{may}\"\nservices = [\"{services}\"]\n") };
        let _ = write!(text, "[[http.token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{own}");
    }
    text + "[[access]]\ntokens = [\"web\"]\nmay = \"operate\"\nservices = [\"web*\"]\n"
}

fn sign_in(browser: &Browser, token: &str) {
    browser.fill("#token", token);
    browser.click("#sign-in-form button.main");
}

/// Opens a service by a click on its row.
fn open(browser: &Browser, name: &str) {
    browser.click(&format!("[data-name='{name}'] a"));
    browser.until_text("#detail-title", name);
}

/// A service that says what stands in a file, and what is added to it.
fn talker(site: &World) -> String {
    let file = site.root().join("says");
    std::fs::write(&file, "the first line\n").expect("the world is writable");
    format!("script = \"exec tail -n +1 -f {}\"\n", file.display())
}

fn says(site: &World, line: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(site.root().join("says"));
    writeln!(file.expect("it is there"), "{line}").expect("the world is writable");
}

#[test]
fn the_page_is_served_where_it_is_turned_on_and_nowhere_else() {
    let site = Site::with(&[]);
    let page = over_tcp(site.port, "GET", "/", &[]);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap_or_default();
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    for (name, value) in
        [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff"), ("cache-control", "no-cache")]
    {
        assert_eq!(page.header(name), Some(value));
    }
    let tag = format!("if-none-match: {}", page.header("etag").expect("a tag"));
    let again = over_tcp(site.port, "GET", "/", &[&tag]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(
        over_tcp(site.port, "GET", "/page/main.js", &[]).header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    // All else needs a token, also what only looks like the page.
    for path in ["/page/", "/page/main.js.map", "/page/../v1/status", "/v1/status"] {
        assert_eq!(over_tcp(site.port, "GET", path, &[]).status, 401, "{path}");
    }
    let token = format!("authorization: Bearer {READ}");
    assert_eq!(over_tcp(site.port, "GET", "/page/nothing", &[&token]).status, 404);
    assert_eq!(get(&site.world, "/").status, 404, "not over the control socket");
    let off = settings(site.port).replace("dashboard = true", "dashboard = false");
    site.world.replace(&site.world.root().join("abide.toml"), &off);
    site.world.until_true("it is turned off", || over_tcp(site.port, "GET", "/", &[]).status == 401);
    assert_eq!(over_tcp(site.port, "GET", "/page/main.js", &[&token]).status, 404);
}

#[test]
fn the_page_shows_what_is_wrong_first_and_why() {
    let markup = "description = \"<img src=x onerror=alert(1)> & more\"\n";
    let fails = "script = \"exit 3\"\n[restart]\nlimit = { count = 1, window = \"1m\" }\n";
    let site = Site::with(&[
        ("calm", &format!("{SLEEPER}{markup}")),
        ("broken", fails),
        ("typo", "comand = \"x\"\n"),
        ("zz-off", &format!("{SLEEPER}enabled = false\n")),
    ]);
    site.world.until("one has failed", |status| status.summary.failed == 1 && status.summary.config_invalid == 1);
    let Some(browser) = site.visit(DESK, FULL) else { return };
    browser.until_text("#verdict", "2 of 4 services not as desired");
    browser.until_text("[data-name='broken'] .why", "exit code 3");
    browser.until_text("[data-name='broken'] .state", "failed");
    browser.until_text("[data-name='calm'] .about", "<img src=x onerror=alert(1)> & more");
    let first = browser.js("return document.querySelector('.rows .row').dataset.name");
    assert_eq!(first, "broken", "worst first");
    // Filters count, and show what they count.
    browser.click("[data-filter='failed']");
    browser.until("document.querySelectorAll('.rows .row').length === 1");
    browser.click("[data-filter='failed']");
    browser.fill("#search", "CAL more");
    browser.until("document.querySelectorAll('.rows .row').length === 1");
    assert!(browser.text(".rows").contains("calm"));
    let complaints: Vec<String> =
        browser.console().into_iter().filter(|line| line.contains("SEVERE") && !line.contains("401")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_click_restarts_and_another_stops_with_a_reason() {
    let site = Site::with(&[("web", SLEEPER)]);
    let pid = site.world.pid("web");
    let Some(browser) = site.visit(DESK, FULL) else { return };
    open(&browser, "web");
    browser.until_text("#detail .facts", &pid.to_string());
    browser.click("#detail [data-act='restart']");
    browser.click("#ask-yes");
    let next = site.world.pid_after("web", pid);
    browser.until_text("#detail .facts", &next.to_string());
    browser.until_text("#toasts", "web:");

    browser.click("#detail [data-act='stop']");
    browser.fill("#ask-reason", "the <disk> is replaced");
    browser.js("document.getElementById('ask-for').value = '2h'");
    browser.click("#ask-yes");
    browser.until_text("#detail .state", "held");
    browser.until_text("#detail .callout", "the <disk> is replaced, lifts in 1h59m");
    browser.click("#detail [data-act='start']");
    browser.until_text("#detail .state", "running");
    site.world.pid_after("web", next);
}

#[test]
fn what_is_held_back_is_said_and_ended_with_a_click() {
    let site = Site::with(&[("web", SLEEPER), ("db", SLEEPER)]);
    let pid = site.world.pid("web");
    site.world.pid("db");
    let Some(browser) = site.visit(DESK, FULL) else { return };
    // Versions, and the way back.
    site.world.drop_file("web.toml", "command = [\"/bin/sleep\", \"90000\"]\n");
    let next = site.world.pid_after("web", pid);
    open(&browser, "web");
    browser.click("[data-key='versions']");
    browser.until_text("#detail .versions", "in force");
    browser.click("#detail .versions [data-act='rollback']");
    browser.click("#ask-yes");
    let back = site.world.pid_after("web", next);
    browser.until_text("#detail .acts", "Try again");
    browser.click("#detail .acts [data-act='retry']");
    browser.click("#ask-yes");
    site.world.pid_after("web", back);
    // Suspended, with a reason.
    browser.click("#detail [data-act='suspend']");
    browser.fill("#ask-reason", "<b>holidays</b>");
    browser.click("#ask-yes");
    browser.until_text("#notes", "web: <b>holidays</b>");
    browser.click("#detail [data-act='resume']");
    site.world.until("it is resumed", |status| status.withheld.suspended.is_empty());
    // All files gone.
    std::fs::remove_file(site.world.file("web.toml")).expect("it was there");
    std::fs::remove_file(site.world.file("db.toml")).expect("it was there");
    browser.until_text("#notes", "The files of 2 services are gone");
    browser.click("#notes [data-act='confirm']");
    browser.until_text("#ask-words", "db, web");
    browser.click("#ask-yes");
    site.world.gone("web");
    site.world.gone("db");
}

#[test]
fn a_line_that_a_service_writes_appears_is_found_and_waits_while_it_is_paused() {
    let mut site = Site::with(&[]);
    let text = talker(&site.world);
    site.world.drop_file("talker.toml", &text);
    site.world.logged("talker", "the first line");
    let Some(browser) = site.visit(DESK, READ) else { return };
    open(&browser, "talker");
    browser.click("[data-key='tab log']");
    browser.until_text(".lines", "the first line");
    says(&site.world, "a <b>bold</b> \u{1b}[31mred\u{1b}[0m line");
    browser.until_text(".lines", "a <b>bold</b> red line");

    browser.fill("#log-search", "RED");
    browser.until("document.querySelectorAll('.lines mark').length === 1");
    browser.until_text(".found", "1 of 2 lines");
    browser.click("#log-only");
    browser.until("[...document.querySelectorAll('.lines div')].filter((it) => it.checkVisibility()).length === 1");
    browser.click("#log-only");

    browser.click("[data-key='pause']");
    says(&site.world, "written meanwhile");
    browser.until_text("[data-key='pause']", "Resume (1 new)");
    assert!(!browser.text(".lines").contains("meanwhile"));
    browser.click("[data-key='pause']");
    browser.until_text(".lines", "written meanwhile");

    // abide ends and comes back: the log goes on where it was.
    site.world.signal(nix::sys::signal::Signal::SIGTERM);
    site.world.ended();
    browser.until("document.querySelector('#link').dataset.state === 'lost'");
    browser.until_text("#lost", "No connection to abide");
    site.world.start();
    browser.until("document.querySelector('#link').dataset.state === 'live'");
    says(&site.world, "after it all");
    browser.until_text(".lines", "after it all");
    assert_eq!(
        browser.text(".lines").matches("written meanwhile").count(),
        2,
        "once before, once as the service began anew"
    );
}

#[test]
fn a_refused_token_is_said_and_not_kept() {
    let site = Site::with(&[("web", SLEEPER)]);
    let Some(browser) = Browser::start(DESK, &[]) else { return };
    browser.open(&site.url());
    assert!(!browser.sees("#app"));
    sign_in(&browser, "abide_nonsense");
    browser.until_text("#token-error", "refuses this token");
    assert_eq!(browser.js("return sessionStorage.length + localStorage.length + document.cookie.length"), 0);
    assert_eq!(browser.js("return document.activeElement.id"), "token");
    sign_in(&browser, READ);
    browser.until_text(".rows", "web");

    // Taken out of abide.toml: it ends where it stands.
    let gone = settings(site.port)
        .split("[[http.token]]")
        .filter(|part| !part.contains("guest"))
        .collect::<Vec<_>>()
        .join("[[http.token]]");
    site.world.replace(&site.world.root().join("abide.toml"), &gone);
    browser.until_text("#token-error", "does not accept this token any more");
    assert_eq!(browser.js("return sessionStorage.length"), 0);
}

#[test]
fn who_may_only_read_is_offered_no_button() {
    let site = Site::with(&[("web", SLEEPER), ("db", SLEEPER)]);
    let pid = site.world.pid("web");
    let Some(browser) = site.visit(DESK, READ) else { return };
    open(&browser, "web");
    browser.until_text("#detail .acts", "You may look at this service");
    assert!(!browser.sees("#detail [data-act]"));
    browser.keys("r");
    assert!(!browser.sees("#ask"));
    let refused = browser.later(
        "fetch('/v1/services/web/restart', { method: 'POST', headers: { authorization: `Bearer ${sessionStorage.getItem('abide-token')}` } }).then((it) => done(it.status))",
    );
    assert_eq!((refused, site.world.pid("web")), (403.into(), pid));

    // One that may operate some sees those, with buttons.
    browser.click("#sign-out");
    sign_in(&browser, WEB);
    browser.until_text("#verdict", "1 service");
    assert!(!browser.text(".rows").contains("db"));
    open(&browser, "web");
    browser.until("document.querySelector('#detail [data-act=restart]')");
}

#[test]
fn the_keyboard_alone_is_enough() {
    let site = Site::with(&[("alpha", SLEEPER), ("beta", SLEEPER)]);
    let pid = site.world.pid("beta");
    let Some(browser) = Browser::start(DESK, &[]) else { return };
    browser.open(&site.url());
    browser.until("document.activeElement?.id === 'token'");
    browser.keys(&format!("{FULL}{ENTER}"));
    browser.until_text(".rows", "beta");
    // The tab keeps the token. The skip link comes first, and leads to the list.
    browser.open(&site.url());
    browser.until_text(".rows", "beta");
    browser.keys(&format!("{TAB}{ENTER}"));
    browser.until("document.activeElement?.textContent === 'alpha'");
    browser.keys(&format!("{DOWN}{ENTER}"));
    browser.until_text("#detail-title", "beta");
    browser.keys("r");
    browser.until("document.activeElement?.id === 'ask-yes'");
    browser.keys(ENTER);
    let next = site.world.pid_after("beta", pid);
    browser.until_text("#detail .facts", &next.to_string());
    browser.keys("x");
    browser.until("document.activeElement?.id === 'ask-reason'");
    browser.keys(&format!("tea{ENTER}"));
    browser.until_text("#detail .callout", "tea");
    browser.keys("s");
    site.world.pid_after("beta", next);
    browser.until_text("#detail .state", "running");
    browser.keys("l");
    browser.until("document.querySelector('.lines')");
    browser.keys("/needle");
    browser.until("document.activeElement?.id === 'log-search' && document.activeElement.value === 'needle'");
    browser.keys(&format!("{ESCAPE}{ESCAPE}"));
    browser.keys(ESCAPE);
    browser.until("document.querySelector('#detail').hidden && document.activeElement?.textContent === 'beta'");
    browser.keys("?");
    browser.until("document.querySelector('#help').open");
    browser.keys(ESCAPE);
    browser.until("!document.querySelector('#help').open");
    // With a focus that can be seen.
    browser.keys(TAB);
    assert_ne!(browser.js("return getComputedStyle(document.activeElement).outlineStyle"), "none");
}

#[test]
fn an_error_in_a_file_is_shown_with_its_line_until_it_is_mended() {
    let site = Site::with(&[("web", SLEEPER)]);
    let pid = site.world.pid("web");
    let Some(browser) = site.visit(DESK, READ) else { return };
    site.world.drop_file("web.toml", &format!("{SLEEPER}restrat = \"<i>\"\n"));
    browser.until_text("#files summary", "1 error in files");
    browser.click("#files summary");
    browser.until_text("#files .source", "restrat = \"<i>\"");
    browser.until("document.querySelector('#files .source u').textContent === 'restrat'");
    browser.until_text("#files .hint", "did you mean `restart`?");
    open(&browser, "web");
    browser.until_text("#detail .finding", "web.toml:2:1");
    browser.until_text("#detail .callout", "the last good version stays in force");
    site.world.drop_file("web.toml", SLEEPER);
    browser.until("document.querySelector('#files').hidden && !document.querySelector('#detail .finding')");
    assert_eq!(site.world.pid("web"), pid);
}

#[test]
fn a_stream_is_cut_into_the_same_events_wherever_it_breaks() {
    let site = Site::with(&[]);
    let Some(browser) = Browser::start(DESK, &[]) else { return };
    browser.open(&site.url());
    let cut = browser.later(
        r#"import("/page/api.js").then(({ events }) => {
            const text = ': hello\n\nid: a-0\n\nid: a-1\r\nevent: x\r\ndata: {"a":1}\r\n\r\ndata: one\ndata: two\n\n';
            const of = (...parts) => { const all = []; const feed = events((one) => all.push(one)); parts.forEach(feed); return JSON.stringify(all); };
            const whole = of(text);
            const same = Array.from(text, (_, at) => of(text.slice(0, at), text.slice(at)) === whole);
            done([whole, same.every(Boolean), of(...text) === whole]);
        }, (error) => done(String(error)))"#,
    );
    let expected = r#"[{"id":"a-0"},{"id":"a-1","data":"{\"a\":1}"},{"data":"one\ntwo"}]"#;
    assert_eq!(cut, serde_json::json!([expected, true, true]));
}

#[test]
fn of_many_services_only_those_in_sight_are_drawn() {
    let off = format!("{SLEEPER}enabled = false\n");
    let names: Vec<String> = (0..1500).map(|number| format!("s{number:04}")).collect();
    let services: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), off.as_str())).collect();
    let site = Site::with(&services);
    let Some(browser) = site.visit(DESK, READ) else { return };
    browser.until_text("#verdict", "All 1,500 services as desired");
    let few = "document.querySelectorAll('.rows .row').length < 100";
    browser.until(few);
    browser.js("document.querySelector('.rows .row a').focus()");
    browser.keys(END);
    browser.until("document.activeElement?.textContent === 's1499'");
    assert_eq!(
        browser.js(
            "const box = document.activeElement.getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight"
        ),
        true
    );
    browser.until(few);
    // An event among many redraws what it is about.
    site.world.drop_file("s1499.toml", SLEEPER);
    let begun = Instant::now();
    browser.until_text("[data-name='s1499'] .state", "running");
    assert!(begun.elapsed() < DEADLINE);
}

#[test]
fn on_a_phone_nothing_is_wider_than_the_screen() {
    let long = "description = \"words that go on and on, as those of services with a history tend to do\"\n";
    let site = Site::with(&[
        ("a-service-with-quite-a-long-name-that-somebody-chose", &format!("{SLEEPER}{long}")),
        ("typo", "comand = 1\n"),
    ]);
    let Some(browser) = site.visit(Look { width: 375, height: 740, dark: true }, FULL) else { return };
    let fits = "document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('.pane')].every((it) => it.hidden || it.scrollWidth <= it.clientWidth)";
    browser.until(fits);
    for tab in ["overview", "log", "events"] {
        browser.js(&format!("location.hash = '#/a-service-with-quite-a-long-name-that-somebody-chose/{tab}'"));
        browser.until("document.querySelector('#detail-title')");
        browser.until(fits);
    }
    assert!(!browser.sees("#left"), "one thing at a time");
    browser.click(".back");
    browser.until("document.querySelector('#left').checkVisibility()");
    let small = browser.js("return [...document.querySelectorAll('button, a.name, select, input')].filter((it) => it.checkVisibility() && it.closest('main') && it.getBoundingClientRect().height < 24 && it.tagName !== 'A').length");
    assert_eq!(small, 0, "what is to be touched is large enough");
}
