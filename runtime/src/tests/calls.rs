use super::chain::{Chain, account, pay};
use crate::{
    AgentInfo, CallError, Estimate, Explanation, InvalidTransaction, Position, RuntimeCall,
    RuntimeDispatchInfo, RuntimeEvent, RuntimeVersion, TaskInfo, TransactionValidityError,
    UnknownTransaction, ValidTransaction, call, metadata, version,
};
use ::pallets::{
    escrow,
    tasks::{self, Cid, Input, Policy, TaskSpec},
    transaction_payment::FeeDetails,
};
use codec::{Decode, DecodeAll, Encode};
use framework::{DispatchError, MemState, ModuleError, WeightV2};
use primitives::{Balance, Hash, Nonce, OpaqueTransaction, Transaction};

fn ask(state: &MemState, at: &Position, method: &str, args: &[u8]) -> Vec<u8> {
    call(state, at, method, args).expect("it is served")
}

#[test]
fn runtime_calls_answer_in_substrates_bytes() {
    let mut chain = Chain::dev();
    chain.include(chain.sign("Alice", pay("Bob", 5)));
    let at = chain.position();
    let ask = |method: &str, args: &[u8]| ask(&chain.state, &at, method, args);
    let shown = RuntimeVersion::decode_all(&mut &ask("Core_version", &[])[..]);
    assert_eq!(shown, Ok(version()));
    assert_eq!(ask("Metadata_metadata_versions", &[]), vec![14u32, 15, 16].encode());
    assert_eq!(ask("Metadata_metadata", &[]), metadata(14).expect("it is served").encode());
    let at_version = |version: u32| ask("Metadata_metadata_at_version", &version.encode());
    for version in [14, 15, 16] {
        assert_eq!(at_version(version), Some(metadata(version).expect("it is served")).encode());
    }
    assert_eq!((at_version(13), at_version(17)), (vec![0], vec![0]));
    let nonce = ask("AccountNonceApi_account_nonce", &account("Alice").encode());
    assert_eq!(nonce, 1u32.encode());
    let unknown = call(&chain.state, &at, "Core_nothing", &[]).expect_err("it is not served");
    assert_eq!(unknown.to_string(), "Exported method Core_nothing is not found");
    let bad = call(&chain.state, &at, "AccountNonceApi_account_nonce", &[1]);
    assert!(matches!(bad, Err(CallError::BadArguments { .. })));
}

#[test]
fn validate_transaction_tells_pools_and_clients() {
    let mut chain = Chain::dev();
    chain.include(chain.sign("Alice", pay("Bob", 5)));
    let at = chain.position();
    type Verdict = Result<ValidTransaction, TransactionValidityError>;
    let verdict = |tx: &OpaqueTransaction| {
        let args = (2u8, tx, Hash::ZERO).encode();
        let answer = ask(&chain.state, &at, "TaggedTransactionQueue_validate_transaction", &args);
        Verdict::decode_all(&mut &answer[..]).expect("it decodes")
    };
    let good = chain.sign("Alice", pay("Bob", 5));
    let valid = verdict(&good).expect("it is valid");
    assert_eq!(valid.provides, [(account("Alice"), 1 as Nonce).encode()]);
    assert_eq!((valid.requires.len(), valid.longevity, valid.propagate), (0, u64::MAX, true));
    let mut forged = good;
    let last = forged.0.len() - 1;
    forged.0[last] ^= 4;
    let invalid = TransactionValidityError::Invalid(InvalidTransaction::BadProof);
    assert_eq!(verdict(&forged), Err(invalid));
    let bare = OpaqueTransaction(Transaction::Bare(pay("Bob", 5)).encode());
    let unknown = TransactionValidityError::Unknown(UnknownTransaction::NoUnsignedValidator);
    assert_eq!(verdict(&bare), Err(unknown));
}

#[test]
fn the_version_has_the_contracts_json_and_api_ids() {
    let json = serde_json::to_value(version()).expect("it is JSON");
    assert_eq!((&json["specName"], &json["implName"]), (&"artel".into(), &"artel-node".into()));
    assert_eq!((&json["specVersion"], &json["stateVersion"]), (&1.into(), &1.into()));
    let ids: Vec<_> = version().apis.iter().map(|(id, _)| hex::encode(id)).collect();
    let expected = [
        "df6acb689907609b",
        "37e397fc7c91f5e4",
        "d2bc9897eed08f15",
        "bc9d89904f5b923f",
        "37c8bb1350a9a2a8",
        "f3ff14d5ab527059",
    ];
    assert_eq!(ids[..expected.len()], expected);
    assert_eq!(json["apis"][0], serde_json::json!(["0xdf6acb689907609b", 5]));
    let back: RuntimeVersion = serde_json::from_value(json).expect("it reads its own JSON");
    assert_eq!(back, version());
}

#[test]
fn refusals_have_substrates_codes_and_words() {
    let cases: [(InvalidTransaction, u8, &str); 5] = [
        (InvalidTransaction::Call, 0, "Transaction call is not expected"),
        (
            InvalidTransaction::Payment,
            1,
            "Inability to pay some fees (e.g. account balance too low)",
        ),
        (InvalidTransaction::Stale, 3, "Transaction is outdated"),
        (InvalidTransaction::BadProof, 4, "Transaction has a bad signature"),
        (InvalidTransaction::BadSigner, 10, "Invalid signing address"),
    ];
    for (invalid, code, text) in cases {
        assert_eq!((invalid.encode(), invalid.to_string()), (vec![code], text.to_owned()));
    }
    let custom = InvalidTransaction::decode(&mut &[7, 9][..]).expect("it decodes");
    assert_eq!(custom.to_string(), "Custom error: 9");
}

fn task_spec() -> TaskSpec {
    TaskSpec {
        engine: 1,
        program: Cid::new(Cid::RAW, [1; 32]),
        input: Input::Inline(b"input".to_vec()),
        args: Vec::new(),
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    }
}

fn asked<T: Decode>(chain: &Chain, method: &str, args: impl Encode) -> T {
    let answer = ask(&chain.state, &chain.position(), method, &args.encode());
    T::decode_all(&mut &answer[..]).expect("the answer has the type that metadata says")
}

#[test]
fn a_call_costs_what_its_transaction_does() {
    let chain = Chain::dev();
    let tx = chain.sign("Alice", pay("Bob", 5));
    let length = u32::try_from(tx.encoded_size()).expect("it is short");
    let (of_tx, of_call) = ((&tx, length), (pay("Bob", 5), length));
    let info: RuntimeDispatchInfo =
        asked(&chain, "TransactionPaymentCallApi_query_call_info", &of_call);
    assert_eq!(info, asked(&chain, "TransactionPaymentApi_query_info", of_tx));
    let details: FeeDetails =
        asked(&chain, "TransactionPaymentCallApi_query_call_fee_details", &of_call);
    assert_eq!(details, asked(&chain, "TransactionPaymentApi_query_fee_details", of_tx));
    assert_eq!(details.fee(), info.partial_fee);
    let parts = details.inclusion_fee.expect("a transfer pays");
    for api in ["TransactionPaymentApi", "TransactionPaymentCallApi"] {
        let of_length: Balance = asked(&chain, &format!("{api}_query_length_to_fee"), length);
        assert_eq!(of_length, parts.len_fee);
        // The multiplier is 1 on an idle chain.
        let weight = WeightV2 { ref_time: info.weight.ref_time, proof_size: 0 };
        let of_weight: Balance = asked(&chain, &format!("{api}_query_weight_to_fee"), weight);
        assert_eq!(of_weight, parts.base_fee.saturating_add(parts.adjusted_weight_fee));
    }
}

#[test]
fn a_call_that_nests_too_deep_is_no_argument() {
    let chain = Chain::dev();
    let batches = [26, 2, 4].repeat(1_000);
    let args = [&batches[..], &pay("Bob", 5).encode(), &0u32.encode()].concat();
    let method = "TransactionPaymentCallApi_query_call_info";
    let deep = call(&chain.state, &chain.position(), method, &args);
    assert!(matches!(deep, Err(CallError::BadArguments { .. })));
}

#[test]
fn an_estimate_is_what_the_creation_then_holds_and_costs() {
    let mut chain = Chain::dev();
    let (spec, policy) = (task_spec(), Policy::economy(Balance::new(5_000_000)));
    let estimate = |chain: &Chain, policy: &Policy, funded| -> Result<Estimate, DispatchError> {
        asked(chain, "ArtelApi_estimate", (&spec, policy, funded))
    };
    let told = estimate(&chain, &policy, true).expect("the task is possible");
    let unfunded = estimate(&chain, &policy, false).expect("the task is possible");
    assert_eq!(unfunded.held, told.deposit);
    let refused = estimate(&chain, &Policy::economy(Balance::new(1)), true);
    assert_eq!(refused, Err(tasks::Error::RewardTooLow.into()));

    let before = chain.free("Alice");
    let create = tasks::Call::create_task {
        spec: spec.clone(),
        policy: policy.clone(),
        requester: None,
        funded: true,
    };
    let events = chain.include(chain.sign("Alice", RuntimeCall::Tasks(create)));
    let held = events.iter().find_map(|event| match event {
        RuntimeEvent::Escrow(escrow::Event::Deposited { task, amount, .. }) => {
            Some((*task, *amount))
        }
        _ => None,
    });
    let (id, held) = held.expect("the money is held");
    assert_eq!(held, told.held);
    let fee = before.saturating_sub(chain.free("Alice")).saturating_sub(held);
    assert!(!fee.is_zero() && fee <= told.transaction_fee, "{fee} is above what was told");

    let info: Option<TaskInfo> = asked(&chain, "ArtelApi_task", id);
    let info = info.expect("the task is there");
    assert_eq!((&info.spec, &info.task.policy), (&spec, &policy));
    assert_eq!(info.escrow.expect("it is funded").left(), held);
    assert_eq!((info.task.exec_ms, info.task.slot_hold), (told.exec_ms, told.stake_at_risk));
    assert_eq!(info.deadline, Some(info.task.deadline));
    assert_eq!(asked::<Option<TaskInfo>>(&chain, "ArtelApi_task", Hash::ZERO), None);
}

#[test]
fn agents_and_errors_are_told_in_types_that_metadata_names() {
    let mut chain = Chain::dev();
    assert_eq!(asked::<Option<AgentInfo>>(&chain, "ArtelApi_agent", account("Bob")), None);
    chain.enrol("Bob");
    let agent: Option<AgentInfo> = asked(&chain, "ArtelApi_agent", account("Bob"));
    let agent = agent.expect("he is one now");
    assert_eq!((agent.free_slots, agent.free_stake), (64, agent.agent.stake));
    let error = DispatchError::Module(ModuleError { index: tasks::INDEX, error: [10, 0, 0, 0] });
    let told: Explanation = asked(&chain, "ArtelApi_explain", error);
    assert_eq!(told.name, "Tasks.ClaimsClosed");
    assert!(told.text.contains("candidates"), "{}", told.text);
    let told: Explanation = asked(&chain, "ArtelApi_explain", DispatchError::BadOrigin);
    assert_eq!(told.name, "BadOrigin");
}
