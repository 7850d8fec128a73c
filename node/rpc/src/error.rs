//! What a request is answered when it cannot be done: codes and texts that clients look for.

use crate::{SubmitError, config::FOLLOWS_PER_CONNECTION_MAX};
use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{
        ErrorCode, INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE, INVALID_REQUEST_CODE,
        METHOD_NOT_FOUND_CODE, SERVER_IS_BUSY_CODE,
    },
};
use primitives::Hash;
use runtime::{CUSTOM_BAD_ENCODING, CallError, InvalidTransaction};
use storage::OVERLAY_BLOCKS_MAX;

const BAD_EXTRINSIC: i32 = 1001;
const INVALID_TRANSACTION: i32 = 1010;
const IMMEDIATELY_DROPPED: i32 = 1016;
const TOO_MANY_FOLLOWS: i32 = -32800;
const NOT_PINNED: i32 = -32801;
const FOLLOWS_WITHOUT_RUNTIME: i32 = -32802;
const NOT_WAITING: i32 = -32803;
const DUPLICATE_HASH: i32 = -32804;
const BLOCK_RANGE: i32 = 4001;
const COUNT_TOO_LARGE: i32 = 4002;
const STATE: i32 = 4003;
/// Substrate's, where requests come too fast.
const TOO_FAST: i32 = -32999;
/// The store of blobs has no room; this chain's own code.
const BLOBS_FULL: i32 = 5001;

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Params(String),
    #[error(
        "Client error: UnknownBlock: this node has no block {0}; chain_getBlockHash names those that it has"
    )]
    UnknownBlock(Hash),
    /// Clients match the text.
    #[error("Client error: Api called for an unknown Block: State already discarded for {0}")]
    Discarded(Hash),
    /// Clients match the text of [`CallError::NotFound`] in this one.
    #[error("Client error: Execution failed: Other: {0}")]
    Call(#[from] CallError),
    #[error(
        "Client error: no proofs for block {0}: this node makes them for the latest {OVERLAY_BLOCKS_MAX} blocks"
    )]
    NotProvable(Hash),
    #[error("Cannot resolve a block range ['{from}' ... '{to}']. {why}")]
    BlockRange { from: Hash, to: Hash, why: String },
    #[error("count exceeds maximum value. value: {value}, max: {max}")]
    CountTooLarge { value: usize, max: usize },
    #[error("Extrinsic has invalid format: {0}")]
    BadExtrinsic(String),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("Immediately Dropped")]
    PoolBusy,
    #[error("'{0}' names no broadcast of this connection that is under way")]
    NotBroadcast(String),
    #[error("{0}: there is no such subscription on this connection, or it is over")]
    NotSubscribed(&'static str),
    #[error(
        "this connection follows {FOLLOWS_PER_CONNECTION_MAX} times already: end one by chainHead_v1_unfollow"
    )]
    TooManyFollows,
    #[error("block {0} is not pinned: it was not reported by this subscription, or was unpinned")]
    NotPinned(Hash),
    #[error("this subscription follows without the runtime: follow with withRuntime = true")]
    FollowsWithoutRuntime,
    #[error("the operation does not wait: continue it after operationWaitingForContinue")]
    NotWaiting,
    #[error("block {0} is named twice: name each once")]
    DuplicateHash(Hash),
    #[error("{0} is about a subscription, which needs a WebSocket: connect to ws://")]
    NeedsWebSocket(&'static str),
    #[error(
        "this connection has too many requests that are not answered: wait for answers before sending more"
    )]
    Busy,
    #[error(
        "the answers and requests that this node holds have no room for {0} bytes more: read what was asked for, ask for less, or ask again later"
    )]
    Full(usize),
    #[error(
        "RPC call is unsafe to be called externally: this node serves {0} on loopback, or with --rpc-methods unsafe"
    )]
    Unsafe(&'static str),
    #[error(
        "RPC rate limit exceeded: this caller asks for more work than the node gives to one; send {method} again in {wait_ms} ms, or have the operator raise rpc.rate"
    )]
    TooFast { method: &'static str, wait_ms: u128 },
    #[error("the node makes proofs for others: ask again in a moment")]
    ProverBusy,
    #[error("the node is stopping")]
    Stopping,
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
    #[error("the node's database failed; its log tells more")]
    Storage(#[from] storage::Error),
    #[error("the node failed on this request; its log tells more")]
    Failed,
}

impl Error {
    /// A parameter that has its form and makes no sense.
    pub fn wrong(name: &str, why: &str) -> Self {
        Self::Params(format!("parameter `{name}`: {why}"))
    }
}

impl From<Error> for ErrorObjectOwned {
    fn from(error: Error) -> Self {
        let plain = |code| Self::owned(code, error.to_string(), None::<()>);
        match &error {
            Error::Params(_) | Error::NotBroadcast(_) | Error::NotSubscribed(_) => {
                plain(INVALID_PARAMS_CODE)
            }
            Error::TooManyFollows => plain(TOO_MANY_FOLLOWS),
            Error::NotPinned(_) => plain(NOT_PINNED),
            Error::FollowsWithoutRuntime => plain(FOLLOWS_WITHOUT_RUNTIME),
            Error::NotWaiting => plain(NOT_WAITING),
            Error::DuplicateHash(_) => plain(DUPLICATE_HASH),
            Error::UnknownBlock(_)
            | Error::Discarded(_)
            | Error::NotProvable(_)
            | Error::Call(_) => plain(STATE),
            Error::BlockRange { .. } => plain(BLOCK_RANGE),
            Error::CountTooLarge { .. } => plain(COUNT_TOO_LARGE),
            Error::BadExtrinsic(_) => plain(BAD_EXTRINSIC),
            Error::Submit(error) => submit(error),
            Error::PoolBusy => Self::owned(
                IMMEDIATELY_DROPPED,
                error.to_string(),
                Some("too many transactions come in at once: send it again in a moment"),
            ),
            Error::NeedsWebSocket(_) => plain(INVALID_REQUEST_CODE),
            Error::Busy | Error::Full(_) | Error::ProverBusy => plain(SERVER_IS_BUSY_CODE),
            Error::Unsafe(_) => plain(METHOD_NOT_FOUND_CODE),
            Error::TooFast { .. } => plain(TOO_FAST),
            Error::Blobs(error) => blob(error),
            Error::Stopping | Error::Storage(_) | Error::Failed => plain(INTERNAL_ERROR_CODE),
        }
    }
}

fn submit(error: &SubmitError) -> ErrorObjectOwned {
    let owned = ErrorObjectOwned::owned::<String>;
    match error {
        SubmitError::Invalid(InvalidTransaction::Custom(CUSTOM_BAD_ENCODING)) => {
            let text = "Extrinsic has invalid format: the bytes are no transaction of this chain";
            owned(BAD_EXTRINSIC, text.to_owned(), None)
        }
        SubmitError::Invalid(invalid) => {
            owned(INVALID_TRANSACTION, "Invalid Transaction".to_owned(), Some(invalid.to_string()))
        }
        SubmitError::Refused(refusal) => {
            owned(refusal.code(), refusal.to_string(), Some(refusal.detail()))
        }
    }
}

fn blob(error: &blobs::Error) -> ErrorObjectOwned {
    use blobs::Error as Of;
    let code = match error {
        Of::BadCid(_)
        | Of::BadRoot { .. }
        | Of::BadOwner(_)
        | Of::Absent(_)
        | Of::Mismatch { .. }
        | Of::TooLarge { .. } => INVALID_PARAMS_CODE,
        Of::Full { .. } | Of::QuotaReached { .. } | Of::TooManyPins(_) => BLOBS_FULL,
        Of::Damaged { .. } | Of::InUse(_) | Of::Io { .. } | Of::Source(_) => {
            // Paths are the operator's business.
            tracing::error!(%error, "blob store failed");
            return ErrorCode::InternalError.into();
        }
    };
    ErrorObjectOwned::owned(code, error.to_string(), None::<()>)
}
