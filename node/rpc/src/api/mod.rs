//! The methods, by group.

mod artel;
mod author;
mod blobs;
mod chain;
mod json;
mod payment;
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
    artel::register(module);
    blobs::register(module);
    system::register_list(module);
}
