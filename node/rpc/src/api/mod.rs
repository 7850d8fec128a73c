//! The methods, by group.

mod artel;
mod author;
mod blobs;
mod chain;
mod discover;
mod explain;
mod json;
mod payment;
mod proof;
mod query;
mod state;
mod storage;
mod system;
mod watch;

use crate::module::Module;

/// Registers everything that is served. `rpc_methods` comes last, as it names all.
pub(crate) fn register(module: &mut Module) {
    system::register(module);
    chain::register(module);
    state::register(module);
    storage::register(module);
    author::register(module);
    payment::register(module);
    query::register(module);
    proof::register(module);
    explain::register(module);
    artel::register(module);
    blobs::register(module);
    discover::register(module);
    system::register_list(module);
}
