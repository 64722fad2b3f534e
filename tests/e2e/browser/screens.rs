//! Pictures of the page, to be looked at: `ABIDE_SCREENS=DIRECTORY cargo test --test e2e -- --ignored pictures`.

use super::driver::{Browser, Look};
use super::{FULL, Site, sign_in};
use crate::world::SLEEPER;
use std::path::Path;

const LOOKS: [(&str, Look); 4] = [
    ("desktop-light", Look { width: 1440, height: 900, dark: false }),
    ("desktop-dark", Look { width: 1440, height: 900, dark: true }),
    ("phone-light", Look { width: 390, height: 844, dark: false }),
    ("phone-dark", Look { width: 390, height: 844, dark: true }),
];

#[test]
#[ignore = "makes pictures for people"]
fn pictures() {
    let directory = std::env::var("ABIDE_SCREENS").unwrap_or_else(|_| "target/screens".to_owned());
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    for many in [5, 500] {
        let site = town(many);
        for (name, look) in LOOKS {
            picture(&site, look, Path::new(&directory), &format!("{many}-{name}"));
        }
    }
}

/// So many services, some of them in trouble.
fn town(many: usize) -> Site {
    let talks = "script = \"while :; do echo \\\"$(date +%T) GET /cart/$$ 200 in 12 ms\\\"; sleep 1; done\"\ndescription = \"the shop's front\"\n";
    let flaky = "script = \"echo cannot reach db:5432; sleep 2; exit 1\"\ndescription = \"sends what was ordered\"\n";
    let failed =
        "script = \"exit 3\"\ndescription = \"nightly figures\"\n[restart]\nlimit = { count = 1, window = \"1m\" }\n";
    let workers = format!("{SLEEPER}instances = 4\ndescription = \"resizes pictures\"\n");
    let mut services = vec![
        ("web".to_owned(), talks.to_owned()),
        ("mailer".to_owned(), flaky.to_owned()),
        ("report".to_owned(), failed.to_owned()),
        ("worker".to_owned(), workers),
        ("cache".to_owned(), format!("{SLEEPER}restrat = \"always\"\n")),
    ];
    for number in services.len()..many {
        let text = if number % 40 == 0 {
            flaky.to_owned()
        } else {
            format!("{SLEEPER}description = \"shard {number} of the index\"\n")
        };
        services.push((format!("shard-{number:03}"), text));
    }
    let services: Vec<(&str, &str)> = services.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let site = Site::with(&services);
    site.world.until("one has failed", |status| status.summary.failed >= 1);
    site
}

fn picture(site: &Site, look: Look, directory: &Path, name: &str) {
    let Some(browser) = Browser::start(look, &[]) else { return };
    let shoot = |what: &str| {
        let file = directory.join(format!("{name}-{what}.png"));
        std::fs::write(file, decoded(&browser.picture())).expect("the directory is writable");
    };
    browser.open(&site.url());
    browser.until("document.activeElement?.id === 'token'");
    shoot("sign-in");
    sign_in(&browser, FULL);
    browser.until_text("#verdict", "not as desired");
    browser.until("document.querySelector('#hour .bar')");
    shoot("list");
    for (place, sign) in [
        ("mailer", ".facts"),
        ("cache", ".finding"),
        ("worker", ".instances"),
        ("web/log", ".lines div"),
        ("mailer/events", ".feed li"),
    ] {
        browser.js(&format!("location.hash = '#/{place}'"));
        browser.until(&format!("document.querySelector('#detail {sign}')"));
        shoot(&place.replace('/', "-"));
    }
    browser.js("location.hash = '#/web'");
    browser.click("#detail [data-act='stop']");
    shoot("stop");
}

/// Base64 as WebDriver gives it.
fn decoded(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let sextets: Vec<u32> = text.bytes().filter_map(value).map(u32::from).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, sextet| bits << 6 | sextet) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    sextets.chunks(4).flat_map(group).collect()
}
