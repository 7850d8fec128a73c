//! Who makes signatures: a key in this process, or another process that has its own guard.

use crate::{
    guard::{Signed, Slot},
    message::{Proposal, Signature, SignedProposal, SignedVote, Vote},
    types::{Step, proposal_bytes, vote_bytes},
};
use codec::{Decode, Encode};
use ed25519_dalek::{Signer as _, SigningKey};
use primitives::{AccountId, Hash};

/// What a vote key signs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    /// A vote.
    Vote(Vote),
    /// A proposal.
    Proposal(Proposal),
}

impl Content {
    /// Where it is signed.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Vote(vote) => {
                Slot { height: vote.height, round: vote.round, step: vote.kind.into() }
            }
            Self::Proposal(Proposal { height, round, .. }) => {
                Slot { height: *height, round: *round, step: Step::Proposal }
            }
        }
    }

    /// In whose name.
    pub fn validator(&self) -> AccountId {
        match self {
            Self::Vote(vote) => vote.validator,
            Self::Proposal(proposal) => proposal.proposer,
        }
    }

    /// The bytes that the signature covers.
    pub fn signed_bytes(&self, genesis: &Hash) -> Vec<u8> {
        match self {
            Self::Vote(Vote { kind, height, round, block, .. }) => {
                vote_bytes(genesis, (*kind).into(), *height, *round, *block)
            }
            Self::Proposal(Proposal { height, round, block, pol_round, .. }) => {
                proposal_bytes(genesis, *height, *round, *block, *pol_round)
            }
        }
    }

    /// The message with its signature.
    pub fn signed(&self, signature: Signature) -> Signed {
        match self.clone() {
            Self::Vote(vote) => Signed::Vote(SignedVote { vote, signature }),
            Self::Proposal(proposal) => Signed::Proposal(SignedProposal { proposal, signature }),
        }
    }
}

/// Why there is no signature. The validator abstains, and asks again while its vote is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Unsigned {
    /// The key that the validator set names is not at hand.
    #[error("the session key that the chain names for this validator is not at hand")]
    NoKey,
    /// Nobody answers in time.
    #[error("the signer does not answer")]
    NoAnswer,
    /// The signer's own guard or lease forbids it.
    #[error("the signer refuses")]
    Refused,
}

/// Makes the signatures that a node's own guard allows.
pub trait VoteSigner: Send {
    /// Signs with the key whose public half is `key`. `known` is the last slot whose signature the node
    /// remembers. Takes at most half a second, and answers at once where it failed a moment ago.
    fn sign(
        &mut self,
        key: &[u8; 32],
        content: &Content,
        known: Option<Slot>,
    ) -> Result<Signature, Unsigned>;
}

/// One key in this process.
pub struct LocalSigner {
    /// Hash of the genesis block.
    pub genesis: Hash,
    /// The secret.
    pub key: SigningKey,
}

impl VoteSigner for LocalSigner {
    fn sign(
        &mut self,
        key: &[u8; 32],
        content: &Content,
        _known: Option<Slot>,
    ) -> Result<Signature, Unsigned> {
        if self.key.verifying_key().as_bytes() != key {
            return Err(Unsigned::NoKey);
        }
        Ok(self.key.sign(&content.signed_bytes(&self.genesis)).to_bytes())
    }
}
