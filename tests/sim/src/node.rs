//! One node: its keys, its disk, and what runs on it.

use crate::plan::{Ablation, Sim};
use chain::{Chain, Config, Head, PooledTx, Received, sync};
use consensus::{Body, Consensus, Identity, WithoutRecord, store::MemoryStore};
use pallets::staking::GenesisValidator;
use primitives::{
    AccountId, Balance, Evidence, Hash, Height, Moment, OpaqueTransaction,
    crypto::{
        hash::blake2_256,
        pair::{Ed25519Pair, Sr25519Pair},
    },
};
use runtime::Genesis;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use testkit::numbered_pair;
use txpool::{Included, Limits, Pool, Transaction};

/// Who is no node, and sends what makes no sense.
pub(crate) const OUTSIDER: usize = usize::MAX;
/// When virtual time begins, in milliseconds since 1970.
pub(crate) const EPOCH_MS: Moment = 1_700_000_000_000;
/// How long a validator waits for the next block by consensus before it asks for it, in milliseconds.
const FOLLOW_MS: Moment = 1_500;
/// Bodies that a node keeps for those that missed them.
const BODIES_MAX: usize = 32;
/// How long an era lasts, in milliseconds.
const ERA_MS: Moment = 10_000;
/// What a validator stakes for each unit of power.
const STAKE: Balance = Balance::new(200_000_000_000_000);
/// Accounts with money beside the nodes' own.
pub(crate) const RICH: u64 = 8;
/// Numbers of their keys begin here.
const RICH_FROM: u64 = 1_000;
/// Any money.
const MONEY: Balance = Balance::new(1_000_000_000_000_000_000);

fn number(node: usize) -> u64 {
    u64::try_from(node).expect("few nodes")
}

pub(crate) fn account(node: usize) -> AccountId {
    numbered_pair(number(node)).account()
}

pub(crate) fn rich(place: u64) -> primitives::crypto::pair::Pair {
    numbered_pair(RICH_FROM + place)
}

pub(crate) fn vote_pair(node: usize) -> Ed25519Pair {
    Ed25519Pair::from_seed(&vote_seed(node))
}

fn vote_seed(node: usize) -> [u8; 32] {
    blake2_256(&number(node).to_le_bytes()).0
}

pub(crate) fn vrf_pair(node: usize) -> Sr25519Pair {
    Sr25519Pair::from_seed(&blake2_256(&(number(node) + 500).to_le_bytes()).0)
}

/// The development chain with these validators.
pub(crate) fn genesis(powers: &[u64]) -> Genesis {
    let nodes = (0..powers.len()).map(account);
    let others = (0..RICH).map(|place| rich(place).account());
    let mut genesis = testkit::genesis_with(nodes.chain(others).map(|account| (account, MONEY)));
    let validator = |(node, power): (usize, &u64)| GenesisValidator {
        account: account(node),
        vote_key: Hash(vote_pair(node).public()),
        vrf_key: Hash(vrf_pair(node).public()),
        stake: STAKE.checked_mul(u128::from(*power)).expect("powers are small"),
        commission_ppm: 0,
    };
    // Short, so that the validators change when liars are caught.
    genesis.Staking.params.era_ms = ERA_MS;
    genesis.Staking.validators = powers.iter().enumerate().map(validator).collect();
    genesis
}

/// A node, running or not.
pub(crate) struct Node {
    pub(crate) is_validator: bool,
    pub(crate) folder: PathBuf,
    pub(crate) store: MemoryStore,
    /// What its wall clock shows too much.
    pub(crate) clock_ms: i64,
    /// Counts starts: events of an earlier life do nothing.
    pub(crate) life: u32,
    pub(crate) running: Option<Running>,
    /// Outputs until the next crash, and what it does.
    pub(crate) crash: Option<crate::plan::Crash>,
}

/// What a node loses when it stops.
pub(crate) struct Running {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool<Arc<PooledTx>>,
    pub(crate) consensus: Option<Consensus>,
    pub(crate) sync: sync::Sync<usize>,
    /// The earliest tick that the sync machine was promised.
    pub(crate) wake_at: Option<Moment>,
    bodies: BTreeMap<(Height, Hash), Body>,
    /// Evidence for the next block of this node.
    pub(crate) evidence: Vec<Evidence>,
}

impl Node {
    pub(crate) fn new(folder: PathBuf, is_validator: bool) -> Self {
        Self {
            is_validator,
            folder,
            store: MemoryStore::default(),
            clock_ms: 0,
            life: 0,
            running: None,
            crash: None,
        }
    }

    /// Its wall clock, in milliseconds since 1970.
    pub(crate) fn clock(&self, now: Moment) -> Moment {
        (EPOCH_MS + now).saturating_add_signed(self.clock_ms)
    }

    pub(crate) fn height(&self) -> Option<Height> {
        self.running.as_ref().map(|running| running.chain.head().height)
    }

    /// Starts it with what its disk has.
    pub(crate) fn start(
        &mut self,
        number: usize,
        genesis: &Genesis,
        plan: &Sim,
        now: Moment,
    ) -> Result<(), String> {
        self.life += 1;
        let config = Config {
            path: self.folder.clone(),
            storage: storage::Config { cache_mb: 1, state_cache_mb: 1, ..Default::default() },
            verified_max: 4_096,
        };
        let chain = Chain::open(&config, genesis).map_err(|error| error.to_string())?;
        let head = chain.head();
        let tip = tip_of(head);
        let consensus = match self.is_validator {
            false => None,
            true => {
                let mut recovered = self.store.recover().map_err(|error| error.to_string())?;
                if plan.ablation == Ablation::NoReplay {
                    recovered.records.clear();
                }
                let key = ed25519_dalek::SigningKey::from_bytes(&vote_seed(number));
                let (genesis, account) = (chain.genesis(), account(number));
                // A liar has a second signer, and what that signed comes back and does not stop it.
                let shares_keys = plan.equivocators.contains(&number);
                let identity = Identity { shares_keys, ..Identity::local(genesis, account, key) };
                let without = match plan.ablation {
                    Ablation::NoLogAndNoGuard => WithoutRecord::Override,
                    _ => WithoutRecord::Wait { started_ms: self.clock(now) },
                };
                let config = consensus::Config::default();
                let consensus = Consensus::new(config, identity, recovered, without);
                Some(consensus.map_err(|error| error.to_string())?)
            }
        };
        let follow_ms = if self.is_validator { FOLLOW_MS } else { 0 };
        self.running = Some(Running {
            pool: Pool::new(txpool::Config::default(), head.height),
            sync: sync::Sync::new(chain.genesis(), tip, follow_ms),
            consensus,
            wake_at: None,
            bodies: BTreeMap::new(),
            evidence: Vec::new(),
            chain,
        });
        Ok(())
    }

    /// Stops it, as a crash does.
    pub(crate) fn stop(&mut self) {
        self.running = None;
        self.life += 1;
    }
}

impl Running {
    /// Verifies transactions and puts them into the pool. Whether one can go into a block now.
    pub(crate) fn admit(&mut self, bytes: OpaqueTransaction) -> bool {
        let head = self.chain.head();
        let tx = Received::from(bytes);
        if self.pool.check_new(&tx.hash()).is_err() {
            return false;
        }
        let verdicts = self.chain.verifier().verify(head, vec![tx], &[5; 32]);
        let Some(Ok(tx)) = verdicts.into_iter().next() else { return false };
        let decoded = &tx.checked.tx;
        let next = head.height + 1;
        let Ok(validity) = runtime::validate(&head.snapshot, next, decoded) else { return false };
        let transaction = Transaction {
            hash: decoded.hash,
            sender: decoded.signer,
            nonce: decoded.extra.nonce,
            priority: validity.priority,
            bytes: decoded.length,
            weight: decoded.priced().ref_time(),
            death: tx.death,
            content: tx.clone(),
        };
        let ready = self.pool.ready();
        let taken = self.pool.insert(transaction, validity.account_nonce, &mut Vec::new());
        if taken.is_ok() {
            self.chain.verifier().remember([&tx]);
        }
        self.pool.ready() > ready
    }

    pub(crate) fn take(&self) -> Vec<Arc<PooledTx>> {
        let limits = Limits {
            count: 1_000,
            bytes: runtime::BLOCK_BYTES_MAX.into(),
            weight: runtime::NORMAL_REF_TIME_MAX,
        };
        self.pool.take(limits).into_iter().map(|tx| tx.content.clone()).collect()
    }

    /// The pool hears of a new head.
    pub(crate) fn prune(&mut self, head: &Head, included: &[chain::Included]) {
        let included = included.iter().map(|tx| {
            let chain::Included { hash, sender, nonce } = *tx;
            Included { hash, sender, nonce }
        });
        self.pool.on_head(head.height, &included.collect::<Vec<_>>(), &mut Vec::new());
        let first = (head.height.saturating_sub(1), Hash::ZERO);
        self.bodies = self.bodies.split_off(&first);
    }

    /// Keeps a body for who asks.
    pub(crate) fn keep_body(&mut self, body: &Body) {
        if self.bodies.len() < BODIES_MAX {
            self.bodies.entry((body.height, body.block)).or_insert_with(|| body.clone());
        }
    }

    pub(crate) fn body(&self, height: Height, block: Hash) -> Option<Body> {
        self.bodies.get(&(height, block)).cloned()
    }
}

pub(crate) fn tip_of(head: &Head) -> sync::Tip {
    let validators = runtime::validator_set(&head.snapshot);
    sync::Tip { height: head.height, hash: head.hash, validators }
}
