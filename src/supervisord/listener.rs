//! What `[eventlistener:NAME]` has over a program: the events.

use super::groups::Frame;
use super::keys::Keys;
use super::shape::GroupKind;
use super::{quoted, values};
use crate::model::nearest::nearest;

/// What a listener may ask for.
const EVENTS: [&str; 27] = [
    "EVENT",
    "PROCESS_COMMUNICATION",
    "PROCESS_COMMUNICATION_STDERR",
    "PROCESS_COMMUNICATION_STDOUT",
    "PROCESS_GROUP",
    "PROCESS_GROUP_ADDED",
    "PROCESS_GROUP_REMOVED",
    "PROCESS_LOG",
    "PROCESS_LOG_STDERR",
    "PROCESS_LOG_STDOUT",
    "PROCESS_STATE",
    "PROCESS_STATE_BACKOFF",
    "PROCESS_STATE_EXITED",
    "PROCESS_STATE_FATAL",
    "PROCESS_STATE_RUNNING",
    "PROCESS_STATE_STARTING",
    "PROCESS_STATE_STOPPED",
    "PROCESS_STATE_STOPPING",
    "PROCESS_STATE_UNKNOWN",
    "REMOTE_COMMUNICATION",
    "SUPERVISOR_STATE_CHANGE",
    "SUPERVISOR_STATE_CHANGE_RUNNING",
    "SUPERVISOR_STATE_CHANGE_STOPPING",
    "TICK",
    "TICK_3600",
    "TICK_5",
    "TICK_60",
];

/// What handles the results where `result_handler` does not say.
const HANDLER: &str = "supervisor.dispatchers:default_handler";

/// Reads the keys in the order in which the reference does. The name of a pool may be anything.
pub(super) fn frame(keys: &mut Keys<'_>) -> Frame {
    let name = keys.section.own_name().to_owned();
    let priority = keys.read("priority", -1, values::integer);
    let buffer_size = keys.read("buffer_size", 10, values::integer);
    if buffer_size < 1 {
        let message = format!("buffer_size: {buffer_size} is no room for an event");
        keys.refuse("buffer_size", message, "write 1 or more");
    }
    let result_handler = keys.text("result_handler").unwrap_or_else(|| HANDLER.to_owned());
    if result_handler != HANDLER {
        let message = format!("result_handler: {} is Python's and is not used", quoted(&result_handler));
        keys.warn("result_handler", message);
    }
    let events = events(keys);
    if keys.read("redirect_stderr", false, values::boolean) {
        let message = "redirect_stderr=true would mix messages into the listener's answers".to_owned();
        keys.refuse("redirect_stderr", message, "take it out");
    }
    Frame { name, priority, kind: GroupKind::Listener { events, buffer_size, result_handler } }
}

fn events(keys: &mut Keys<'_>) -> Vec<String> {
    let good = keys.is_good();
    let text = keys.text("events").unwrap_or_default();
    let mut events: Vec<String> = values::list(&text).iter().map(|event| event.to_uppercase()).collect();
    events.sort();
    events.dedup();
    if events.is_empty() && good == keys.is_good() {
        let help = "write events=EVENT, or those it wants, such as PROCESS_STATE or TICK_60";
        keys.refuse("events", format!("[{}] has no events", keys.section.name), help);
    }
    if let Some(event) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        let help = match nearest(event, EVENTS) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write some of {}", EVENTS.join(", ")),
        };
        keys.refuse("events", format!("events: {} is not a type of event", quoted(event)), help);
    }
    events
}
