//! A TOML text as plain values that know where they stand.
//!
//! Pure: text in, values and findings out. [`shape`] is the one place where keys are declared and
//! explained; [`values`] reads single values; [`reader`] walks a text and collects what is wrong.

pub mod bounds;
pub mod life;
pub mod names;
pub mod reader;
pub mod schema;
pub mod select;
pub mod shape;
pub(crate) mod table;
pub mod values;
pub mod variables;
pub(super) mod escapes;
