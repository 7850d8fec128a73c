//! Transfers through a whole node.

use super::{
    feed::{Finality, closed_loop, open_loop},
    machine::{self, Process},
    percentile,
};
use crate::{
    assemble::{Node, Plan, Role, assemble},
    cli::node::session_keys,
    config::{Config, on_loopback},
    logging,
};
use anyhow::{Result, ensure};
use clap::Args;
use codec::Encode;
use pallets::balances;
use primitives::{
    AccountId, Balance, Era, Hash, MultiAddress, MultiSignature, OpaqueTransaction, Transaction,
    TransactionExtra,
    crypto::{
        batch::{BATCH_ITEMS_MAX, Item, find_invalid},
        keys::SR25519_CONTEXT,
        pair::Sr25519Pair,
    },
    signing_payload,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use runtime::{ChainSpec, RuntimeCall};
use serde_json::json;
use std::time::{Duration, Instant};

/// What each account has in the beginning: a thousand tokens.
pub const ENDOWMENT: Balance = Balance::new(1_000_000_000_000_000);
/// What each transfer moves: a thousandth of a token, an existential deposit.
const AMOUNT: Balance = Balance::new(1_000_000_000);
/// Signatures that the baseline verifies.
const VERIFY_COUNT: usize = 200_704;
/// Baseline runs, of which the best counts.
const VERIFY_RUNS: usize = 3;
/// Most transactions on their way at a time under full load.
const WINDOW: usize = 98_304;
/// Share of the full rate at which latency is measured.
const OPEN_LOOP_SHARE: f64 = 0.8;

/// What `artel bench transfers` takes.
#[derive(Args)]
pub struct TransfersArgs {
    /// Accounts, all funded; senders and recipients are drawn uniformly.
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    accounts: usize,
    /// Seconds under full load; a third of it follows at 80 %.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u64,
    /// Most transactions in a block.
    #[arg(long, value_name = "COUNT")]
    block_size: Option<usize>,
    /// What is logged.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Runs the measurement.
pub fn run(args: TransfersArgs) -> Result<()> {
    ensure!(args.accounts >= 2, "{} accounts cannot send to one another", args.accounts);
    ensure!(args.seconds >= 3, "{} seconds are too short: give 3 or more", args.seconds);
    logging::start(&args.log, false)?;
    let home = tempfile::Builder::new().prefix("artel-bench-").tempdir()?;

    eprintln!("making {} accounts and their genesis", args.accounts);
    let pairs: Vec<Sr25519Pair> = (0..args.accounts as u64).into_par_iter().map(numbered).collect();
    let mut spec = ChainSpec::dev();
    spec.genesis.Balances.balances.extend(pairs.iter().map(|p| (p.public().into(), ENDOWMENT)));
    let mut config = Config::default();
    (config.rpc.port, config.metrics.enabled) = (0, false);
    config.network = on_loopback(0);
    if let Some(count) = args.block_size {
        config.block.transactions_max = count;
    }
    config.validate()?;
    let plan = Plan {
        config,
        spec,
        base_path: home.path().to_owned(),
        role: Role::Validator {
            keys: session_keys(crate::cli::dev::VALIDATOR)?.into(),
            sign_without_guard: false,
        },
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let node = runtime.block_on(assemble(plan))?;

    let verify_tps = verify_baseline(&pairs, node.genesis);
    eprintln!("verification alone: {verify_tps:.0} signatures/s on all cores");
    // Enough for the ratio that no pipeline on these cores can exceed, in both phases.
    let open_s = args.seconds / 3;
    let count = (verify_tps * (args.seconds + open_s) as f64 * 0.8) as usize;
    eprintln!("signing {count} transfers");
    let signed = sign(&pairs, node.genesis, count);
    drop(pairs);

    let figures = measure(&node, signed, args.seconds, open_s)?;
    let bytes = machine::folder_bytes(home.path());
    let checked = node.heads.borrow().snapshot.clone();
    runtime.block_on(node.stop())?;
    eprintln!("checking the state that the transfers left");
    runtime::check(&checked).map_err(|why| anyhow::anyhow!("the state is wrong: {why}"))?;
    let Figures { finalised_tps, p50_ms, p99_ms, verified, transactions } = figures;
    println!(
        "{}",
        json!({
            "finalised_tps": finalised_tps.round(),
            "verify_tps": verify_tps.round(),
            "ratio": finalised_tps / verify_tps,
            "p50_ms": p50_ms,
            "p99_ms": p99_ms,
            "verified": verified,
            "transactions": transactions,
            "bytes_per_tx": bytes / transactions.max(1) as u64,
            "peak_rss_mb": Process::this().peak_rss_mb(),
            "accounts": args.accounts,
            "seconds": args.seconds,
        })
    );
    ensure!(
        verified == transactions as u64,
        "{verified} verifications, {transactions} transactions"
    );
    Ok(())
}

struct Figures {
    finalised_tps: f64,
    p50_ms: f64,
    p99_ms: f64,
    verified: u64,
    transactions: usize,
}

fn measure(
    node: &Node,
    signed: Vec<OpaqueTransaction>,
    seconds: u64,
    open_s: u64,
) -> Result<Figures> {
    let mut finality = Finality::new(node.heads.clone(), node.database.clone());
    let mut signed = signed.into_iter();
    eprintln!("{seconds} s under full load");
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let full = closed_loop(&node.pool, &mut finality, &mut signed, WINDOW, time)?;
    let end = Instant::now();
    finality.wait_for(full)?;
    let third = (end - start) / 3;
    let finalised_tps = finality.rate(end - third, end);

    let rate = finalised_tps * OPEN_LOOP_SHARE;
    eprintln!("{open_s} s at {rate:.0} transfers/s");
    let time = Duration::from_secs(open_s);
    let open = open_loop(&node.pool, &mut finality, &mut signed, rate, time)?;
    let transactions = full + open;
    finality.wait_for(transactions)?;
    let mut latencies = std::mem::take(&mut finality.latencies_ms);
    latencies.sort_by(f64::total_cmp);
    Ok(Figures {
        finalised_tps,
        p50_ms: percentile(&latencies, 0.5),
        p99_ms: percentile(&latencies, 0.99),
        verified: node.verified.get(),
        transactions,
    })
}

/// The key of the account with this number.
pub fn numbered(number: u64) -> Sr25519Pair {
    let mut seed = [0xbe; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Sr25519Pair::from_seed(&seed)
}

/// Signatures per second with nothing else to do: in batches, over all cores, the decoding of keys
/// included, the best of some runs.
fn verify_baseline(pairs: &[Sr25519Pair], genesis: Hash) -> f64 {
    let payload = |number: usize| (genesis, number as u64, [7u8; 64]).encode();
    let signed: Vec<_> = (0..VERIFY_COUNT)
        .into_par_iter()
        .map(|number| {
            let (pair, message) = (&pairs[number % pairs.len()], payload(number));
            let signature = MultiSignature::Sr25519(pair.sign(SR25519_CONTEXT, &message));
            (AccountId(pair.public()), message, signature)
        })
        .collect();
    let items: Vec<_> = signed
        .iter()
        .map(|(account, message, signature)| Item { account: *account, message, signature })
        .collect();
    let run = || {
        let start = Instant::now();
        for batch in items.chunks(BATCH_ITEMS_MAX) {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("the operating system gives randomness");
            assert!(find_invalid(batch, &seed).is_empty(), "all were just signed");
        }
        VERIFY_COUNT as f64 / start.elapsed().as_secs_f64()
    };
    (0..VERIFY_RUNS).map(|_| run()).fold(0.0, f64::max)
}

/// Signed transfers between uniformly drawn accounts, in an order in which each sender's nonces
/// grow.
pub fn sign(pairs: &[Sr25519Pair], genesis: Hash, count: usize) -> Vec<OpaqueTransaction> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut nonces = vec![0u32; pairs.len()];
    let drawn: Vec<_> = (0..count)
        .map(|_| {
            let (from, to) = (rng.random_range(0..pairs.len()), rng.random_range(0..pairs.len()));
            nonces[from] += 1;
            (from, to, nonces[from] - 1)
        })
        .collect();
    let context = runtime::version().signing_context(genesis, genesis);
    drawn
        .into_par_iter()
        .map(|(from, to, nonce)| {
            let dest = MultiAddress::Id(pairs[to].public().into());
            let call = balances::Call::transfer_keep_alive { dest, value: AMOUNT };
            let call = RuntimeCall::Balances(call);
            let extra = TransactionExtra::new(Era::Immortal, nonce, Balance::ZERO);
            let payload = signing_payload(&call.encode(), &extra, &context);
            let signature = MultiSignature::Sr25519(pairs[from].sign(SR25519_CONTEXT, &payload));
            let address = MultiAddress::Id(pairs[from].public().into());
            OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
        })
        .collect()
}
