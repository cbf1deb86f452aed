//! The `owl` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    owl::cli::main()
}
