//! Durations and sizes as people write them: parse, print, round-trip.
