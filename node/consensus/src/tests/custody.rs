use super::network::{GENESIS, account};
use crate::{
    Content, Custody, Denial, Instance, LEASE_MS, Refusal, Signature, Slot, Time, Vote, VoteKind,
};
use primitives::{Hash, Height};
use proptest::prelude::*;
use std::collections::BTreeMap;

const A: Instance = Instance([1; 16]);
const B: Instance = Instance([2; 16]);

fn open(stored: Option<&[u8]>, now_ms: u64) -> Custody {
    Custody::new(GENESIS, account(0), stored, Time(now_ms)).expect("sound")
}

fn vote(kind: VoteKind, height: Height, round: u32, block: u8) -> Content {
    let block = (block > 0).then_some(Hash([block; 32]));
    Content::Vote(Vote { kind, height, round, block, validator: account(0) })
}

fn prevote(height: Height, round: u32) -> Content {
    vote(VoteKind::Prevote, height, round, 1)
}

fn ask(
    custody: &mut Custody,
    now_ms: u64,
    node: Instance,
    content: &Content,
    known: Option<Slot>,
) -> Result<Signature, Denial> {
    custody.sign(Time(now_ms), node, content, known, || Ok([7; 64]))
}

#[test]
fn a_second_node_is_served_once_the_first_is_silent_and_above_what_was_signed() {
    let mut custody = open(None, 0);
    let known = Some(prevote(5, 0).slot());
    ask(&mut custody, 0, A, &prevote(5, 0), None).expect("nobody else is there");
    let busy = Err(Denial::Busy);
    assert_eq!(ask(&mut custody, LEASE_MS, B, &prevote(6, 0), None), busy);
    custody.on_beat(Time(LEASE_MS), A);
    custody.on_beat(Time(2 * LEASE_MS), B);
    let later = 2 * LEASE_MS + 1;
    let below = Err(Denial::Below { from: 6 });
    assert_eq!(ask(&mut custody, later, B, &prevote(5, 1), None), below);
    ask(&mut custody, later, A, &prevote(5, 1), known).expect("nobody took its place");
    let later = 2 * later;
    ask(&mut custody, later, B, &prevote(6, 0), None).expect("the first is silent");
    assert_eq!(ask(&mut custody, later, A, &prevote(6, 1), known), busy);
    let later = later + LEASE_MS + 1;
    assert_eq!(ask(&mut custody, later, A, &prevote(6, 1), known), Err(Denial::Below { from: 7 }));
    ask(&mut custody, later, A, &prevote(7, 0), known).expect("above");
}

#[test]
fn a_node_that_is_there_but_left_behind_loses_its_place() {
    let mut custody = open(None, 0);
    ask(&mut custody, 0, A, &prevote(5, 0), None).expect("nobody else is there");
    let later = LEASE_MS + 1;
    custody.on_beat(Time(later), A);
    assert_eq!(ask(&mut custody, later, B, &prevote(6, 0), None), Err(Denial::Busy));
    ask(&mut custody, later, B, &prevote(7, 0), None).expect("the chain went on without it");
}

#[test]
fn who_comes_back_goes_on_only_with_what_it_remembered() {
    let mut custody = open(None, 0);
    let first = Some(prevote(5, 0).slot());
    ask(&mut custody, 0, A, &prevote(5, 0), None).expect("nobody else is there");
    ask(&mut custody, 0, A, &prevote(5, 1), first).expect("the next");
    let stored = custody.take_changed().expect("it has changed");
    assert_eq!(custody.take_changed(), None, "it has not changed since");

    // It has not seen the last signature before it crashed.
    let mut again = open(Some(&stored), 0);
    ask(&mut again, 0, A, &prevote(5, 2), first).expect("it knows all that others may know");
    // It was restored from an old copy.
    let mut again = open(Some(&stored), 0);
    let below = Err(Denial::Below { from: 6 });
    assert_eq!(ask(&mut again, 0, A, &prevote(5, 2), None), below);
    let stored = again.take_changed().expect("it remembers that");
    let mut again = open(Some(&stored), 0);
    assert_eq!(ask(&mut again, 0, A, &prevote(5, 2), first), below);
    ask(&mut again, 0, A, &prevote(6, 0), None).expect("above");
}

#[test]
fn the_guard_holds_and_others_are_not_signed_for() {
    let mut custody = open(None, 0);
    ask(&mut custody, 0, A, &prevote(5, 0), None).expect("nobody else is there");
    let other = vote(VoteKind::Prevote, 5, 0, 2);
    let conflict = Err(Denial::Guard(Refusal::Conflict));
    assert_eq!(ask(&mut custody, 0, A, &other, None), conflict);
    let Content::Vote(vote) = other else { panic!("it is a vote") };
    let foreign = Content::Vote(Vote { validator: account(1), ..vote });
    let denied = ask(&mut custody, 0, A, &foreign, None);
    assert_eq!(denied, Err(Denial::Foreign(account(1))));
    let stored = custody.take_changed().expect("it has changed");
    assert!(Custody::new(GENESIS, account(1), Some(&stored), Time(0)).is_err());
}

/// What happens to a signer and its two nodes.
#[derive(Clone, Debug)]
enum Event {
    Ask {
        node: usize,
        height: Height,
        round: u32,
        kind: VoteKind,
        block: u8,
        /// The answer gets lost.
        lost: bool,
        /// The signer crashes before its record is on disk, so that there is no answer.
        torn: bool,
    },
    Pass(u64),
    Beat(usize),
    RestartSigner,
    /// A copy is made of a node's disk.
    Copy(usize),
    /// A node is restored from the copy.
    Restore(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just(VoteKind::Prevote), Just(VoteKind::Precommit)];
    let ask = (0..2usize, 1..7u32, 0..3u32, kind, 0..3u8, any::<u8>());
    let ask = ask.prop_map(|(node, height, round, kind, block, luck)| Event::Ask {
        node,
        height,
        round,
        kind,
        block,
        lost: luck < 25,
        torn: luck > 235,
    });
    prop_oneof![
        12 => ask,
        3 => (0..=2 * LEASE_MS).prop_map(Event::Pass),
        1 => (0..2usize).prop_map(Event::Beat),
        1 => Just(Event::RestartSigner),
        1 => (0..2usize).prop_map(Event::Copy),
        1 => (0..2usize).prop_map(Event::Restore),
    ]
}

/// A node as its signer cannot see it.
#[derive(Clone, Copy, Default)]
struct Node {
    known: Option<Slot>,
    copy: Option<Slot>,
    /// The most that it said to know with a request that was served.
    said: Option<Slot>,
    /// Counts what it forgot: each life is another node.
    life: u32,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn never_two_contents_in_a_slot_and_never_two_nodes_in_a_height(
        events in prop::collection::vec(event(), 1..80)
    ) {
        let mut now = 0;
        let mut disk: Option<Vec<u8>> = None;
        let mut custody = open(None, now);
        let mut nodes = [Node::default(); 2];
        let mut contents: BTreeMap<Slot, Content> = BTreeMap::new();
        let mut signers: BTreeMap<Height, (usize, u32)> = BTreeMap::new();
        for event in events {
            match event {
                Event::Pass(ms) => now += ms,
                Event::Beat(node) => custody.on_beat(Time(now), [A, B][node]),
                Event::RestartSigner => custody = open(disk.as_deref(), now),
                Event::Copy(node) => nodes[node].copy = nodes[node].known,
                Event::Restore(node) => {
                    let this = &mut nodes[node];
                    if this.copy < this.said {
                        this.life += 1;
                    }
                    (this.known, this.said) = (this.copy, this.copy);
                }
                Event::Ask { node, height, round, kind, block, lost, torn } => {
                    let content = vote(kind, height, round, block);
                    let known = nodes[node].known;
                    let given = ask(&mut custody, now, [A, B][node], &content, known);
                    if torn {
                        custody = open(disk.as_deref(), now);
                        continue;
                    }
                    if let Some(record) = custody.take_changed() {
                        disk = Some(record);
                    }
                    if given.is_err() {
                        continue;
                    }
                    let before = contents.insert(content.slot(), content.clone());
                    prop_assert!(before.is_none_or(|before| before == content));
                    let signer = (node, nodes[node].life);
                    prop_assert_eq!(*signers.entry(height).or_insert(signer), signer);
                    nodes[node].said = nodes[node].said.max(known);
                    if !lost {
                        nodes[node].known = known.max(Some(content.slot()));
                    }
                }
            }
        }
    }
}
