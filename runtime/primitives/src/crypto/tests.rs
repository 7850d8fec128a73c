//! Published vectors of Substrate's tools and clients, and the edges of what is valid.

mod addresses;
mod batches;
mod edges;
mod pairs;
mod sessions;
mod vrfs;

use super::pair::{Pair, Scheme};

/// Bytes written as hex.
fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode_to_array(digits).expect("the fixture is hex of the right length")
}

fn pair(scheme: Scheme, uri: &str) -> Pair {
    Pair::from_uri(scheme, uri).expect("the fixture is a secret URI")
}
