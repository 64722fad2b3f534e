//! One row of the table of routes, from which the router, the OpenAPI document and the reference are made.

use super::doors::Doors;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// What is served at one path by one method.
#[derive(Debug)]
pub(super) struct Route {
    /// The method.
    pub(super) verb: Verb,
    /// The path, parameters in braces: `{name}` is one service, `{selectors}` one or more.
    pub(super) path: &'static str,
    /// Its name in the OpenAPI document.
    pub(super) id: &'static str,
    /// A line.
    pub(super) title: &'static str,
    /// A paragraph, or more.
    pub(super) about: &'static str,
    /// What the query can hold: an object with a property a parameter.
    pub(super) query: Option<SchemaOf>,
    /// What the body can hold, if there is one.
    pub(super) body: Option<SchemaOf>,
    /// What a good answer is.
    pub(super) gives: Gives,
    /// Statuses of answers that are no good ones, beside 400 and 503, each with when.
    pub(super) refuses: &'static [(u16, &'static str)],
    /// A request that works: path and query, then the body. `web` stands for a service that there is.
    pub(super) example: (&'static str, &'static str),
    /// Who answers.
    pub(super) serve: fn() -> MethodRouter<Doors>,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Looks and changes nothing.
    Get,
    /// Has something done.
    Post,
}

/// The schema of a type, and of what it is made of.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The form of a good answer.
#[derive(Debug)]
pub(super) enum Gives {
    /// One JSON document.
    Json(SchemaOf),
    /// A stream of events, each of whose `data` is this.
    Events(SchemaOf),
}

/// The schema of `T`, for a row.
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a query: where it stands, not by its name.
pub(super) fn inline<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// 404, for the routes that name services.
pub(super) const NO_SUCH: (u16, &str) = (404, "There is no such service.");
/// 403, for the routes that not everybody may use.
pub(super) const FORBIDDEN: (u16, &str) =
    (403, "You may not; `hint` has the lines of `abide.toml` that would allow it.");
