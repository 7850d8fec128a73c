use super::*;
use crate::{
    system::NORMAL_REF_TIME_MAX,
    testing::{ALICE, CAROL, act, act_in, block, deposits},
};
use framework::{MemState, Pallet as _};
use proptest::prelude::*;

fn priced(weight: Weight, tip: Balance) -> Priced {
    Priced { length: 150, weight, class: DispatchClass::Normal, pays: Pays::Yes, tip }
}

fn after(blocks: u32, used: u64) -> Multiplier {
    (0..blocks).fold(Multiplier::default(), |multiplier, _| multiplier.after_block(used))
}

#[test]
fn the_fee_is_base_and_bytes_and_weight() {
    let fees = priced(Weight::rw(1, 1), Balance::new(5)).fee_details(Multiplier::default());
    // 4 + 6 + 2 microseconds, at 4 units a picosecond.
    let weight = Balance::new(48_000_000);
    let length = Balance::new(150_000_000);
    let expected = InclusionFee { base_fee: weight, len_fee: length, adjusted_weight_fee: weight };
    assert_eq!(fees, FeeDetails { inclusion_fee: Some(expected), tip: Balance::new(5) });
    assert_eq!((fees.fee().get(), fees.total().get()), (246_000_000, 246_000_005));
    let free = Priced { pays: Pays::No, ..priced(Weight::ZERO, Balance::ZERO) };
    assert_eq!(free.fee_details(Multiplier::default()).total(), Balance::ZERO);
}

#[test]
fn the_price_follows_fullness() {
    let one = Multiplier::default();
    assert_eq!(after(9, 0), one, "an idle chain keeps the lowest price");
    let target = NORMAL_REF_TIME_MAX / 4;
    let high = after(500, NORMAL_REF_TIME_MAX);
    assert_eq!(high.after_block(target), high);
    // 1 + vd + (vd)^2 / 2 with vd = 0.75 / 128.
    assert_eq!(one.after_block(NORMAL_REF_TIME_MAX).units(), 1_005_876_541_000_000_000);
    let doubled = after(119, NORMAL_REF_TIME_MAX).units();
    assert!((2_000_000_000_000_000_000..2_020_000_000_000_000_000).contains(&doubled));
    let idle = (0..356).fold(after(119, NORMAL_REF_TIME_MAX), |m, _| m.after_block(0));
    assert!(idle.units() < 1_010_000_000_000_000_000);
    assert_eq!(after(5000, u64::MAX).units(), 1_000_000 * one.units(), "the price has a limit");
}

#[test]
fn what_is_not_used_comes_back() {
    let mut state = MemState::default();
    act(&mut state, |cx| balances::mint(cx, &ALICE, deposits(10)));
    let declared = priced(Weight::rw(9, 9), Balance::new(3));
    let used = Priced { weight: Weight::rw(1, 1), ..declared };
    let multiplier = Multiplier::default();
    let (taken, kept) = (declared.fee_details(multiplier), used.fee_details(multiplier));
    let run = |ends: bool| {
        let block = block(1);
        let mut cx = Ctx::new(&state, &block, Hash::ZERO);
        let mut payer = system::load(&cx, &ALICE);
        take(&mut cx, &mut payer, &taken).expect("there is enough");
        payer.store(&mut cx);
        if ends {
            let all = balances::free(&cx, &ALICE);
            balances::transfer(&mut cx, &ALICE, &CAROL, all, false).expect("nothing is held");
        }
        settle(&mut cx, &ALICE, &taken, &kept);
        (balances::free(&cx, &ALICE), cx.finish(Ok(())))
    };
    let (free, output) = run(false);
    assert_eq!(free, deposits(10).saturating_sub(kept.total()));
    assert_eq!((output.deltas.fees, output.deltas.tips), (kept.fee(), Balance::new(3)));
    let event =
        Event::TransactionFeePaid { who: ALICE, actual_fee: kept.total(), tip: Balance::new(3) };
    assert_eq!(output.events.last(), Some(&(INDEX, event).encode()));
    // What comes back is less than the existential deposit, so an account that ended stays ended.
    let (free, output) = run(true);
    assert_eq!((free, output.deltas.fees), (Balance::ZERO, taken.fee()));
}

#[test]
fn who_cannot_pay_and_live_does_not_pay() {
    let mut state = MemState::default();
    act(&mut state, |cx| balances::mint(cx, &ALICE, deposits(2)));
    let account = system::account(&state, &ALICE);
    assert!(can_pay(&account, deposits(1)));
    assert!(!can_pay(&account, deposits(1).saturating_add(Balance::new(1))));
    assert!(!can_pay(&system::AccountInfo::default(), Balance::new(1)));
    assert!(can_pay(&system::AccountInfo::default(), Balance::ZERO));
    let fees = FeeDetails { inclusion_fee: None, tip: deposits(2) };
    let result = act(&mut state, |cx| {
        let mut payer = system::load(cx, &ALICE);
        take(cx, &mut payer, &fees)
    });
    assert_eq!(result.result, Err(TokenError::NotExpendable.into()));
}

/// What a block's end pays to the author, the validators and the treasury, and burns.
fn distributed(with_author: bool, fees: Balance, tips: Balance) -> [Balance; 4] {
    let mut state = MemState::default();
    act(&mut state, |cx| {
        treasury::Pallet::genesis(cx, ()).expect("pots can be made");
        let author = cx.block.author;
        if with_author { balances::mint(cx, &author, deposits(1)) } else { Ok(()) }
    });
    let deltas = Deltas { fees, tips, ..Deltas::default() };
    let output = act_in(&mut state, &block(2), |cx| {
        finish_block(cx, &deltas, NORMAL_REF_TIME_MAX);
        Ok(())
    });
    assert!(multiplier(&state) > Multiplier::default());
    let gain = |who| balances::free(&state, who).saturating_sub(deposits(1));
    [gain(&CAROL), gain(&treasury::VALIDATORS), gain(&treasury::TREASURY), output.deltas.burned]
}

#[test]
fn fees_go_to_the_pots_and_tips_to_the_author() {
    let units = |amounts: [u128; 4]| amounts.map(Balance::new);
    let (fees, tips) = (Balance::new(1001), Balance::new(7));
    assert_eq!(distributed(true, fees, tips), units([7, 800, 201, 0]));
    assert_eq!(distributed(false, fees, tips), units([0, 807, 201, 0]));
    assert_eq!(distributed(true, Balance::ZERO, Balance::ZERO), units([0; 4]));
}

proptest! {
    /// Multiplying never overflows, and the price never leaves its bounds.
    #[test]
    fn the_price_stays_within_bounds(used in proptest::collection::vec(any::<u64>(), 1..200), length: u32) {
        let multiplier = used.iter().fold(Multiplier::default(), |m, used| m.after_block(*used));
        prop_assert!(multiplier >= Multiplier::default());
        let all = Weight { reads: u32::MAX, writes: u32::MAX, compute_us: u32::MAX };
        let low = Priced { length, ..priced(all, Balance::MAX) }.fee_details(Multiplier::default());
        let high = Priced { length, ..priced(all, Balance::MAX) }.fee_details(multiplier);
        prop_assert!(high.fee() >= low.fee());
        prop_assert!(high.total() == Balance::MAX);
    }
}
