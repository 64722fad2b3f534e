//! The OpenAPI document: the table of routes, and the schemas of the very types that are read and written.

use super::problem::Problem;
use super::route::{Gives, Route, SchemaOf, Verb};
use super::routes;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// What the API is, in a paragraph.
const ABOUT: &str = "Everything that the command line does, over HTTP: on the unix socket `control.sock` in abide's runtime \
directory (`curl --unix-socket /run/abide/control.sock http://abide/v1/status`), and over TCP where `[http]` of `abide.toml` says so. \
Times are RFC 3339 in UTC, durations are written `250ms`, `10s`, `1h30m`. What goes wrong is a problem document (RFC 9457) \
whose `hint` says what to do. Within version 1 fields, events and routes are added and none is taken away: pass over what you do not know.";

/// The two generators: a field may be left out of what is sent where it has a default, and of an answer where it is empty.
struct Schemas {
    asked: SchemaGenerator,
    given: SchemaGenerator,
}

/// The OpenAPI 3.1 document of all that is served.
pub fn document() -> Value {
    let settings = || SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into());
    let asked = settings().into_generator();
    let given = settings().for_serialize().into_generator();
    let mut schemas = Schemas { asked, given };
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let verb = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[verb] = operation(route, &mut schemas);
    }
    let problem = schemas.given.subschema_for::<Problem>();
    let mut components = schemas.asked.take_definitions(true);
    components.append(&mut schemas.given.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "abide", "version": "1", "description": ABOUT },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": { "Problem": {
                "description": "What went wrong, and what to do.",
                "content": { "application/problem+json": { "schema": problem } },
            } },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.title,
        "description": route.about,
        "parameters": parameters(route, &mut schemas.asked),
        "responses": responses(route, &mut schemas.given),
        "x-example": example(route),
    });
    if let Some(body) = route.body {
        let schema = body(&mut schemas.asked);
        let needed = route.example.1.contains("signal");
        operation["requestBody"] =
            json!({ "required": needed, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// The request that works, for people.
fn example(route: &Route) -> Value {
    match route.example {
        (path, "") => json!({ "path": path }),
        (path, body) => json!({ "path": path, "body": body }),
    }
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2).map(in_path);
    let query = route.query.map(|query| query(generator).to_value());
    let required = |name: &str| {
        let names = query.as_ref().and_then(|query| query["required"].as_array());
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    let properties = query.as_ref().and_then(|query| query["properties"].as_object());
    let in_query = properties.into_iter().flatten().map(|(name, schema)| {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        not_null(&mut schema);
        json!({ "name": name, "in": "query", "required": required(name), "description": about, "schema": schema })
    });
    in_path.chain(in_query).collect()
}

/// In a query nothing is null: it is there or it is not.
fn not_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|it| it != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            fields.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
        any.retain(|it| it["type"] != "null");
    }
}

fn in_path(name: &str) -> Value {
    let (about, pattern) = match name {
        "selectors" => (
            "One or more, with commas between them: services (`web`), patterns (`web*`), instances (`web@2`), states (`@failed`).",
            "^[A-Za-z0-9._*?-]+(@[0-9]{1,4})?(,[A-Za-z0-9._*?-]+(@[0-9]{1,4})?){0,3}$",
        ),
        _ => ("The name of a service.", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:[A-Za-z0-9][A-Za-z0-9._-]*)?$"),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": { "type": "string", "pattern": pattern } })
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let (media, content) = match &route.gives {
        Gives::Json(schema) => ("application/json", json!({ "schema": of(*schema, generator) })),
        Gives::Text(media) => (*media, json!({ "schema": { "type": "string" } })),
        // OpenAPI has no word for a stream; `x-data` is what each event's `data` is.
        Gives::Events(schema) => {
            ("text/event-stream", json!({ "schema": { "type": "string" }, "x-data": of(*schema, generator) }))
        }
    };
    let mut responses = json!({
        "200": { "description": "Done.", "content": { media: content.clone() } },
        "default": { "$ref": "#/components/responses/Problem" },
    });
    for (status, when) in [(400, "The request cannot be understood.")].iter().chain(route.refuses) {
        // What was refused is told target by target, in the form of a good answer.
        let told = if *status == 409 && route.verb == Verb::Post {
            json!({ media: content })
        } else {
            let problem = generator.subschema_for::<Problem>();
            json!({ "application/problem+json": { "schema": problem } })
        };
        responses[status.to_string()] = json!({ "description": when, "content": told });
    }
    responses
}

fn of(schema: SchemaOf, generator: &mut SchemaGenerator) -> Schema {
    schema(generator)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_in_the_document_once_under_a_name_of_its_own() {
        let document = document();
        let (mut ids, mut count) = (BTreeSet::new(), 0);
        for route in routes::all() {
            let verb = if route.verb == Verb::Get { "get" } else { "post" };
            assert_eq!(document["paths"][route.path][verb]["operationId"], route.id);
            assert!(ids.insert(route.id), "{} stands for two", route.id);
            assert!(!route.title.is_empty() && !route.about.is_empty() && !route.example.0.is_empty(), "{}", route.id);
            count += 1;
        }
        let operations = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
        assert_eq!(operations.sum::<usize>(), count);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_parameter_is_explained() {
        let document = document();
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            if let Some(to) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
            }
            if value.get("in").is_some() {
                assert!(value["description"].as_str().is_some_and(|about| !about.is_empty()), "{value}");
            }
            match value {
                Value::Array(values) => open.extend(values),
                Value::Object(values) => open.extend(values.values()),
                _ => {}
            }
        }
    }
}
