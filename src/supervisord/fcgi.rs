//! What `[fcgi-program:NAME]` has over a program: the socket.

use super::groups::{Frame, own_name};
use super::keys::Keys;
use super::shape::{GroupKind, Owner, Socket};
use super::values::{self, Refusal};
use super::{paths, quoted};

const FORMS: &str = "write unix:///path or tcp://host:port";

/// Reads the keys in the order in which the reference does.
pub(super) fn frame(keys: &mut Keys<'_>) -> Frame {
    let around = keys.scene.around;
    let name = own_name(keys);
    let priority = keys.read("priority", 999, values::integer);
    keys.know("program_name", &name);
    let backlog = keys.optional("socket_backlog", backlog);
    let user = keys.optional("user", |text| values::user(text, around));
    let owner = keys.optional("socket_owner", |text| values::owner(text, around));
    let mode = keys.optional("socket_mode", values::octal);
    if !keys.has("socket") {
        keys.missing("socket", FORMS);
    }
    let socket = keys.optional("socket", |text| match text.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => {
            Ok(Socket::Unix { path: paths::normal(path, around), mode: mode.unwrap_or(0o700), owner })
        }
        Some(path) => {
            let message = format!("{} is not an absolute path", quoted(path));
            Err(Refusal { message, help: "write unix:// and a path that begins with a slash".to_owned() })
        }
        None => tcp(text, owner, mode),
    });
    // A frame without a socket has a fault, so nobody sees this one.
    let socket = socket.unwrap_or(Socket::Tcp { host: String::new(), port: 0 });
    Frame { name, priority, kind: GroupKind::Fcgi { socket, backlog, user } }
}

fn backlog(text: &str) -> Result<u16, Refusal> {
    let backlog = values::integer(text)?;
    u16::try_from(backlog).ok().filter(|&backlog| backlog > 0).ok_or_else(|| Refusal {
        message: format!("{backlog} is not a length of a queue"),
        help: "write a number from 1 to 65535, or leave it to the system".to_owned(),
    })
}

fn tcp(text: &str, owner: Option<Owner>, mode: Option<u32>) -> Result<Socket, Refusal> {
    let refusal = |why: &str, help: &str| Refusal { message: format!("{} {why}", quoted(text)), help: help.to_owned() };
    if owner.is_some() || mode.is_some() {
        let why = "is not a unix socket, so it can have neither socket_owner nor socket_mode";
        return Err(refusal(why, "take them out, or write unix:///path"));
    }
    let parts = text.strip_prefix("tcp://").and_then(|rest| rest.split_once(':'));
    let is_host = |host: &str| !host.is_empty() && !host.contains(super::ini::is_space);
    let Some((host, port)) = parts
        .filter(|(host, port)| is_host(host) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    else {
        return Err(refusal("is not a socket", FORMS));
    };
    match port.parse() {
        Ok(port @ 1..) => Ok(Socket::Tcp { host: host.to_lowercase(), port }),
        _ => Err(refusal("has a port that there is not", "write a port from 1 to 65535")),
    }
}
