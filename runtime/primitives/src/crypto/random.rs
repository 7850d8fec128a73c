//! Randomness as an argument: ChaCha20 expands a seed for both generations of `rand_core` that the
//! curve crates use.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// A stream of random bytes that a seed and a stream number fix.
pub(super) struct Stream(pub(super) ChaCha20Rng);

impl Stream {
    /// Streams of one seed are independent of each other.
    pub(super) fn new(seed: [u8; 32], number: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        rng.set_stream(number);
        Self(rng)
    }
}

impl rand_core_06::RngCore for Stream {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Stream {}
