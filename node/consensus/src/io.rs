//! What goes into consensus and what comes out.

use crate::{
    guard::Slot,
    message::{Bytes, Message},
    signer::{LocalSigner, VoteSigner},
    timers::Timer,
    types::ValidatorsError,
};
use primitives::{AccountId, Certificate, Evidence, Hash, Height, Moment, ValidatorSet};

/// A running validator's identity and chain.
pub struct Identity {
    /// Hash of the genesis block: part of everything signed.
    pub genesis: Hash,
    /// The account that staked.
    pub account: AccountId,
    /// Signs with its vote keys.
    pub signer: Box<dyn VoteSigner>,
    /// Whether other nodes may sign with these keys too, which the signer watches over.
    pub shares_keys: bool,
}

impl Identity {
    /// A validator with one vote key, in this process.
    pub fn local(genesis: Hash, account: AccountId, key: ed25519_dalek::SigningKey) -> Self {
        let signer = Box::new(LocalSigner { genesis, key });
        Self { genesis, account, signer, shares_keys: false }
    }
}

/// What moves consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin, or go on above blocks that came another way. The first input must be this one.
    Start {
        /// The next height: one above the newest durable block.
        height: Height,
        /// Its validators.
        validators: ValidatorSet,
        /// Hash of the newest durable block.
        parent: Hash,
        /// Proof that the parent is final; `None` for genesis.
        certificate: Option<Certificate>,
        /// Whether the chain shows that this validator has signed of late.
        has_signed: bool,
    },
    /// A timer went off.
    Elapsed(Timer),
    /// The answer to [`Output::Build`].
    Built {
        /// As in the request.
        height: Height,
        /// As in the request.
        round: u32,
        /// The block's hash.
        block: Hash,
        /// The encoded block.
        body: Bytes,
    },
    /// The answer to [`Output::Check`].
    Checked {
        /// As in the request.
        height: Height,
        /// As in the request.
        block: Hash,
        /// What the chain found.
        verdict: Verdict,
    },
    /// A peer's message, decoded by [`Message::from_bytes`].
    Received(Message),
    /// The answer to [`Output::Commit`]: block, certificate and state are durable.
    Committed {
        /// Height of the block.
        height: Height,
        /// The block's time on the chain's clock, in milliseconds.
        stamp_ms: Moment,
        /// Validators of the next height.
        validators: ValidatorSet,
        /// Whether transactions wait that the block does not hold.
        work: bool,
        /// Time until the state itself has work to do, in milliseconds; `None` if it has none.
        due_in_ms: Option<u64>,
    },
    /// A transaction waits.
    WorkWaits,
}

/// What the chain found about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be decided as it was proposed. The chain keeps the outcome, so that a commit is
    /// quick.
    Valid,
    /// It breaks a rule.
    Invalid,
    /// The bytes are not a block with that hash: the sender is at fault, not the proposer.
    Forged,
}

/// What consensus wants done. Outputs are performed in order, each finished before the next begins,
/// but for [`Output::Build`] and [`Output::Check`], which are begun and answered later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append to the write-ahead log and sync it. If that fails, stop the process.
    AppendWal(Vec<u8>),
    /// Replace the guard's record and sync it. If that fails, stop the process.
    WriteGuard(Vec<u8>),
    /// Forget the write-ahead log.
    ResetWal,
    /// Send to all validators.
    Broadcast(Message),
    /// Report the timer as [`Input::Elapsed`] after so many milliseconds.
    Schedule(Timer, u64),
    /// The timer need not be reported any more.
    Cancel(Timer),
    /// Build a block and answer with [`Input::Built`].
    Build {
        /// Height of the block.
        height: Height,
        /// Round in which it will be proposed.
        round: u32,
        /// Its parent.
        parent: Hash,
        /// Proof that the parent is final, with all signatures known; `None` if the parent is
        /// genesis.
        certificate: Option<Certificate>,
        /// When the round gives up, in milliseconds.
        within_ms: u64,
    },
    /// Check and execute a block and answer with [`Input::Checked`], or not at all if it can't be
    /// judged in time.
    Check {
        /// Height of the block.
        height: Height,
        /// What its proposal says; `None` if it is already decided, so that the rules of proposing
        /// do not matter.
        proposed: Option<Proposed>,
        /// Its hash, as the proposal says: the bytes may be another's.
        block: Hash,
        /// The encoded block.
        body: Bytes,
    },
    /// Make block, certificate and state durable at once and answer with [`Input::Committed`].
    Commit {
        /// Proof that the block is final.
        certificate: Certificate,
        /// The encoded block, for a chain that has restarted since it checked it.
        body: Bytes,
    },
    /// A proposal names a block that has not come: ask peers for it, if it does not come soon.
    /// The same may be wanted several times.
    Want {
        /// Height of the block.
        height: Height,
        /// Its hash.
        block: Hash,
    },
    /// A validator is at this height, above ours: ask peers for [`Message::Decided`].
    Behind {
        /// Where the validator is.
        height: Height,
    },
    /// A validator signed two things where it may sign one.
    Evidence(Evidence),
    /// Stop the process.
    Halt(Fault),
}

/// What a signed proposal says of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Round of the proposal.
    pub round: u32,
    /// The earlier round whose polka justifies proposing the block again.
    pub pol_round: Option<u32>,
    /// Who proposes.
    pub proposer: AccountId,
}

impl Proposed {
    /// Whether a block that its author built for `origin_round` may be proposed so: in the round itself by the author, or
    /// later with a polka that is not of an earlier round.
    pub fn fits(&self, author: &AccountId, origin_round: u32) -> bool {
        match self.pol_round {
            None => origin_round == self.round && *author == self.proposer,
            Some(pol_round) => origin_round <= pol_round,
        }
    }
}

/// Why consensus can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The runtime named validators that can't decide.
    #[error("the validators of height {height} can't be used: {source}")]
    Validators {
        /// The height.
        height: Height,
        /// Why not.
        source: ValidatorsError,
    },
    /// Two proofs for two blocks at one height: more than a third of the validators signed both.
    #[error(
        "two blocks are final at height {}: {} and {}; keep this message and the data, \
         and ask the other validators which chain goes on",
        ours.height, ours.block, theirs.block
    )]
    Fork {
        /// Proof of the block that is committed here.
        ours: Box<Certificate>,
        /// Proof of the other.
        theirs: Box<Certificate>,
    },
    /// A decided block whose content is gone.
    #[error(
        "block {block} at height {height} is decided, but its content is lost: restart and sync it \
         from peers"
    )]
    BodyLost {
        /// Its height.
        height: Height,
        /// Its hash.
        block: Hash,
    },
    /// The chain's only validator must sign again what it has signed already, as the log that has it
    /// is gone: nobody else can end the round.
    #[error(
        "this validator, the chain's only one, has signed round {} of height {}, but the write-ahead \
         log does not have it any more, so that height {height} can't be decided: restore the log; if \
         that is impossible, and nobody has a block {height} of this chain, discard the last-signed \
         record and sign without it",
        last.round, last.height
    )]
    LogLost {
        /// The height that is to be decided.
        height: Height,
        /// The last thing signed.
        last: Slot,
    },
    /// The chain's only validator has signed above what the chain has now.
    #[error(
        "the chain ends at block {}, but this validator, the chain's only one, was at height {reached} \
         before, when all blocks below were on disk: blocks are lost, most likely by a fault of the \
         disk; restore the data folder from a copy; if that is impossible, and nobody relies on the lost \
         blocks, discard the last-signed record and the write-ahead log and sign without them",
        height.saturating_sub(1)
    )]
    BlocksLost {
        /// The height that would be decided next.
        height: Height,
        /// The height at which this validator was.
        reached: Height,
    },
    /// Another node signs with a key that this node alone should have.
    #[error(
        "another node signs as this validator: it signed at height {}, round {}; two nodes with one key sign two \
         things sooner or later, which is punished: stop one of them for good, then start the other again",
        slot.height, slot.round
    )]
    Twin {
        /// What it signed, which is after all that this node did.
        slot: Slot,
    },
    /// Malachite broke off in a way from which it can't go on.
    #[error("consensus broke off at height {height}: {reason}")]
    Broken {
        /// Where.
        height: Height,
        /// What it said.
        reason: String,
    },
}
