//! Events: what happens, told to listeners.

mod capture;
mod event;
mod kind;
mod listener;
mod notice;
mod payload;
mod pool;
mod pools;
mod tick;

pub use capture::{Capture, Piece};
pub use event::{Change, Event};
pub use kind::{Refusal, Type, subscription};
pub use listener::State;
pub use notice::Notice;
pub use pool::{Action, Level, Pool, Settings};
pub use pools::Pools;
pub use tick::{Period, next_tick, ticks};
