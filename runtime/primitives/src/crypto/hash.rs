//! The chain's hashes: blake2b for everything that must resist an attacker, xxHash for the fixed
//! names in storage keys.

use crate::Hash;
use blake2b_simd::{
    Params,
    many::{HashManyJob, hash_many},
};
use xxhash_rust::const_xxh64::xxh64;

/// Inputs that are hashed in one go; enough to fill every SIMD lane, few enough to stay in the L1
/// cache.
const MANY: usize = 64;

/// BLAKE2b with 32 bytes of output: the one hash for blocks, transactions, accounts and the state
/// tree.
pub fn blake2_256(data: &[u8]) -> Hash {
    Hash(blake2b(data))
}

/// [`blake2_256`] of all parts, one after the other.
pub fn blake2_256_of(parts: &[&[u8]]) -> Hash {
    let mut state = Params::new().hash_length(32).to_state();
    for part in parts {
        state.update(part);
    }
    Hash(state.finalize().as_bytes().try_into().expect("the digest has the length asked for"))
}

/// Calls `put` with [`blake2_256`] of each input, in their order. Some at a time, this takes about a
/// third of the time that they take one by one.
pub fn blake2_256_each<T: AsRef<[u8]>>(inputs: &[T], mut put: impl FnMut(Hash)) {
    let mut params = Params::new();
    params.hash_length(32);
    let mut jobs: Vec<HashManyJob<'_>> = Vec::with_capacity(MANY.min(inputs.len()));
    for batch in inputs.chunks(MANY) {
        jobs.clear();
        jobs.extend(batch.iter().map(|input| HashManyJob::new(&params, input.as_ref())));
        hash_many(jobs.iter_mut());
        for job in &jobs {
            put(Hash(*job.to_hash().as_bytes().first_chunk().expect("the digest has 32 bytes")));
        }
    }
}

/// [`blake2_256`] of each input, in their order.
pub fn blake2_256_all<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<Hash> {
    let mut hashes = Vec::with_capacity(inputs.len());
    blake2_256_each(inputs, |hash| hashes.push(hash));
    hashes
}

/// BLAKE2b with 16 bytes of output: the storage hasher `Blake2_128`. It is a parameter of the hash
/// function, not the first half of [`blake2_256`].
pub fn blake2_128(data: &[u8]) -> [u8; 16] {
    blake2b(data)
}

/// BLAKE2b with 64 bytes of output: the checksum of SS58 addresses.
pub fn blake2_512(data: &[u8]) -> [u8; 64] {
    blake2b(data)
}

/// xxHash64 with seed 0, little-endian: the storage hasher `Twox64`. Anyone can make collisions, so
/// it is only for keys that an attacker cannot choose.
pub const fn twox_64(data: &[u8]) -> [u8; 8] {
    xxh64(data, 0).to_le_bytes()
}

/// xxHash64 with seed 0, then with seed 1, each little-endian: the storage prefix of a pallet's or
/// an item's name.
///
/// ```
/// # use artel_primitives as primitives;
/// use primitives::crypto::hash::twox_128;
/// const SYSTEM: [u8; 16] = twox_128("System");
/// assert_eq!(hex::encode(SYSTEM), "26aa394eea5630e07c48ae0c9558cef7");
/// ```
pub const fn twox_128(name: &str) -> [u8; 16] {
    let low = xxh64(name.as_bytes(), 0).to_le_bytes();
    let high = xxh64(name.as_bytes(), 1).to_le_bytes();
    let mut out = [0; 16];
    let mut at = 0;
    while at < 8 {
        out[at] = low[at];
        out[at + 8] = high[at];
        at += 1;
    }
    out
}

/// BLAKE2b whose output length is the array's.
fn blake2b<const N: usize>(data: &[u8]) -> [u8; N] {
    let digest = Params::new().hash_length(N).hash(data);
    digest.as_bytes().try_into().expect("the digest has the length asked for")
}
