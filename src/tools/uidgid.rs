//! setuidgid, envuidgid: run a program under an account, or with the ids of one in its environment.

use std::ffi::{CString, OsString};

use nix::unistd::{self, Gid, Uid, User};

use super::chain::{self, Program};
use super::errno::text;
use super::say;

/// The account that the first operand names, and the program after it.
fn account<'a>(tool: &str, words: &'a [OsString]) -> Result<(User, &'a [OsString]), u8> {
    let [_, name, child @ ..] = words else { return Err(usage(tool)) };
    if child.is_empty() {
        return Err(usage(tool));
    }
    let user = name.to_str().and_then(|name| User::from_name(name).ok().flatten());
    let user = user.ok_or_else(|| say::fatal(tool, &[&"unknown account ", name]))?;
    Ok((user, child))
}

fn usage(tool: &str) -> u8 {
    say::line(&[&tool, &": usage: ", &tool, &" account child"], &[]);
    say::USAGE
}

/// Gives up all rights but those of the account, for good.
fn become_user(tool: &str, uid: Uid, gid: Gid) -> Result<(), u8> {
    unistd::setgroups(&[gid])
        .and_then(|()| unistd::setgid(gid))
        .map_err(|errno| say::fatal(tool, &[&"unable to setgid: ", &text(errno)]))?;
    unistd::setuid(uid).map_err(|errno| say::fatal(tool, &[&"unable to setuid: ", &text(errno)]))
}

/// setuidgid.
pub(super) fn setuidgid(words: &[OsString]) -> u8 {
    const TOOL: &str = "setuidgid";
    let end = account(TOOL, words).and_then(|(user, child)| {
        become_user(TOOL, user.uid, user.gid)?;
        Ok(chain::run(TOOL, child))
    });
    end.unwrap_or_else(|code| code)
}

/// envuidgid.
pub(super) fn envuidgid(words: &[OsString]) -> u8 {
    const TOOL: &str = "envuidgid";
    let (user, child) = match account(TOOL, words) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let mut program = Program::new(child);
    for setting in [format!("GID={}", user.gid), format!("UID={}", user.uid)] {
        // Digits hold no NUL.
        program.change(CString::new(setting).unwrap_or_default());
    }
    chain::unable(TOOL, child, program.prepare().exec())
}
