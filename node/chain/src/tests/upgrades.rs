use super::fixture::{Fixture, dev, folder, genesis};
use crate::{BuildRequest, CheckError, Error};
use pallets::{sudo, system};
use primitives::{DigestItem, Era, Height, crypto::vrf};
use runtime::{BlockError, InvalidTransaction, REHEARSAL_SPEC_VERSION, Rules, RuntimeCall};
use tempfile::TempDir;

/// A chain of one block, whose rules will change at this height; the program knows the new ones if it rehearses.
fn changing(dir: &TempDir, rehearsals: bool, height: Height) -> Fixture {
    let mut genesis = genesis();
    genesis.Sudo.key = Some(dev(1).account);
    genesis.System.rehearsals = rehearsals;
    let mut f = Fixture::open_with(dir, &genesis);
    let spec_version = REHEARSAL_SPEC_VERSION;
    let call = RuntimeCall::System(system::Call::schedule_upgrade { spec_version, height });
    let call = RuntimeCall::Sudo(sudo::Call::sudo { call: Box::new(call) });
    let schedule = f.sign(&dev(1), call, 0, Era::Immortal);
    f.grow(1_000, &[&schedule]);
    f
}

#[test]
fn what_was_verified_before_a_change_of_rules_is_not_good_after_it() {
    let dir = folder();
    let mut f = changing(&dir, true, 2);
    let waiting = f.transfer(2, 3, 0, 5);
    f.verified(&[&waiting]);
    let committed = f.grow(2_000, &[]);
    let logs = &committed.head.header.digest.logs;
    assert_eq!(logs.last(), Some(&DigestItem::RuntimeEnvironmentUpdated));
    assert_eq!(committed.head.rules, Rules::REHEARSAL);

    let received = vec![waiting.into()];
    let verdicts = f.chain.verifier().verify(f.chain.head(), received, &[9; 32]);
    assert_eq!(verdicts[0].as_ref().err(), Some(&InvalidTransaction::BadProof));
    let anew = f.transfer(2, 3, 0, 5);
    let built = f.build(3_000, &[&anew]);
    assert_eq!(built.included, 1);
    let certificate = f.certificate(&built.hash);
    f.chain.commit(&built.hash, certificate).expect("the block was built");
    f.check_state();
}

#[test]
fn rules_that_the_program_lacks_are_its_own_fault_and_end_it() {
    let dir = folder();
    let mut f = changing(&dir, false, 3);
    f.grow(2_000, &[]);
    let expected = BlockError::UnknownRules { height: 3, spec_version: REHEARSAL_SPEC_VERSION };
    let refused = f.chain.build(BuildRequest {
        author: dev(0).account,
        origin_round: 0,
        now_ms: 3_000,
        certificate: None,
        widened: Vec::new(),
        evidence: Vec::new(),
        transactions: Vec::new(),
        sign_vrf: &|message| vrf::sign(&super::fixture::vrf_pair(), runtime::VRF_LABEL, message).0,
        is_late: &mut || false,
    });
    let is_expected =
        |error: &Error| matches!(error, Error::UnknownRules(found) if *found == expected);
    assert!(refused.is_err_and(|error| is_expected(&error)));

    // The same block of those who know the rules.
    let dir = folder();
    let mut knowing = changing(&dir, true, 3);
    knowing.grow(2_000, &[]);
    let mut block = (*knowing.build(3_000, &[]).block).clone();
    block.header.parent_hash = f.chain.head().hash;
    let refused = f.check(&block, None);
    assert!(matches!(refused, Err(CheckError::Local(error)) if is_expected(&error)));
}
