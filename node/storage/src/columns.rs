//! The column families: their names, their keys and how RocksDB keeps them.

use crate::{Config, history, horizon::Horizon};
use primitives::{Hash, Height};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionDecision,
    DBCompactionStyle, DBCompressionType, DBRecoveryMode, DataBlockIndexType, Options,
    SliceTransform, UniversalCompactOptions,
    compaction_filter::CompactionFilter,
    compaction_filter_factory::{CompactionFilterContext, CompactionFilterFactory},
};
use std::{ffi::CStr, sync::Arc};

/// Height -> hash and header; height -> body; hash -> height; height -> validators of the next blocks, where they change.
/// The key's first byte tells which.
pub(crate) const BLOCKS: &str = "blocks";
/// Height -> certificate.
pub(crate) const CERTIFICATES: &str = "certificates";
/// Raw key -> value at the flushed height.
pub(crate) const STATE: &str = "state";
/// Escaped raw key and height -> what the key had before the block; see [`history`].
pub(crate) const HISTORY: &str = "history";
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
/// Lowest height whose state can be read; genesis if there is no such entry.
pub(crate) const META_OLDEST: &str = "oldest";

/// Lowest height above genesis from which on blocks are stored, if they are not from genesis on.
pub(crate) const META_FIRST: &str = "first";
/// The block whose state is being imported.
pub(crate) const META_IMPORT: &str = "import";
/// Begins the keys of `meta` that name the subtrees which are imported.
pub(crate) const META_IMPORTED: &[u8] = b"imported.";

/// Threads of RocksDB: one writes memtables out, two compact. It uses the second of these only where files pile up,
/// so that a long compaction of one column does not hold up another's.
const BACKGROUND_JOBS: i32 = 3;
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
/// Files of the history that are merged into one: the more, the fewer times each entry is written again. A read at an old
/// height looks at the filter of each, and a scan into each.
const HISTORY_FILES_COMPACTED: i32 = 64;
/// Files of the history at which writes slow down, and at which they wait: compactions are far behind then.
const HISTORY_FILES_SLOW: i32 = 16 * HISTORY_FILES_COMPACTED;
const HISTORY_FILES_MAX: i32 = 32 * HISTORY_FILES_COMPACTED;
/// Levels of the history, each of which is one run of files that has been merged; what has no level of its own is one file.
const HISTORY_LEVELS: i32 = 24;
/// Percent of the oldest, largest run that newer ones may have before all are merged and what is pruned goes: so the history
/// takes at most about three times what it needs.
const HISTORY_SPARE_PERCENT: i32 = 200;
/// The same where nothing is pruned, and a merge of everything would gain nothing.
const ARCHIVE_SPARE_PERCENT: i32 = 1_000_000;
/// Seconds after which a file of the history is merged in any case, so that what is pruned goes from a quiet chain too.
const HISTORY_MERGED_SECONDS: u64 = 86_400;
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

pub(crate) fn validators_key(height: Height) -> [u8; 5] {
    tagged_height(b'v', height)
}

/// The height in a key of validators; `None` for other keys.
pub(crate) fn height_of_validators(key: &[u8]) -> Option<Height> {
    let height = <[u8; 4]>::try_from(key.strip_prefix(b"v")?).ok()?;
    Some(Height::from_be_bytes(height))
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
    options.set_max_background_jobs(BACKGROUND_JOBS);
    // A power cut can leave any mix of old and new bytes after the last sync. Replay ends at the
    // first record that is not whole, so it finds everything that was synced and a prefix of what
    // was not.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options
}

pub(crate) fn descriptors(config: &Config, horizon: &Arc<Horizon>) -> Vec<ColumnFamilyDescriptor> {
    // 0: the cache finds out by itself how large its entries are.
    let cache = Cache::new_hyper_clock_cache(config.cache_mb << 20, 0);
    let with = |name, options| ColumnFamilyDescriptor::new(name, options);
    vec![
        with(STATE, state_options(&cache)),
        with(HISTORY, pruned_history_options(&cache, config, horizon)),
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

/// For a file of changes that a column takes over as it is.
pub(crate) fn file_options(column: &str) -> Options {
    // What writes a file reads none, so it needs no cache.
    let cache = Cache::new_lru_cache(0);
    if column == HISTORY {
        return history_options(&cache);
    }
    let mut options = state_options(&cache);
    // It lives until the next compaction.
    options.set_compression_type(DBCompressionType::None);
    options
}

fn pruned_history_options(cache: &Cache, config: &Config, horizon: &Arc<Horizon>) -> Options {
    let mut options = history_options(cache);
    let mut merges = UniversalCompactOptions::default();
    if config.archive {
        merges.set_max_size_amplification_percent(ARCHIVE_SPARE_PERCENT);
        options.set_periodic_compaction_seconds(0);
        options.set_ttl(0);
    } else {
        merges.set_max_size_amplification_percent(HISTORY_SPARE_PERCENT);
        options.set_periodic_compaction_seconds(HISTORY_MERGED_SECONDS);
        options.set_compaction_filter_factory(Pruning(horizon.clone()));
    }
    options.set_universal_compaction_options(&merges);
    options
}

/// For entries that are written once, hardly read, and go by age.
fn history_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(4 << 10);
    // The filters know raw keys. They take about as much memory as is read of them: in pieces, in the cache.
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_whole_key_filtering(false);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    let raw_key = SliceTransform::create(c"artel.raw_key", raw_key, Some(has_raw_key));
    options.set_prefix_extractor(raw_key);
    options.set_memtable_prefix_bloom_ratio(0.05);
    options.set_write_buffer_size(BLOCK_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_num_levels(HISTORY_LEVELS);
    options.set_level_zero_file_num_compaction_trigger(HISTORY_FILES_COMPACTED);
    options.set_level_zero_slowdown_writes_trigger(HISTORY_FILES_SLOW);
    options.set_level_zero_stop_writes_trigger(HISTORY_FILES_MAX);
    options
}

fn has_raw_key(entry: &[u8]) -> bool {
    history::split(entry).is_some()
}

fn raw_key(entry: &[u8]) -> &[u8] {
    history::split(entry).map_or(entry, |(raw_key, _)| raw_key)
}

/// Leaves out of compactions of the history what no readable state needs.
struct Pruning(Arc<Horizon>);

/// The same for one compaction: entries at this height and below go.
struct PruningTo(Height);

impl CompactionFilterFactory for Pruning {
    type Filter = PruningTo;

    fn create(&mut self, _: CompactionFilterContext) -> PruningTo {
        PruningTo(self.0.floor())
    }

    fn name(&self) -> &CStr {
        c"artel.pruning"
    }
}

impl CompactionFilter for PruningTo {
    fn filter(&mut self, _level: u32, entry: &[u8], _value: &[u8]) -> CompactionDecision {
        match history::split(entry) {
            Some((_, height)) if height <= self.0 => CompactionDecision::Remove,
            _ => CompactionDecision::Keep,
        }
    }

    fn name(&self) -> &CStr {
        c"artel.pruning"
    }
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
