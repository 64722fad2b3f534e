//! The binary `abide-tools`: the commands of daemontools and nothing else. abide is all of them too; this one starts in a
//! third of the time, since it has a thirtieth of what the kernel has to bring in, and they stand before every service.

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    abide::tools::answer(&words).unwrap_or_else(abide::tools::none).into()
}
