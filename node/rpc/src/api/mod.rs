//! The methods, by group.

mod archive;
mod artel;
mod author;
mod blobs;
mod chain;
mod chain_head;
mod chain_spec;
mod discover;
mod explain;
mod items;
mod json;
mod light;
mod payment;
mod proof;
mod query;
mod state;
mod storage;
mod system;
mod transactions;
mod watch;

use crate::module::Module;

/// Registers everything that is served; `keeps_all` says that the states after all blocks can be read. `rpc_methods` comes last,
/// as it names all.
pub(crate) fn register(module: &mut Module, keeps_all: bool) {
    system::register(module);
    chain::register(module);
    state::register(module);
    storage::register(module);
    author::register(module);
    payment::register(module);
    query::register(module);
    proof::register(module);
    explain::register(module);
    chain_spec::register(module);
    transactions::register(module);
    chain_head::register(module);
    if keeps_all {
        archive::register(module);
    }
    artel::register(module);
    light::register(module);
    blobs::register(module);
    discover::register(module);
    system::register_list(module);
}
