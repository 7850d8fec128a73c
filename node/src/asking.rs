//! Asking peers within this node's own limits.

use network::{Handle, PeerId, Protocol, RequestError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a question waits until it is tried again.
const AGAIN: Duration = Duration::from_millis(25);

/// Asks a peer. Where this node has too much under way or has asked the peer for as much as it may, it waits, but no longer
/// than `patience`: nothing is known of the peer by that.
pub async fn ask(
    network: &Handle,
    peer: PeerId,
    protocol: Protocol,
    bytes: Vec<u8>,
    patience: Duration,
) -> Result<Vec<u8>, RequestError> {
    let until = Instant::now() + patience;
    loop {
        match network.ask(peer, protocol, bytes.clone()).await {
            Err(RequestError::Busy) if Instant::now() < until => sleep(AGAIN).await,
            result => return result,
        }
    }
}
