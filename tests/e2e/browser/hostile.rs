//! Pages of other sites in the same browser: they reach the port, and get and do nothing.

use super::driver::{Browser, DESK};
use super::{FULL, Site};
use crate::world::SLEEPER;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Serves one page to everybody, for as long as the test runs.
fn site_of_others(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        // Browsers open connections that they may need: one that says nothing must not hold up the others.
        for mut stream in listener.incoming().map_while(Result::ok) {
            let page = page.clone();
            std::thread::spawn(move || {
                let asked = stream.read(&mut [0; 4096]);
                let length = page.len();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
                if asked.is_ok_and(|bytes| bytes > 0) {
                    let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{page}");
                }
            });
        }
    });
    port
}

/// What a page tries with an abide at `target`, knowing even a token of its; each attempt's outcome under its name.
fn attack(target: &str) -> String {
    format!(
        "const target = '{target}', token = {{ authorization: 'Bearer {FULL}' }};
         const attempt = (path, options) => fetch(target + path, options).then((it) => it.type === 'opaque' ? 'unread' : it.text(), () => 'failed');
         const form = () => new Promise((over) => {{
             const frame = document.createElement('iframe'); frame.name = 'f'; document.body.append(frame);
             const form = document.createElement('form');
             Object.assign(form, {{ method: 'POST', action: target + 'v1/services/web/restart', target: 'f', enctype: 'text/plain' }});
             document.body.append(form); frame.addEventListener('load', () => over('sent')); form.submit(); setTimeout(() => over('sent'), 3000);
         }});
         Promise.all([
             attempt('v1/status', {{}}), attempt('v1/status', {{ headers: token }}), attempt('v1/status', {{ mode: 'no-cors' }}),
             attempt('v1/services/web/restart', {{ method: 'POST', headers: token }}),
             attempt('v1/services/web/restart', {{ method: 'POST', mode: 'no-cors', body: '{{}}' }}), form(),
         ]).then((all) => done(all.join(' ')));"
    )
}

#[test]
fn another_name_for_the_same_address_gets_nothing() {
    let site = Site::with(&[("web", SLEEPER)]);
    let pid = site.world.pid("web");
    let Some(browser) = Browser::start(DESK, &["--host-resolver-rules=MAP rebound.example 127.0.0.1"]) else { return };
    let url = format!("http://rebound.example:{}/", site.port);
    browser.open(&url);
    assert!(!browser.sees("#token"), "no page for another's name");
    assert!(browser.text("body").contains("no abide is called rebound.example"), "{}", browser.text("body"));
    // A script of that name is of the same origin: only the name gives it away.
    let outcome = browser.later(&attack(&url));
    let said = outcome.as_str().expect("text");
    assert!(!said.contains("\"services\"") && said.contains("bad-host"), "{said}");
    assert_eq!(site.world.pid("web"), pid);
}

#[test]
fn a_page_of_another_site_reads_and_changes_nothing() {
    let site = Site::with(&[("web", SLEEPER)]);
    let pid = site.world.pid("web");
    let target = site.url();
    let port = site_of_others(format!("<body>trap<iframe id=framed src={target}></iframe>"));
    let Some(browser) = Browser::start(DESK, &["--host-resolver-rules=MAP trap.example 127.0.0.1"]) else { return };
    // Another site by name, and another port of the same.
    for origin in ["trap.example", "127.0.0.1"] {
        browser.open(&format!("http://{origin}:{port}/"));
        browser.until_text("body", "trap");
        let outcome = browser.later(&attack(&target));
        assert_eq!(outcome, "failed failed failed failed failed sent", "{origin}");
        let framed = browser.js("try { return document.getElementById('framed').contentDocument?.body?.innerText ?? '' } catch { return 'unreadable' }");
        assert!(!framed.as_str().unwrap_or_default().contains("Sign in"), "{framed}");
    }
    // What was sent has been answered: a later order is carried out, and none came before it.
    assert_eq!(site.world.pid("web"), pid);
    let Some(visitor) = site.visit(DESK, FULL) else { return };
    visitor.until_text(".rows", "web");
    let restarted = site.world.events().iter().any(|event| event["service"] == "web" && event["from"] == "stopping");
    assert!(!restarted, "{:?}", site.world.events());
}
