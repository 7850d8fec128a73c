//! Why the pool does not take a transaction.

use primitives::{Hash, Height, Nonce};

/// Why the pool does not take a transaction. The texts are Substrate's where it has one, as clients look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The nonce was used before.
    #[error("Invalid Transaction")]
    Stale {
        /// The transaction's nonce.
        nonce: Nonce,
        /// The account's next nonce.
        account_nonce: Nonce,
    },
    /// Its era ends before the next block.
    #[error("Invalid Transaction")]
    Expired {
        /// The first height at which it is not valid.
        death: Height,
    },
    /// A block showed it to be invalid a short while ago.
    #[error("Transaction is temporarily banned")]
    Banned,
    /// It is in the pool.
    #[error("Transaction Already Imported")]
    AlreadyImported(Hash),
    /// Another one has its sender and nonce, and this one's priority is not a tenth higher.
    #[error("Priority is too low: ({old} vs {new})")]
    PriorityTooLow {
        /// Priority of the one in the pool.
        old: u64,
        /// Priority of the one refused.
        new: u64,
    },
    /// The pool is full of transactions that stand higher.
    #[error("Immediately Dropped")]
    ImmediatelyDropped,
    /// The nonce lies too far above the account's.
    #[error("The pool is not accepting future transactions")]
    TooFarInFuture {
        /// The transaction's nonce.
        nonce: Nonce,
        /// The highest nonce that the pool would take now.
        nonce_max: Nonce,
    },
}

impl Refusal {
    /// The JSON-RPC error code that Substrate gives for it.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Stale { .. } | Self::Expired { .. } => 1010,
            Self::Banned => 1012,
            Self::AlreadyImported(_) => 1013,
            Self::PriorityTooLow { .. } => 1014,
            Self::ImmediatelyDropped => 1016,
            Self::TooFarInFuture { .. } => 1021,
        }
    }

    /// What the error's `data` field says: the reason, with its values, and the way out.
    pub fn detail(&self) -> String {
        match self {
            Self::Stale { .. } => "Transaction is outdated".into(),
            Self::Expired { .. } => "Transaction has an ancient birth block".into(),
            Self::Banned => format!(
                "it was invalid when a block was built: sign a new one, or wait {} blocks",
                crate::BANNED_BLOCKS
            ),
            Self::AlreadyImported(hash) => format!("{hash}"),
            Self::PriorityTooLow { .. } => {
                "The transaction has too low priority to replace another \
                transaction already in the pool."
                    .into()
            }
            Self::ImmediatelyDropped => {
                "The transaction couldn't enter the pool because of the limit".into()
            }
            Self::TooFarInFuture { nonce, nonce_max } => {
                format!("nonce {nonce} is too far ahead: send up to nonce {nonce_max} first")
            }
        }
    }
}
