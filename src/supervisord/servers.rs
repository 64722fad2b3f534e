//! `[inet_http_server]`, `[unix_http_server]` and what is plugged in.

use super::ini::is_space;
use super::keys::Keys;
use super::sections::{Findings, Scene};
use super::shape::{Endpoint, Plugin, Server};
use super::values::{self, Refusal};
use super::{paths, quoted};

/// The servers, first those of TCP.
pub(super) fn read(scene: &Scene<'_>, findings: &mut Findings) -> Vec<Server> {
    let mut servers = Vec::new();
    for (prefix, endpoint) in [("inet_http_server", inet as fn(&mut Keys<'_>) -> Endpoint), ("unix_http_server", unix)]
    {
        for section in scene.sections_of(prefix) {
            let mut keys = Keys::new(scene, section);
            let endpoint = endpoint(&mut keys);
            let credentials = credentials(&mut keys);
            if keys.close(findings) {
                let (section, place) = (section.name.clone(), section.place.clone());
                servers.push(Server { section, place, endpoint, credentials });
            }
        }
    }
    servers
}

fn inet(keys: &mut Keys<'_>) -> Endpoint {
    if !keys.has("port") {
        keys.missing("port", "write port=127.0.0.1:9001, or another host and port");
    }
    let address = keys.optional("port", |text| {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = values::integer(port).ok().and_then(|port| u16::try_from(port).ok()).filter(|&port| port > 0);
        let port = port.ok_or_else(|| Refusal {
            message: format!("{} is not a host and a port", quoted(text)),
            help: "write host:port, or the port alone for all interfaces, from 1 to 65535".to_owned(),
        })?;
        Ok((if host == "*" { String::new() } else { host.to_lowercase() }, port))
    });
    let (host, port) = address.unwrap_or_default();
    Endpoint::Inet { host, port }
}

fn unix(keys: &mut Keys<'_>) -> Endpoint {
    let around = keys.scene.around;
    if !keys.has("file") {
        keys.missing("file", "write file=/run/supervisor.sock, or another path");
    }
    let file = keys.text("file").map(|file| paths::normal(file.trim_matches(is_space), around)).unwrap_or_default();
    let chown = keys.optional("chown", |text| values::owner(text, around));
    let chmod = keys.read("chmod", 0o700, values::octal);
    Endpoint::Unix { file, chmod, chown }
}

/// User name and password: both or none.
pub(super) fn credentials(keys: &mut Keys<'_>) -> Option<(String, String)> {
    let good = keys.is_good();
    let pair = (keys.text("username"), keys.text("password"));
    match pair {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) => None,
        (name, _) => {
            if good == keys.is_good() {
                let (there, lacks) = if name.is_some() { ("username", "password") } else { ("password", "username") };
                let message = format!("section [{}] has a {there}, but no {lacks}", keys.section.name);
                keys.refuse(there, message, "write both, or none for a server that asks nobody who they are");
            }
            None
        }
    }
}

/// The sections `prefix`NAME, each with its `factory`.
pub(super) fn plugins(scene: &Scene<'_>, prefix: &str, factory: &str, findings: &mut Findings) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    for section in scene.sections_of(prefix) {
        let mut keys = Keys::new(scene, section);
        if !keys.has(factory) {
            keys.missing(factory, "write module:callable of Python");
        }
        let callable = keys.text(factory).unwrap_or_default();
        let others = section.keys.keys().filter(|key| *key != factory);
        let extra = others.filter_map(|key| Some((key.clone(), keys.text(key)?))).collect();
        if keys.close(findings) {
            let (name, place) = (section.own_name().to_owned(), section.place.clone());
            plugins.push(Plugin { name, place, factory: callable, extra });
        }
    }
    plugins
}
