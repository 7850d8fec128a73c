//! What a joiner knows of whoever may serve it a state.

use super::{Offer, PEER_REQUESTS_MAX};

/// What is known of a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    /// The states that it serves.
    pub offers: Vec<Offer>,
    /// When it was asked for its offers last.
    pub asked_ms: Option<u64>,
    /// Questions that wait for its answer.
    pub asked: usize,
    /// Unanswered questions, less the answered ones.
    pub strikes: u32,
    /// States that it offered and could not lead to.
    pub unproven: u32,
    /// Parts of a state that it has delivered.
    pub delivered: u64,
    /// About how long that takes.
    pub piece_ms: u64,
}

impl Peer {
    /// Whom to ask first: who is least silent, has delivered, and is quick.
    pub fn rank(&self) -> (u32, bool, u64) {
        (self.strikes, self.delivered == 0, self.piece_ms)
    }

    /// Most questions in flight to it: few as long as it has not shown that it answers.
    pub fn requests_max(&self) -> usize {
        match (self.strikes, self.delivered) {
            (0, 0) => PEER_REQUESTS_MAX / 2,
            (0, _) => PEER_REQUESTS_MAX,
            _ => 1,
        }
    }
}
