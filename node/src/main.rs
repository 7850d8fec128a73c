//! The `artel` binary: see `artel help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    artel_node::cli::main()
}
