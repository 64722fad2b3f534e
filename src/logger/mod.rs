//! The writer: a process without tokio that brings the output of services into files.
