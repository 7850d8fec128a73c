use super::*;
use crate::testing::{ALICE, act, act_in, block};
use framework::{MemState, Pallet as _};

#[test]
fn a_remark_with_event_tells_its_hash() {
    let mut state = MemState::default();
    let remark = b"hello".to_vec();
    let event = Event::Remarked { sender: ALICE, hash: blake2_256(&remark) };
    let call = Call::remark_with_event { remark: remark.clone() };
    let output = act(&mut state, |cx| call.dispatch(cx, Origin::Signed(ALICE)));
    assert_eq!((output.result, output.events), (Ok(()), vec![(INDEX, event).encode()]));
    let output = act(&mut state, |cx| Call::remark { remark }.dispatch(cx, Origin::Signed(ALICE)));
    assert_eq!((output.result, output.events), (Ok(()), vec![]));
    let unsigned = Call::remark { remark: Vec::new() };
    let output = act(&mut state, |cx| unsigned.dispatch(cx, Origin::None));
    assert_eq!(output.result, Err(DispatchError::BadOrigin));
}

#[test]
fn hashes_of_as_many_blocks_as_promised_are_kept() {
    let mut state = MemState::default();
    let mut initialize = |height| {
        act_in(&mut state, &block(height), |cx| {
            Pallet::on_initialize(cx);
            Ok(())
        });
    };
    (1..=BLOCK_HASHES_MAX + 2).for_each(&mut initialize);
    assert_eq!(number(&state), BLOCK_HASHES_MAX + 2);
    assert_eq!(block_hash(&state, 1), None);
    assert_eq!(block_hash(&state, 2), Some(block(0).parent));
    assert_eq!(block_hash(&state, BLOCK_HASHES_MAX + 1), Some(block(0).parent));
    Pallet::check(&state).expect("the invariant holds");
}

#[test]
fn an_account_with_nothing_to_tell_is_not_stored() {
    let mut state = MemState::default();
    let mut set = |nonce| {
        act(&mut state, |cx| {
            let mut account = load(cx, &ALICE);
            account.info.nonce = nonce;
            account.store(cx);
            Ok(())
        });
        accounts(&state).count()
    };
    assert_eq!((set(1), set(0)), (1, 0));
}

/// What a call of the chain's own ends with in block 5.
fn as_root(state: &mut MemState, call: Call) -> DispatchResult {
    act_in(state, &block(5), |cx| call.dispatch(cx, Origin::Root)).result
}

#[test]
fn a_change_of_rules_goes_up_and_forward_and_can_be_taken_back() {
    let mut state = MemState::default();
    act_in(&mut state, &block(0), |cx| {
        note_rules(cx, "artel", 3);
        Ok(())
    });
    let upgrade = |spec_version, height| Call::schedule_upgrade { spec_version, height };
    let error = |error: Error| -> DispatchResult { Err(error.into()) };
    for wrong in [3, 5, u32::MAX] {
        let refused = as_root(&mut state, upgrade(wrong, 9));
        assert_eq!(refused, error(Error::SpecVersionNeedsToIncrease));
    }
    assert_eq!(as_root(&mut state, upgrade(4, 5)), error(Error::TooLateForUpgrade));
    assert_eq!(as_root(&mut state, Call::cancel_upgrade), error(Error::NoUpgradeScheduled));
    let signed = act(&mut state, |cx| upgrade(4, 9).dispatch(cx, Origin::Signed(ALICE)));
    assert_eq!(signed.result, Err(DispatchError::BadOrigin));

    assert_eq!(as_root(&mut state, upgrade(4, 9)), Ok(()));
    assert_eq!(as_root(&mut state, upgrade(4, 8)), Ok(()));
    assert_eq!((upgrade_due(&state, 9), upgrade_due(&state, 8)), (None, Some(4)));
    assert_eq!(as_root(&mut state, Call::cancel_upgrade), Ok(()));
    assert_eq!(upgrade_due(&state, 8), None);

    assert_eq!(as_root(&mut state, upgrade(4, 8)), Ok(()));
    let at_8 = act_in(&mut state, &block(8), |cx| {
        // The block's header says so already.
        assert_eq!(
            Call::cancel_upgrade.dispatch(cx, Origin::Root),
            error(Error::TooLateForUpgrade)
        );
        assert_eq!(upgrade(4, 20).dispatch(cx, Origin::Root), error(Error::TooLateForUpgrade));
        switch(cx, "artel", 4);
        Ok(())
    });
    assert_eq!(at_8.events, [(INDEX, Event::CodeUpdated).encode()]);
    assert_eq!((spec_version(&state), upgrade_due(&state, 8)), (Some(4), None));
    let versions = [0, 7, 8, 9].map(|height| spec_version_after(&state, height));
    assert_eq!(versions, [Some(3), Some(3), Some(4), Some(4)]);
}

#[test]
fn calls_and_events_have_frames_indices() {
    assert_eq!(Event::CodeUpdated.encode(), [2]);
    assert_eq!(Error::SpecVersionNeedsToIncrease.encode(), [1]);
    assert_eq!(Call::remark { remark: vec![5] }.encode(), [0, 4, 5]);
    assert_eq!(Call::remark_with_event { remark: vec![] }.encode(), [7, 0]);
    let info = DispatchInfo::default();
    assert_eq!(Event::ExtrinsicSuccess { dispatch_info: info }.encode(), [0, 0, 0, 0, 0]);
    let failed =
        Event::ExtrinsicFailed { dispatch_error: DispatchError::BadOrigin, dispatch_info: info };
    assert_eq!(failed.encode(), [1, 2, 0, 0, 0, 0]);
    assert_eq!(Event::NewAccount { account: ALICE }.encode()[0], 3);
    assert_eq!(Event::KilledAccount { account: ALICE }.encode()[0], 4);
    assert_eq!(Phase::ApplyExtrinsic(1).encode(), [0, 1, 0, 0, 0]);
}

/// The key under which every Substrate client looks for events.
#[test]
fn the_event_record_has_substrates_key() {
    let key = "26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7";
    assert_eq!(hex::encode(events_key()), key);
}
