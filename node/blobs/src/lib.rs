#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod cid;
mod store;
pub mod unixfs;

pub use cid::{CID_BYTES, Cid, ParseCidError};
pub use store::{
    Collected, Config, ConfigError, Error, OWNER_BYTES_MAX, Owner, READ_BYTES_MAX, Store,
};
pub use unixfs::{BLOB_BYTES_MAX, CHUNK_BYTES, LINKS_MAX, Root, Splitter};

#[cfg(test)]
mod tests;
