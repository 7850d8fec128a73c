//! A light client and a node that lies when it is told to, over a real socket.

use super::*;
use crate::LightError;
use codec::Encode;
use jsonrpsee::{
    RpcModule,
    server::{Server, ServerHandle},
};
use primitives::{
    AccountId, Certificate, Header, ValidatorInfo, ValidatorSet,
    crypto::{hash::blake2_256, pair::Ed25519Pair},
    proof::{Proof, ProofEnd, leaf_node},
};
use runtime::{Digested, Inherents, extrinsics_root, light::TimeProof, make_digest};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock, Mutex};

const GENESIS: Hash = Hash([5; 32]);
const KEY: &[u8] = b"a key";
const VALUE: &[u8] = b"its value";
/// The validators change with this block.
const CHANGE: Height = 3;

/// What the node says that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Nothing,
    Value,
    Proof,
    Signature,
    Garbage,
}

fn pair(number: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[number; 32])
}

/// The only validator after a block.
fn validators_after(height: Height) -> Vec<ValidatorInfo> {
    let number = if height < CHANGE { 1 } else { 2 };
    let (account, vote_key) = (AccountId([number; 32]), pair(number).public());
    vec![ValidatorInfo { account, vote_key, vrf_key: [0; 32], power: 1 }]
}

fn body(height: Height) -> Vec<primitives::OpaqueTransaction> {
    static START_MS: LazyLock<Moment> = LazyLock::new(|| now_ms() - 100_000);
    let time_ms = *START_MS + 1_000 * u64::from(height);
    Inherents { time_ms, ..Inherents::default() }.to_transactions()
}

fn header(height: Height) -> Header {
    let parent_hash = if height == 0 { GENESIS } else { header(height - 1).hash() };
    let validators = ValidatorSet { validators: validators_after(height), seed: Hash::ZERO };
    let digest = make_digest(&Digested {
        author: AccountId([1; 32]),
        origin_round: 0,
        vrf_output: [0; 32],
        vrf_proof: [0; 64],
        next_validators: validators.members_hash(),
        new_rules: false,
    });
    let state_root = Hash(leaf_node(&blake2_256(KEY).0, &blake2_256(VALUE).0));
    let extrinsics_root = extrinsics_root(&body(height));
    Header { parent_hash, number: height, state_root, extrinsics_root, digest }
}

fn block(height: Height) -> LightBlock {
    let header = header(height);
    let mut certificate =
        Certificate { height, round: 0, block: header.hash(), signatures: Vec::new() };
    let number = if height <= CHANGE { 1 } else { 2 };
    let signature = pair(number).sign(&certificate.signed_bytes(&GENESIS));
    certificate.signatures.push((AccountId([number; 32]), signature));
    LightBlock {
        parent: self::header(height - 1),
        header,
        certificate,
        time: TimeProof::of(&body(height)).expect("it has a time"),
        validators: (height == CHANGE).then(|| validators_after(height)),
    }
}

/// A node whose head is block 9.
async fn node(lie: Arc<Mutex<Lie>>) -> (Client, ServerHandle) {
    let mut module = RpcModule::new(lie);
    let version = runtime::version();
    let version = json!({
        "specName": version.spec_name,
        "specVersion": version.spec_version,
        "transactionVersion": version.transaction_version,
    });
    let answers: [(&'static str, Value); 3] = [
        ("state_getRuntimeVersion", version),
        ("chain_getBlockHash", json!(GENESIS)),
        ("system_chain", json!("Test")),
    ];
    for (name, answer) in answers {
        module.register_method(name, move |_, _, _| answer.clone()).expect("one of a name");
    }
    let start = |_: jsonrpsee::types::Params<'_>, _: &_, _: &_| {
        let time = TimeProof::of(&body(1)).expect("it has a time");
        let start = LightStart { header: header(1), time, validators: validators_after(1) };
        json!(Bytes(start.encode()))
    };
    module.register_method("artel_lightStart", start).expect("one of a name");
    let blocks = |params: jsonrpsee::types::Params<'_>, lie: &Arc<Mutex<Lie>>, _: &_| {
        let from: Height = params.one().expect("a height");
        let lie = *lie.lock().expect("whole");
        let heights = [CHANGE, 9].into_iter().filter(|height| *height > from);
        let blocks = heights.map(|height| {
            let mut block = block(height);
            if lie == Lie::Signature && height == 9 {
                block.certificate.signatures[0].1[0] ^= 1;
            }
            Bytes(if lie == Lie::Garbage { vec![7; 50] } else { block.encode() })
        });
        json!(blocks.collect::<Vec<_>>())
    };
    module.register_method("artel_lightBlocks", blocks).expect("one of a name");
    let values = |_: jsonrpsee::types::Params<'_>, lie: &Arc<Mutex<Lie>>, _: &_| {
        let is_lie = *lie.lock().expect("whole") == Lie::Value;
        let value = if is_lie { b"another" } else { VALUE };
        json!([{ "block": header(9).hash(), "changes": [[Bytes(KEY.to_vec()), Bytes(value.to_vec())]] }])
    };
    module.register_method("state_queryStorageAt", values).expect("one of a name");
    let proofs = |_: jsonrpsee::types::Params<'_>, lie: &Arc<Mutex<Lie>>, _: &_| {
        let is_lie = *lie.lock().expect("whole") == Lie::Proof;
        let siblings = if is_lie { vec![Hash::ZERO] } else { Vec::new() };
        let proof = Proof { end: ProofEnd::Member, siblings };
        json!({ "at": header(9).hash(), "proof": [Bytes(proof.encode())] })
    };
    module.register_method("state_getReadProof", proofs).expect("one of a name");
    let server = Server::builder().build("127.0.0.1:0").await.expect("loopback has free ports");
    let address = server.local_addr().expect("it is bound");
    let handle = server.start(module);
    let client = Client::connect(&format!("ws://{address}")).await.expect("it answers");
    (client, handle)
}

#[tokio::test]
async fn values_are_proven_from_one_hash_on_and_lies_change_nothing() {
    let lie = Arc::new(Mutex::new(Lie::Nothing));
    let (client, _server) = node(lie.clone()).await;
    let say = |what| *lie.lock().expect("whole") = what;
    let checkpoint = Checkpoint { height: 1, hash: header(1).hash() };
    let mut light = client.follow(GENESIS, checkpoint).await.expect("it is that block");
    say(Lie::Garbage);
    assert!(matches!(light.update().await, Err(Error::Answer { .. })));
    assert_eq!(light.head().height, 1);
    say(Lie::Signature);
    assert!(matches!(light.update().await, Err(Error::Light(LightError::Certificate(_)))));
    assert_eq!(light.head().height, CHANGE, "what was proven stays");
    say(Lie::Nothing);
    assert_eq!(light.update().await.expect("it is final").hash, header(9).hash());
    assert_eq!(light.update().await.expect("there is nothing new").height, 9);

    let read = |state: &dyn StateRead| state.get(KEY);
    assert_eq!(light.query(read).await.expect("it is proven"), Some(VALUE.to_vec()));
    for lied in [Lie::Value, Lie::Proof] {
        say(lied);
        assert!(matches!(light.query(read).await, Err(Error::Answer { .. })), "{lied:?}");
    }
    let walk = |state: &dyn StateRead| state.next_key(b"", b"");
    assert!(matches!(light.query(walk).await, Err(Error::Unprovable)));

    let kept = client.follow_on(GENESIS, light.head().clone()).expect("it is young");
    assert_eq!(kept.head(), light.head());
    let other = Checkpoint { height: 1, hash: Hash([1; 32]) };
    let refused = client.follow(GENESIS, other).await;
    assert!(matches!(refused, Err(Error::Light(LightError::OtherBlock { .. }))));
    let other_chain = client.follow(Hash([6; 32]), checkpoint).await;
    let mut other_chain = other_chain.expect("the first block does not name its chain");
    assert!(matches!(other_chain.update().await, Err(Error::Light(_))), "its votes do");
}
