//! The binary `abide-tools`: the commands of daemontools and nothing else. abide is all of them too; they stand before every
//! service, and a small program starts sooner: by how much, `benches/README.md` says.

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    abide::tools::answer(&words).unwrap_or_else(abide::tools::none).into()
}
