//! Sentences about a node as its users meet it.

use artel_e2e::{
    crash::{self, Plan},
    process::{DevNode, artel},
};
use std::process::Command;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_under_load_loses_nothing_final() {
    let plan = Plan { kills: 3, cuts: 5, seed: 7 };
    let report = crash::run(plan).await.expect("nothing is lost");
    assert!(report.transactions > 0 && report.tasks > 0, "there was no load: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_stopped_goes_on_where_it_was() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = DevNode::start(folder.path(), &["--no-agent"]).expect("it starts");
    let client = node.client().await.expect("it serves");
    let mut heads = client.heads(None).await.expect("it has heads");
    let head = heads.next().await.expect("it makes blocks");
    node.stop().expect("it stops in order");
    let node = DevNode::start(folder.path(), &["--no-agent"]).expect("it starts again");
    let client = node.client().await.expect("it serves again");
    assert_eq!(client.block_hash(head.height).await.expect("it has its blocks"), head.hash);
}

#[test]
fn two_nodes_cannot_share_a_folder() {
    let folder = TempDir::new().expect("a temporary folder");
    let _first = DevNode::start(folder.path(), &["--no-agent"]).expect("it starts");
    let second = DevNode::start(folder.path(), &["--no-agent"]).map(|_| ());
    let error = second.expect_err("the folder is in use").to_string();
    assert!(error.contains("another process"), "{error}");
}

#[test]
fn a_wrong_command_says_what_is_wrong() {
    let run = |args: &[&str]| {
        let artel = artel().expect("the binary is built");
        let output = Command::new(artel).args(args).output().expect("it runs");
        assert!(!output.status.success(), "{args:?} was taken");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (args, said) in [
        (&["chain-spec", "check", "nowhere.json"][..], "neither dev, local, testnet nor a file"),
        (&["account", "show", "5Grwva"], "5Grwva"),
        (&["task", "status", "0x12"], "64 hex digits"),
        (&["config", "--config", "nowhere.toml"], "nowhere.toml"),
    ] {
        let error = run(args);
        assert!(error.contains(said), "{args:?} said: {error}");
    }
}
