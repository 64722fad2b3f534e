//! What all three processes know: the mapped file, its head and its slots.
