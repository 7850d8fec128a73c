//! The load through Substrate's trie, its nodes in RocksDB under hash and prefix.

use crate::{Cost, Entries, Load};
use hash_db::{AsHashDB, HashDB, Hasher, Prefix};
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};
use sp_core::Blake2Hasher;
use sp_trie::{
    DBValue, LayoutV1, PrefixedMemoryDB,
    cache::{CacheSize, SharedTrieCache},
    delta_trie_root, empty_trie_root, prefixed_key,
};
use std::time::Instant;

type Layout = LayoutV1<Blake2Hasher>;
type Hash = <Blake2Hasher as Hasher>::Out;

const TRIE_CACHE_BYTES: usize = 1 << 30;
const BLOCK_CACHE_BYTES: usize = 512 << 20;
/// Keys inserted at a time while the first state is made.
const FILL_KEYS: usize = 50_000;

struct Chain {
    db: DB,
    cache: SharedTrieCache<Blake2Hasher>,
    root: Hash,
}

/// The database with the nodes that are not written yet.
struct Nodes<'a> {
    db: &'a DB,
    new: PrefixedMemoryDB<Blake2Hasher>,
}

pub fn run(load: &Load) -> anyhow::Result<Vec<Cost>> {
    let folder = tempfile::tempdir()?;
    let cache = SharedTrieCache::new(CacheSize::new(TRIE_CACHE_BYTES), None);
    let db = DB::open(&options(), folder.path())?;
    let mut chain = Chain { db, cache, root: empty_trie_root::<Layout>() };
    let mut first_state = load.first_state();
    loop {
        let entries: Entries = first_state.by_ref().take(FILL_KEYS).collect();
        if entries.is_empty() {
            break;
        }
        chain.commit(entries)?;
    }
    (0..load.blocks).map(|block| chain.commit(load.block(block))).collect()
}

impl Chain {
    fn commit(&mut self, entries: Entries) -> anyhow::Result<Cost> {
        let start = Instant::now();
        let mut nodes = Nodes { db: &self.db, new: PrefixedMemoryDB::default() };
        let delta = entries.into_iter().map(|(key, value)| (key, Some(value)));
        {
            let local = self.cache.local_cache_trusted();
            let mut cache = local.as_trie_db_mut_cache();
            let root = self.root;
            self.root = delta_trie_root::<Layout, _, _, _, _, Vec<u8>>(
                &mut nodes, root, delta, None, Some(&mut cache),
            )?;
            cache.merge_into(&local, self.root);
        }
        let root = start.elapsed();

        let start = Instant::now();
        let mut batch = WriteBatch::default();
        for (key, (value, references)) in nodes.new.drain() {
            match references {
                1.. => batch.put(key, value),
                0 => {}
                ..0 => batch.delete(key),
            }
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced)?;
        Ok(Cost { root, write: start.elapsed() })
    }
}

impl HashDB<Blake2Hasher, DBValue> for Nodes<'_> {
    fn get(&self, key: &Hash, prefix: Prefix<'_>) -> Option<DBValue> {
        let stored = || self.db.get(prefixed_key::<Blake2Hasher>(key, prefix));
        self.new.get(key, prefix).or_else(|| stored().expect("the database can be read"))
    }

    fn contains(&self, key: &Hash, prefix: Prefix<'_>) -> bool {
        self.get(key, prefix).is_some()
    }

    fn insert(&mut self, prefix: Prefix<'_>, value: &[u8]) -> Hash {
        self.new.insert(prefix, value)
    }

    fn emplace(&mut self, key: Hash, prefix: Prefix<'_>, value: DBValue) {
        self.new.emplace(key, prefix, value);
    }

    fn remove(&mut self, key: &Hash, prefix: Prefix<'_>) {
        self.new.remove(key, prefix);
    }
}

impl AsHashDB<Blake2Hasher, DBValue> for Nodes<'_> {
    fn as_hash_db(&self) -> &dyn HashDB<Blake2Hasher, DBValue> {
        self
    }

    fn as_hash_db_mut<'a>(&'a mut self) -> &'a mut (dyn HashDB<Blake2Hasher, DBValue> + 'a) {
        self
    }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_hyper_clock_cache(BLOCK_CACHE_BYTES, 0));
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(64 << 20);
    options
}
