//! What a connection may call, and how much work it may ask for.

use crate::{Config, error::Error, flow::Account};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Methods that cost much though nobody pays for it: a block's worth of execution. Whoever may reach the server from
/// elsewhere is not served with them unless the operator says so.
const UNSAFE: &[&str] = &[
    "artel_peers",
    "artel_trace",
    "system_addReservedPeer",
    "system_dryRun",
    "system_dryRunAt",
    "system_removeReservedPeer",
    "system_reservedPeers",
];

/// About what a request takes of one core, in microseconds; less where it is short, so that nobody meets the bound by asking fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    base_us: u64,
    /// On top, for each KiB of parameters.
    per_kib_us: u64,
}

/// An answer from memory, or one short read.
const SHORT: Cost = Cost { base_us: 5, per_kib_us: 1 };
/// A read for each key that is named: about 16 fit a KiB.
const KEYS: Cost = Cost { base_us: 5, per_kib_us: 300 };
/// A block, a page of keys, or a list of views.
const LIST: Cost = Cost { base_us: 500, per_kib_us: 1 };
/// A transaction to the pool, whose signature is verified.
const SUBMIT: Cost = Cost { base_us: 30, per_kib_us: 20 };
/// A call into the runtime, or metadata.
const CALL: Cost = Cost { base_us: 500, per_kib_us: 20 };
/// A block's events in words, or a search among all tasks.
const WALK: Cost = Cost { base_us: 5_000, per_kib_us: 100 };
/// The run of a transaction, and of what is due in the block that it would stand in.
const RUN: Cost = Cost { base_us: 50_000, per_kib_us: 100 };
/// Proofs, for which the chain may take blocks out of its tree; or values after many blocks.
const HEAVY: Cost = Cost { base_us: 20_000, per_kib_us: 300 };
/// Addresses that are remembered before those are forgotten that have no connection and are not ahead of their rate.
const ADDRESSES_MAX: usize = 4_096;
/// The part of an IPv6 address that names a network.
const NETWORK_MASK: u128 = !0 << 64;
/// The run of a whole block.
const TRACE: Cost = Cost { base_us: 500_000, per_kib_us: 1 };

fn cost(method: &str) -> Cost {
    match method {
        "author_submitExtrinsic"
        | "author_submitAndWatchExtrinsic"
        | "transaction_v1_broadcast"
        | "transactionWatch_v1_submitAndWatch" => SUBMIT,
        "state_queryStorageAt"
        | "state_subscribeStorage"
        | "chain_getBlockHash"
        | "chain_getHead"
        | "chainHead_v1_storage"
        | "archive_v1_storage" => KEYS,
        "chain_getBlock"
        | "archive_v1_body"
        | "chainHead_v1_body"
        | "state_getKeysPaged"
        | "state_getKeysPagedAt"
        | "author_pendingExtrinsics"
        | "artel_lightStart"
        | "artel_payouts"
        | "artel_validators" => LIST,
        "state_call"
        | "state_callAt"
        | "state_getMetadata"
        | "chainHead_v1_call"
        | "archive_v1_call"
        | "payment_queryInfo"
        | "payment_queryFeeDetails"
        | "rpc.discover" => CALL,
        "artel_explain" | "artel_tasks" => WALK,
        "artel_estimate" | "system_dryRun" | "system_dryRunAt" => RUN,
        "state_getReadProof" | "state_queryStorage" | "artel_lightBlocks" => HEAVY,
        "artel_trace" => TRACE,
        _ => SHORT,
    }
}

/// What this server lets its callers do.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    serves_unsafe: bool,
    rate: u32,
    burst: Duration,
}

impl Access {
    pub fn new(config: &Config) -> Self {
        Self {
            serves_unsafe: config.serves_unsafe(),
            rate: config.rate,
            burst: Duration::from_secs(config.burst_s.into()),
        }
    }

    /// Whether callers may call the method, should it be there.
    pub fn serves(&self, method: &str) -> bool {
        self.serves_unsafe || !UNSAFE.contains(&method)
    }

    /// Takes the cost of a request from what is left to its connection.
    pub fn admit(&self, method: &'static str, bytes: usize, pace: &Pace) -> Result<(), Error> {
        if !self.serves(method) {
            return Err(Error::Unsafe(method));
        }
        let Cost { base_us, per_kib_us } = cost(method);
        let kibibytes = u64::try_from(bytes / 1_024).unwrap_or(u64::MAX);
        let cost_us = base_us.saturating_add(kibibytes.saturating_mul(per_kib_us));
        let wait = pace.take(self.at_rate(cost_us), self.burst, Instant::now());
        wait.map_err(|wait| Error::TooFast { method, wait_ms: wait.as_millis().max(1) })
    }

    /// Takes what work has cost of a core, whatever its price was.
    pub fn charge(&self, spent: Duration, pace: &Pace) {
        let spent_us = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        pace.add(self.at_rate(spent_us), Instant::now());
    }

    /// Waits until more work may be done for a caller that has not asked for it just now.
    pub async fn wait(&self, pace: &Pace) {
        while let Err(wait) = pace.take(Duration::ZERO, self.burst, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// How long a worker takes that works at the rate.
    fn at_rate(&self, cost_us: u64) -> Duration {
        Duration::from_nanos(cost_us.saturating_mul(1_000_000_000) / u64::from(self.rate))
    }
}

/// How far a caller is ahead of its rate: when a worker of this rate would be done with all that it asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// Adds work unless the worker would then be behind by more than `burst`; an idle one takes any. Fails with the
    /// time to wait.
    fn take(&self, took: Duration, burst: Duration, now: Instant) -> Result<(), Duration> {
        let mut done = self.done();
        let begin = done.filter(|done| *done > now).unwrap_or(now);
        let behind = begin.duration_since(now) + took;
        if behind > burst && begin > now {
            return Err(behind.saturating_sub(burst).min(begin.duration_since(now)));
        }
        *done = Some(begin + took);
        Ok(())
    }

    /// Adds work that was done already.
    fn add(&self, took: Duration, now: Instant) {
        let mut done = self.done();
        *done = Some(done.filter(|done| *done > now).unwrap_or(now) + took);
    }

    /// Whether such a worker would be done by now.
    fn is_done(&self, now: Instant) -> bool {
        self.done().is_none_or(|done| done <= now)
    }

    fn done(&self) -> MutexGuard<'_, Option<Instant>> {
        // A panic inside leaves the moment whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is connected, by address. Connections from one address share its rate, and a new one goes on where those before it
/// were. Those of this machine stand for themselves, as a proxy on it speaks for many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<IpAddr, Address>>>);

#[derive(Debug, Default)]
struct Address {
    connections: u32,
    pace: Pace,
    account: Arc<Account>,
}

impl Peers {
    /// Counts a connection until the guard goes; `None` if the address has too many.
    pub fn enter(&self, address: IpAddr, max: u32) -> Option<Peer> {
        let address = network(address);
        if address.is_loopback() {
            return Some(Peer::default());
        }
        let mut peers = self.peers();
        if peers.len() >= ADDRESSES_MAX {
            let now = Instant::now();
            peers.retain(|_, known| known.connections > 0 || !known.pace.is_done(now));
        }
        let known = peers.entry(address).or_default();
        if known.connections >= max {
            return None;
        }
        known.connections += 1;
        let (pace, account) = (known.pace.clone(), known.account.clone());
        Some(Peer { pace, account, counted: Some((self.clone(), address)) })
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        // A panic inside leaves the counts whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one caller has: an address, of IPv6 all that a subscriber of the internet gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK).into()
        }
        address => address,
    }
}

/// A connection that is counted, the work that it may still ask for, and what its caller has.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub pace: Pace,
    pub account: Arc<Account>,
    counted: Option<(Peers, IpAddr)>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some((peers, address)) = &self.counted
            && let Some(known) = peers.peers().get_mut(address)
        {
            known.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn work_is_taken_up_to_the_burst_and_then_at_the_rate() {
        let (pace, now) = (Pace::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(pace.take(SECOND, 10 * SECOND, now), Ok(()));
        }
        assert_eq!(pace.take(SECOND, 10 * SECOND, now), Err(SECOND));
        let later = now + SECOND / 2;
        assert_eq!(pace.take(SECOND, 10 * SECOND, later), Err(SECOND / 2));
        assert_eq!(pace.take(SECOND, 10 * SECOND, now + SECOND), Ok(()));
        let idle = now + 60 * SECOND;
        assert_eq!(pace.take(30 * SECOND, 10 * SECOND, idle), Ok(()), "an idle one takes any");
        assert_eq!(pace.take(SECOND, 10 * SECOND, idle), Err(21 * SECOND));
    }

    #[test]
    fn what_work_has_cost_is_charged_whatever_its_price_was() {
        let (access, pace) = (Access::new(&Config::default()), Pace::default());
        assert!(access.admit("state_getStorage", 0, &pace).is_ok());
        access.charge(60 * SECOND, &pace);
        let refused = access.admit("state_getStorage", 0, &pace);
        assert!(matches!(refused, Err(Error::TooFast { wait_ms: 40_000..60_001, .. })));
    }

    #[test]
    fn an_address_has_so_many_connections_and_this_machine_any() {
        let peers = Peers::default();
        let other: IpAddr = "192.0.2.1".parse().expect("an address");
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        let first = peers.enter(other, 2).expect("there is room");
        let _second = peers.enter(mapped, 2).expect("there is room");
        assert!(peers.enter(other, 2).is_none());
        assert!(peers.enter("192.0.2.2".parse().expect("an address"), 2).is_some());
        drop(first);
        assert!(peers.enter(mapped, 2).is_some());
        for _ in 0..5 {
            assert!(peers.enter("::1".parse().expect("an address"), 0).is_some());
        }
        let network =
            ["2001:db8::1", "2001:db8::2:1"].map(|text| text.parse().expect("an address"));
        let _third = peers.enter(network[0], 1).expect("there is room");
        assert!(peers.enter(network[1], 1).is_none(), "it is the same caller's");
    }

    #[test]
    fn who_connects_anew_goes_on_where_it_was() {
        let (peers, now) = (Peers::default(), Instant::now());
        let other: IpAddr = "192.0.2.1".parse().expect("an address");
        let enter = || peers.enter(other, 2).expect("there is room");
        assert_eq!(enter().pace.take(9 * SECOND, 10 * SECOND, now), Ok(()));
        assert_eq!(enter().pace.take(2 * SECOND, 10 * SECOND, now), Err(SECOND));
        let local = || peers.enter("127.0.0.1".parse().expect("an address"), 2);
        for _ in 0..2 {
            let pace = &local().expect("there is room").pace;
            assert_eq!(pace.take(9 * SECOND, 10 * SECOND, now), Ok(()));
        }
    }
}
