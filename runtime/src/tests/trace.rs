use super::chain::{Chain, account, pay};
use crate::{
    InvalidTransaction, RuntimeCall, decode_transaction, dry_run,
    view::{self, Bytes, EndView, EstimateRequest, RunView},
};
use ::pallets::{system, tasks, transaction_payment, utility};
use codec::Encode;
use primitives::{Balance, OpaqueTransaction};
use serde_json::json;

const ARTL: u128 = 1_000_000_000_000;

fn spec() -> tasks::TaskSpec {
    tasks::TaskSpec {
        engine: 1,
        program: tasks::Cid::new(tasks::Cid::RAW, [1; 32]),
        input: tasks::Input::Inline(b"input".to_vec()),
        args: vec![b"-v".to_vec()],
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    }
}

fn create(reward: u128) -> RuntimeCall {
    let policy = tasks::Policy::economy(Balance::new(reward));
    RuntimeCall::Tasks(tasks::Call::create_task {
        spec: spec(),
        policy,
        requester: None,
        funded: true,
    })
}

fn run(chain: &Chain, bytes: &OpaqueTransaction) -> Result<RunView, InvalidTransaction> {
    let tx = decode_transaction(bytes, bytes.hash()).expect("it is well-formed");
    dry_run(&chain.state, &chain.position(), tx).map(|trace| view::run_of_trace(&trace))
}

/// What the events of a block tell of a transaction.
fn included(chain: &mut Chain, bytes: OpaqueTransaction) -> RunView {
    view::run_of_events(&chain.include(bytes)).expect("the last event tells of the end")
}

#[test]
fn a_dry_run_tells_what_the_block_will() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let calls = [pay("Bob", 5 * ARTL), pay("Bob", u128::MAX), create(ARTL)];
    for call in calls {
        let bytes = chain.sign("Alice", call);
        let dry = run(&chain, &bytes).expect("it can be included");
        let touched = dry.touched.clone().expect("it was run");
        assert!(touched.reads.count > 0 && touched.writes.count > 0, "{touched:?}");
        assert_eq!(RunView { touched: None, ..dry }, included(&mut chain, bytes));
    }
    let failing = chain.sign("Alice", pay("Bob", u128::MAX));
    let RunView { end: EndView::Failed(why), fee, .. } = run(&chain, &failing).expect("it pays")
    else {
        panic!("nobody has so much")
    };
    assert_eq!(why.name, "Token.FundsUnavailable");
    assert!(!fee.is_zero() && why.text.len() > 10, "{why:?}");
    let again = chain.sign("Alice", pay("Bob", 1));
    chain.include(again.clone());
    assert_eq!(run(&chain, &again), Err(InvalidTransaction::Stale));
}

#[test]
fn calls_and_events_are_read_by_their_names() {
    let mut chain = Chain::dev();
    let call = RuntimeCall::Utility(utility::Call::batch_all {
        calls: vec![
            pay("Bob", 5),
            RuntimeCall::System(system::Call::remark { remark: vec![7, 8] }),
        ],
    });
    let found = view::call(&call);
    assert_eq!(found.name, "Utility.batch_all");
    let bob = account("Bob").to_string();
    let transfer = json!({ "dest": { "Id": bob }, "value": "5" });
    let expected = json!([
        { "Balances": { "transfer_keep_alive": transfer } },
        { "System": { "remark": { "remark": "0x0708" } } },
    ]);
    assert_eq!(found.args, json!({ "calls": expected }));
    assert!(found.text.len() > 10, "{found:?}");

    let create = view::call(&create(7));
    assert_eq!(create.args["policy"]["assurance"], "Economy");
    assert_eq!(create.args["policy"]["reward"], "7");
    assert_eq!(create.args["requester"], json!(null));
    assert_eq!(create.args["spec"]["args"], json!(["0x2d76"]));

    let bytes = chain.sign("Alice", pay("Bob", 5));
    let run = included(&mut chain, bytes);
    let transfer = run.events.iter().find(|event| event.name == "Balances.Transfer");
    let fields = json!({ "from": account("Alice"), "to": account("Bob"), "amount": "5" });
    assert_eq!(transfer.map(|event| &event.fields), Some(&fields));
}

#[test]
fn every_event_of_a_block_is_explained() {
    let mut chain = Chain::dev();
    let (records, _) = chain.block(&[chain.sign("Alice", create(ARTL))]);
    let explained = view::events(&records.encode()).expect("they are event records");
    let names: Vec<_> = explained.iter().map(|event| event.name.as_str()).collect();
    assert!(names.contains(&"Tasks.Created") && names.contains(&"Escrow.Deposited"), "{names:?}");
    assert_eq!(explained.len(), records.len());
    assert!(view::events(&[4, 9, 9]).is_err());
}

#[test]
fn an_estimate_tells_fee_hold_and_end_of_a_task() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let (state, at) = (&chain.state, chain.position());
    let signer = Some(account("Alice"));
    let call = || Bytes(create(ARTL).encode());
    let estimate = |request| view::estimate(state, &at, request).expect("it can be estimated");
    let of_call = estimate(EstimateRequest::Call { call: call(), signer });
    let task = of_call.task.clone().expect("it creates a task");
    assert_eq!(of_call.held, Some(task.held));
    assert_eq!(task.held, Balance::new(task.deposit.get() + task.work.get()));
    assert!(task.claim_until_ms < task.failed_by_ms, "{task:?}");
    let run = of_call.run.clone().expect("Alice would sign");
    assert_eq!(run.end, EndView::Ok);
    assert!(run.fee <= of_call.fee, "what is not used comes back");

    let nobody = estimate(EstimateRequest::Call { call: call(), signer: None });
    assert_eq!((nobody.run, nobody.held, nobody.task), (None, None, of_call.task.clone()));
    let signed = chain.sign("Alice", create(ARTL));
    let of_signed = estimate(EstimateRequest::Extrinsic(Bytes(signed.encode())));
    let tx = chain.verify(&signed).expect("it is signed well");
    let fees = tx.priced().fee_details(transaction_payment::multiplier(state));
    assert_eq!(of_signed.fee, fees.total());

    let terms = json!({ "task": { "signer": account("Alice"), "reward": ARTL.to_string(), "spec": {
        "engine": 1, "program": view::cid(&spec().program), "input": { "inline": "0x696e707574" },
        "args": ["0x2d76"], "fuelLimit": 1_000_000, "memoryPagesMax": 16, "outputBytesMax": 1_024,
    } } });
    let request = serde_json::from_value(terms).expect("these are the terms of a task");
    assert_eq!(estimate(request), of_call);

    let poor = Some(primitives::AccountId([9; 32]));
    let refused = estimate(EstimateRequest::Call { call: call(), signer: poor });
    let end = refused.run.expect("it was tried").end;
    assert!(matches!(&end, EndView::Refused(why) if why.name == "Payment"), "{end:?}");
    let wrong = EstimateRequest::Call { call: Bytes(vec![1, 2, 3]), signer: None };
    assert!(view::estimate(state, &at, wrong).is_err_and(|why| why.contains("no transaction")));
}
