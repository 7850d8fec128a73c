//! What a connection may call, and how much work it may ask for.

use crate::{Config, error::Error};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Methods that cost much though nobody pays for it: a block's worth of execution. Whoever may reach the server from
/// elsewhere is not served with them unless the operator says so.
const UNSAFE: &[&str] = &["artel_trace", "system_dryRun", "system_dryRunAt"];

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
/// The run of a transaction, or a block's events in words.
const RUN: Cost = Cost { base_us: 5_000, per_kib_us: 100 };
/// Proofs, for which the chain may take blocks out of its tree; or values after many blocks.
const HEAVY: Cost = Cost { base_us: 20_000, per_kib_us: 300 };
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
        | "artel_tasks"
        | "artel_payouts" => LIST,
        "state_call"
        | "state_callAt"
        | "state_getMetadata"
        | "chainHead_v1_call"
        | "archive_v1_call"
        | "payment_queryInfo"
        | "payment_queryFeeDetails"
        | "rpc.discover" => CALL,
        "artel_estimate" | "artel_explain" | "system_dryRun" | "system_dryRunAt" => RUN,
        "state_getReadProof" | "state_queryStorage" => HEAVY,
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
        let took =
            Duration::from_nanos(cost_us.saturating_mul(1_000_000_000) / u64::from(self.rate));
        let wait = pace.take(took, self.burst, Instant::now());
        wait.map_err(|wait| Error::TooFast { method, wait_ms: wait.as_millis().max(1) })
    }
}

/// How far a connection is ahead of its rate: when a worker of this rate would be done with all that it asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// Adds work unless the worker would then be behind by more than `burst`; an idle one takes any. Fails with the
    /// time to wait.
    fn take(&self, took: Duration, burst: Duration, now: Instant) -> Result<(), Duration> {
        // A panic inside leaves the moment whole.
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = done.filter(|done| *done > now).unwrap_or(now);
        let behind = begin.duration_since(now) + took;
        if behind > burst && begin > now {
            return Err(behind.saturating_sub(burst).min(begin.duration_since(now)));
        }
        *done = Some(begin + took);
        Ok(())
    }
}

/// Connections by address; those of this machine are not counted, as a proxy on it speaks for many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<IpAddr, u32>>>);

impl Peers {
    /// Counts a connection until the guard goes; `None` if the address has too many.
    pub fn enter(&self, address: IpAddr, max: u32) -> Option<Peer> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Some(Peer(None));
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Peer(Some((self.clone(), address))))
    }
}

/// A connection that is counted.
#[derive(Debug, Default)]
pub(crate) struct Peer(Option<(Peers, IpAddr)>);

impl Drop for Peer {
    fn drop(&mut self) {
        let Some((peers, address)) = &self.0 else { return };
        let mut counts = peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(address);
            }
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
    }
}
