//! Transactions, calls, events and errors as views.

use super::{
    Bytes, CallView, EVENTS_EXPLAINED_MAX, EndView, EstimateRequest, EstimateView, EventView,
    ExplainedView, InputView, KEYS_TRACED_MAX, KeysView, PolicyView, RunView, SpecView,
    TaskEstimateView, TouchedView, TransactionView, WeightView,
};
use crate::{
    CALL_DEPTH_MAX, DecodedTx, Estimate, InvalidTransaction, Position, RuntimeCall, RuntimeEvent,
    Trace, UncheckedTransaction,
    calls::{self, NONCE_FOR_ESTIMATES},
    decode_transaction, dry_run,
    execution::View,
    explain::{self, Explained},
    readable,
};
use codec::{Compact, Decode, DecodeAll, DecodeLimit, Encode};
use framework::{DispatchError, StateRead, WeightV2};
use pallets::{
    agents::{Capabilities, clock},
    system::{self, BASE_WEIGHT, EventRecord, Phase},
    tasks::{self, Assurance, Input, Policy, TaskSpec},
    transaction_payment,
};
use primitives::{
    AccountId, Balance, Era, Hash, Height, Moment, MultiAddress, MultiSignature, OpaqueTransaction,
    RawKey, Transaction, TransactionExtra,
};
use std::collections::BTreeMap;

/// Blocks for which a transaction that is made up for an estimate would be valid.
const ESTIMATED_PERIOD: u32 = 64;
/// Most that a transaction may declare, in picoseconds, to be run for an estimate: nobody pays for that.
const RUN_REF_TIME_MAX: u64 = 100_000_000_000;
/// Version byte of a signed transaction.
const VERSION_SIGNED: u8 = 0x84;

/// An error in words.
pub fn error(error: &DispatchError) -> ExplainedView {
    explain::error(error).into()
}

/// A refusal in words.
pub fn refusal(invalid: InvalidTransaction) -> ExplainedView {
    let name = format!("{invalid:?}");
    let text = match invalid {
        InvalidTransaction::Custom(crate::CUSTOM_BAD_ENCODING) => {
            "The bytes are no transaction of this chain.".to_owned()
        }
        InvalidTransaction::Custom(crate::CUSTOM_NOT_FREE) => {
            "The call is free of charge only now and then, and not now.".to_owned()
        }
        other => other.to_string(),
    };
    ExplainedView { name, text }
}

/// A call in words.
pub fn call(call: &RuntimeCall) -> CallView {
    let readable = readable::call(call);
    CallView { name: readable.name, args: readable.fields, text: explain::call(call).text }
}

/// An event in words.
pub fn event(event: &RuntimeEvent) -> EventView {
    let readable = readable::event(event);
    EventView { name: readable.name, fields: readable.fields, text: explain::event(event).text }
}

/// The first events of a value of `System.Events` in words, at most [`EVENTS_EXPLAINED_MAX`].
///
/// # Errors
///
/// The bytes are no event records.
pub fn events(mut bytes: &[u8]) -> Result<Vec<EventView>, codec::Error> {
    let count = Compact::<u32>::decode(&mut bytes)?.0;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let records = (0..count.min(EVENTS_EXPLAINED_MAX)).map(|_| {
        EventRecord::<RuntimeEvent, Hash>::decode(&mut bytes).map(|record| event(&record.event))
    });
    records.collect()
}

/// What the events of a transaction tell of it; `None` if the last is not about its end.
pub fn run_of_events(events: &[RuntimeEvent]) -> Option<RunView> {
    use system::Event as OfSystem;
    let (end, info) = match events.last()? {
        RuntimeEvent::System(OfSystem::ExtrinsicSuccess { dispatch_info }) => {
            (EndView::Ok, dispatch_info)
        }
        RuntimeEvent::System(OfSystem::ExtrinsicFailed { dispatch_error, dispatch_info }) => {
            (EndView::Failed(error(dispatch_error)), dispatch_info)
        }
        _ => return None,
    };
    let paid = events.iter().rev().find_map(|event| match event {
        RuntimeEvent::TransactionPayment(transaction_payment::Event::TransactionFeePaid {
            actual_fee,
            tip,
            ..
        }) => Some((*actual_fee, *tip)),
        _ => None,
    });
    let (fee, tip) = paid.unwrap_or_default();
    let weight = weight(info.weight);
    Some(RunView {
        end,
        fee,
        tip,
        weight,
        events: events.iter().map(event).collect(),
        touched: None,
    })
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block.
    pub block: Hash,
    /// The block's number.
    pub height: Height,
    /// The transaction's place in the block.
    pub index: u32,
}

/// A transaction of a block and what came of it.
///
/// # Errors
///
/// It does not decode.
pub fn transaction(
    bytes: &OpaqueTransaction,
    place: Place,
    run: RunView,
) -> Result<TransactionView, codec::Error> {
    let decoded =
        UncheckedTransaction::decode_all_with_depth_limit(CALL_DEPTH_MAX, &mut &bytes.0[..])?;
    let (signer, nonce) = match &decoded {
        Transaction::Signed { address, extra, .. } => (address.account(), Some(extra.nonce)),
        Transaction::Bare(_) => (None, None),
    };
    let Place { block, height, index } = place;
    Ok(TransactionView {
        hash: bytes.hash(),
        block,
        height,
        index,
        signer,
        nonce,
        length: u32::try_from(bytes.encoded_size()).unwrap_or(u32::MAX),
        call: call(decoded.call()),
        run,
    })
}

/// What came of the transactions of a block, by their places, as its value of `System.Events` tells. `wanted` says which.
///
/// # Errors
///
/// The bytes are no event records, or those of a transaction do not tell of its end.
pub fn runs(
    events: &[u8],
    wanted: impl Fn(u32) -> bool,
) -> Result<BTreeMap<u32, RunView>, codec::Error> {
    let mut found = BTreeMap::<u32, Vec<RuntimeEvent>>::new();
    for record in Vec::<EventRecord<RuntimeEvent, Hash>>::decode_all(&mut &events[..])? {
        match record.phase {
            Phase::ApplyExtrinsic(index) if wanted(index) => {
                found.entry(index).or_default().push(record.event);
            }
            Phase::ApplyExtrinsic(_) | Phase::Initialization | Phase::Finalization => {}
        }
    }
    let run = |(index, events): (u32, Vec<RuntimeEvent>)| {
        let run = run_of_events(&events).ok_or("the events of a transaction have no end")?;
        Ok((index, run))
    };
    found.into_iter().map(run).collect()
}

/// What a transaction did when it was run.
pub fn run_of_trace(trace: &Trace) -> RunView {
    let decode = |bytes: &Vec<u8>| RuntimeEvent::decode_all(&mut &bytes[..]);
    let events: Result<Vec<_>, _> = trace.output.events.iter().map(decode).collect();
    let events = events.expect("events that were just encoded decode");
    let run = run_of_events(&events).expect("a transaction's last event tells of its end");
    let touched =
        TouchedView { reads: keys(trace.reads.iter()), writes: keys(trace.output.writes.keys()) };
    RunView { touched: Some(touched), ..run }
}

/// What came of a transaction that cannot be included.
fn refused(invalid: InvalidTransaction) -> RunView {
    RunView {
        end: EndView::Refused(refusal(invalid)),
        fee: Balance::ZERO,
        tip: Balance::ZERO,
        weight: WeightView::default(),
        events: Vec::new(),
        touched: None,
    }
}

fn keys<'a>(keys: impl ExactSizeIterator<Item = &'a RawKey>) -> KeysView {
    let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    KeysView { count, keys: keys.take(KEYS_TRACED_MAX).cloned().map(Bytes).collect() }
}

fn weight(weight: WeightV2) -> WeightView {
    WeightView { ref_time: weight.ref_time, proof_size: weight.proof_size }
}

impl From<Explained> for ExplainedView {
    fn from(explained: Explained) -> Self {
        Self { name: explained.name, text: explained.text }
    }
}

/// What a transaction, a call or a task would cost, and do, in the block after a state.
///
/// # Errors
///
/// A sentence that says what is wrong with the request.
pub fn estimate(
    state: &dyn StateRead,
    at: &Position,
    request: EstimateRequest,
) -> Result<EstimateView, String> {
    let (tx, is_signed) = match request {
        EstimateRequest::Extrinsic(bytes) => {
            let bytes = OpaqueTransaction::decode_all(&mut &bytes.0[..])
                .map_err(|error| format!("the transaction does not decode: {error}"))?;
            (decode(&bytes)?, true)
        }
        EstimateRequest::Call { call, signer } => {
            (made_up(state, at, &call.0, signer)?, signer.is_some())
        }
        EstimateRequest::Task { spec, policy, reward, signer } => {
            let policy = match (policy, reward) {
                (Some(policy), None) => policy_of(policy)?,
                (None, Some(reward)) => Policy::economy(reward),
                _ => return Err("a task has either a policy or a reward".to_owned()),
            };
            let call = tasks::Call::create_task {
                spec: spec_of(spec)?,
                policy,
                requester: None,
                funded: true,
            };
            let call = RuntimeCall::Tasks(call).encode();
            (made_up(state, at, &call, signer)?, signer.is_some())
        }
    };
    let priced = tx.priced();
    let fees = priced.fee_details(transaction_payment::multiplier(state));
    let task = match &tx.call {
        RuntimeCall::Tasks(tasks::Call::create_task { spec, policy, funded, .. }) => {
            match calls::estimate_task(state, at, spec.clone(), policy.clone(), *funded) {
                Ok(estimate) => Some(task_estimate(state, &estimate)),
                // The run tells why.
                Err(_) if is_signed => None,
                Err(why) => return Err(explain::error(&why).text),
            }
        }
        _ => None,
    };
    let (weight, length) = (weight(tx.weight.plus(BASE_WEIGHT).into()), tx.length);
    let runs = is_signed && weight.ref_time <= RUN_REF_TIME_MAX;
    let (run, held) = if runs { run(state, at, tx) } else { (None, None) };
    let height = at.height.saturating_sub(1);
    Ok(EstimateView { height, fee: fees.total(), weight, length, run, held, task })
}

/// Runs a transaction; gives what came of it, and what more its signer has on hold then.
fn run(state: &dyn StateRead, at: &Position, tx: DecodedTx) -> (Option<RunView>, Option<Balance>) {
    let signer = tx.signer;
    let before = system::account(state, &signer).data.reserved;
    match dry_run(state, at, tx) {
        Ok(trace) => {
            let after = View { base: state, writes: trace.output.writes.clone() };
            let after = system::account(&after, &signer);
            let held = after.data.reserved.saturating_sub(before);
            (Some(run_of_trace(&trace)), Some(held))
        }
        Err(invalid) => (Some(refused(invalid)), None),
    }
}

fn decode(bytes: &OpaqueTransaction) -> Result<DecodedTx, String> {
    decode_transaction(bytes, bytes.hash()).map_err(|invalid| refusal(invalid).text)
}

/// A transaction of the call as its signer would send it next, with the longest signature, and nonce if nobody is named.
fn made_up(
    state: &dyn StateRead,
    at: &Position,
    call: &[u8],
    signer: Option<AccountId>,
) -> Result<DecodedTx, String> {
    let nonce = match &signer {
        Some(signer) => system::account(state, signer).nonce,
        None => NONCE_FOR_ESTIMATES,
    };
    let signer = signer.unwrap_or(AccountId([1; 32]));
    let era = Era::mortal(ESTIMATED_PERIOD, at.height.saturating_sub(1));
    let extra = TransactionExtra::new(era, nonce, Balance::ZERO);
    let mut bytes = vec![VERSION_SIGNED];
    MultiAddress::Id(signer).encode_to(&mut bytes);
    MultiSignature::Ecdsa([1; 65]).encode_to(&mut bytes);
    extra.encode_to(&mut bytes);
    bytes.extend_from_slice(call);
    decode(&OpaqueTransaction(bytes))
}

/// What a task would cost and how long it may take.
fn task_estimate(state: &dyn StateRead, estimate: &Estimate) -> TaskEstimateView {
    let after = |span: Moment| clock::now(state).saturating_add(span);
    TaskEstimateView {
        held: estimate.held,
        deposit: estimate.deposit,
        work: estimate.work,
        fee: estimate.protocol_fee,
        listing_fee: estimate.listing_fee,
        stake_hold: estimate.stake_at_risk,
        claim_until_ms: after(estimate.unclaimed_ms),
        exec_ms: estimate.exec_ms,
        window_ms: estimate.challenge_ms,
        failed_by_ms: after(estimate.failed_ms),
    }
}

/// The specification that a view shows.
///
/// # Errors
///
/// A content id is none.
pub fn spec_of(view: SpecView) -> Result<TaskSpec, String> {
    Ok(TaskSpec {
        engine: view.engine,
        program: cid_of(&view.program)?,
        input: match view.input {
            InputView::Inline(bytes) => Input::Inline(bytes.0),
            InputView::Blob { cid, plaintext_hash, key_commit, size } => {
                Input::Blob { cid: cid_of(&cid)?, plaintext_hash, key_commit, size }
            }
        },
        args: view.args.into_iter().map(|bytes| bytes.0).collect(),
        fuel_limit: view.fuel_limit,
        memory_pages_max: view.memory_pages_max,
        output_bytes_max: view.output_bytes_max,
    })
}

fn cid_of(text: &str) -> Result<tasks::Cid, String> {
    let bad = || format!("'{}' is not the id of a blob", primitives::shown(text, 80));
    let standard = ::cid::Cid::try_from(text).map_err(|_| bad())?;
    standard.to_bytes().try_into().map(tasks::Cid).map_err(|_| bad())
}

fn policy_of(view: PolicyView) -> Result<Policy, String> {
    let small = |name: &str, value: u32| {
        u8::try_from(value).map_err(|_| format!("{name} is {value}: at most 255 is possible"))
    };
    let assurance = match view.assurance.as_str() {
        "economy" => Assurance::Economy,
        "standard" => Assurance::Standard,
        "assured" => Assurance::Assured,
        other => {
            let shown = primitives::shown(other, 40);
            return Err(format!(
                "assurance is '{shown}': economy, standard or assured is possible"
            ));
        }
    };
    Ok(Policy {
        reward: view.reward,
        replicas: small("replicas", view.replicas)?,
        quorum: small("quorum", view.quorum)?,
        extra_attempts: small("extraAttempts", view.extra_attempts)?,
        assurance,
        value_at_risk: view.value_at_risk,
        requires: Capabilities {
            memory_class: view.memory_class,
            tags: view.tags.into_iter().map(String::into_bytes).collect(),
        },
        claim_ms: view.claim_ms,
        retain_ms: view.retain_ms,
    })
}
