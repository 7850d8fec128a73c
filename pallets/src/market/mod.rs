//! A chain in memory with the market's pallets, for tests: blocks, calls, checks after each block.

mod coverage;
mod model;

use crate::{agents, balances, escrow, payouts, system, tasks, testing::LookUpOnly, validations};
use framework::prelude::*;
use framework::{BlockEnv, Deltas, MemState};
use primitives::crypto::{
    hash::blake2_256,
    pair::{Ed25519Pair, Sr25519Pair},
    vrf,
};

pub use tasks::{CloseReason, Policy, TaskId, TaskSpec, TaskState};

framework::runtime! {
    System = 0 => crate::system::Pallet,
    Balances = 5 => crate::balances::Pallet,
    Treasury = 19 => crate::treasury::Pallet,
    Agents = 100 => crate::agents::Pallet,
    Tasks = 101 => crate::tasks::Pallet,
    Escrow = 102 => crate::escrow::Pallet,
    Validations = 103 => crate::validations::Pallet,
    Payouts = 104 => crate::payouts::Pallet,
}

pub type Event = RuntimeEvent;

/// A whole token.
pub const TOKEN: u128 = 1_000_000_000_000;
/// Money that each party of a test begins with.
pub const ENDOWMENT: Balance = Balance::new(1_000_000 * TOKEN);
/// Genesis hash of the chain in memory.
pub const GENESIS: Hash = Hash([7; 32]);

pub const ALICE: AccountId = AccountId([1; 32]);
pub const BOB: AccountId = AccountId([2; 32]);
pub const CHARLIE: AccountId = AccountId([3; 32]);
pub const DAVE: AccountId = AccountId([4; 32]);
pub const EVE: AccountId = AccountId([5; 32]);
/// An account without money.
pub const POOR: AccountId = AccountId([9; 32]);

impl From<agents::Call> for RuntimeCall {
    fn from(call: agents::Call) -> Self {
        Self::Agents(call)
    }
}

impl From<tasks::Call> for RuntimeCall {
    fn from(call: tasks::Call) -> Self {
        Self::Tasks(call)
    }
}

impl From<validations::Call> for RuntimeCall {
    fn from(call: validations::Call) -> Self {
        Self::Validations(call)
    }
}

impl From<payouts::Call> for RuntimeCall {
    fn from(call: payouts::Call) -> Self {
        Self::Payouts(call)
    }
}

impl From<escrow::Call> for RuntimeCall {
    fn from(call: escrow::Call) -> Self {
        Self::Escrow(call)
    }
}

/// A chain whose block is open for calls.
pub struct World {
    pub state: MemState,
    pub block: BlockEnv,
    /// Events since [`World::take_events`].
    pub events: Vec<Event>,
    deltas: Deltas,
    txs: u64,
}

impl World {
    /// A chain whose parties, five and those given, have [`ENDOWMENT`].
    pub fn new(more: &[AccountId]) -> Self {
        let block = BlockEnv {
            height: 0,
            time_ms: 0,
            author: ALICE,
            origin_round: 0,
            randomness: Hash::ZERO,
            parent: Hash::ZERO,
            genesis: GENESIS,
        };
        let parties = [ALICE, BOB, CHARLIE, DAVE, EVE];
        let balances = parties.iter().chain(more).map(|who| (*who, ENDOWMENT)).collect();
        let spec = Genesis { Balances: balances::Genesis { balances }, ..Genesis::default() };
        let mut world = Self {
            state: MemState::default(),
            block,
            events: Vec::new(),
            deltas: Deltas::default(),
            txs: 0,
        };
        world.hook("genesis", |cx| genesis(cx, spec).expect("the spec is right"));
        world.fold();
        world.open(1_000);
        world
    }

    fn hook(&mut self, name: &str, run: impl FnOnce(&mut Ctx)) {
        let block = self.block.clone();
        let mut cx = Ctx::for_hook(&self.state, &block, name);
        run(&mut cx);
        let output = cx.finish(Ok(()));
        if name != "genesis" {
            // Each kind of work may exceed its share by less than a step, none of which takes 2 ms.
            let most = system::HOOKS_REF_TIME_MAX - system::FINALIZE_REF_TIME_MAX + 2_000_000_000;
            assert!(output.used.ref_time() < most, "{name} used {:?}", output.used);
        }
        self.absorb(output);
    }

    fn absorb(&mut self, output: framework::TxOutput) {
        self.state.apply(&output.writes);
        self.deltas = self.deltas.plus(output.deltas);
        let events = output.events.iter().map(|bytes| Event::decode(&mut &bytes[..]));
        self.events.extend(events.map(|event| event.expect("it was just encoded")));
    }

    fn fold(&mut self) {
        let deltas = std::mem::take(&mut self.deltas);
        self.hook("fold", |cx| balances::fold_issuance(cx, &deltas));
    }

    pub fn open(&mut self, passed_ms: Moment) {
        self.move_to_next(passed_ms);
        self.hook("initialize", on_initialize);
    }

    /// Opens a block whose budget for steps others have used up: only the clock moves.
    pub fn open_without_steps(&mut self, passed_ms: Moment) {
        self.move_to_next(passed_ms);
        self.hook("initialize", |cx| {
            <system::Pallet as framework::Pallet>::on_initialize(cx);
            <agents::Pallet as framework::Pallet>::on_initialize(cx);
        });
    }

    fn move_to_next(&mut self, passed_ms: Moment) {
        self.block.height += 1;
        self.block.time_ms += passed_ms;
        self.block.randomness = blake2_256(&("test", self.block.height).encode());
    }

    /// Ends the block; the state is then as the chain keeps it.
    pub fn close(&mut self) {
        self.hook("finalize", on_finalize);
        self.fold();
    }

    /// Ends the block, checks every pallet, and opens a block that is `passed_ms` later.
    pub fn next(&mut self, passed_ms: Moment) {
        self.close();
        self.check();
        self.open(passed_ms);
    }

    pub fn check(&self) {
        if let Err(error) = check_pallets(&self.state) {
            panic!("after block {}: {error}", self.block.height);
        }
    }

    /// Blocks of at most six seconds until so much market time has passed; the last is checked.
    pub fn pass(&mut self, span_ms: Moment) {
        let until = agents::clock::now(&self.state) + span_ms;
        loop {
            let left = until.saturating_sub(agents::clock::now(&self.state));
            if left == 0 {
                break;
            }
            self.close();
            if left <= 6_000 {
                self.check();
            }
            self.open(left.min(6_000));
        }
    }

    /// Runs a call as a transaction that pays no fee; its declared weight must hold.
    pub fn dispatch(&mut self, origin: Origin, call: RuntimeCall) -> DispatchResult {
        let counted = matches!(origin, Origin::Signed(_));
        self.run(origin, call, counted)
    }

    /// Runs a call in an account's name in a transaction of another's: its nonce is not counted.
    pub fn call_as(&mut self, who: AccountId, call: impl Into<RuntimeCall>) -> DispatchResult {
        self.run(Origin::Signed(who), call.into(), false)
    }

    fn run(&mut self, origin: Origin, call: RuntimeCall, counted: bool) -> DispatchResult {
        self.txs += 1;
        let block = self.block.clone();
        let hash = blake2_256(&self.txs.encode());
        let state = LookUpOnly(&self.state);
        let mut cx = Ctx::new(&state, &block, hash);
        if let Origin::Signed(who) = &origin
            && counted
        {
            let mut account = system::load(&cx, who);
            account.info.nonce += 1;
            account.store(&mut cx);
        }
        // What comes on top: the signer's account.
        let declared = call.weight().plus(Weight::rw(1, 1));
        let shown = call.clone();
        let result = call.dispatch(&mut cx, origin);
        let used = cx.used();
        assert!(declared.covers(&used), "{shown:?} declares {declared:?} and used {used:?}");
        let output = cx.finish(result);
        self.absorb(output);
        result
    }

    pub fn call(&mut self, who: AccountId, call: impl Into<RuntimeCall>) -> DispatchResult {
        self.dispatch(Origin::Signed(who), call.into())
    }

    /// A call that must succeed.
    pub fn ok(&mut self, who: AccountId, call: impl Into<RuntimeCall>) {
        let call = call.into();
        let shown = call.clone();
        self.call(who, call).unwrap_or_else(|e| panic!("{shown:?} by {who}: {e:?}"));
    }

    /// A call that must fail like this and change nothing but the nonce.
    pub fn fails(
        &mut self,
        who: AccountId,
        call: impl Into<RuntimeCall>,
        error: impl Into<DispatchError>,
    ) {
        assert_eq!(self.call(who, call), Err(error.into()));
    }

    pub fn root(&mut self, call: impl Into<RuntimeCall>) -> DispatchResult {
        self.dispatch(Origin::Root, call.into())
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub fn free(&self, who: AccountId) -> Balance {
        balances::free(&self.state, &who)
    }

    /// All money of an account, held or free.
    pub fn worth(&self, who: AccountId) -> Balance {
        let data = system::account(&self.state, &who).data;
        data.free.checked_add(data.reserved).expect("it was issued")
    }

    pub fn agent(&self, who: AccountId) -> agents::Agent {
        agents::agent(&self.state, &who).expect("it is registered")
    }

    pub fn task(&self, id: &TaskId) -> tasks::Task {
        tasks::task(&self.state, id).expect("the task is there")
    }

    /// Makes an account an agent with that stake.
    pub fn register(&mut self, who: AccountId, stake: u128) {
        let stake = Balance::new(stake);
        self.ok(who, agents::Call::register { profile: profile(&who), stake });
    }

    /// Creates a task and gives its id.
    pub fn create(&mut self, who: AccountId, policy: Policy, funded: bool) -> TaskId {
        let spec = job();
        self.ok(who, tasks::Call::create_task { spec, policy, requester: None, funded });
        self.last_task(who)
    }

    /// Id of the task that the account's last transaction created.
    pub fn last_task(&self, who: AccountId) -> TaskId {
        let nonce = system::account(&self.state, &who).nonce - 1;
        tasks::task_id(&GENESIS, &who, nonce, 0)
    }

    /// The claim that this agent would make now.
    pub fn claim(&self, who: &AccountId, id: &TaskId) -> tasks::Call {
        let attempt = tasks::task(&self.state, id).map_or(0, |task| task.attempt);
        let seed = tasks::epoch(&self.state).seed;
        claim_over(who, id, attempt, &seed)
    }

    /// One agent claims the task and is drawn.
    pub fn assign(&mut self, who: AccountId, id: &TaskId) {
        let claim = self.claim(&who, id);
        self.ok(who, claim);
        self.next(500);
        assert_eq!(self.task(id).state, TaskState::Assigned);
    }

    /// A task that waits for the end of its window.
    pub fn delivered(&mut self, requester: AccountId, agent: AccountId, policy: Policy) -> TaskId {
        let id = self.create(requester, policy, true);
        self.assign(agent, &id);
        self.ok(agent, submit(&id));
        id
    }

    /// The state as another node would have it: read back from raw bytes.
    pub fn restart(&mut self) {
        let raw = self.state.map.encode();
        let map = Decode::decode(&mut &raw[..]).expect("it was just encoded");
        self.state = MemState { map };
    }
}

/// The VRF key of an account.
fn vrf_pair(who: &AccountId) -> Sr25519Pair {
    Sr25519Pair::from_seed(&blake2_256(&("vrf", who).encode()).0)
}

pub fn claim_over(who: &AccountId, id: &TaskId, attempt: u8, seed: &Hash) -> tasks::Call {
    let message = tasks::claim_message(&GENESIS, id, attempt, seed);
    let (proof, _) = vrf::sign(&vrf_pair(who), tasks::CLAIM_LABEL, &message);
    tasks::Call::claim_task { task: *id, output: proof.output, proof: proof.proof }
}

/// A profile whose pay goes to the agent itself.
pub fn profile(who: &AccountId) -> agents::Profile {
    let peer = Ed25519Pair::from_seed(&blake2_256(&("peer", who).encode()).0);
    agents::Profile {
        payout: agents::Payee::Account(*who),
        peer_key: peer.public(),
        peer_proof: peer.sign(&agents::peer_message(&GENESIS, who)),
        exchange_key: [1; 32],
        vrf_key: vrf_pair(who).public(),
        engines: vec![1],
        capabilities: agents::Capabilities { memory_class: 8, tags: vec![b"eu".to_vec()] },
        hold_max: Balance::new(1_000 * TOKEN),
        slots: 64,
        price: Balance::new(1_000),
    }
}

pub fn job() -> TaskSpec {
    TaskSpec {
        engine: 1,
        program: tasks::Cid::new(tasks::Cid::RAW, [3; 32]),
        input: tasks::Input::Inline(b"input".to_vec()),
        args: vec![b"-v".to_vec()],
        fuel_limit: 1_000_000,
        memory_pages_max: 256,
        output_bytes_max: 4_096,
    }
}

/// Terms with a reward of one token.
pub fn policy() -> Policy {
    Policy::economy(Balance::new(TOKEN))
}

pub fn outcome() -> tasks::Outcome {
    let output = b"output".to_vec();
    let (hash, size) = (blake2_256(&output), 6);
    tasks::Outcome::Ok { output: tasks::Output::Inline(output), hash, size }
}

pub fn submit(id: &TaskId) -> validations::Call {
    validations::Call::submit_result { task: *id, outcome: outcome(), fuel_used: 999 }
}

pub fn accept(id: &TaskId) -> validations::Call {
    validations::Call::accept_result { task: *id }
}

pub fn cancel(id: &TaskId) -> tasks::Call {
    tasks::Call::cancel_task { task: *id }
}

pub fn poke_it(id: &TaskId) -> validations::Call {
    validations::Call::poke { task: *id }
}
