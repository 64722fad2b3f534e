//! The binary `abide`: turns an outcome into an exit code.

fn main() -> std::process::ExitCode {
    abide::cli::main(std::env::args_os()).into()
}
