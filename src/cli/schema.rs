//! `abide schema --status`: the JSON Schema of the snapshot, made from the types themselves.

use crate::model::status::Status;

/// The JSON Schema (draft 2020-12) of `status.json`, pretty, ending in a newline.
pub fn status_schema() -> String {
    let schema = schemars::schema_for!(Status);
    let text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only");
    text + "\n"
}

/// `abide schema`: which schema.
#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {
    /// Print the schema of status.json instead of that of the service file
    #[arg(long)]
    pub status: bool,
}

/// Prints the schema that is asked for.
pub fn run(args: &SchemaArgs) -> u8 {
    let schema = if args.status { status_schema() } else { service_schema() };
    super::say(&schema);
    super::exit::OK
}

/// The JSON Schema (draft 7) of the service file, pretty, ending in a newline.
pub fn service_schema() -> String {
    format!("{:#}\n", crate::source::toml::schema::schema())
}
