use super::*;
use codec::DecodeAll;
use jsonrpsee::core::client::SubscriptionClientT;
use primitives::chunk::PathPrefix;
use runtime::light::{Checkpoint, Light, LightBlock, LightStart};

#[tokio::test]
async fn a_stranger_follows_the_chain_by_what_a_node_says_and_believes_none_of_it() {
    let mut node = Node::start().await;
    let first = node.grow(&[]);
    for _ in 0..9 {
        node.grow(&[]);
    }
    let head = node.chain.head().clone();
    let bytes = |text: &Value| {
        let text = text.as_str().expect("it is hex").trim_start_matches("0x");
        ::hex::decode(text).expect("it is hex")
    };
    let start: Value = node.ask("artel_lightStart", json!([first.hash])).await;
    let start = LightStart::decode_all(&mut &bytes(&start)[..]).expect("it is whole");
    let checkpoint = Checkpoint { height: 1, hash: first.hash };
    let light = Light::begin(node.chain.genesis(), &checkpoint, start, head.time_ms);
    let mut light = light.expect("it is that block");
    let blocks: Vec<Value> = node.ask("artel_lightBlocks", json!([1])).await;
    assert_eq!(blocks.len(), 1, "the validators are the same throughout");
    let block = LightBlock::decode_all(&mut &bytes(&blocks[0])[..]).expect("it is whole");
    light.follow(block, head.time_ms).expect("it is final");
    assert_eq!((light.head().height, light.head().hash), (head.height, head.hash));
    assert_eq!(light.head().state_root, head.snapshot.root);

    let blocks: Vec<Value> = node.ask("artel_lightBlocks", json!([10, 4_000_000_000_u32])).await;
    assert_eq!(blocks, Vec::<Value>::new(), "nothing is after the head");
    let unknown: Value = node.ask("artel_lightStart", json!([Hash([1; 32])])).await;
    assert_eq!(unknown, Value::Null);
    let validators: Value = node.ask("artel_validators", json!([])).await;
    assert_eq!(validators["height"], json!(10));
    let expected = json!([{
        "account": alice().account(),
        "voteKey": Hash(vote_pair().public()),
        "vrfKey": Hash(vrf_pair().public()),
        "power": "100000000000000",
    }]);
    assert_eq!(validators["validators"], expected);
}

/// A node whose chain began with the state after block 5, of which others had the first four.
async fn began_later() -> (Node, Vec<Hash>) {
    let mut source = Node::start().await;
    let first = source.chain.genesis();
    let hashes: Vec<Hash> =
        std::iter::once(first).chain((0..5).map(|_| source.grow(&[]).hash)).collect();
    let head = source.chain.head().clone();
    let exports = ::storage::Exports::open(&source.folder.path().join("states"));
    let exports = exports.expect("there is room");
    let export = exports.make(head.snapshot.clone(), &|| false).expect("there is room");
    let piece = export.expect("it was not stopped").piece(&PathPrefix::ROOT);
    let Ok(Some(::storage::Piece::Chunk(chunk))) = piece else {
        panic!("a small state is a chunk")
    };

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let database = ::storage::Database::open(&folder.path().join("db"), &Default::default());
    let (height, block, root) = (head.height, head.hash, head.snapshot.root);
    let target = ::storage::ImportTarget { height, block, root };
    let importer = ::storage::Importer::open(database.expect("it is new"), target);
    let mut importer = importer.expect("it is empty");
    importer.put(&chunk.verify(&root, &PathPrefix::ROOT).expect("right")).expect("right");
    let block = source.chain.database().block(5).expect("readable").expect("stored");
    let certificate = head.certificate.as_deref().expect("it is final");
    let chain = Chain::begin_with(importer, &spec().genesis, &block, certificate, 100);
    let chain = chain.expect("all is there");
    (Node::start_on(folder, chain, Config::default(), 2).await, hashes)
}

#[tokio::test]
async fn a_chain_that_began_with_a_later_state_says_what_it_does_not_have() {
    let (mut node, hashes) = began_later().await;
    let found: Value = node.ask("chain_getBlockHash", json!([[0, 1, 4, 5]])).await;
    assert_eq!(found, json!([hashes[0], null, null, hashes[5]]));
    let gone = [
        ("chain_getHeader", json!([hashes[4]])),
        ("chain_getBlock", json!([hashes[4]])),
        ("artel_lightStart", json!([hashes[4]])),
        ("artel_validators", json!([hashes[0]])),
    ];
    for (method, params) in gone {
        assert_eq!(node.ask::<Value>(method, params).await, Value::Null, "{method}");
    }
    for (method, params, told) in [
        ("state_getStorage", json!(["0x00", hashes[4]]), "this node has no block"),
        ("state_getStorage", json!(["0x00", hashes[0]]), "State already discarded"),
        ("artel_trace", json!([5]), "this node has no block 4, which 5 goes on from"),
    ] {
        let error = node.try_ask::<Value>(method, params).await.expect_err("it is not there");
        assert!(format!("{error:?}").contains(told), "{method}: {error:?}");
    }
    let block: Value = node.ask("chain_getBlock", json!([hashes[5]])).await;
    assert_eq!(block["block"]["header"]["number"], json!("0x5"));
    let light: Vec<Value> = node.ask("artel_lightBlocks", json!([2])).await;
    assert_eq!(light, Vec::<Value>::new(), "it lacks the header before");

    let client = node.client().await;
    let follow = client.subscribe::<Value, _>(
        "chainHead_v1_follow",
        rpc_params![false],
        "chainHead_v1_unfollow",
    );
    let mut follow = follow.await.expect("the chain can be followed");
    let first = follow.next().await.expect("it goes on").expect("it is JSON");
    assert_eq!(first["finalizedBlockHashes"], json!([hashes[5]]));
    let head = node.grow(&[]);
    assert_eq!(node.ask::<Value>("chain_getBlockHash", json!([6])).await, json!(head.hash));
    let light: Vec<Value> = node.ask("artel_lightBlocks", json!([5])).await;
    assert_eq!(light.len(), 1, "from its first block on it proves all");
}
