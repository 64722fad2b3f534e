//! abide keeps the processes of a machine true to a directory of files.
//!
//! Not a public API: the library exists so that the binary, the tests and the benches share one
//! body. The modules stand in the order of `ARCHITECTURE.md`: one may use those above it, never
//! those below.
//!
//! ```text
//! files ─▶ source ─▶ Delta ─▶ decide (pure) ─▶ Effect ─▶ host ─▶ processes
//!                               ▲    │                     │
//!                               │    └─▶ status.json       └─▶ table ◀─ keeper, logger
//!                               └────────── Event ◀──────────────┘
//! ```

pub mod model;
pub mod decide;
pub mod render;
pub mod table;
pub mod store;
pub mod supervisord;
pub mod supervisorctl;
pub mod host;
pub mod tools;
pub mod source;
pub mod log;
pub mod import;
pub mod logger;
pub mod keeper;
pub mod api;
pub mod daemon;
pub mod cli;
