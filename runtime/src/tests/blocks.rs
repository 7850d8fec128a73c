use super::chain::{Chain, account, pair, pay, pay_to};
use crate::{
    ApplyError, BlockError, Digested, EVIDENCE_MAX, Execution, Inherents, InvalidTransaction,
    RuntimeCall, RuntimeEvent, block_env, decode_transaction, extrinsics_root, make_digest,
    parse_digest, transaction::CALL_DEPTH_MAX, validate,
};
use ::pallets::{session, sudo, system, timestamp, utility};
use codec::Encode;
use primitives::{
    Balance, Certificate, DigestItem, Era, Evidence, Hash, Header, MultiAddress, OpaqueTransaction,
    SignedVote, TRANSACTION_BYTES_MAX, Transaction, TransactionExtra, Vote, VoteKind, crypto::vrf,
};
use proptest::prelude::*;

#[test]
fn blocks_follow_each_other_and_keep_time_randomness_and_hashes() {
    let mut chain = Chain::dev();
    let mut seeds = vec![session::randomness(&chain.state)];
    for height in 1..=5u32 {
        let parent = chain.head.hash();
        let (records, _) = chain.block(&[]);
        assert_eq!(system::number(&chain.state), height);
        assert_eq!(timestamp::now(&chain.state), u64::from(height) * 1000);
        assert_eq!(system::block_hash(&chain.state, height - 1), Some(parent));
        let succeeded = |record: &&super::chain::EventRecord| {
            matches!(record.event, RuntimeEvent::System(system::Event::ExtrinsicSuccess { .. }))
        };
        let inherents = if height == 1 { 1 } else { 2 };
        assert_eq!(records.iter().filter(succeeded).count(), inherents);
        seeds.push(session::randomness(&chain.state));
    }
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 6, "every block has randomness of its own");
}

#[test]
fn the_same_body_gives_the_same_result_from_proposer_and_checker() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let (env, inherents) = (chain.env().expect("it is sound"), chain.inherents());
    let tx = chain.verify(&chain.sign("Alice", pay("Bob", 5))).expect("it is signed");
    let tx = tx.verified(&chain.position());
    let run = || {
        let mut execution =
            Execution::begin(&chain.state, &env, &inherents).expect("inherents are sound");
        execution.apply(&tx).expect("it can be included");
        execution.finish()
    };
    assert_eq!(run(), run());
    let body = inherents.to_transactions();
    assert_eq!(Inherents::from_body(2, &body), Ok((inherents, 2)));
}

#[test]
fn a_body_begins_with_its_inherents() {
    let mut chain = Chain::dev();
    let first = chain.inherents().to_transactions();
    assert_eq!(Inherents::from_body(1, &first).map(|(_, count)| count), Ok(1));
    chain.block(&[]);
    let body = chain.inherents().to_transactions();
    let bad = Err(BlockError::BadInherents { height: 2 });
    let swapped = [body[1].clone(), body[0].clone()];
    let signed = [chain.sign("Alice", pay("Bob", 5)), body[1].clone()];
    let longer = [OpaqueTransaction([&body[0].0[..], &[0]].concat()), body[1].clone()];
    for wrong in [&[][..], &body[..1], &swapped, &signed, &longer] {
        assert_eq!(Inherents::from_body(2, wrong), bad);
    }
}

#[test]
fn inherents_have_one_order_and_are_as_many_as_there_may_be() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let certificate = |height| Certificate {
        height,
        round: 0,
        block: Hash::ZERO,
        signatures: vec![(account("Alice"), [7; 64])],
    };
    let vote = |block| SignedVote {
        vote: Vote {
            kind: VoteKind::Prevote,
            height: 1,
            round: 0,
            block,
            validator: account("Alice"),
        },
        signature: [8; 64],
    };
    let evidence = Evidence::Votes(vote(None), vote(Some(Hash::ZERO)));
    let full = Inherents {
        widened: [3, 4, 5].map(certificate).to_vec(),
        evidence: vec![evidence; EVIDENCE_MAX],
        ..chain.inherents()
    };
    let body = full.to_transactions();
    assert_eq!(Inherents::from_body(7, &body), Ok((full.clone(), 5 + EVIDENCE_MAX)));
    let bad = Err(BlockError::BadInherents { height: 7 });
    let swap = |a: usize, b: usize| {
        let mut body = body.clone();
        body.swap(a, b);
        body
    };
    let mut more = full.clone();
    more.evidence.push(more.evidence[0].clone());
    let mut wider = full.clone();
    wider.widened.push(certificate(6));
    let mut twice = full.clone();
    twice.widened[1] = certificate(3);
    let first = Inherents { parent_certificate: None, ..full.clone() };
    for (wrong, what) in [
        (swap(1, 2), "a wider certificate before the parent's"),
        (swap(2, 3), "heights out of order"),
        (swap(4, 5), "evidence before certificates"),
        (more.to_transactions(), "too much evidence"),
        (wider.to_transactions(), "too many certificates"),
        (twice.to_transactions(), "a height twice"),
        (first.to_transactions(), "no certificate of the parent"),
        ([&body[..], &body[1..2]].concat(), "a second certificate of the parent"),
        ([&body[..], &body[..1]].concat(), "a second time"),
    ] {
        assert_eq!(Inherents::from_body(7, &wrong), bad, "{what}");
    }
    let bare = OpaqueTransaction(Transaction::Bare(pay("Bob", 5)).encode());
    assert_eq!(Inherents::from_body(7, &[&body[..2], &[bare]].concat()), bad, "a transfer");
    // What does not decode is no inherent, and no transaction either.
    let (read, count) =
        Inherents::from_body(7, &[&body[..2], &[OpaqueTransaction(vec![4; 9])]].concat())
            .expect("the inherents are in order");
    assert_eq!((count, read), (2, chain.inherents()));
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let (good, inherents) = (chain.header(), chain.inherents());
    let verdict = |header: &Header, inherents: &Inherents| {
        block_env(&chain.state, &chain.head, header, inherents, chain.genesis)
    };
    let env = verdict(&good, &inherents).expect("the header is the author's");
    assert_eq!((env.height, env.time_ms, env.author), (2, 2000, account("Alice")));

    for wrong in
        [Header { number: 3, ..good.clone() }, Header { parent_hash: Hash::ZERO, ..good.clone() }]
    {
        let refused = verdict(&wrong, &inherents);
        assert!(matches!(refused, Err(BlockError::WrongParent { .. })), "{refused:?}");
    }
    let no_certificate = Inherents { parent_certificate: None, ..inherents.clone() };
    assert_eq!(verdict(&good, &no_certificate), Err(BlockError::BadInherents { height: 2 }));
    let late = Inherents { time_ms: 1000, ..inherents.clone() };
    assert_eq!(verdict(&good, &late), Err(BlockError::TimeNotAfter { found: 1000, before: 1000 }));

    let digested = parse_digest(&good).expect("it is well formed");
    let with = |digested: Digested| Header { digest: make_digest(&digested), ..good.clone() };
    let stranger = with(Digested { author: account("Bob"), ..digested.clone() });
    assert_eq!(verdict(&stranger, &inherents), Err(BlockError::UnknownAuthor(account("Bob"))));
    let bad_randomness = Err(BlockError::BadRandomness(account("Alice")));
    let other_round = with(Digested { origin_round: 1, ..digested.clone() });
    assert_eq!(verdict(&other_round, &inherents), bad_randomness);
    let (other_draw, _) = vrf::sign(&pair("Alice"), crate::VRF_LABEL, b"");
    let other_draw =
        with(Digested { vrf_output: other_draw.output, vrf_proof: other_draw.proof, ..digested });
    assert_eq!(verdict(&other_draw, &inherents), bad_randomness);
}

#[test]
fn a_digest_has_one_form() {
    let good = Chain::dev().header();
    let digested = parse_digest(&good).expect("it is well formed");
    assert_eq!(make_digest(&digested), good.digest);
    let refused = |change: fn(&mut Vec<DigestItem>)| {
        let mut header = good.clone();
        change(&mut header.digest.logs);
        assert_eq!(parse_digest(&header), Err(BlockError::BadDigest));
    };
    refused(|logs| logs.clear());
    refused(|logs| logs.swap(0, 1));
    refused(|logs| logs.insert(2, DigestItem::RuntimeEnvironmentUpdated));
    refused(|logs| logs.extend([1, 2].map(|_| DigestItem::RuntimeEnvironmentUpdated)));
    refused(|logs| logs.push(DigestItem::Other(Vec::new())));
    refused(|logs| logs[0] = DigestItem::PreRuntime(*b"pow_", vec![1; 31]));
    refused(|logs| logs[1] = DigestItem::PreRuntime(*b"artl", vec![1; 101]));
    refused(|logs| logs[2] = DigestItem::Consensus(*b"artl", vec![1; 33]));
}

#[test]
fn a_wrong_certificate_stops_the_block() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let mut inherents = chain.inherents();
    let env = chain.env().expect("the header is the author's");
    let certificate = inherents.parent_certificate.as_mut().expect("block 2 has one");
    certificate.signatures[0].1[3] ^= 1;
    let refused = Execution::begin(&chain.state, &env, &inherents).err();
    assert!(matches!(refused, Some(BlockError::InherentFailed { index: 1, .. })), "{refused:?}");
}

#[test]
fn a_transaction_is_refused_for_what_is_wrong_with_it() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let good = chain.sign("Alice", pay("Bob", 5));
    let extra = |nonce, era| TransactionExtra::new(era, nonce, Balance::ZERO);
    let refused = |bytes: &OpaqueTransaction| chain.verify(bytes).err();

    assert_eq!(refused(&good), None);
    let mut forged = good.clone();
    let last = forged.0.len() - 1;
    forged.0[last] ^= 4;
    assert_eq!(refused(&forged), Some(InvalidTransaction::BadProof));
    forged.0.pop();
    assert_eq!(refused(&forged), Some(InvalidTransaction::Custom(crate::CUSTOM_BAD_ENCODING)));
    let bare = OpaqueTransaction(Transaction::Bare(pay("Bob", 5)).encode());
    assert_eq!(refused(&bare), Some(InvalidTransaction::Call));
    let inherent = RuntimeCall::Timestamp(timestamp::Call::set { now: 9 });
    assert_eq!(
        refused(&chain.sign("Alice", inherent)),
        Some(InvalidTransaction::MandatoryValidation)
    );
    let huge = OpaqueTransaction(vec![0; TRANSACTION_BYTES_MAX + 1]);
    assert_eq!(refused(&huge), Some(InvalidTransaction::ExhaustsResources));
    for address in [MultiAddress::Raw(vec![1]), MultiAddress::Address32([0; 32])] {
        let tx = Transaction::Signed {
            address,
            signature: primitives::MultiSignature::Sr25519([0; 64]),
            extra: extra(0, Era::Immortal),
            call: pay("Bob", 5),
        };
        let bytes = OpaqueTransaction(tx.encode());
        assert_eq!(refused(&bytes), Some(InvalidTransaction::BadSigner));
    }

    let stale = chain.sign_with("Alice", pay("Bob", 5), extra(0, Era::Immortal));
    let future = chain.sign_with("Alice", pay("Bob", 5), extra(2, Era::Immortal));
    let (_, verdicts) = chain.block(&[future.clone(), stale.clone(), stale.clone()]);
    let invalid = |reason| Err(ApplyError::Invalid(reason));
    assert_eq!(
        verdicts,
        [invalid(InvalidTransaction::Future), Ok(()), invalid(InvalidTransaction::Stale)]
    );
    let height = chain.position().height;
    let decoded = |bytes: &OpaqueTransaction| {
        decode_transaction(bytes, bytes.hash()).expect("it is well formed")
    };
    assert_eq!(validate(&chain.state, height, &decoded(&stale)), Err(InvalidTransaction::Stale));
    let waiting = validate(&chain.state, height, &decoded(&future)).expect("it may wait");
    assert_eq!((waiting.nonce, waiting.account_nonce, waiting.longevity), (2, 1, u64::MAX));
}

#[test]
fn a_signature_counts_in_its_own_era_only() {
    let mut chain = Chain::dev();
    (0..4).for_each(|_| drop(chain.block(&[])));
    let era = Era::mortal(4, chain.head.number);
    let extra = TransactionExtra::new(era, 0, Balance::ZERO);
    let bytes = chain.sign_with("Alice", pay("Bob", 5), extra);
    let checked = chain.verify(&bytes).expect("the head may be the birth block");
    let checked = checked.verified(&chain.position());
    let validity = validate(&chain.state, 5, &checked.tx).expect("it is alive");
    assert_eq!(validity.longevity, 3);
    (0..3).for_each(|_| drop(chain.block(&[])));
    // Block 8 begins the next era: the signature over the last one is void there.
    let env = chain.env().expect("the header is the author's");
    let mut execution =
        Execution::begin(&chain.state, &env, &chain.inherents()).expect("inherents are sound");
    let refused = ApplyError::Invalid(InvalidTransaction::AncientBirthBlock);
    assert_eq!(execution.apply(&checked), Err(refused));
    drop(execution);
    assert_eq!(chain.verify(&bytes).err(), Some(InvalidTransaction::AncientBirthBlock));
    chain.block(&[]);
    assert_eq!(chain.verify(&bytes).err(), Some(InvalidTransaction::BadProof));
}

#[test]
fn calls_nest_to_a_limit() {
    let chain = Chain::dev();
    let nested = |depth| {
        (0..depth).fold(pay("Bob", 5), |call, _| {
            RuntimeCall::Utility(utility::Call::batch { calls: vec![call] })
        })
    };
    let most = usize::try_from(CALL_DEPTH_MAX).expect("it is small");
    assert!(chain.verify(&chain.sign("Alice", nested(most))).is_ok());
    let refused = chain.verify(&chain.sign("Alice", nested(most + 1)));
    assert_eq!(refused.err(), Some(InvalidTransaction::Custom(crate::CUSTOM_BAD_ENCODING)));
    let refused = chain.verify(&chain.sign("Alice", nested(20_000)));
    assert_eq!(refused.err(), Some(InvalidTransaction::Custom(crate::CUSTOM_BAD_ENCODING)));
}

#[test]
fn a_transaction_takes_little_more_memory_than_it_has_bytes() {
    let chain = Chain::dev();
    let tiny = |count| {
        let calls = vec![RuntimeCall::Sudo(sudo::Call::remove_key); count];
        chain.sign("Alice", RuntimeCall::Utility(utility::Call::batch { calls }))
    };
    assert!(chain.verify(&tiny(5)).is_ok());
    let refused = chain.verify(&tiny(1_000));
    assert_eq!(refused.err(), Some(InvalidTransaction::Custom(crate::CUSTOM_BAD_ENCODING)));
    assert!(size_of::<RuntimeCall>() <= 600, "a batch of 1,000 transfers must decode");
}

#[test]
fn a_full_block_refuses_and_stays_as_it_was() {
    let mut chain = Chain::dev();
    let remark = |nonce| {
        let call = RuntimeCall::System(system::Call::remark { remark: vec![0; 250_000] });
        chain.sign_with("Alice", call, TransactionExtra::new(Era::Immortal, nonce, Balance::ZERO))
    };
    let transactions: Vec<_> = (0..25).map(remark).collect();
    let (_, verdicts) = chain.block(&transactions);
    let included = verdicts.iter().filter(|v| v.is_ok()).count();
    assert_eq!(included, 20, "5 MiB hold 20 transactions of 250 kB");
    assert_eq!(verdicts[20], Err(ApplyError::BlockFull));
    assert_eq!(chain.nonce("Alice"), 20);
}

#[test]
fn a_block_counts_the_time_of_its_hooks() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let (env, inherents) = (chain.env().expect("it is sound"), chain.inherents());
    let execution = Execution::begin(&chain.state, &env, &inherents).expect("inherents are sound");
    let taken = execution.ref_time();
    assert!(taken > execution.finish().used.ref_time());
}

#[test]
fn sudo_acts_as_others() {
    let mut chain = Chain::dev();
    let before = chain.free("Bob");
    let call = Box::new(pay("Charlie", 1_000));
    let who = MultiAddress::Id(account("Bob"));
    let call = RuntimeCall::Sudo(sudo::Call::sudo_as { who, call });
    let events = chain.include(chain.sign("Alice", call.clone()));
    let done = RuntimeEvent::Sudo(sudo::Event::SudoAsDone { sudo_result: Ok(()) });
    assert!(events.contains(&done));
    assert_eq!(chain.free("Bob"), before.saturating_sub(Balance::new(1_000)));
    let events = chain.include(chain.sign("Eve", call));
    let Some(RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. })) =
        events.last()
    else {
        panic!("{events:?} does not end with the failure")
    };
    assert_eq!(*dispatch_error, sudo::Error::RequireSudo.into());
}

/// Transfers that fail leave the sender's account unwritten, so that each reads it again.
#[test]
fn a_batch_in_somebodys_name_keeps_to_its_declared_weight() {
    let mut chain = Chain::dev();
    let fresh = |n: u8| pay_to(primitives::AccountId([100 + n; 32]), 1);
    let calls = (0..10).map(fresh).collect();
    let call = Box::new(RuntimeCall::Utility(utility::Call::force_batch { calls }));
    let who = MultiAddress::Id(account("Bob"));
    let call = RuntimeCall::Sudo(sudo::Call::sudo_as { who, call });
    let events = chain.include(chain.sign("Alice", call));
    let done = RuntimeEvent::Sudo(sudo::Event::SudoAsDone { sudo_result: Ok(()) });
    assert!(events.contains(&done));
}

/// The root as RFC 9162 writes it down: split at the largest power of two below the count.
fn rfc_root(leaves: &[OpaqueTransaction]) -> Hash {
    use primitives::crypto::hash::blake2_256;
    match leaves {
        [] => blake2_256(&[]),
        [leaf] => blake2_256(&[&[0], &leaf.0[..]].concat()),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            let children = [rfc_root(left).0, rfc_root(right).0].concat();
            blake2_256(&[&[1], &children[..]].concat())
        }
    }
}

proptest! {
    #[test]
    fn the_extrinsics_root_is_that_of_the_rfc(
        leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..40),
    ) {
        let body: Vec<_> = leaves.into_iter().map(OpaqueTransaction).collect();
        prop_assert_eq!(extrinsics_root(&body), rfc_root(&body));
    }

    /// Bytes from anywhere are refused or decode; they never bring a node down.
    #[test]
    fn any_bytes_are_refused_or_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let tx = OpaqueTransaction(bytes);
        let _ = decode_transaction(&tx, tx.hash());
    }

    /// So are transactions that were almost right.
    #[test]
    fn mutated_transactions_are_never_valid(at in 0usize..140, bit in 0u8..8) {
        let chain = Chain::dev();
        let good = chain.sign("Alice", pay("Bob", 1_000_000));
        let mut bytes = good.clone();
        let at = at % bytes.0.len();
        bytes.0[at] ^= 1 << bit;
        prop_assert!(chain.verify(&bytes).is_err());
    }
}
