use super::*;
use primitives::{StateRead, crypto::hash::blake2_256, proof::Proof};
use storage::{EVENTS_KEY, OVERLAY_BLOCKS_MAX};

/// Answers the next request for proofs, as the chain's thread does.
async fn prove(node: &mut Node) {
    let ProofRequest { block, keys, answer } = next_request(&node.proofs).await;
    answer.send(node.chain.prove(&block, &keys).ok()).expect("the server waits");
}

/// What `state_getReadProof` says.
async fn read_proof(node: &mut Node, params: Value) -> Result<Value, (i64, String, String)> {
    let client = node.client().await;
    let request =
        client.request::<Value, _>("state_getReadProof", rpc_params![&params[0], &params[1]]);
    let (answer, ()) = tokio::join!(request, prove(node));
    match answer {
        Ok(answer) => Ok(answer),
        Err(ClientError::Call(error)) => {
            Err((error.code().into(), error.message().to_owned(), String::new()))
        }
        Err(other) => panic!("it is answered: {other}"),
    }
}

#[tokio::test]
async fn proofs_hold_against_the_state_root_of_the_header() {
    let mut node = Node::start().await;
    let earlier = node.grow(&[]);
    let tx = node.signer().sign(&testkit::transfer(&testkit::bob(), 5));
    let head = node.grow(&[tx]);
    for (at, head) in [(Value::Null, &head), (json!(earlier.hash), &earlier)] {
        let account = head.snapshot.keys(&[], None).nth(3).expect("the state has keys");
        let keys = [b":code".to_vec(), EVENTS_KEY.to_vec(), account, b"absent".to_vec()];
        let hexed: Vec<String> = keys.iter().map(hex).collect();
        let answer = read_proof(&mut node, json!([hexed, at])).await.expect("it is a late block");
        assert_eq!(answer["at"], json!(head.hash));
        let proofs = answer["proof"].as_array().expect("proofs are a list");
        assert_eq!(proofs.len(), keys.len());
        for (key, proof) in keys.iter().zip(proofs) {
            let text = proof.as_str().expect("each is hex").trim_start_matches("0x");
            let bytes = ::hex::decode(text).expect("each is hex");
            let proof = Proof::from_bytes(&bytes).expect("each is a proof");
            let hash = head.snapshot.get(key).map(|value| blake2_256(&value));
            assert_eq!(proof.verify(&head.header.state_root, key, hash.as_ref()), Ok(()));
            assert!(proof.verify(&Hash([1; 32]), key, hash.as_ref()).is_err());
        }
    }
}

#[tokio::test]
async fn proofs_have_bounds_that_are_told() {
    let mut node = Node::start().await;
    let first = node.grow(&[]).hash;
    for _ in 0..=OVERLAY_BLOCKS_MAX {
        node.grow(&[]);
    }
    let (code, message, _) =
        read_proof(&mut node, json!([["0x00"], first])).await.expect_err("the block is too old");
    assert_eq!(code, 4003);
    assert!(message.contains("latest 16 blocks"), "{message}");
    let unknown = node.try_ask::<Value>("state_getReadProof", json!([["0x00"], Hash([9; 32])]));
    assert_eq!(unknown.await.expect_err("there is no such block").0, 4003);
    let many = vec!["0x00"; PROVEN_KEYS_MAX + 1];
    let refused = node.try_ask::<Value>("state_getReadProof", json!([many])).await;
    assert_eq!(refused.expect_err("so many are not proven").0, 4002);

    // The channel has room for two; nobody reads it.
    let client = node.client().await;
    let ask = || client.request::<Value, _>("state_getReadProof", rpc_params![["0x00"]]);
    let waiting = futures::future::join_all([ask(), ask()]);
    let refused = async {
        while node.proofs.len() < 2 {
            tokio::task::yield_now().await;
        }
        node.try_ask::<Value>("state_getReadProof", json!([["0x00"]])).await
    };
    tokio::select! {
        _ = waiting => panic!("nobody answers these"),
        refused = refused => assert_eq!(refused.expect_err("there is no room").0, -32009),
    }
}
