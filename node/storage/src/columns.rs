//! The column families: their names, their keys and how RocksDB keeps them.

use crate::Config;
use primitives::{Hash, Height};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode,
    DataBlockIndexType, Options,
};

/// Height -> hash and header; height -> body; hash -> height. The key's first byte tells which.
pub(crate) const BLOCKS: &str = "blocks";
/// Height -> certificate.
pub(crate) const CERTIFICATES: &str = "certificates";
/// Raw key -> value at the flushed height.
pub(crate) const STATE: &str = "state";
/// Height -> forward diff of the block's state.
pub(crate) const CHANGES: &str = "changes";
/// Height -> value of `System.Events` after the block.
pub(crate) const EVENTS: &str = "events";
/// Transaction hash -> height and index.
pub(crate) const TRANSACTIONS: &str = "transactions";
/// Whatever the node keeps by name beside the chain.
pub(crate) const BLOBS: &str = "blobs";
/// The names below.
pub(crate) const META: &str = "meta";

/// Columns that grow: their entries stay, and are hardly ever overwritten.
pub(crate) const APPENDED: [&str; 5] = [BLOCKS, CERTIFICATES, CHANGES, EVENTS, TRANSACTIONS];

/// Format of everything in the database, a u32; raised when an older version could not read it.
pub(crate) const META_FORMAT: &str = "format";
/// Height and hash of the last block committed.
pub(crate) const META_HEAD: &str = "head";
/// Height up to which `state` holds all blocks.
pub(crate) const META_FLUSHED: &str = "flushed";

/// Most files that RocksDB keeps open; half of the usual limit of a process.
const OPEN_FILES_MAX: i32 = 512;
/// Log bytes after which RocksDB writes memtables out, so that a start replays no more than this.
const LOG_BYTES_MAX: u64 = 512 << 20;
/// Memtable of the state: many small flushes, so that much is overwritten before it is a file.
const STATE_BUFFER_BYTES: usize = 64 << 20;
/// Files of changes that are merged into the state's first sorted level together: each merge reads and writes much of
/// that level, so the fewer the better; a look at each file's filter takes a read outside the cache.
const STATE_FILES_COMPACTED: i32 = 16;
/// Bytes of the state's first sorted level.
const STATE_BASE_BYTES: u64 = 512 << 20;
/// Memtable of each column that grows by height.
const BLOCK_BUFFER_BYTES: usize = 32 << 20;
/// Bits of a Bloom filter for each key: 1 % of the lookups of absent keys read a block in vain.
const BLOOM_BITS: f64 = 10.0;

/// Deleted or overwritten entries that one step of a scan may skip in a memtable before RocksDB writes
/// it out. Schedules are queues: each scan begins where all earlier entries were deleted.
pub(crate) const SCAN_SKIPS_MAX: &str = "4096";
/// Seconds for which RocksDB leaves a file of the last level alone that holds what only an ended snapshot needed. Where
/// little is overwritten that is hardly more than the numbers of the writes, and without a delay each file is written twice.
pub(crate) const LAST_LEVEL_DELAY: &str = "86400";
/// Deletions among [`DELETIONS_WINDOW`] entries after which a file is compacted.
const DELETIONS_MAX: usize = 2_048;
/// Entries of a file that are looked at together for deletions.
const DELETIONS_WINDOW: usize = 4_096;

pub(crate) fn header_key(height: Height) -> [u8; 5] {
    tagged_height(b'h', height)
}

pub(crate) fn body_key(height: Height) -> [u8; 5] {
    tagged_height(b'b', height)
}

pub(crate) fn hash_key(hash: &Hash) -> [u8; 33] {
    let mut key = [b'n'; 33];
    key[1..].copy_from_slice(&hash.0);
    key
}

/// Key of the columns that are ordered by height.
pub(crate) fn height_key(height: Height) -> [u8; 4] {
    height.to_be_bytes()
}

fn tagged_height(tag: u8, height: Height) -> [u8; 5] {
    let mut key = [tag; 5];
    key[1..].copy_from_slice(&height.to_be_bytes());
    key
}

pub(crate) fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    options.set_keep_log_file_num(4);
    // A power cut can leave any mix of old and new bytes after the last sync. Replay ends at the
    // first record that is not whole, so it finds everything that was synced and a prefix of what
    // was not.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options
}

pub(crate) fn descriptors(config: &Config) -> Vec<ColumnFamilyDescriptor> {
    // 0: the cache finds out by itself how large its entries are.
    let cache = Cache::new_hyper_clock_cache(config.cache_mb << 20, 0);
    let with = |name, options| ColumnFamilyDescriptor::new(name, options);
    vec![
        with(STATE, state_options(&cache)),
        with(TRANSACTIONS, transaction_options(&cache)),
        with(BLOCKS, by_height_options(&cache)),
        with(CERTIFICATES, by_height_options(&cache)),
        with(CHANGES, by_height_options(&cache)),
        with(EVENTS, by_height_options(&cache)),
        with(BLOBS, by_height_options(&cache)),
        with(META, by_height_options(&cache)),
    ]
}

fn state_options(cache: &Cache) -> Options {
    let mut options = point_lookup_options(cache, STATE_BUFFER_BYTES);
    options.set_level_zero_file_num_compaction_trigger(STATE_FILES_COMPACTED);
    options.set_level_zero_slowdown_writes_trigger(2 * STATE_FILES_COMPACTED);
    options.set_level_zero_stop_writes_trigger(3 * STATE_FILES_COMPACTED);
    options.set_max_bytes_for_level_base(STATE_BASE_BYTES);
    options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_MAX, 0.0);
    options
}

/// For a file of changes that the state column takes over as it is.
pub(crate) fn state_file_options() -> Options {
    // What writes a file reads none, so it needs no cache.
    let mut options = state_options(&Cache::new_lru_cache(0));
    // It lives until the next compaction.
    options.set_compression_type(DBCompressionType::None);
    options
}

fn transaction_options(cache: &Cache) -> Options {
    let mut options = point_lookup_options(cache, BLOCK_BUFFER_BYTES);
    // Hashes do not compress.
    options.set_compression_type(DBCompressionType::None);
    options
}

/// For keys that are looked up one at a time, all over the column.
fn point_lookup_options(cache: &Cache, buffer_bytes: usize) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(4 << 10);
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_whole_key_filtering(true);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(buffer_bytes);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.05);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

/// For columns that grow at one end and are read in pieces of a block.
fn by_height_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(16 << 10);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(BLOCK_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}
