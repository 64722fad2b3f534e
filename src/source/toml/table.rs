//! How a table of keys is declared: once, with the paragraph that explains each key.

use super::reader::Value;

/// Declares a table: its keys with their types and, after `later`, the keys that a later release will have.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $type:ty,)+ } later $later:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $key: Option<$type>,)+
        }

        impl $name {
            /// Its keys.
            pub const KEYS: &'static [&'static str] = &[$($crate::source::toml::table::bare(stringify!($key))),+];
        }

        impl $crate::source::toml::reader::Value for $name {
            fn read(
                reader: &mut $crate::source::toml::reader::Reader<'_>,
                path: &str,
                node: &$crate::source::toml::reader::Node<'_>,
            ) -> Option<Self> {
                let ::toml::de::DeValue::Table(table) = node.get_ref() else {
                    reader.wrong_type(path, node, "a table", &format!("[{path}]"));
                    return None;
                };
                let mut read = Self::default();
                for (key, node) in table {
                    let inner = $crate::source::toml::table::join(path, key.get_ref());
                    match key.get_ref().as_ref() {
                        $(known if known == $crate::source::toml::table::bare(stringify!($key)) => {
                            let span = if node.get_ref().is_table() { key.span() } else { node.span() };
                            reader.place(&inner, span);
                            read.$key = $crate::source::toml::reader::Value::read(reader, &inner, node);
                        })+
                        other => reader.unknown(path, other, key.span(), Self::KEYS, $later),
                    }
                }
                Some(read)
            }

            fn over(self, under: Self) -> Self {
                Self { $($key: $crate::source::toml::table::over(self.$key, under.$key),)+ }
            }
        }
    };
}
pub(crate) use table;

/// A key that is a word of Rust, as people write it.
pub(crate) const fn bare(key: &'static str) -> &'static str {
    match key.as_bytes() {
        [b'r', b'#', ..] => key.split_at(2).1,
        _ => key,
    }
}

/// `key` inside the table `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The upper one, completed by the lower one.
pub(crate) fn over<T: Value>(upper: Option<T>, under: Option<T>) -> Option<T> {
    match (upper, under) {
        (Some(upper), Some(under)) => Some(upper.over(under)),
        (upper, under) => upper.or(under),
    }
}
