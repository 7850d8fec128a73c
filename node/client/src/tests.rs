use crate::{
    Error, Failure,
    remote::tests::query_over,
    wire::{HeaderJson, TxStatusJson},
};
use framework::{DispatchError, MemState};
use pallets::{agents, balances, system, tasks};
use primitives::AccountId;

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
