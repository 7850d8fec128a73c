use crate::{
    Error, Failure,
    remote::tests::query_over,
    wire::{HeaderJson, TxStatusJson},
};
use codec::Encode;
use framework::{DispatchError, MemState};
use pallets::{agents, balances, system, tasks};
use primitives::{
    AccountId, Hash,
    crypto::hash::blake2_256,
    proof::{EMPTY_NODE, Proof, ProofEnd, inner_node, leaf_node, turns_right},
};

#[test]
fn headers_are_read_with_either_kind_of_number() {
    let parent = format!("0x{}", "11".repeat(32));
    for number in [r#""0x1a""#, "26", r#""1a""#] {
        let json = format!(r#"{{"parentHash":"{parent}","number":{number},"digest":{{}}}}"#);
        let header: HeaderJson = serde_json::from_str(&json).expect("a header");
        assert_eq!(header.number, 26);
        assert_eq!(header.parent_hash.to_string(), parent);
    }
    let json = format!(r#"{{"parentHash":"{parent}","number":"0xzz"}}"#);
    assert!(serde_json::from_str::<HeaderJson>(&json).is_err());
}

#[test]
fn statuses_are_read_as_substrate_writes_them() {
    let block = format!("0x{}", "22".repeat(32));
    let read = |json: &str| serde_json::from_str::<TxStatusJson>(json).expect("a status");
    assert_eq!(read(r#""ready""#), TxStatusJson::Ready);
    assert_eq!(read(r#"{"broadcast":["peer"]}"#), TxStatusJson::Broadcast(vec!["peer".to_owned()]));
    let hash = block.parse().expect("a hash");
    assert_eq!(read(&format!(r#"{{"inBlock":"{block}"}}"#)), TxStatusJson::InBlock(hash));
    assert_eq!(read(&format!(r#"{{"finalized":"{block}"}}"#)), TxStatusJson::Finalized(hash));
}

#[test]
fn failures_are_told_in_the_pallets_own_words() {
    let failure = Failure::new(tasks::Error::UnknownTask.into());
    assert_eq!(failure.explained.name, "Tasks.UnknownTask");
    assert!(failure.to_string().starts_with("No task has this id"), "{failure}");
    assert!(failure.is(tasks::Error::UnknownTask) && !failure.is(tasks::Error::NotPending));
    let failure = Failure::new(DispatchError::BadOrigin);
    assert_eq!(failure.explained.name, "BadOrigin");
    let failure = Failure::new(framework::TokenError::BelowMinimum.into());
    assert_eq!(failure.explained.name, "Token.BelowMinimum");
    assert!(failure.to_string().contains("existential deposit"), "{failure}");
}

#[test]
fn a_state_that_a_node_keeps_no_more_is_told_from_other_errors() {
    let error = |code, message: &str| Error::Node {
        method: "state_getStorage".to_owned(),
        code,
        message: message.to_owned(),
    };
    let text = "Client error: Api called for an unknown Block: State already discarded for 0x11";
    assert!(error(4003, text).is_discarded());
    assert!(!error(4003, "Client error: UnknownBlock: this node has no block").is_discarded());
    assert!(!error(-32603, text).is_discarded());
}

#[test]
fn a_query_reads_what_it_would_read_beside_the_state() {
    let state = testkit::genesis_state();
    let alice = testkit::alice().account();
    let free = |state: &dyn framework::StateRead| balances::free(state, &alice);
    let (remote, fetches) = query_over(&state, free);
    assert_eq!(remote, balances::free(&state, &alice));
    assert!(!remote.is_zero() && fetches == 1, "{remote} in {fetches}");

    let all = |state: &dyn framework::StateRead| system::accounts(state).collect::<Vec<_>>();
    let (remote, fetches) = query_over(&state, all);
    assert_eq!(remote, all(&state));
    assert!(remote.len() > 1 && fetches == 1, "{fetches} fetches");

    let nobody = AccountId([7; 32]);
    let (none, _) = query_over(&MemState::default(), |state| agents::agent(state, &nobody));
    assert_eq!(none, None);
}

#[test]
fn a_proof_holds_for_its_key_value_and_root_alone() {
    let hash = |bytes: &[u8]| blake2_256(bytes);
    let (key, other) = (b"key".as_slice(), b"other".as_slice());
    // A state with two keys: the siblings are empty as far as the two ways are one.
    let leaves = [key, other].map(|key| leaf_node(&hash(key).0, &hash(b"value").0));
    let turns = |key: &[u8], depth| turns_right(&hash(key).0, depth);
    let fork =
        (0..256).find(|depth| turns(key, *depth) != turns(other, *depth)).expect("they fork");
    let mut siblings = vec![Hash(EMPTY_NODE); fork];
    siblings.push(Hash(leaves[1]));
    let root = siblings.iter().enumerate().rev().fold(leaves[0], |node, (depth, sibling)| {
        if turns(key, depth) {
            inner_node(&sibling.0, &node)
        } else {
            inner_node(&node, &sibling.0)
        }
    });
    let proof = Proof { end: ProofEnd::Member, siblings }.encode();
    let holds = |root: &Hash, key: &[u8], value: Option<&[u8]>, proof: &[u8]| {
        crate::verify_read_proof(root, key, value, proof).is_ok()
    };
    let root = Hash(root);
    assert!(holds(&root, key, Some(b"value"), &proof));
    for wrong in [None, Some(b"values".as_slice()), Some(b"")] {
        assert!(!holds(&root, key, wrong, &proof));
    }
    assert!(!holds(&root, other, Some(b"value"), &proof) && !holds(&root, key, None, &[]));
    for bit in 0..proof.len() * 8 {
        let mut flipped = proof.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!holds(&root, key, Some(b"value"), &flipped), "bit {bit} matters");
    }
    for bit in 0..256 {
        let mut flipped = root;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!holds(&flipped, key, Some(b"value"), &proof), "bit {bit} of the root matters");
    }
}

#[tokio::test]
async fn what_is_no_node_is_named() {
    for (url, word) in [
        ("nonsense", "nonsense"),
        ("ftp://127.0.0.1", "ws://"),
        ("ws://127.0.0.1:1", "127.0.0.1:1"),
        ("http://127.0.0.1:1", "127.0.0.1:1"),
    ] {
        let error = crate::Client::connect(url).await.expect_err("nobody listens there");
        assert!(error.is_connection() && error.to_string().contains(word), "{error}");
        assert!(!matches!(error, Error::OtherRuntime { .. }));
    }
}
