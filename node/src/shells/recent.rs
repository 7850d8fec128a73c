//! Blocks that are proposed, whole, for those who ask and for whoever makes them final.

use primitives::{Block, Hash, Height};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Most blocks that are kept.
const BLOCKS_MAX: usize = 16;
/// Bytes from which on the oldest blocks go.
const BYTES_MAX: usize = 64 << 20;

/// A block as it came.
#[derive(Clone)]
pub struct Whole {
    /// Its hash.
    pub hash: Hash,
    /// The block.
    pub block: Arc<Block>,
    /// Its SCALE bytes.
    pub bytes: consensus::Bytes,
}

impl Whole {
    /// Height of the block.
    pub fn height(&self) -> Height {
        self.block.header.number
    }
}

/// The latest blocks, the newest last. Clones share them.
#[derive(Clone, Default)]
pub struct Recent(Arc<Mutex<VecDeque<Whole>>>);

impl Recent {
    /// Keeps a block.
    pub fn put(&self, whole: Whole) {
        let mut blocks = self.lock();
        if blocks.iter().any(|known| known.hash == whole.hash) {
            return;
        }
        blocks.push_back(whole);
        let mut bytes: usize = blocks.iter().map(|whole| whole.bytes.len()).sum();
        while blocks.len() > BLOCKS_MAX || (bytes > BYTES_MAX && blocks.len() > 1) {
            let oldest = blocks.pop_front().expect("there are several");
            bytes -= oldest.bytes.len();
        }
    }

    /// The block with this hash.
    pub fn get(&self, hash: &Hash) -> Option<Whole> {
        self.lock().iter().find(|whole| whole.hash == *hash).cloned()
    }

    /// Nothing that is done under the lock leaves the list in pieces.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Whole>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
