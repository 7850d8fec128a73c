//! Transactions that are run to see what they do.

use crate::{
    ApplyError, BlockError, DecodedTx, Execution, Inherents, InvalidTransaction, Position, Rules,
    TransactionValidityError, block_env, decode_transaction,
};
use framework::{BlockEnv, DispatchResult, TxOutput};
use pallets::{session, timestamp};
use primitives::{
    Block, Hash, Header, Moment, OpaqueTransaction, RawKey, RawValue, StateRead, crypto::keys,
};
use std::{cell::RefCell, collections::BTreeSet};

/// How long after the state's own block the block of a dry run comes, in milliseconds.
const DRY_RUN_AFTER_MS: Moment = 1_000;

/// What a transaction did, and what it looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What it did.
    pub output: TxOutput,
    /// Keys that it read and had not written itself, in order.
    pub reads: BTreeSet<RawKey>,
}

/// Applies a transaction as if it were alone in the block after a state, which does not change. The signature is not
/// looked at. The block's time, author and randomness are made up.
///
/// # Errors
///
/// Why it could not be included.
pub fn dry_run(
    state: &dyn StateRead,
    at: &Position,
    tx: DecodedTx,
) -> Result<Trace, InvalidTransaction> {
    let time_ms = timestamp::now(state).saturating_add(DRY_RUN_AFTER_MS);
    let validators = session::validators(state);
    let author = validators.validators.first().map(|validator| validator.account);
    let env = BlockEnv {
        height: at.height,
        time_ms,
        author: author.expect("a chain has a validator from its start"),
        origin_round: 0,
        randomness: session::next_randomness(&validators.seed, &[0; 32]),
        parent: at.parent,
        genesis: at.genesis,
    };
    // That the parent is final changes nothing for a transaction.
    let inherents = Inherents { time_ms, ..Inherents::default() };
    let mut execution =
        Execution::begin(state, &env, &inherents).expect("the time is the block's own");
    execution.apply_traced(&tx.verified(at)).map_err(|error| match error {
        ApplyError::Invalid(invalid) => invalid,
        ApplyError::BlockFull => InvalidTransaction::ExhaustsResources,
    })
}

/// Substrate's answer to a dry run: whether the transaction could be included, and how it would end. The signature must be
/// good.
///
/// # Errors
///
/// Why it could not be included.
pub fn dry_run_signed(
    state: &dyn StateRead,
    at: &Position,
    bytes: &OpaqueTransaction,
) -> Result<DispatchResult, TransactionValidityError> {
    let tx = decode_transaction(bytes, bytes.hash())?;
    let payload = tx.signing_payload(state, at)?;
    if !keys::verify(&tx.signer, &payload, &tx.signature) {
        return Err(InvalidTransaction::BadProof.into());
    }
    Ok(dry_run(state, at, tx)?.output.result)
}

/// Why a block cannot be run again: it is damaged, or was made under rules that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Header or inherents do not hold.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A transaction cannot be included.
    #[error("transaction {index} cannot be included: {source}")]
    Transaction {
        /// Its place in the body.
        index: u32,
        /// Why.
        source: ApplyError,
    },
}

impl TraceError {
    fn at(index: u32) -> impl Fn(ApplyError) -> Self {
        move |source| Self::Transaction { index, source }
    }
}

/// Runs a final block again on its parent's state, as far as its transaction `last`, and hands the trace of each
/// transaction after the inherents to `visit`, with its place in the body. Signatures are known to be good.
///
/// # Errors
///
/// The block cannot be run.
pub fn trace_block(
    state: &dyn StateRead,
    parent: &Header,
    block: &Block,
    genesis: Hash,
    last: u32,
    mut visit: impl FnMut(u32, Trace),
) -> Result<(), TraceError> {
    let height = block.header.number;
    let (inherents, count) = Inherents::from_body(height, &block.body)?;
    let env = block_env(state, parent, &block.header, &inherents, genesis)?;
    let mut execution = Execution::begin(state, &env, &inherents)?;
    let parent = block.header.parent_hash;
    let at = Position { height, parent, genesis, rules: Rules::at(state) };
    for (index, bytes) in (0..=last).zip(&block.body).skip(count) {
        let decoded = decode_transaction(bytes, bytes.hash()).map_err(ApplyError::Invalid);
        let checked = decoded.map_err(TraceError::at(index))?.verified(&at);
        visit(index, execution.apply_traced(&checked).map_err(TraceError::at(index))?);
    }
    Ok(())
}

/// A view that notes what is read through it.
pub(crate) struct Recorder<'a> {
    base: &'a dyn StateRead,
    reads: RefCell<BTreeSet<RawKey>>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(base: &'a dyn StateRead) -> Self {
        Self { base, reads: RefCell::default() }
    }

    pub(crate) fn into_reads(self) -> BTreeSet<RawKey> {
        self.reads.into_inner()
    }
}

impl StateRead for Recorder<'_> {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.reads.borrow_mut().insert(key.to_vec());
        self.base.get(key)
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        let found = self.base.next_key(prefix, after);
        self.reads.borrow_mut().extend(found.clone());
        found
    }
}
