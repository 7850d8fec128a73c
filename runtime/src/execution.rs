//! One block being executed, by a proposer or by a checker: the same code, so the same result.

use crate::{
    BlockError, CheckedTx, Inherents, InvalidTransaction, Rules,
    apply::{apply_tx, end},
    on_finalize, on_initialize, rules,
    trace::{Recorder, Trace},
};
use codec::{Compact, Encode};
use framework::{
    BlockEnv, Ctx, Deltas, Dispatch, DispatchClass, DispatchInfo, Origin, TxOutput, Weight,
    next_key_over,
};
use pallets::{
    balances, session,
    system::{self, BASE_WEIGHT, BLOCK_BYTES_MAX, CALLS_REF_TIME_MAX, NORMAL_REF_TIME_MAX, Phase},
    transaction_payment::{self, Multiplier},
};
use primitives::{Hash, RawKey, RawValue, StateRead, Writes, crypto::hash::blake2_256};

/// Why a transaction does not go into this block. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It cannot be included in this state.
    #[error(transparent)]
    Invalid(#[from] InvalidTransaction),
    /// The block has no room left for it.
    #[error("the block has no room left for the transaction")]
    BlockFull,
}

/// What a block did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutput {
    /// Changed keys; the event record is not among them.
    pub writes: Writes,
    /// Value of `System.Events`: the SCALE bytes of a `Vec<EventRecord>`.
    pub events: Vec<u8>,
    /// What was charged for.
    pub used: Weight,
    /// Hash of the members of the validator set of the next height, for the header.
    pub next_validators: Hash,
}

/// The state before the block with what the block has changed so far.
pub(crate) struct View<'a> {
    pub(crate) base: &'a dyn StateRead,
    pub(crate) writes: Writes,
}

impl StateRead for View<'_> {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        match self.writes.get(key) {
            Some(value) => value.clone(),
            None => self.base.get(key),
        }
    }

    /// What it passes over was deleted, and paid for, by the block's transactions. Only hooks scan, each
    /// item once, so that this adds up to no more than a read for each write.
    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        next_key_over(&self.writes, self.base, prefix, after).0
    }
}

/// A block being executed.
pub struct Execution<'a> {
    view: View<'a>,
    env: &'a BlockEnv,
    rules: Rules,
    multiplier: Multiplier,
    /// Event records, one after the other.
    records: Vec<u8>,
    event_count: u32,
    transaction_count: u32,
    deltas: Deltas,
    used: Weight,
    /// Picoseconds of hooks before the calls, and charged to calls of all classes, inherents included.
    ref_time: u64,
    /// Picoseconds charged to users' calls.
    normal_ref_time: u64,
    bytes: u32,
}

impl<'a> Execution<'a> {
    /// Begins a block: hooks and inherents run.
    ///
    /// # Errors
    ///
    /// `InherentFailed` if one fails.
    pub fn begin(
        state: &'a dyn StateRead,
        env: &'a BlockEnv,
        inherents: &Inherents,
    ) -> Result<Self, BlockError> {
        let mut this = Self {
            view: View { base: state, writes: Writes::new() },
            env,
            rules: Rules::at(state),
            multiplier: transaction_payment::multiplier(state),
            records: Vec::new(),
            event_count: 0,
            transaction_count: 0,
            deltas: Deltas::default(),
            used: Weight::ZERO,
            ref_time: 0,
            normal_ref_time: 0,
            bytes: 0,
        };
        this.ref_time = this.run_hook("initialize", Phase::Initialization, on_initialize);
        let transactions = inherents.to_transactions();
        for (call, bytes) in inherents.calls().into_iter().zip(transactions) {
            let encoded = bytes.encode();
            let declared = call.weight();
            let (class, pays_fee) = (call.class(), call.pays());
            let mut cx = Ctx::new(&this.view, env, blake2_256(&encoded));
            let result = call.dispatch(&mut cx, Origin::None);
            if let Err(error) = result {
                let index = this.transaction_count;
                return Err(BlockError::InherentFailed { index, error: format!("{error:?}") });
            }
            let used = cx.used();
            debug_assert!(
                declared.covers(&used),
                "an inherent declares {declared:?}, used {used:?}"
            );
            let weight = declared.corrected(used).plus(BASE_WEIGHT);
            let info = DispatchInfo { weight: weight.into(), class, pays_fee };
            let output = end(cx, result, info, weight);
            let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
            this.include(output, class, length);
        }
        Ok(this)
    }

    /// Applies a transaction and includes it.
    ///
    /// # Errors
    ///
    /// The transaction is not included, and nothing has changed.
    pub fn apply(&mut self, checked: &CheckedTx) -> Result<(), ApplyError> {
        self.check_room(checked)?;
        let output = apply_tx(&self.view, self.env, self.multiplier, checked)?;
        self.include(output, checked.tx.class, checked.tx.length);
        Ok(())
    }

    /// Applies a transaction and includes it, as [`Self::apply`] does, and tells what it did.
    ///
    /// # Errors
    ///
    /// The transaction is not included, and nothing has changed.
    pub fn apply_traced(&mut self, checked: &CheckedTx) -> Result<Trace, ApplyError> {
        self.check_room(checked)?;
        let recorder = Recorder::new(&self.view);
        let output = apply_tx(&recorder, self.env, self.multiplier, checked)?;
        let trace = Trace { reads: recorder.into_reads(), output: output.clone() };
        self.include(output, checked.tx.class, checked.tx.length);
        Ok(trace)
    }

    fn check_room(&self, checked: &CheckedTx) -> Result<(), ApplyError> {
        let tx = &checked.tx;
        checked.check_rules(self.rules)?;
        tx.check_size()?;
        if self.has_room(tx.priced().ref_time(), tx.class, tx.length) {
            Ok(())
        } else {
            Err(ApplyError::BlockFull)
        }
    }

    fn has_room(&self, ref_time: u64, class: DispatchClass, length: u32) -> bool {
        let normal = self.normal_ref_time.saturating_add(ref_time) <= NORMAL_REF_TIME_MAX;
        self.bytes.saturating_add(length) <= BLOCK_BYTES_MAX
            && self.ref_time.saturating_add(ref_time) <= CALLS_REF_TIME_MAX
            && (normal || class != DispatchClass::Normal)
    }

    fn include(&mut self, output: TxOutput, class: DispatchClass, length: u32) {
        let ref_time = output.used.ref_time();
        self.ref_time = self.ref_time.saturating_add(ref_time);
        if class == DispatchClass::Normal {
            self.normal_ref_time = self.normal_ref_time.saturating_add(ref_time);
        }
        self.bytes = self.bytes.saturating_add(length);
        self.used = self.used.plus(output.used);
        self.merge(output, Phase::ApplyExtrinsic(self.transaction_count));
        self.transaction_count += 1;
    }

    /// Ends a block: hooks run, fees go where they belong, made and destroyed money is summed.
    pub fn finish(mut self) -> BlockOutput {
        self.run_hook("finalize", Phase::Finalization, on_finalize);
        let (before, used) = (self.deltas, self.normal_ref_time);
        self.run_hook("settle", Phase::Finalization, |cx| {
            transaction_payment::finish_block(cx, &before, used);
            let all = before.plus(cx.deltas());
            balances::fold_issuance(cx, &all);
        });
        self.run_hook("switch", Phase::Finalization, rules::switch);
        let count = self.event_count;
        self.run_hook("count", Phase::Finalization, |cx| system::note_event_count(cx, count));
        let mut events = Compact(self.event_count).encode();
        events.append(&mut self.records);
        BlockOutput {
            next_validators: session::validators(&self.view).members_hash(),
            writes: self.view.writes,
            events,
            used: self.used,
        }
    }

    /// Picoseconds that are taken so far, by hooks, inherents and transactions.
    pub fn ref_time(&self) -> u64 {
        self.ref_time
    }

    /// Gives the picoseconds that the hook took.
    fn run_hook(&mut self, name: &str, phase: Phase, hook: impl FnOnce(&mut Ctx)) -> u64 {
        let mut cx = Ctx::for_hook(&self.view, self.env, name);
        hook(&mut cx);
        let output = cx.finish(Ok(()));
        let ref_time = output.used.ref_time();
        self.merge(output, phase);
        ref_time
    }

    fn merge(&mut self, output: TxOutput, phase: Phase) {
        self.view.writes.extend(output.writes);
        self.deltas = self.deltas.plus(output.deltas);
        for event in output.events {
            phase.encode_to(&mut self.records);
            self.records.extend_from_slice(&event);
            // No topics.
            self.records.push(0);
            self.event_count += 1;
        }
    }
}
