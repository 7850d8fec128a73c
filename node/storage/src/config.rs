//! What an operator may choose about the database.

use crate::OVERLAY_BLOCKS_MAX;
use primitives::Height;

/// Most megabytes of cache: more than any machine that runs a node has.
pub const CACHE_MB_MAX: usize = 1 << 20;
/// Fewest blocks whose states stay readable: those of the latest blocks are in memory anyway.
#[allow(clippy::cast_possible_truncation)] // It is 16.
pub const HISTORY_BLOCKS_MIN: Height = OVERLAY_BLOCKS_MAX as Height;

/// Choices about the database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Megabytes of memory that cache blocks of the database's files, in 1..=[`CACHE_MB_MAX`].
    pub cache_mb: usize,
    /// Megabytes of memory that cache values of the state, in 1..=[`CACHE_MB_MAX`]: about 5,000 accounts each.
    pub state_cache_mb: usize,
    /// Blocks before the head whose states stay readable, at least [`HISTORY_BLOCKS_MIN`]. Blocks, events and transactions
    /// stay in any case.
    pub history_blocks: Height,
    /// Whether all states stay readable from now on, whatever `history_blocks` is. States that are gone do not come back.
    pub archive: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_mb: 256, state_cache_mb: 512, history_blocks: 4_096, archive: false }
    }
}

impl Config {
    /// Checks each choice against its bounds; the error names it.
    pub fn validate(&self) -> Result<(), String> {
        let choices = [("cache_mb", self.cache_mb), ("state_cache_mb", self.state_cache_mb)];
        if let Some((name, mb)) = choices.iter().find(|(_, mb)| !(1..=CACHE_MB_MAX).contains(mb)) {
            return Err(format!("{name} is {mb}; choose 1 to {CACHE_MB_MAX}"));
        }
        if self.history_blocks < HISTORY_BLOCKS_MIN {
            let blocks = self.history_blocks;
            return Err(format!("history_blocks is {blocks}; choose {HISTORY_BLOCKS_MIN} or more"));
        }
        Ok(())
    }
}
