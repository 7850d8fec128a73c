//! Chains that are made at once: blocks of transfers with the certificates of their validators, as if these had decided them.

use anyhow::{Context, Result, ensure};
use chain::{BuildRequest, Chain, Head, PooledTx};
use node::{cli::node::session_keys, keyring::ValidatorKeys, localnet};
use pallets::{balances, utility};
use primitives::{
    AccountId, Balance, Certificate, Hash, Height, Moment, MultiAddress, OpaqueTransaction,
    crypto::{hash::blake2_256, vrf},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use runtime::{ChainSpec, Position, RuntimeCall};
use std::{ops::Range, path::Path, sync::Arc};
use testkit::{Signer, numbered_pair};

/// Who decides the blocks.
const VALIDATORS: usize = 4;
/// Time between two blocks, in milliseconds.
const INTERVAL_MS: Moment = 100;
/// Accounts that send, in turns.
const SENDERS: u64 = 1_000;
/// What each of them has, in the smallest unit.
const MONEY: Balance = Balance::new(1_000_000_000_000_000_000);
/// What is sent each time: enough for an account to live of.
const SENT: Balance = Balance::new(1_000_000_000);
/// Accounts that transfers go to.
const RECEIVERS: u64 = 100_000;
/// Accounts that one transaction makes.
const ACCOUNTS_PER_TRANSACTION: u64 = 100;
/// Accounts that one block makes.
const ACCOUNTS_PER_BLOCK: u64 = 10_000;
/// One block in so many is empty.
const EMPTY_SHARE: u32 = 8;
/// Transactions that are signed at a time, over all cores.
const SIGNED_AT_ONCE: u64 = 8_192;

/// What a chain is to have above its first block.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Accounts that the first blocks make.
    pub accounts: u64,
    /// Blocks after these.
    pub blocks: Height,
    /// Signed transfers in them; some have none, others twice as many as the average.
    pub transfers: u64,
    /// Seed of the sizes of blocks.
    pub seed: u64,
}

impl Plan {
    /// Height of the last block.
    pub fn height(self) -> Result<Height> {
        Ok(Height::try_from(sizes(self).len())?)
    }
}

/// A chain that was made.
#[derive(Clone)]
pub struct Made {
    /// The chain.
    pub spec: ChainSpec,
    /// Hash of its first block.
    pub genesis: Hash,
    /// Height of its last block.
    pub height: Height,
    /// Hash of its last block.
    pub hash: Hash,
    /// Signed transactions in all blocks.
    pub transactions: u64,
    /// Hash of the block at height 1, for who trusts it.
    pub first: Hash,
}

/// Makes a chain in a database's folder, and a copy of it in each of the others. Its last block has the time `now_ms`;
/// `tell` hears of each block.
pub fn make(
    plan: Plan,
    now_ms: Moment,
    database: &Path,
    copies: &[impl AsRef<Path>],
    tell: impl Fn(Height),
) -> Result<Made> {
    let sizes = sizes(plan);
    ensure!(!sizes.is_empty(), "a chain of 0 blocks says nothing: give 1 or more");
    let senders = (0..SENDERS).map(|number| (numbered_pair(number).account(), MONEY));
    let spec = localnet::spec(VALIDATORS, 0, senders.collect())?;
    let config = chain::Config { path: database.to_owned(), ..chain::Config::default() };
    let mut maker = Maker::begin(Chain::open(&config, &spec.genesis)?)?;
    let genesis = maker.chain.genesis();
    let batches = batches(plan.accounts);
    let count = sizes.iter().sum();
    let mut time_ms = now_ms.saturating_sub(u64::try_from(sizes.len())? * INTERVAL_MS);
    let (mut signed, mut next) = (Vec::new().into_iter(), 0);
    for size in sizes {
        let mut block = Vec::new();
        for _ in 0..size {
            if signed.len() == 0 {
                let numbers = next..(next + SIGNED_AT_ONCE).min(count);
                next = numbers.end;
                signed = sign(numbers, batches, plan.accounts, genesis).into_iter();
            }
            block.push(signed.next().context("as many are signed as there are")?);
        }
        time_ms += INTERVAL_MS;
        tell(maker.add(time_ms, block)?);
    }
    let Head { height, hash, .. } = *maker.chain.head();
    let first = maker.chain.database().hash(1)?.context("it was just made")?;
    for copy in copies {
        maker.chain.database().copy_to(copy.as_ref())?;
    }
    Ok(Made { spec, genesis, height, hash, transactions: count, first })
}

/// Transactions that make so many accounts.
fn batches(accounts: u64) -> u64 {
    accounts.div_ceil(ACCOUNTS_PER_TRANSACTION)
}

/// How many transactions each block has.
fn sizes(plan: Plan) -> Vec<u64> {
    let Plan { accounts, blocks, transfers, seed } = plan;
    let (mut batches, full) = (batches(accounts), ACCOUNTS_PER_BLOCK / ACCOUNTS_PER_TRANSACTION);
    let mut sizes = Vec::new();
    while batches > 0 {
        let size = batches.min(full);
        sizes.push(size);
        batches -= size;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weigh = |_| match rng.random_range(0..EMPTY_SHARE) {
        0 => 0,
        _ => rng.random_range(1..=1_000_u64),
    };
    let mut weights: Vec<u64> = (0..blocks).map(&mut weigh).collect();
    if let Some(last) = weights.last_mut() {
        // Somebody has what is left.
        *last = (*last).max(1);
    }
    let total: u64 = weights.iter().sum();
    let (mut weight, mut placed) = (0, 0);
    for own in weights {
        weight += own;
        // The product of both is below 2^64 for any chain that fits on a disk.
        let until = transfers * weight / total;
        sizes.push(until - placed);
        placed = until;
    }
    sizes
}

/// The transactions with these numbers: first those that make accounts, then transfers.
fn sign(numbers: Range<u64>, batches: u64, accounts: u64, genesis: Hash) -> Vec<OpaqueTransaction> {
    let sign = |number: u64| {
        let call = if number < batches {
            let first = number * ACCOUNTS_PER_TRANSACTION;
            let made = first..(first + ACCOUNTS_PER_TRANSACTION).min(accounts);
            let calls = made.map(|account| pay(account_of("made", account))).collect();
            RuntimeCall::Utility(utility::Call::batch_all { calls })
        } else {
            let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
            pay(account_of("receiver", scattered % RECEIVERS))
        };
        let mut signer = Signer::new(numbered_pair(number % SENDERS), genesis);
        signer.nonce = u32::try_from(number / SENDERS).expect("few send as much");
        signer.sign(&call)
    };
    numbers.into_par_iter().map(sign).collect()
}

/// An account that nobody has the key of.
fn account_of(kind: &str, number: u64) -> AccountId {
    AccountId(blake2_256(&[kind.as_bytes(), &number.to_le_bytes()].concat()).0)
}

fn pay(account: AccountId) -> RuntimeCall {
    let dest = MultiAddress::Id(account);
    RuntimeCall::Balances(balances::Call::transfer_keep_alive { dest, value: SENT })
}

/// A chain and all who decide it.
struct Maker {
    chain: Chain,
    validators: Vec<ValidatorKeys>,
}

impl Maker {
    fn begin(chain: Chain) -> Result<Self> {
        let keys = (1..=VALIDATORS).map(|number| session_keys(&localnet::validator_uri(number)));
        let mut validators = keys.collect::<Result<Vec<_>>>()?;
        // Certificates have signatures in this order.
        validators.sort_by_key(|keys| keys.account);
        Ok(Self { chain, validators })
    }

    /// Builds a block and makes it final.
    fn add(&mut self, now_ms: Moment, transactions: Vec<OpaqueTransaction>) -> Result<Height> {
        let head = self.chain.head().clone();
        let (height, genesis) = (head.next_height(), self.chain.genesis());
        let at = Position { height, parent: head.hash, genesis, rules: head.rules };
        let turn = usize::try_from(height)? % self.validators.len();
        let ValidatorKeys { account, vrf: key, .. } = &self.validators[turn];
        let count = transactions.len();
        let transactions = transactions.into_par_iter().map(|bytes| trusted(bytes, &at));
        let built = self.chain.build(BuildRequest {
            author: *account,
            origin_round: 0,
            now_ms,
            certificate: None,
            widened: Vec::new(),
            evidence: Vec::new(),
            transactions: transactions.collect::<Result<_>>()?,
            sign_vrf: &|message| vrf::sign(key, runtime::VRF_LABEL, message).0,
            is_late: &mut || false,
        })?;
        let included = built.included;
        ensure!(included == count, "block {height} has room for {included} of {count}");
        let mut certificate =
            Certificate { height, round: 0, block: built.hash, signatures: Vec::new() };
        let message = certificate.signed_bytes(&genesis);
        let votes = self.validators.iter().map(|keys| (keys.account, keys.vote.sign(&message)));
        certificate.signatures = votes.collect();
        self.chain.commit(&built.hash, certificate)?;
        Ok(height)
    }
}

/// A transaction whose signature was made a moment ago.
fn trusted(bytes: OpaqueTransaction, at: &Position) -> Result<Arc<PooledTx>> {
    let decoded = runtime::decode_transaction(&bytes, bytes.hash());
    let decoded = decoded.map_err(|why| anyhow::anyhow!("a made transaction is bad: {why:?}"))?;
    let era = decoded.extra.era;
    let (birth, death) = (era.birth(at.height), era.death(at.height));
    Ok(Arc::new(PooledTx { bytes, checked: decoded.verified(at), birth, death }))
}
