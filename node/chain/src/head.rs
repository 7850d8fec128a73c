//! The last final block, as everybody may read it.

use primitives::{Certificate, Hash, Header, Height, Moment};
use runtime::Rules;
use std::sync::Arc;
use storage::Snapshot;

/// The last final block and the state after it. Clones share everything and never change.
#[derive(Clone, Debug)]
pub struct Head {
    /// Number of the block.
    pub height: Height,
    /// Hash of the block.
    pub hash: Hash,
    /// The block's header.
    pub header: Arc<Header>,
    /// The block's time, in milliseconds since 1970; 0 for genesis.
    pub time_ms: Moment,
    /// The state after the block.
    pub snapshot: Snapshot,
    /// Rules by which the next block is made.
    pub rules: Rules,
    /// Why it is final; genesis is by definition.
    pub certificate: Option<Arc<Certificate>>,
}

impl Head {
    /// Height of the block that follows.
    pub fn next_height(&self) -> Height {
        self.height.checked_add(1).expect("a block a second lasts 136 years")
    }
}
