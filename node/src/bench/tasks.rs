//! Tasks through the chain, and through a whole node with an agent.

use super::{machine::Process, percentile};
use crate::{
    cli::{dev, node::session_keys, task::follow},
    config::Config,
    logging,
};
use anyhow::{Context, Result, anyhow, ensure};
use chain::{BuildRequest, Chain, PooledTx, Received};
use clap::Args;
use client::{Client, TaskLimits};
use codec::Encode;
use pallets::{
    agents::{self, Capabilities, Payee, Profile},
    payouts,
    tasks::{self, CLAIM_LABEL, Cid, Input, Outcome, Output, Policy, TaskSpec},
    validations,
};
use primitives::{
    AccountId, Balance, Certificate, Era, Hash, MultiAddress, MultiSignature, Nonce,
    OpaqueTransaction, StateRead, Transaction, TransactionExtra,
    crypto::{
        hash::blake2_256,
        keys::SR25519_CONTEXT,
        pair::{Ed25519Pair, Pair, Scheme, Sr25519Pair},
        vrf,
    },
    signing_payload,
};
use rayon::prelude::*;
use runtime::{ChainSpec, RuntimeCall};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// What requesters and agents have in the beginning: a million tokens.
const ENDOWMENT: Balance = Balance::new(1_000_000_000_000_000_000);
/// Stake of each agent, enough for all its slots: a hundred thousand tokens.
const STAKE: Balance = Balance::new(100_000_000_000_000_000);
/// Reward of each task: one token.
const REWARD: Balance = Balance::new(1_000_000_000_000);
/// Tasks of one agent in a round: it may work on so many at once.
const TASKS_PER_AGENT: usize = 16;
/// Chain time between blocks: longer than a draw waits after the first claim.
const BLOCK_MS: u64 = 600;
/// Blocks after which a round's tasks must all be paid.
const BLOCKS_PER_ROUND_MAX: usize = 24;
/// Longest that one task on the idle chain may take.
const TASK_WAIT_MAX: Duration = Duration::from_secs(60);
/// A program that reads nothing and writes two bytes: well under 50 ms.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\02\00\00\00ok")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// What `artel bench tasks` takes.
#[derive(Args)]
pub struct TasksArgs {
    /// Tasks that go through the chain together.
    #[arg(long, default_value_t = 1_024, value_name = "COUNT")]
    tasks: usize,
    /// How often that is done.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    rounds: usize,
    /// Tasks posted one after the other on an idle chain with an agent.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    idle_tasks: usize,
    /// What is logged.
    #[arg(long, default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Runs the measurement.
pub fn run(args: TasksArgs) -> Result<()> {
    logging::start(&args.log, false)?;
    ensure!(args.tasks > 0 && args.rounds > 0, "nothing to measure: give a task and a round");
    let mut market = Market::new(args.tasks)?;
    let mut elapsed = Duration::ZERO;
    for round in 1..=args.rounds {
        let spent = market.round()?;
        elapsed += spent;
        let rate = args.tasks as f64 / spent.as_secs_f64();
        eprintln!("round {round}: {} lifecycles at {rate:.0}/s", args.tasks);
    }
    runtime::check(&market.chain.head().snapshot)
        .map_err(|why| anyhow!("the state is wrong: {why}"))?;
    let lifecycles = (args.tasks * args.rounds) as f64 / elapsed.as_secs_f64();
    let transactions = market.transactions;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let idle = runtime.block_on(idle_chain(args.idle_tasks))?;
    println!(
        "{}",
        json!({
            "lifecycles_per_s": lifecycles.round(),
            "transactions": transactions,
            "left_out": "signing, the pool's order, consensus messages, execution of programs, blobs",
            "p50_ms": percentile(&idle.created_to_paid, 0.5),
            "p99_ms": percentile(&idle.created_to_paid, 0.99),
            "submit_to_accepted_p50_ms": percentile(&idle.submit_to_accepted, 0.5),
            "submit_to_accepted_p99_ms": percentile(&idle.submit_to_accepted, 0.99),
            "idle_tasks": args.idle_tasks,
            "peak_rss_mb": Process::this().peak_rss_mb(),
        })
    );
    Ok(())
}

/// A key with its next nonce.
struct Party {
    pair: Sr25519Pair,
    nonce: Nonce,
}

impl Party {
    fn new(kind: u8, number: usize) -> Self {
        let mut seed = [kind; 32];
        seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Self { pair: Sr25519Pair::from_seed(&seed), nonce: 0 }
    }

    fn account(&self) -> AccountId {
        self.pair.public().into()
    }

    /// The next transaction, to be signed.
    fn call(&mut self, call: RuntimeCall) -> Unsigned {
        self.nonce += 1;
        Unsigned { pair: self.pair.clone(), nonce: self.nonce - 1, call }
    }
}

struct Unsigned {
    pair: Sr25519Pair,
    nonce: Nonce,
    call: RuntimeCall,
}

/// A chain on disk whose blocks are made here, with the parties of its market.
struct Market {
    chain: Chain,
    author: AccountId,
    author_key: Sr25519Pair,
    now_ms: u64,
    requesters: Vec<Party>,
    agents: Vec<Party>,
    /// Signed transactions that were measured.
    transactions: usize,
    _home: tempfile::TempDir,
}

impl Market {
    fn new(tasks: usize) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("artel-bench-").tempdir()?;
        let requesters: Vec<_> = (0..tasks).map(|number| Party::new(1, number)).collect();
        let agents: Vec<_> =
            (0..tasks.div_ceil(TASKS_PER_AGENT)).map(|number| Party::new(2, number)).collect();
        let mut genesis = ChainSpec::dev().genesis;
        let parties = requesters.iter().chain(&agents);
        genesis.Balances.balances.extend(parties.map(|party| (party.account(), ENDOWMENT)));
        let config = chain::Config { path: home.path().join("db"), ..chain::Config::default() };
        let chain = Chain::open(&config, &genesis)?;
        let keys = session_keys(dev::VALIDATOR)?;
        let now_ms = 1_700_000_000_000;
        let (author, author_key) = (keys.account, keys.vrf);
        let mut market = Self {
            chain,
            author,
            author_key,
            now_ms,
            requesters,
            agents,
            transactions: 0,
            _home: home,
        };
        market.register()?;
        Ok(market)
    }

    /// Registers the agents; not measured.
    fn register(&mut self) -> Result<()> {
        let genesis = self.chain.genesis();
        let register = |agent: &mut Party| {
            let profile = profile(&agent.pair, &genesis);
            agent.call(RuntimeCall::Agents(agents::Call::register { profile, stake: STAKE }))
        };
        let calls = self.agents.iter_mut().map(register).collect();
        self.block(calls)?;
        Ok(())
    }

    /// One task for each requester, from its creation to its payment. Gives the time that the chain
    /// took: verification, execution, root, commit.
    fn round(&mut self) -> Result<Duration> {
        let genesis = self.chain.genesis();
        let mut ids = Vec::with_capacity(self.requesters.len());
        let create = |requester: &mut Party| {
            ids.push(tasks::task_id(&genesis, &requester.account(), requester.nonce, 0));
            let (spec, policy) = (spec(), Policy::economy(REWARD));
            let call = tasks::Call::create_task { spec, policy, requester: None, funded: true };
            requester.call(RuntimeCall::Tasks(call))
        };
        let calls = self.requesters.iter_mut().map(create).collect();
        let mut spent = self.block(calls)?;

        let seed = tasks::epoch(&self.chain.head().snapshot).seed;
        let agents = &mut self.agents;
        let claims = ids.iter().enumerate().map(|(number, id)| {
            let agent = &mut agents[number / TASKS_PER_AGENT];
            let message = tasks::claim_message(&genesis, id, 0, &seed);
            let (vrf::Proof { output, proof }, _) = vrf::sign(&agent.pair, CLAIM_LABEL, &message);
            agent.call(RuntimeCall::Tasks(tasks::Call::claim_task { task: *id, output, proof }))
        });
        let claims = claims.collect();
        spent += self.block(claims)?;

        let is_assigned = |state: &dyn StateRead, id: &Hash| {
            tasks::task(state, id).is_some_and(|task| !task.slots.is_empty())
        };
        spent += self.blocks_until(|state| ids.iter().all(|id| is_assigned(state, id)))?;
        let agents = &mut self.agents;
        let results = ids.iter().enumerate().map(|(number, id)| {
            let output = b"ok".to_vec();
            let (hash, size) = (blake2_256(&output), 2);
            let outcome = Outcome::Ok { output: Output::Inline(output), hash, size };
            let call = validations::Call::submit_result { task: *id, outcome, fuel_used: 1_000 };
            agents[number / TASKS_PER_AGENT].call(RuntimeCall::Validations(call))
        });
        let results = results.collect();
        spent += self.block(results)?;

        let accept = |(requester, id): (&mut Party, &Hash)| {
            let call = validations::Call::accept_result { task: *id };
            requester.call(RuntimeCall::Validations(call))
        };
        let accepts = self.requesters.iter_mut().zip(&ids).map(accept).collect();
        spent += self.block(accepts)?;
        let is_paid = |state: &dyn StateRead, id: &Hash| {
            let payouts = payouts::of_task(state, id);
            !payouts.is_empty()
                && payouts
                    .iter()
                    .all(|(_, intent)| matches!(intent.state, payouts::IntentState::Paid(_)))
        };
        spent += self.blocks_until(|state| ids.iter().all(|id| is_paid(state, id)))?;
        Ok(spent)
    }

    /// Makes empty blocks until what is asked holds; asking is not measured.
    fn blocks_until(&mut self, holds: impl Fn(&dyn StateRead) -> bool) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        for _ in 0..BLOCKS_PER_ROUND_MAX {
            if holds(&self.chain.head().snapshot) {
                return Ok(spent);
            }
            spent += self.block(Vec::new())?;
        }
        Err(anyhow!("the tasks did not get on within {BLOCKS_PER_ROUND_MAX} blocks"))
    }

    /// Signs transactions and makes blocks until all are included. Gives the time without signing.
    fn block(&mut self, calls: Vec<Unsigned>) -> Result<Duration> {
        let genesis = self.chain.genesis();
        let signed: Vec<_> = calls.into_par_iter().map(|call| sign(&genesis, call)).collect();
        let start = Instant::now();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system gives randomness");
        let received = signed.into_par_iter().map(Received::from).collect();
        let verdicts = self.chain.verifier().verify(self.chain.head(), received, &seed);
        let mut waiting: Vec<Arc<PooledTx>> = verdicts.into_iter().collect::<Result<_, _>>()?;
        loop {
            let included = self.commit(&waiting)?;
            self.transactions += included;
            waiting.drain(..included);
            if waiting.is_empty() {
                return Ok(start.elapsed());
            }
        }
    }

    /// Makes one block of what fits and gives how much that was. All of it must have succeeded.
    fn commit(&mut self, transactions: &[Arc<PooledTx>]) -> Result<usize> {
        self.now_ms += BLOCK_MS;
        let (key, label) = (&self.author_key, runtime::VRF_LABEL);
        let built = self.chain.build(BuildRequest {
            author: self.author,
            origin_round: 0,
            now_ms: self.now_ms,
            certificate: None,
            widened: Vec::new(),
            evidence: Vec::new(),
            transactions: transactions.to_vec(),
            sign_vrf: &|message| vrf::sign(key, label, message).0,
            is_late: &mut || false,
        })?;
        ensure!(built.rejected.is_empty(), "refused: {:?}", built.rejected.first());
        let height = built.block.header.number;
        let validator = session_keys(dev::VALIDATOR)?;
        let bytes = consensus::vote_bytes(
            &self.chain.genesis(),
            consensus::Step::Precommit,
            height,
            0,
            Some(built.hash),
        );
        let signatures = vec![(self.author, validator.vote.sign(&bytes))];
        let certificate = Certificate { height, round: 0, block: built.hash, signatures };
        self.chain.commit(&built.hash, certificate)?;
        Ok(built.included)
    }
}

fn profile(pair: &Sr25519Pair, genesis: &Hash) -> Profile {
    let account = AccountId(pair.public());
    let peer = Ed25519Pair::from_seed(&pair.public());
    Profile {
        payout: Payee::Account(account),
        peer_key: peer.public(),
        peer_proof: peer.sign(&agents::peer_message(genesis, &account)),
        exchange_key: [1; 32],
        vrf_key: pair.public(),
        engines: vec![1],
        capabilities: Capabilities::default(),
        hold_max: STAKE,
        slots: 256,
        price: Balance::new(1),
    }
}

fn spec() -> TaskSpec {
    TaskSpec {
        engine: 1,
        program: Cid::new(Cid::RAW, [1; 32]),
        input: Input::Inline(Vec::new()),
        args: Vec::new(),
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    }
}

fn sign(genesis: &Hash, unsigned: Unsigned) -> OpaqueTransaction {
    let Unsigned { pair, nonce, call } = unsigned;
    let context = runtime::version().signing_context(*genesis, *genesis);
    let extra = TransactionExtra::new(Era::Immortal, nonce, Balance::ZERO);
    let payload = signing_payload(&call.encode(), &extra, &context);
    let signature = MultiSignature::Sr25519(pair.sign(SR25519_CONTEXT, &payload));
    let address = MultiAddress::Id(pair.public().into());
    OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
}

/// Milliseconds of each task, sorted.
#[derive(Default)]
struct Idle {
    created_to_paid: Vec<f64>,
    submit_to_accepted: Vec<f64>,
}

/// Tasks one after the other on a development chain that has nothing else to do.
async fn idle_chain(count: usize) -> Result<Idle> {
    let home = dev::Home::new(None)?;
    let mut config = Config::default();
    (config.rpc.port, config.metrics.enabled) = (0, false);
    let mut node = dev::start(config.clone(), home.path(), false).await?;
    dev::add_agent(&mut node, config, home.path()).await?;
    let client = Client::connect(&format!("ws://{}", node.rpc_address)).await?;
    let requester = Pair::from_uri(Scheme::Sr25519, "//Charlie")?;
    let limits = TaskLimits { fuel: 10_000_000, memory_pages: 16, output_bytes: 1_024 };
    let program = wat::parse_str(PROGRAM)?;
    let mut idle = Idle::default();
    for number in 0..count {
        // Every task has an input of its own, so that nothing is answered from memory.
        let input = number.to_string();
        let spec = client.prepare_task(&program, input.as_bytes(), Vec::new(), limits).await?;
        let start = Instant::now();
        let posted = client.post_task(&requester, spec, Policy::economy(REWARD)).await?;
        let mut times = Times::default();
        let follow = follow::follow(
            &client,
            posted.task,
            posted.receipt.height,
            Some(&requester),
            |event| times.note(&event.event, event.time_ms, start),
        );
        timeout(TASK_WAIT_MAX, follow).await.context("a task did not end in time")??;
        idle.created_to_paid.push(times.paid_ms.saturating_sub(times.created_ms) as f64);
        idle.submit_to_accepted.push(times.accepted.as_secs_f64() * 1e3);
    }
    node.stop().await?;
    idle.created_to_paid.sort_by(f64::total_cmp);
    idle.submit_to_accepted.sort_by(f64::total_cmp);
    Ok(idle)
}

/// When the stations of one task's way were.
#[derive(Default)]
struct Times {
    created_ms: u64,
    paid_ms: u64,
    /// From the client's submission until the acceptance was seen to be final.
    accepted: Duration,
}

impl Times {
    fn note(&mut self, event: &str, time_ms: u64, start: Instant) {
        match event {
            "Tasks.Created" => self.created_ms = time_ms,
            "Validations.ResultAccepted" => self.accepted = start.elapsed(),
            "Payouts.Paid" => self.paid_ms = time_ms,
            _ => {}
        }
    }
}
