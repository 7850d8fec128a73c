use super::*;
use crate::market::*;
use framework::TokenError;

const STAKE: Balance = Balance::new(100 * TOKEN);

fn register(who: &AccountId) -> Call {
    Call::register { profile: profile(who), stake: STAKE }
}

#[test]
fn an_agent_registers_with_stake_changes_it_and_leaves() {
    let mut world = World::new(&[]);
    world.ok(BOB, register(&BOB));
    world.fails(BOB, register(&BOB), Error::AlreadyAnAgent);
    let held = |world: &World| balances::held(&world.state, HoldReason::Stake, &BOB);
    assert_eq!(held(&world), STAKE);
    let more = Balance::new(150 * TOKEN);
    world.ok(BOB, Call::set_stake { stake: more });
    assert_eq!((held(&world), world.agent(BOB).stake), (more, more));
    let less = Balance::new(50 * TOKEN);
    world.ok(BOB, Call::set_stake { stake: less });
    assert_eq!((held(&world), world.agent(BOB).stake), (less, less));
    world.fails(BOB, Call::set_stake { stake: Balance::new(1) }, Error::StakeTooLow);
    world.next(1);
    world.ok(BOB, Call::leave {});
    world.fails(BOB, Call::leave {}, Error::NotAnAgent);
    assert_eq!((held(&world), world.free(BOB)), (Balance::ZERO, ENDOWMENT));
    world.next(1);
}

#[test]
fn registration_refuses_what_breaks_a_limit() {
    let mut world = World::new(&[]);
    let try_register = |world: &mut World, change: fn(&mut Profile), error: Error| {
        let mut profile = profile(&BOB);
        change(&mut profile);
        world.fails(BOB, Call::register { profile, stake: STAKE }, error);
    };
    try_register(&mut world, |p| p.engines.clear(), Error::BadProfile);
    try_register(&mut world, |p| p.engines = vec![2, 1], Error::BadProfile);
    try_register(&mut world, |p| p.slots = SLOTS_MAX + 1, Error::BadProfile);
    try_register(&mut world, |p| p.capabilities.memory_class = 17, Error::BadProfile);
    try_register(&mut world, |p| p.capabilities.tags = vec![vec![]], Error::BadProfile);
    try_register(&mut world, |p| p.peer_proof[0] ^= 1, Error::BadPeerProof);
    try_register(&mut world, |p| p.peer_key[0] ^= 1, Error::BadPeerProof);
    try_register(&mut world, |p| p.payout = Payee::Split(Vec::new()), Error::BadPayee);
    let short = |p: &mut Profile| {
        let share = |account, parts| Share { account, parts };
        p.payout = Payee::Split(vec![share(ALICE, 500_000), share(BOB, 499_999)]);
    };
    try_register(&mut world, short, Error::BadPayee);
    // The libp2p key has signed for Bob: nobody else can take it.
    let stolen = Call::register { profile: profile(&BOB), stake: STAKE };
    world.fails(EVE, stolen, Error::BadPeerProof);
    let low = Call::register { profile: profile(&BOB), stake: Balance::new(1) };
    world.fails(BOB, low, Error::StakeTooLow);
    let high = Call::register { profile: profile(&BOB), stake: ENDOWMENT };
    world.fails(BOB, high, TokenError::NotExpendable);
    assert_eq!(world.free(BOB), ENDOWMENT);
}

#[test]
fn a_heartbeat_is_possible_and_free_after_fifty_seconds() {
    let mut world = World::new(&[]);
    let heartbeat = Call::heartbeat { slots: 2, version: 7 };
    assert_eq!(heartbeat.pays(), Pays::No);
    world.fails(BOB, heartbeat.clone(), Error::NotAnAgent);
    world.ok(BOB, register(&BOB));
    world.fails(BOB, heartbeat.clone(), Error::HeartbeatTooSoon);
    world.pass(49_999);
    assert!(!heartbeat_is_due(&world.state, &BOB, 2));
    world.fails(BOB, heartbeat.clone(), Error::HeartbeatTooSoon);
    world.next(1);
    assert!(heartbeat_is_due(&world.state, &BOB, 2));
    world.ok(BOB, heartbeat);
    assert!(!heartbeat_is_due(&world.state, &BOB, 2));
    let agent = world.agent(BOB);
    assert_eq!((agent.profile.slots, agent.version), (2, 7));
}

#[test]
fn an_agent_that_a_task_binds_can_neither_leave_nor_take_its_stake() {
    let mut world = World::new(&[]);
    world.ok(BOB, register(&BOB));
    let big = Policy { reward: Balance::new(9 * TOKEN), ..policy() };
    let id = world.delivered(ALICE, BOB, big);
    world.fails(BOB, Call::leave {}, Error::StakeInUse);
    let least = params(&world.state).stake_min;
    world.fails(BOB, Call::set_stake { stake: least }, Error::StakeInUse);
    world.ok(BOB, Call::set_stake { stake: world.agent(BOB).locked });
    world.ok(ALICE, accept(&id));
    world.next(1);
    world.fails(BOB, Call::leave {}, Error::StakeInUse);
    world.pass(60_000);
    world.ok(BOB, Call::leave {});
}

#[test]
fn reputation_is_earned_against_competition_and_halves_in_ninety_days() {
    let mut world = World::new(&[]);
    for agent in [BOB, CHARLIE, DAVE] {
        world.ok(agent, register(&agent));
    }
    let alone = world.delivered(ALICE, BOB, policy());
    world.ok(ALICE, accept(&alone));
    let id = world.create(ALICE, policy(), true);
    for agent in [BOB, CHARLIE, DAVE] {
        let claim = world.claim(&agent, &id);
        world.ok(agent, claim);
    }
    world.next(500);
    let winner = world.task(&id).slots[0].agent;
    world.ok(winner, submit(&id));
    world.pass(60_000);
    let sum: Balance =
        [BOB, CHARLIE, DAVE].iter().map(|who| world.agent(*who).reputation.value).sum();
    assert_eq!(sum, Balance::new(TOKEN));
    let reputation = world.agent(winner).reputation;
    let later = reputation.at(reputation.since + 2 * REPUTATION_HALF_LIFE_MS);
    assert_eq!(later.value, Balance::new(TOKEN / 4));
    assert_eq!(reputation.at(u64::MAX).value, Balance::ZERO);
}

#[test]
fn three_no_shows_in_a_row_leave_a_third_of_the_reputation() {
    let mut world = World::new(&[]);
    world.ok(BOB, register(&BOB));
    let block = world.block.clone();
    let mut cx = Ctx::new(&world.state, &block, Hash::ZERO);
    for (no_shows, value) in [(1, 90), (2, 90), (3, 30), (4, 10)] {
        if no_shows == 1 {
            vindicated(&mut cx, &BOB, Balance::ZERO, Balance::new(90));
        }
        missed(&mut cx, &BOB);
        let agent = agent(&cx, &BOB).expect("it is registered");
        assert_eq!((agent.no_shows, agent.reputation.value), (no_shows, Balance::new(value)));
    }
}

#[test]
fn a_split_gives_the_last_what_rounding_leaves() {
    let share = |account, parts| Share { account, parts };
    let split = Payee::Split(vec![share(ALICE, 333_333), share(BOB, 333_333), share(EVE, 333_334)]);
    let parts = split.split(Balance::new(100));
    let units: Vec<_> = parts.iter().map(|(_, part)| part.get()).collect();
    assert_eq!(units, [33, 33, 34]);
    assert_eq!(split.split(Balance::new(1)), [(EVE, Balance::new(1))]);
    assert_eq!(Payee::Account(BOB).split(Balance::new(7)), [(BOB, Balance::new(7))]);
}

#[test]
fn in_the_shadow_phase_slashes_are_only_told() {
    let mut world = World::new(&[]);
    let shadow = Params { shadow_slashing: true, ..Params::default() };
    world.root(Call::set_params { params: shadow }).expect("root may");
    world.ok(BOB, register(&BOB));
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.take_events();
    world.pass(30_000);
    let told = world.take_events().into_iter().any(|event| {
        matches!(event, RuntimeEvent::Agents(super::Event::Slashed { shadow: true, .. }))
    });
    assert!(told);
    assert_eq!(world.agent(BOB).stake, STAKE);
    assert_eq!(world.agent(BOB).locked, Balance::ZERO);
}

#[test]
fn parameters_are_governed_and_bounded() {
    let mut world = World::new(&[]);
    let call = |params: Params| Call::set_params { params };
    world.fails(ALICE, call(Params::default()), DispatchError::BadOrigin);
    world.fails(ALICE, Call::set_paused { paused: true }, DispatchError::BadOrigin);
    let bad = Params { stake_min: Balance::ZERO, ..Params::default() };
    assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
    let bad = Params { jail_ms: 0, ..Params::default() };
    assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
    let bad = Params { heartbeat_ms: 200_000, ..Params::default() };
    assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
}
