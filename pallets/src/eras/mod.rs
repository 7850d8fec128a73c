//! A chain in memory with the pallets of those who decide blocks: real certificates and proofs, and checks after each
//! block.

use crate::{
    balances, offences, session, staking, staking::*, system, testing::LookUpOnly, treasury,
};
use framework::{BlockEnv, Deltas, MemState, TxOutput, prelude::*};
use primitives::{
    Certificate, Evidence, SignedProposal, SignedVote, ValidatorSet, Vote, VoteKind,
    crypto::{
        hash::blake2_256,
        pair::{Ed25519Pair, Sr25519Pair},
        session::SessionKeys,
    },
};
use std::collections::BTreeMap;

framework::runtime! {
    System = 0 => crate::system::Pallet,
    Balances = 5 => crate::balances::Pallet,
    Staking = 7 => crate::staking::Pallet,
    Offences = 8 => crate::offences::Pallet,
    Session = 9 => crate::session::Pallet,
    Treasury = 19 => crate::treasury::Pallet,
}

/// A whole token.
pub const TOKEN: u128 = 1_000_000_000_000;
/// Money that each party begins with.
pub const ENDOWMENT: Balance = Balance::new(1_000_000 * TOKEN);
/// What each of the first validators stakes.
pub const STAKE: Balance = Balance::new(10_000 * TOKEN);
/// Genesis hash of the chain in memory.
pub const GENESIS: Hash = Hash([7; 32]);
/// How long an era lasts.
pub const ERA_MS: Moment = 6 * 3_600_000;

/// One of those who begin as validators, from 0.
pub fn validator(number: u8) -> AccountId {
    AccountId([number + 1; 32])
}

/// One of those who have money and nothing else, from 0.
pub fn party(number: u8) -> AccountId {
    AccountId([number + 101; 32])
}

impl From<staking::Call> for RuntimeCall {
    fn from(call: staking::Call) -> Self {
        Self::Staking(call)
    }
}

impl From<session::Call> for RuntimeCall {
    fn from(call: session::Call) -> Self {
        Self::Session(call)
    }
}

impl From<offences::Call> for RuntimeCall {
    fn from(call: offences::Call) -> Self {
        Self::Offences(call)
    }
}

/// The secret keys with this number of an account.
pub fn pairs(who: &AccountId, number: u32) -> (Ed25519Pair, Sr25519Pair) {
    let seed = |kind: &str| blake2_256(&(kind, who, number).encode()).0;
    (Ed25519Pair::from_seed(&seed("vote")), Sr25519Pair::from_seed(&seed("vrf")))
}

/// The call that sets the keys with this number.
pub fn set_keys(who: &AccountId, number: u32) -> session::Call {
    let (vote, vrf) = pairs(who, number);
    let (keys, proof) = SessionKeys::prove(&GENESIS, who, &vote, &vrf);
    session::Call::set_keys { keys, proof: proof.encode() }
}

/// A chain whose block is open for calls.
pub struct World {
    pub state: MemState,
    pub block: BlockEnv,
    /// Events since [`World::take_events`].
    pub events: Vec<RuntimeEvent>,
    /// Secret vote keys by public ones.
    votes: BTreeMap<[u8; 32], Ed25519Pair>,
    deltas: Deltas,
    txs: u64,
}

impl World {
    /// A chain with so many validators of equal stake, and so many parties.
    pub fn new(validators: u8, parties: u8) -> Self {
        let stakes = (0..validators).map(|number| (validator(number), STAKE)).collect();
        Self::with(stakes, parties, Params { era_ms: ERA_MS, ..Params::default() })
    }

    /// The same without inflation: where there are no fees, nobody is rewarded.
    pub fn without_inflation(validators: u8, parties: u8) -> Self {
        let stakes = (0..validators).map(|number| (validator(number), STAKE)).collect();
        Self::with(
            stakes,
            parties,
            Params { era_ms: ERA_MS, inflation_ppm: 0, ..Params::default() },
        )
    }

    /// A chain with these validators.
    pub fn with(validators: Vec<(AccountId, Balance)>, parties: u8, params: Params) -> Self {
        let genesis_validator = |(account, stake): &(AccountId, Balance)| {
            let (vote, vrf) = pairs(account, 0);
            let (vote_key, vrf_key) = (Hash(vote.public()), Hash(vrf.public()));
            GenesisValidator {
                account: *account,
                stake: *stake,
                commission_ppm: 0,
                vote_key,
                vrf_key,
            }
        };
        let accounts = validators.iter().map(|(account, _)| *account);
        let accounts = accounts.chain((0..parties).map(party));
        let spec = Genesis {
            Balances: balances::Genesis { balances: accounts.map(|a| (a, ENDOWMENT)).collect() },
            Staking: staking::Genesis {
                params,
                validator_count: 8,
                validators: validators.iter().map(genesis_validator).collect(),
            },
            Session: session::Genesis { randomness: Hash([5; 32]) },
            ..Genesis::default()
        };
        let block = BlockEnv {
            height: 0,
            time_ms: 0,
            author: AccountId([0; 32]),
            origin_round: 0,
            randomness: Hash::ZERO,
            parent: Hash::ZERO,
            genesis: GENESIS,
        };
        let mut world = Self {
            state: MemState::default(),
            block,
            events: Vec::new(),
            votes: BTreeMap::new(),
            deltas: Deltas::default(),
            txs: 0,
        };
        for (account, _) in &validators {
            world.know(account, 0);
        }
        world.hook("genesis", |cx| genesis(cx, spec).expect("the spec is right"));
        world.fold();
        world.check();
        world.open(1_000, 0, None);
        world
    }

    /// The chain can sign with the keys of this number.
    pub fn know(&mut self, who: &AccountId, number: u32) {
        let (vote, _) = pairs(who, number);
        self.votes.insert(vote.public(), vote);
    }

    fn hook(&mut self, name: &str, run: impl FnOnce(&mut Ctx)) {
        let block = self.block.clone();
        let mut cx = Ctx::for_hook(&self.state, &block, name);
        run(&mut cx);
        let output = cx.finish(Ok(()));
        if name == "finalize" {
            // Each kind of work may exceed its share by less than a step, none of which takes 5 ms.
            let most = system::FINALIZE_REF_TIME_MAX + 5_000_000_000;
            assert!(output.used.ref_time() < most, "{name} used {:?}", output.used);
        }
        self.absorb(output);
    }

    fn absorb(&mut self, output: TxOutput) {
        self.state.apply(&output.writes);
        self.deltas = self.deltas.plus(output.deltas);
        let events = output.events.iter().map(|bytes| RuntimeEvent::decode(&mut &bytes[..]));
        self.events.extend(events.map(|event| event.expect("it was just encoded")));
    }

    fn fold(&mut self) {
        let deltas = std::mem::take(&mut self.deltas);
        self.hook("fold", |cx| balances::fold_issuance(cx, &deltas));
    }

    /// Opens a block that is so much later, proposed in a round by whose turn it is, with a certificate of the block
    /// before by `signers`, or by everybody.
    pub fn open(&mut self, passed_ms: Moment, origin_round: u32, signers: Option<&[AccountId]>) {
        let parent = self.block.height;
        let height = parent + 1;
        let set = session::validators(&self.state);
        let author = set.proposer(height, origin_round).expect("there are validators").account;
        self.block = BlockEnv {
            height,
            time_ms: self.block.time_ms + passed_ms,
            author,
            origin_round,
            randomness: blake2_256(&("randomness", height).encode()),
            parent: block_hash(parent),
            genesis: GENESIS,
        };
        self.hook("initialize", on_initialize);
        if parent > 0 {
            let set = session::set_at(&self.state, parent).expect("it is kept");
            let all: Vec<_> = set.validators.iter().map(|v| v.account).collect();
            let certificate = self.certificate(&set, parent, signers.unwrap_or(&all));
            let call = session::Call::note_certificate { certificate };
            assert_eq!(self.inherent(call), Ok(()));
        }
    }

    /// A certificate of a block by these validators of its set.
    pub fn certificate(
        &self,
        set: &ValidatorSet,
        height: Height,
        signers: &[AccountId],
    ) -> Certificate {
        let block = block_hash(height);
        let mut certificate = Certificate { height, round: 0, block, signatures: Vec::new() };
        let message = certificate.signed_bytes(&GENESIS);
        let vote = |who: &AccountId| {
            let key = set.get(who).expect("it is a validator").vote_key;
            (*who, self.votes[&key].sign(&message))
        };
        certificate.signatures = signers.iter().map(vote).collect();
        certificate.signatures.sort_unstable();
        certificate
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
        self.open(passed_ms, 0, None);
    }

    /// Ends so many blocks of a millisecond, which these sign.
    pub fn signed_by(&mut self, signers: &[AccountId], blocks: u32) {
        for _ in 0..blocks {
            self.close();
            self.open(1, 0, Some(signers));
        }
    }

    /// Goes on to the first block of the era after so many; each has four blocks.
    pub fn eras(&mut self, count: u32) {
        for _ in 0..count {
            let era = self.era();
            while self.era() == era {
                self.next(ERA_MS / 4);
            }
        }
    }

    pub fn era(&self) -> EraIndex {
        active_era(&self.state).expect("there is one").index
    }

    pub fn check(&self) {
        if let Err(error) = check_pallets(&self.state) {
            panic!("after block {}: {error}", self.block.height);
        }
    }

    /// Runs a call; it may only look up, and its declared weight must hold.
    pub fn dispatch(&mut self, origin: Origin, call: RuntimeCall) -> DispatchResult {
        self.txs += 1;
        let block = self.block.clone();
        let hash = blake2_256(&self.txs.encode());
        let state = LookUpOnly(&self.state);
        let mut cx = Ctx::new(&state, &block, hash);
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

    pub fn inherent(&mut self, call: impl Into<RuntimeCall>) -> DispatchResult {
        self.dispatch(Origin::None, call.into())
    }

    /// A call that must succeed.
    pub fn ok(&mut self, who: AccountId, call: impl Into<RuntimeCall>) {
        let call = call.into();
        let shown = call.clone();
        self.call(who, call).unwrap_or_else(|e| panic!("{shown:?} by {who}: {e:?}"));
    }

    /// A call that must fail like this and change nothing.
    pub fn fails(
        &mut self,
        who: AccountId,
        call: impl Into<RuntimeCall>,
        error: impl Into<DispatchError>,
    ) {
        let before = self.state.map.clone();
        assert_eq!(self.call(who, call), Err(error.into()));
        assert!(self.state.map == before, "a call that failed has changed something");
    }

    pub fn root(&mut self, call: impl Into<RuntimeCall>) -> DispatchResult {
        self.dispatch(Origin::Root, call.into())
    }

    pub fn take_events(&mut self) -> Vec<RuntimeEvent> {
        std::mem::take(&mut self.events)
    }

    pub fn free(&self, who: AccountId) -> Balance {
        balances::free(&self.state, &who)
    }

    pub fn ledger(&self, who: AccountId) -> StakingLedger {
        staking::ledger(&self.state, &who).expect("it has bonded")
    }

    /// An account bonds and nominates.
    pub fn nominator(&mut self, who: AccountId, stake: Balance, targets: &[AccountId]) {
        self.ok(who, Call::bond { value: stake, payee: RewardDestination::Stash });
        self.ok(who, nominate(targets));
    }

    /// Points that validators have in this era.
    pub fn points(&self) -> EraRewardPoints {
        staking::reward_points(&self.state, self.era())
    }

    /// The accounts of those who decide the next block.
    pub fn set(&self) -> Vec<AccountId> {
        session::validators(&self.state).validators.iter().map(|v| v.account).collect()
    }

    fn sign(&self, height: Height, who: &AccountId, message: &[u8]) -> [u8; 64] {
        let set = session::set_at(&self.state, height).expect("it is kept");
        self.votes[&set.get(who).expect("it is a validator").vote_key].sign(message)
    }

    /// A vote, signed with the key of the height's set.
    pub fn vote(&self, who: AccountId, height: Height, block: Option<Hash>) -> SignedVote {
        let vote = Vote { kind: VoteKind::Prevote, height, round: 0, block, validator: who };
        let mut signed = SignedVote { vote, signature: [0; 64] };
        signed.signature = self.sign(height, &who, &signed.signed_bytes(&GENESIS));
        signed
    }

    /// Proof that a validator voted for a block and for nil.
    pub fn evidence(&self, who: AccountId, height: Height) -> Evidence {
        Evidence::Votes(self.vote(who, height, Some(Hash([1; 32]))), self.vote(who, height, None))
    }

    /// Proof that a validator proposed two blocks.
    pub fn proposals(&self, who: AccountId, height: Height) -> Evidence {
        let proposal = |block: u8| {
            let block = Hash([block; 32]);
            let proposal =
                primitives::Proposal { height, round: 3, block, pol_round: None, proposer: who };
            let mut signed = SignedProposal { proposal, signature: [0; 64] };
            signed.signature = self.sign(height, &who, &signed.signed_bytes(&GENESIS));
            signed
        };
        Evidence::Proposals(proposal(1), proposal(2))
    }

    pub fn report(&mut self, evidence: Evidence) -> DispatchResult {
        self.inherent(offences::Call::report { evidence })
    }
}

/// Hash of the block at a height of the chain in memory.
pub fn block_hash(height: Height) -> Hash {
    blake2_256(&("block", height).encode())
}

pub fn nominate(targets: &[AccountId]) -> Call {
    Call::nominate { targets: targets.iter().map(|target| (*target).into()).collect() }
}

/// Asks for so much commission, in parts per million.
pub fn prefs(commission_ppm: u32) -> ValidatorPrefs {
    ValidatorPrefs { commission: Perbill::from_ppm(commission_ppm), blocked: false }
}

/// What the treasury has.
pub fn in_treasury(world: &World) -> Balance {
    world.free(treasury::TREASURY)
}
