//! The JSON Schemas of what is declared in `shape`.

use schemars::JsonSchema;

/// The JSON Schema (draft 7) of the service file, for editors.
pub fn schema() -> serde_json::Value {
    schema_of::<super::shape::ServiceFile>()
}

/// The same of any table.
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: an optional key is one that may be absent, not one that may hold nothing.
fn without_null(value: &mut serde_json::Value) {
    use serde_json::Value as Json;
    match value {
        Json::Array(elements) => elements.iter_mut().for_each(without_null),
        Json::Object(map) => {
            if let Some(Json::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Json::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                // One choice is none; a reference stays wrapped, since draft 7 ignores what stands beside it.
                if let [Json::Object(only)] = choices.as_slice()
                    && !only.contains_key("$ref")
                {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            if let Some(Json::Array(words)) = map.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            map.retain(|key, value| key != "default" || !value.is_null());
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
