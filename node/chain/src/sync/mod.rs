//! Fetching final blocks from peers: the whole chain for a node that joins late, then one block after
//! the other as they come.
//!
//! ```text
//! statuses, responses, time --> [requests of ranges | blocks held | verified] --> imports, in order
//!                                        ^                                            |
//!                                        +------- imported, its next validators ------+
//! ```
//!
//! [`Sync`] is pure: its shell tells it what came and what time it is, and does what it says. Ranges are
//! asked for from many peers at once and held until the block before the first is known. A block is
//! imported once its certificate is checked against the validators of its height. As long as headers
//! say that the validators stay the same, certificates are checked ahead of execution, many as one
//! batch; where they change, the import of the block before tells the new ones.
//!
//! - What is held is bounded: [`WINDOW_BLOCKS_MAX`] heights, [`WINDOW_BYTES_MAX`] bytes with what is
//!   under way, one request for each peer.
//! - A block that lacks its proof, or its place, or has another's body, is held against exactly the
//!   peer that sent it. Silence, short answers and claims that prove empty only lower a peer's
//!   standing: an honest peer behind a bad line must not be punished.
//! - Where the next block is late, a second peer is asked for it after [`HEDGE_MS`].
//! - A valid certificate for another block than this node's is a fork: [`Alarm::Fork`].

mod core;
mod io;
mod peers;
mod schedule;
pub mod wire;

pub use self::core::{IMPORT_BLOCKS_MAX, RECENT_MAX, Sync};
pub use io::{Alarm, Final, Input, Output, PeerFault, Progress, RequestId, Tip};
pub use peers::{PEERS_MAX, REQUEST_TIMEOUT_MS};
pub use schedule::{
    HEDGE_MS, REQUESTS_MAX, RESPONSE_BYTES_WANTED, WINDOW_BLOCKS_MAX, WINDOW_BYTES_MAX,
};

#[cfg(test)]
mod tests;
