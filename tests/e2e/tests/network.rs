//! Sentences about a network of several nodes, each a process of its own.

use artel_e2e::{
    process::artel,
    steps::{LOOK, WAIT, echo, plan, reach, transfer},
    stranger::Stranger,
};
use client::Client;
use codec::Encode;
use consensus::Message;
use network::{Role, Topic};
use node::{
    cli::node::session_keys,
    localnet::{Localnet, Plan, validator_uri},
    wire::Said,
};
use pallets::{offences::Event, staking};
use primitives::{AccountId, Balance, Hash, SignedVote, StateRead, Vote, VoteKind};
use runtime::RuntimeEvent;
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

async fn start(folder: &Path, validators: usize, agents: usize, gateways: usize) -> Localnet {
    let plan = Plan { validators, agents, gateways, ..plan(folder).expect("the binary is built") };
    Localnet::start(plan).await.expect("the network starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_one_address_find_all_others_and_a_task_is_paid_through_the_gateway() {
    let folder = TempDir::new().expect("a temporary folder");
    let network = start(folder.path(), 4, 3, 1).await;
    for member in &network.members {
        let client = member.client().await.expect("it serves");
        let all = network.members.len() - 1;
        let found = timeout(WAIT, async {
            while client.peers().await.expect("it answers").len() < all {
                sleep(LOOK).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("{} does not find the others", member.name));
    }
    let gateway = network.first(Role::Gateway).expect("there is one");
    let client = gateway.client().await.expect("it serves");
    echo(&client).await.expect("an agent does it");
    network.stop().await.expect("all nodes stop in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_of_four_validators_go_on_two_wait_and_who_comes_back_catches_up() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut network = start(folder.path(), 4, 0, 0).await;
    let client = network.members[0].client().await.expect("it serves");
    let before = transfer(&client).await.expect("four decide");

    network.kill(3).expect("it runs");
    let with_three = transfer(&client).await.expect("three decide");
    assert!(with_three > before);

    // Two are no quorum: the chain stops, and what is submitted waits.
    network.kill(2).expect("it runs");
    let halted = client.finalised().await.expect("it answers").height;
    let waiting = transfer(&client);
    tokio::pin!(waiting);
    let early = timeout(Duration::from_secs(5), &mut waiting).await;
    let after = client.finalised().await.expect("it answers").height;
    // The third may have voted for one more block before it was killed.
    assert!(early.is_err() || after <= halted + 1, "two of four validators decide");

    network.launch(2).expect("it starts again");
    network.wait_ready(2).await.expect("it serves again");
    let height = match early {
        Ok(done) => done.expect("it was voted for before"),
        Err(_) => waiting.await.expect("what waited becomes final"),
    };
    network.launch(3).expect("it starts again");
    network.wait_ready(3).await.expect("it serves again");
    for member in &network.members {
        let client = member.client().await.expect("it serves");
        reach(&client, height).await.unwrap_or_else(|error| panic!("{}: {error}", member.name));
    }
    network.stop().await.expect("all nodes stop in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_from_an_old_backup_signs_nothing_twice_and_comes_back() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut network = start(folder.path(), 4, 0, 0).await;
    let client = network.members[0].client().await.expect("it serves");
    transfer(&client).await.expect("four decide");
    let (spec, last) = (folder.path().join("chain-spec.json"), folder.path().join("validator-4"));
    let copy = folder.path().join("backup");
    let run = |command: &str, flag: &str| {
        let mut run = std::process::Command::new(artel().expect("the binary is built"));
        run.arg(command)
            .arg("--chain")
            .arg(&spec)
            .arg("--base-path")
            .arg(&last)
            .arg(flag)
            .arg(&copy);
        let output = run.output().expect("it runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout)
    };
    let said = run("backup", "--to");
    assert!(said.contains("in use"), "a node that runs was copied: {said}");
    network.stop_one(3).await.expect("it stops in order");
    let said = run("backup", "--to");
    assert!(said.contains("was checked"), "{said}");

    // It goes on and votes, until its disk breaks.
    network.launch(3).expect("it starts again");
    network.wait_ready(3).await.expect("it serves again");
    let mut height = 0;
    for _ in 0..3 {
        height = transfer(&client).await.expect("four decide");
    }
    network.kill(3).expect("it runs");
    std::fs::rename(last.join("chains"), last.join("broken")).expect("it is there");
    let said = run("restore", "--from");
    assert!(said.contains("was checked"), "{said}");
    network.launch(3).expect("it starts from the backup");
    network.wait_ready(3).await.expect("it serves again");
    let restored = network.members[3].client().await.expect("it serves");
    reach(&restored, height).await.expect("it catches up");

    // It is needed: without it, two of four remain.
    for _ in 0..3 {
        height = transfer(&client).await.expect("four decide");
    }
    reach(&restored, height).await.expect("it follows");
    network.kill(2).expect("it runs");
    let from = client.finalised().await.expect("it answers").height;
    let height = transfer(&client).await.expect("the restored one votes");
    for height in 1..=height {
        let hash = client.block_hash(height).await.expect("it has its blocks");
        for (_, event) in client.events(hash).await.expect("it has them").events {
            assert!(!matches!(event, RuntimeEvent::Offences(_)), "{event:?} in block {height}");
        }
    }
    assert!(height > from);
    network.stop().await.expect("all nodes stop in order");
}

/// What a validator stakes.
async fn stake(client: &Client, account: AccountId) -> Balance {
    let active = move |state: &dyn StateRead| {
        staking::ledger(state, &account).map(|ledger| ledger.active).unwrap_or_default()
    };
    client.query(None, active).await.expect("the node answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_votes_twice_is_proven_on_chain_and_loses_stake() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut network = start(folder.path(), 4, 0, 0).await;
    let client = network.members[0].client().await.expect("it serves");
    let keys = |number| session_keys(&validator_uri(number)).expect("a secret URI");
    let (liar, honest) = (keys(4), [1, 2, 3].map(|number| keys(number).account));
    let before = stake(&client, liar.account).await;
    let genesis = client.block_hash(0).await.expect("it has one");
    let stranger = Stranger::join(&network.bootnode, genesis, Role::Gateway, [5; 32]);
    let stranger = timeout(WAIT, stranger).await.expect("somebody answers").expect("it joins");

    // Whoever has the key says two things in the name of its validator, at a height that is to be decided.
    let mut heads = client.heads(None).await.expect("it has heads");
    let accuse = async {
        let mut number = 0;
        loop {
            let head = heads.next().await.expect("it makes blocks");
            for block in [None, Some(Hash([1; 32])), Some(Hash([2; 32]))] {
                let (kind, round, validator) = (VoteKind::Prevote, 0, liar.account);
                let vote = Vote { kind, height: head.height + 1, round, block, validator };
                let mut signed = SignedVote { vote, signature: [0; 64] };
                signed.signature = liar.vote.sign(&signed.signed_bytes(&genesis));
                number += 1;
                let said = Said { number, message: Message::Vote(signed) };
                stranger.network.publish(Topic::Consensus, said.encode());
            }
            let events = client.events(head.hash).await.expect("it has them").events;
            for (_, event) in events {
                if let RuntimeEvent::Offences(Event::Equivocation { validator, height, .. }) = event
                {
                    return (validator, height, head.height);
                }
            }
        }
    };
    let (caught, at, in_block) = timeout(WAIT, accuse).await.expect("it is caught");
    assert_eq!(caught, liar.account);
    assert!(at < in_block);
    let slashed = async {
        while stake(&client, liar.account).await >= before {
            sleep(LOOK).await;
        }
    };
    timeout(WAIT, slashed).await.expect("it loses stake");
    for account in honest {
        assert_eq!(stake(&client, account).await, before, "{account} is honest");
    }
    // Its node sees that it is not alone with its key, and signs nothing more.
    let ended = async {
        loop {
            if let Some(ended) = network.ended() {
                return ended;
            }
            sleep(LOOK).await;
        }
    };
    let (name, last) = timeout(WAIT, ended).await.expect("it ends");
    let says_why = last.contains("another node signs as this validator");
    assert!(name == "validator-4" && says_why, "{name}: {last}");
    network.kill(3).expect("it has ended");
    transfer(&client).await.expect("the others go on");
    network.stop().await.expect("all others stop in order");
}
