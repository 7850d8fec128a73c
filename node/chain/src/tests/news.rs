//! What an author adds to a block of what it has heard: evidence, and votes that came late.

use super::fixture::{Fixture, dev, folder, genesis};
use crate::{Built, CheckRequest};
use pallets::{balances::HoldReason, staking};
use primitives::{
    Balance, Certificate, Evidence, Hash, SignedVote, Vote, VoteKind,
    crypto::{
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
};
use runtime::Genesis;
use tempfile::TempDir;

/// The second validator's keys.
fn keys() -> (Ed25519Pair, Sr25519Pair) {
    (Ed25519Pair::from_seed(&[87; 32]), Sr25519Pair::from_seed(&[88; 32]))
}

/// The fixture's chain with a second validator, who has a quarter of the power.
fn two() -> Genesis {
    let mut genesis = genesis();
    let (vote, vrf) = keys();
    genesis.Staking.validators[0].stake = Balance::new(300 * super::ARTL);
    genesis.Staking.validators.push(staking::GenesisValidator {
        account: dev(1).account,
        stake: Balance::new(100 * super::ARTL),
        commission_ppm: 0,
        vote_key: Hash(vote.public()),
        vrf_key: Hash(vrf.public()),
    });
    genesis
}

fn open(dir: &TempDir) -> Fixture {
    Fixture::open_with(dir, &two())
}

/// Proof that the second validator voted twice at a height.
fn evidence(f: &Fixture, height: u32) -> Evidence {
    let genesis = f.chain.genesis();
    let vote = |block| {
        let vote =
            Vote { kind: VoteKind::Precommit, height, round: 0, block, validator: dev(1).account };
        let mut signed = SignedVote { vote, signature: [0; 64] };
        signed.signature = keys().0.sign(&signed.signed_bytes(&genesis));
        signed
    };
    Evidence::Votes(vote(None), vote(Some(Hash([1; 32]))))
}

fn forged(f: &Fixture, height: u32) -> Evidence {
    let mut evidence = evidence(f, height);
    if let Evidence::Votes(a, _) = &mut evidence {
        a.signature[3] ^= 1;
    }
    evidence
}

/// A block with what its author has heard.
fn build(
    f: &mut Fixture,
    now_ms: u64,
    widened: Vec<Certificate>,
    evidence: Vec<Evidence>,
) -> Built {
    let request = crate::BuildRequest {
        author: dev(0).account,
        origin_round: 0,
        now_ms,
        certificate: None,
        widened,
        evidence,
        transactions: Vec::new(),
        sign_vrf: &|message| vrf::sign(&super::fixture::vrf_pair(), runtime::VRF_LABEL, message).0,
        is_late: &mut || false,
    };
    f.chain.build(request).expect("a block can be built")
}

fn commit(f: &mut Fixture, built: &Built) -> Certificate {
    let certificate = f.certificate(&built.hash);
    f.chain.commit(&built.hash, certificate.clone()).expect("it was built");
    certificate
}

#[test]
fn evidence_goes_into_one_block_and_what_proves_nothing_into_none() {
    let (dir, other) = (folder(), folder());
    let (mut f, mut g) = (open(&dir), open(&other));
    let (good, bad, early) = (evidence(&f, 1), forged(&f, 1), evidence(&f, 9));
    let offered = vec![bad.clone(), early, good.clone(), good.clone()];
    let built = build(&mut f, 1_000, Vec::new(), offered);
    let (inherents, count) =
        runtime::Inherents::from_body(1, &built.block.body).expect("our own inherents");
    assert_eq!((inherents.evidence, count), (vec![good.clone()], 2));
    g.check(&built.block, None).expect("another node agrees");
    let certificate = commit(&mut f, &built);
    g.chain.commit(&built.hash, certificate).expect("it was checked");
    let staked = |f: &Fixture| {
        pallets::balances::held(&f.chain.head().snapshot, HoldReason::Staking, &dev(1).account)
    };
    // (3 / 4)^2 of what it had.
    assert_eq!(staked(&f), Balance::new(100 * super::ARTL / 16 * 7));
    let again = build(&mut f, 2_000, Vec::new(), vec![good, bad]);
    let (inherents, _) =
        runtime::Inherents::from_body(2, &again.block.body).expect("our own inherents");
    assert_eq!(inherents.evidence, []);
    g.check(&again.block, None).expect("another node agrees");
}

#[test]
fn a_block_whose_evidence_proves_nothing_is_nobodys_to_vote_for() {
    let dir = folder();
    let mut f = open(&dir);
    let mut block = (*build(&mut f, 1_000, Vec::new(), Vec::new()).block).clone();
    let (mut inherents, count) =
        runtime::Inherents::from_body(1, &block.body).expect("our own inherents");
    inherents.evidence = vec![forged(&f, 1)];
    block.body.splice(..count, inherents.to_transactions());
    block.header.extrinsics_root = runtime::extrinsics_root(&block.body);
    let refused = f.chain.check(CheckRequest { block, now_ms: None, seed: [4; 32] });
    let reason = refused.expect_err("the evidence is forged").to_string();
    assert!(reason.contains("inherent 1 failed"), "{reason}");
}

#[test]
fn votes_that_came_late_are_added_once() {
    let dir = folder();
    let mut f = open(&dir);
    let first = build(&mut f, 1_000, Vec::new(), Vec::new());
    let mut wide = commit(&mut f, &first);
    let message = wide.signed_bytes(&f.chain.genesis());
    wide.signatures.push((dev(1).account, keys().0.sign(&message)));
    let second = build(&mut f, 2_000, vec![wide.clone()], Vec::new());
    let widened = |built: &Built, height| {
        let read = runtime::Inherents::from_body(height, &built.block.body);
        read.expect("our own inherents").0.widened
    };
    assert_eq!(widened(&second, 2), [], "its certificate is not noted yet");
    commit(&mut f, &second);
    let third = build(&mut f, 3_000, vec![wide.clone(), wide.clone()], Vec::new());
    let news = Certificate { signatures: wide.signatures[1..].to_vec(), ..wide.clone() };
    assert_eq!(widened(&third, 3), [news]);
    commit(&mut f, &third);
    let fourth = build(&mut f, 4_000, vec![wide], Vec::new());
    assert_eq!(widened(&fourth, 4), []);
}
