use super::*;
use crate::market::*;
use proptest::prelude::*;

fn sum(amounts: &[Balance]) -> Balance {
    amounts.iter().copied().sum()
}

#[test]
fn a_fee_is_split_in_shares_and_the_burned_part_takes_what_rounding_leaves() {
    let mut world = World::new(&[]);
    world.register(BOB, 1_000 * TOKEN);
    let odd = Policy { reward: Balance::new(TOKEN + 19), ..policy() };
    let pots = treasury::POTS.map(|pot| world.free(pot));
    let issued = balances::total_issuance(&world.state);
    let id = world.delivered(ALICE, BOB, odd);
    world.ok(ALICE, accept(&id));
    world.next(1);
    // 5 % of 1.000000000019 tokens, rounded up.
    let fee = TOKEN / 20 + 1;
    let shares = [300_000, 400_000, 200_000].map(|ppm| Balance::new(fee).share_floor(ppm));
    for ((pot, before), share) in treasury::POTS.iter().zip(pots).zip(shares) {
        assert_eq!(world.free(*pot), sum(&[before, share]));
    }
    let burned = Balance::new(fee).saturating_sub(sum(&shares));
    let now = balances::total_issuance(&world.state);
    assert_eq!(issued.saturating_sub(now), burned);
    assert_eq!(world.worth(BOB), sum(&[ENDOWMENT, Balance::new(TOKEN + 19)]));
}

#[test]
fn the_listing_fee_never_exceeds_what_is_left() {
    let mut world = World::new(&[]);
    let id = world.create(ALICE, policy(), false);
    // Governance raises the fee above what this task has deposited.
    let high = Balance::new(100 * TOKEN);
    let params = Params { listing_fee: high, storage_base: high, ..Params::default() };
    world.root(Call::set_params { params }).expect("root may");
    let deposit = escrow(&world.state, &id).expect("it is open").left();
    world.ok(ALICE, cancel(&id));
    world.next(1);
    assert_eq!(sum(&[world.worth(ALICE), deposit]), ENDOWMENT);
}

#[test]
fn the_listing_fee_is_the_creators() {
    let mut world = World::new(&[]);
    let id = world.create(ALICE, policy(), false);
    let spec_hash = world.task(&id).spec_hash;
    world.ok(EVE, crate::tasks::Call::fund_task { task: id, spec_hash });
    world.ok(ALICE, cancel(&id));
    world.next(1);
    let fee = params(&world.state).listing_fee;
    assert_eq!(world.worth(EVE), ENDOWMENT);
    assert_eq!(sum(&[world.worth(ALICE), fee]), ENDOWMENT);
}

/// Holds that no record explains would be money that nobody gets back.
#[test]
fn a_hold_that_no_record_explains_is_found() {
    use balances::HoldReason::{Accrued, Stake, StorageDeposit, TaskEscrow};
    for reason in [TaskEscrow, Stake, Accrued, StorageDeposit] {
        let mut world = World::new(&[]);
        world.register(BOB, 1_000 * TOKEN);
        world.create(ALICE, policy(), true);
        world.next(1);
        let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
        balances::hold(&mut cx, reason, &EVE, Balance::new(TOKEN)).expect("Eve is rich");
        let output = cx.finish(Ok(()));
        world.state.apply(&output.writes);
        assert!(check_pallets(&world.state).is_err(), "{reason:?}");
    }
}

#[test]
fn a_task_pays_the_fee_of_the_day_it_was_funded() {
    let mut world = World::new(&[]);
    world.register(BOB, 1_000 * TOKEN);
    let tight = Policy { extra_attempts: 0, ..policy() };
    let id = world.delivered(ALICE, BOB, tight);
    let params = Params { fee_ppm: FEE_PPM_MAX, ..Params::default() };
    world.root(Call::set_params { params }).expect("root may");
    world.pass(60_000);
    world.next(1);
    let spent = Balance::new(TOKEN + TOKEN / 20);
    assert_eq!(world.worth(ALICE), ENDOWMENT.saturating_sub(spent));
    assert_eq!(escrow(&world.state, &id), None);
}

#[test]
fn parameters_are_governed_and_bounded() {
    let mut world = World::new(&[]);
    let call = |params: Params| Call::set_params { params };
    world.fails(ALICE, call(Params::default()), DispatchError::BadOrigin);
    let listing_fee = Balance::new(TOKEN);
    for bad in [
        Params { fee_ppm: 300_001, ..Params::default() },
        Params { fee_validators_ppm: 600_001, ..Params::default() },
        Params { listing_fee, ..Params::default() },
        Params { audit_price: Balance::MAX, ..Params::default() },
    ] {
        assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
    }
}

proptest! {
    /// The escrow holds each reward with its own rounded fee, for every slot.
    #[test]
    fn the_cost_covers_every_slot_and_its_fee(
        reward in 1u128..=u128::from(u64::MAX),
        extra in 0u8..8,
        fuel in 1u64..=1 << 50,
        fee_ppm in 0u32..=FEE_PPM_MAX,
    ) {
        let params = Params { fee_ppm, ..Params::default() };
        let cost = params.cost(Balance::new(reward), 1, extra, fuel, 300).expect("it fits");
        let slots = 1 + u128::from(extra);
        let fee = params.fee(Balance::new(reward)).get();
        prop_assert!(fee >= reward * u128::from(fee_ppm) / 1_000_000);
        prop_assert!(cost.work.get() >= slots * (reward + fee));
        let audit = 2 * u128::from(fuel) * params.audit_price.get();
        prop_assert!((cost.work.get() - slots * (reward + fee)) * AUDIT_FUEL >= audit);
    }
}
