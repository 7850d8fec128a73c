use super::*;
use codec::{Decode, Encode};
use framework::{DispatchError, TokenError};
use primitives::StateRead;
use runtime::{FeeDetails, InvalidTransaction, TransactionValidityError};
use testkit::{bob, transfer};

/// Answer of a dry run, by Substrate's name.
type ApplyResult = Result<Result<(), DispatchError>, TransactionValidityError>;

fn account_key(node: &Node, account: &primitives::AccountId) -> Vec<u8> {
    let snapshot = &node.chain.head().snapshot;
    let found = snapshot.keys(&[], None).find(|key| key.ends_with(&account.0) && key.len() == 80);
    found.expect("the account has money from the start")
}

#[tokio::test]
async fn changes_of_a_range_are_listed_block_by_block() {
    let mut node = Node::start().await;
    let key = account_key(&node, &bob().account());
    let mut signer = node.signer();
    let from = node.grow(&[]);
    node.grow(&[]);
    let changed = node.grow(&[signer.sign(&transfer(&bob(), 1_000_000_000_000))]);
    let to = node.grow(&[]);
    let value = |head: &Head| hex(head.snapshot.get(&key).expect("Bob has money"));
    let expected = json!([
        { "block": from.hash, "changes": [[hex(&key), value(&from)], ["0xdead", null]] },
        { "block": changed.hash, "changes": [[hex(&key), value(&changed)]] },
    ]);
    let keys = json!([hex(&key), "0xdead"]);
    for params in [json!([keys, from.hash]), json!([keys, from.hash, to.hash])] {
        assert_eq!(node.ask::<Value>("state_queryStorage", params).await, expected);
    }
    let one = json!([keys, from.hash, from.hash]);
    assert_eq!(node.ask::<Value>("state_queryStorage", one).await, json!([expected[0]]));

    let many = vec!["0x00"; KEYS_QUERIED_MAX];
    for (params, code, word) in [
        (json!([keys, to.hash, from.hash]), 4001, "ends before it begins"),
        (json!([many, node.chain.genesis(), to.hash]), 4001, "too many"),
        (json!([keys, Hash([7; 32])]), 4003, "0x0707"),
        (json!([keys]), -32602, "from"),
    ] {
        let found = node.try_ask::<Value>("state_queryStorage", params).await;
        let (found, message, _) = found.expect_err(word);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn the_parts_of_a_fee_are_told_as_substrate_does() {
    let node = Node::start().await;
    let tx = node.signer().sign(&transfer(&bob(), 1)).encode();
    let found: Value = node.ask("payment_queryFeeDetails", json!([hex(&tx)])).await;
    let length = u32::try_from(tx.len()).expect("it is short");
    let arguments = hex([tx, length.encode()].concat());
    let call = json!(["TransactionPaymentApi_query_fee_details", arguments]);
    let details: String = node.ask("state_call", call).await;
    let bytes = ::hex::decode(details).expect("it is hex");
    let details = FeeDetails::decode(&mut &bytes[..]).expect("it is the parts of a fee");
    let parts = details.inclusion_fee.expect("a transfer pays");
    let hexed = |amount: primitives::Balance| format!("{:#x}", amount.get());
    let expected = json!({ "inclusionFee": {
        "baseFee": hexed(parts.base_fee),
        "lenFee": hexed(parts.len_fee),
        "adjustedWeightFee": hexed(parts.adjusted_weight_fee),
    } });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_dry_run_answers_in_substrates_bytes() {
    let mut node = Node::start().await;
    node.grow(&[]);
    let sign = |value| node.signer().sign(&transfer(&bob(), value));
    let good = sign(1_000_000_000_000);
    let mut forged = good.clone();
    forged.0[40] ^= 1;
    let mut future = node.signer();
    future.nonce = 3;
    let future = future.sign(&transfer(&bob(), 1));
    let refused = |why| Err(TransactionValidityError::Invalid(why));
    let cases: [(&OpaqueTransaction, ApplyResult); 4] = [
        (&good, Ok(Ok(()))),
        (&sign(u128::MAX), Ok(Err(TokenError::FundsUnavailable.into()))),
        (&forged, refused(InvalidTransaction::BadProof)),
        (&future, refused(InvalidTransaction::Future)),
    ];
    for (tx, expected) in cases {
        for method in ["system_dryRun", "system_dryRunAt"] {
            let found: String = node.ask(method, json!([hex(tx.encode())])).await;
            assert_eq!(found, hex(expected.encode()), "{expected:?}");
        }
    }
    let bad = node.try_ask::<Value>("system_dryRun", json!(["0x0400ff"])).await;
    assert_eq!(bad.expect_err("those are no transaction").0, 1001);
    let head = node.grow(std::slice::from_ref(&good));
    let at = json!([hex(good.encode()), head.header.parent_hash]);
    assert_eq!(node.ask::<String>("system_dryRun", at).await, "0x0000");
    let now: String = node.ask("system_dryRun", json!([hex(good.encode())])).await;
    assert_eq!(now, hex(ApplyResult::encode(&refused(InvalidTransaction::Stale))));
}
