//! What goes into the sync machine and what comes out.

use super::wire::{Request, Status, WireError};
use primitives::{Block, Certificate, CertificateError, Hash, Height, ValidatorSet};

/// Tells requests apart, so that what comes too late is not taken for something else.
pub type RequestId = u64;

/// The newest block of this node's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// The validators of the height above.
    pub validators: ValidatorSet,
}

/// What moves the machine. `P` tells peers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<P> {
    /// A peer tells its newest block, for the first time or again.
    Status {
        /// Who.
        peer: P,
        /// What it says.
        status: Status,
    },
    /// A peer has left.
    Gone {
        /// Who.
        peer: P,
    },
    /// The answer to [`Output::Request`], not decoded.
    Response {
        /// Who was asked.
        peer: P,
        /// As in the request.
        id: RequestId,
        /// What came.
        bytes: Vec<u8>,
    },
    /// A request could not be sent, or was refused.
    Failed {
        /// Who was asked.
        peer: P,
        /// As in the request.
        id: RequestId,
    },
    /// A block is durable and the head: one from [`Output::Import`], or one that came another way.
    Imported(Tip),
    /// A block from [`Output::Import`] breaks a rule of the chain.
    Refused {
        /// Its height.
        height: Height,
        /// What the chain found.
        why: String,
    },
    /// Somebody trustworthy, such as a validator by its signature, says that there is a block at this
    /// height.
    Exists {
        /// The height.
        height: Height,
    },
    /// Time has passed.
    Tick,
}

/// What the machine wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<P> {
    /// Ask a peer, and answer with [`Input::Response`] or [`Input::Failed`]. The machine itself gives
    /// up after [`super::REQUEST_TIMEOUT_MS`].
    Request {
        /// Whom.
        peer: P,
        /// Tells the answer apart.
        id: RequestId,
        /// For what.
        request: Request,
    },
    /// Import blocks in this order, each after the one before, and answer each with
    /// [`Input::Imported`], or the first that fails with [`Input::Refused`].
    Import(Vec<Final>),
    /// A peer did what no honest peer does. The machine never asks it again.
    Punish {
        /// Who.
        peer: P,
        /// What it did.
        fault: PeerFault,
    },
    /// How far this node is has changed.
    Progress(Progress),
    /// This node must not go on, and somebody must look. The machine does nothing more.
    Alarm(Alarm),
}

/// A block whose certificate was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: Hash,
    /// Proof that it is final.
    pub certificate: Certificate,
}

/// What no honest peer does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Its response is no response.
    #[error("the response is malformed: {0}")]
    Malformed(#[from] WireError),
    /// Its response has more blocks than were asked for.
    #[error("{found} blocks came where {asked} were asked for")]
    TooMany {
        /// How many came.
        found: usize,
        /// How many were asked for.
        asked: u32,
    },
    /// What should be a block's header is none, or that of another height.
    #[error("there is no header of height {0} where it should be")]
    BadHeader(Height),
    /// Two blocks of one response do not follow each other.
    #[error("block {0} does not follow the one before it")]
    BrokenLink(Height),
    /// A block with a certificate that does not prove it.
    #[error("the certificate of block {height} is wrong: {source}")]
    WrongCertificate {
        /// The block's height.
        height: Height,
        /// What is wrong.
        source: CertificateError,
    },
    /// A header with another's certificate height.
    #[error("the certificate of block {height} is of height {found}")]
    WrongHeight {
        /// The block's height.
        height: Height,
        /// The certificate's.
        found: Height,
    },
    /// A body that is not the one that the header commits to.
    #[error("the body of block {0} is not the one of its header")]
    WrongBody(Height),
}

/// How far this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody to compare with.
    Alone,
    /// No peer that answers knows a later block.
    Synced,
    /// Peers say that they have later blocks.
    Behind {
        /// How many.
        blocks: u32,
    },
}

/// Why this node must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// Two blocks of one height are final: more than a third of the validators break the protocol.
    #[error(
        "this node has block {ours} at height {height}, but there is a valid certificate for block {} at height {}, \
         which does not follow it: keep this message and the data, and ask the other validators which chain goes on",
        theirs.block, theirs.height
    )]
    Fork {
        /// A height of this node's chain.
        height: Height,
        /// This node's block there.
        ours: Hash,
        /// Proof of another block there, or of a block above that does not follow it.
        theirs: Box<Certificate>,
    },
    /// The validators decided a block that the rules of this program refuse.
    #[error(
        "block {height} is final, but this node refuses it: {why}; install the version of this program that the \
         validators run, and if it is the same, report this with the data folder"
    )]
    Refused {
        /// The block's height.
        height: Height,
        /// What the chain found.
        why: String,
    },
}
