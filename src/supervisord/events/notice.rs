//! An event on its way to one pool.

use super::Type;
use serde::{Deserialize, Serialize};

/// An event as a pool holds it. Sent again it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its number among all events that some pool took.
    pub serial: u64,
    /// Its number among the events of the pool.
    pub pool_serial: u64,
    /// Its type.
    pub kind: Type,
    /// Its text.
    pub payload: String,
}

impl Notice {
    /// What is written to the listener. The length is in characters: listeners read text.
    pub fn envelope(&self, identifier: &str, pool: &str) -> String {
        let Self { serial, pool_serial, kind, payload } = self;
        let (kind, length) = (kind.name(), payload.chars().count());
        format!(
            "ver:3.0 server:{identifier} serial:{serial} pool:{pool} poolserial:{pool_serial} eventname:{kind} len:{length}\n{payload}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_in_characters() {
        let payload = "type:ty:pe x\nda€ta\n".to_owned();
        let notice = Notice { serial: 42, pool_serial: 38, kind: Type::RemoteCommunication, payload };
        let expected =
            "ver:3.0 server:supervisor serial:42 pool:all poolserial:38 eventname:REMOTE_COMMUNICATION len:19\n";
        assert_eq!(notice.envelope("supervisor", "all"), format!("{expected}{}", notice.payload));
    }
}
