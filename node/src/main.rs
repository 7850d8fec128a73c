//! The `artel` binary: see `artel help`.

use std::process::ExitCode;

/// Threads hand transactions to each other by the ten thousand, which the system's allocator is slow at; and it gives
/// memory back late. RocksDB allocates from it as well.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    artel_node::cli::main()
}
