//! `[supervisorctl]`, which only the client looks at.

use super::keys::Keys;
use super::sections::{Findings, Scene};
use super::shape::Ctl;
use super::{paths, servers, values};

/// The section and its plugins.
pub(super) fn read(scene: &Scene<'_>, findings: &mut Findings) -> Option<Ctl> {
    let section = scene.section("supervisorctl")?;
    let around = scene.around;
    let mut keys = Keys::new(scene, section);
    let serverurl = keys.text("serverurl").map(|text| values::url(&text, around));
    let serverurl = serverurl.unwrap_or_else(|| "http://localhost:9001".to_owned());
    let prompt = keys.text("prompt").unwrap_or_else(|| "supervisor".to_owned());
    let username = keys.text("username");
    let password = keys.text("password");
    let history_file = keys.text("history_file").filter(|file| !file.is_empty());
    let history_file = history_file.map(|file| paths::normal(&file, around));
    let good = keys.close(findings);
    let plugins = servers::plugins(scene, "ctlplugin:", "supervisor.ctl_factory", findings);
    good.then_some(Ctl { serverurl, username, password, prompt, history_file, plugins })
}
