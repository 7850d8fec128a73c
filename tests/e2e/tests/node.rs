//! Sentences about a node as its users meet it.

use artel_e2e::{
    crash::{self, Plan},
    process::{DevNode, artel, get},
    steps::{ECHO, echo},
};
use client::RuntimeCall;
use pallets::{sudo, system};
use primitives::Balance;
use runtime::{ChainSpec, REHEARSAL_SPEC_VERSION};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};
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

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_posted_and_done_after_a_change_of_the_rules_and_a_restart() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = DevNode::start(folder.path(), &[]).expect("it starts");
    let client = node.client().await.expect("it serves");
    // Both the requester and the agent have been connected before.
    echo(&client).await.expect("the agent does it");
    let height = client.finalised().await.expect("it has blocks").height + 3;
    let upgrade = system::Call::schedule_upgrade { spec_version: REHEARSAL_SPEC_VERSION, height };
    let call = Box::new(RuntimeCall::System(upgrade));
    let call = RuntimeCall::Sudo(sudo::Call::sudo { call });
    client.call(&testkit::alice(), &call).await.expect("Alice may do anything");
    let mut heads = client.heads(None).await.expect("it has heads");
    while heads.next().await.expect("it makes blocks").height <= height {}
    echo(&client).await.expect("the agent does it");
    let faults = node.faults();
    assert!(faults.is_empty(), "{faults:?}");
    node.stop().expect("it stops in order");
    let node = DevNode::start(folder.path(), &[]).expect("it starts again");
    let client = node.client().await.expect("it serves again");
    echo(&client).await.expect("the agent does it again");
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

#[test]
fn a_shell_completes_commands() {
    let script = |shell: &str| {
        let artel = artel().expect("the binary is built");
        let output = Command::new(artel).args(["completions", shell]).output().expect("it runs");
        assert!(output.status.success(), "{shell}: {output:?}");
        String::from_utf8(output.stdout).expect("the script is text")
    };
    let bash = script("bash");
    let folder = TempDir::new().expect("a temporary folder");
    for (words, completed) in [("artel ta", "task"), ("artel task sub", "submit")] {
        let last = words.split(' ').next_back().expect("there is a word");
        let count = words.split(' ').count() - 1;
        let ask = format!(
            "{bash}\nCOMP_WORDS=({words}); COMP_CWORD={count}; _artel artel {last} artel; echo \"${{COMPREPLY[*]}}\""
        );
        // It is longer than an argument may be.
        let file = folder.path().join("ask");
        fs::write(&file, ask).expect("there is room");
        let output = Command::new("bash").arg(&file).output().expect("bash runs");
        assert_eq!(text(&output).trim(), completed, "{words}: {output:?}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(script(shell).contains("completions"), "{shell} does not know all commands");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_names_only_what_a_node_measures() {
    let folder = TempDir::new().expect("a temporary folder");
    let flags = ["--no-agent", "--prometheus-port", "0"];
    let node = DevNode::start(folder.path(), &flags).expect("it starts");
    // A request, as methods have no metrics before they are called.
    node.client().await.expect("it serves");
    let metrics = get(node.metrics.as_deref().expect("it serves metrics")).expect("it answers");
    let measured: BTreeSet<_> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().expect("a name comes first"))
        .collect();
    let dashboard = include_str!("../../../node/docs/grafana/artel.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("it is JSON");
    let mut named = BTreeSet::new();
    expressions(&dashboard, &mut named);
    assert!(named.len() > 10, "the dashboard shows nothing: {named:?}");
    for name in named {
        assert!(measured.contains(name), "no node measures {name}; it has {measured:?}");
    }
}

/// Metrics in the queries of a dashboard.
fn expressions<'a>(json: &'a serde_json::Value, named: &mut BTreeSet<&'a str>) {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    for (key, value) in json.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) if key == "expr" || key == "definition" => {
                named.extend(text.split(word).filter(|name| name.starts_with("artel_")));
            }
            _ => expressions(value, named),
        }
    }
    for value in json.as_array().into_iter().flatten() {
        expressions(value, named);
    }
}

#[test]
fn examples_of_the_sdk_do_as_they_say() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = DevNode::start(&folder.path().join("node"), &[]).expect("it starts");
    let mut watching = example("watch_agents").arg(&node.url).stdout(Stdio::piped()).spawn();
    let agents = watching.as_mut().expect("it starts").stdout.take().expect("it is piped");
    let mut lines = BufReader::new(agents).lines();
    let mut line = || lines.next().expect("it goes on").expect("it is text");

    let bob = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
    let sent = example("transfer").args([&node.url, "//Alice", bob]).output().expect("it runs");
    let said = text(&sent);
    let amount =
        |word: &str| said.split(word).nth(1).and_then(|rest| rest.split_whitespace().next());
    assert!(sent.status.success() && amount("paid: ").is_some(), "{sent:?}");
    assert_eq!(amount("estimate: "), amount("paid: "), "{said}");

    let (program, input) = (folder.path().join("echo.wasm"), folder.path().join("input"));
    fs::write(&program, wat::parse_str(ECHO).expect("the program is valid")).expect("written");
    fs::write(&input, "what comes in goes out").expect("written");
    let posted =
        example("post_task").args([&node.url, "//Alice"]).args([&program, &input]).output();
    let posted = posted.expect("it runs");
    assert!(posted.status.success(), "{posted:?}");
    assert_eq!(text(&posted), "what comes in goes out");

    // The development chain's agent registered itself, before or after it was listed.
    assert!(line().contains(bob), "its agent is //Bob's");
    let mut watching = watching.expect("it started");
    watching.kill().expect("it runs until it is stopped");
    watching.wait().expect("it ends");
}

/// An example of the SDK, built beside the tests.
fn example(name: &str) -> Command {
    let artel = artel().expect("the binary is built");
    Command::new(artel.with_file_name("examples").join(name))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_page_for_wallets_has_the_chains_values() {
    let page = include_str!("../../../node/docs/wallets.md");
    let chain = ChainSpec::dev();
    let port = node::config::Config::default().rpc.port;
    for (setting, value) in [
        ("Endpoint of a development chain", format!("`ws://127.0.0.1:{port}`")),
        ("Address prefix (SS58)", format!("`{}`", chain.properties.ss58_format)),
        ("Token symbol", format!("`{}`", chain.properties.token_symbol)),
        ("Token decimals", format!("`{}`", chain.properties.token_decimals)),
        ("Existential deposit", "`0.001` ARTL".to_owned()),
    ] {
        let row = format!("| {setting} | {value} |");
        assert!(page.lines().any(|line| line == row), "the page lacks: {row}");
    }
    assert_eq!(chain.properties.existential_deposit, Balance::new(1_000_000_000));
}
