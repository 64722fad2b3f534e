//! The binary `abide`: turns an outcome into an exit code.

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    // First: these stand before every service of daemontools, and what they do not need costs each start.
    let code = abide::tools::answer(&words).unwrap_or_else(|| abide::cli::main(words));
    code.into()
}
