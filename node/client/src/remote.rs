//! The state of a remote chain, read through the pallets' own query functions.

use crate::{Client, Error, wire::ChangesJson};
use jsonrpsee::rpc_params;
use primitives::{Hash, RawKey, RawValue, StateRead};
use runtime::view::Bytes;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// Most requests for one query.
pub const READS_MAX: usize = 2_048;
/// Keys that are fetched ahead where a query walks over them.
const KEYS_AHEAD: usize = 128;

impl Client {
    /// Run a query over the state after block `at`, by default the last finalised one.
    ///
    /// The query is any pure function of the state, such as those that pallets offer. It runs as often as it meets
    /// something that was not fetched yet, so it should be quick; what it reads is fetched one by one, keys that it walks over
    /// in pages.
    ///
    /// ```no_run
    /// # use artel_client as client;
    /// # async fn example(client: client::Client, who: primitives::AccountId) -> Result<(), client::Error> {
    /// let agent = client.query(None, move |state| pallets::agents::agent(state, &who)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query<T>(
        &self,
        at: Option<Hash>,
        query: impl Fn(&dyn StateRead) -> T,
    ) -> Result<T, Error> {
        let at = match at {
            Some(at) => at,
            None => self.finalised_hash().await?,
        };
        let mut known = Known::default();
        for _ in 0..READS_MAX {
            match known.run(&query) {
                Ok(answer) => return Ok(answer),
                Err(Stop::Missing(Missing::Value(key))) => {
                    let value = self.storage(&key, Some(at)).await?;
                    known.values.insert(key, value);
                }
                Err(Stop::Missing(Missing::Keys { prefix, after })) => {
                    self.fetch_keys(&mut known, prefix, after, at).await?;
                }
                Err(Stop::Panicked) => return Err(Error::StateMismatch(at)),
            }
        }
        Err(Error::TooManyReads { max: READS_MAX })
    }

    /// The value under a raw key after block `at`, by default the best one.
    pub async fn storage(&self, key: &[u8], at: Option<Hash>) -> Result<Option<RawValue>, Error> {
        let key = Bytes(key.to_vec());
        let value: Option<Bytes> =
            self.rpc().request("state_getStorage", rpc_params![key, at]).await?;
        Ok(value.map(|Bytes(value)| value))
    }

    /// Keys and values, as a query that walks over keys mostly looks at the values too.
    async fn fetch_keys(
        &self,
        known: &mut Known,
        prefix: RawKey,
        after: RawKey,
        at: Hash,
    ) -> Result<(), Error> {
        let params = rpc_params![Bytes(prefix.clone()), KEYS_AHEAD, Bytes(after.clone()), at];
        let keys: Vec<Bytes> = self.rpc().request("state_getKeysPaged", params).await?;
        let method = "state_getKeysPaged".to_owned();
        let ordered = keys.iter().is_sorted_by(|a, b| a.0 < b.0);
        let inside = keys.iter().all(|key| key.0.starts_with(&prefix) && key.0 > after);
        if !ordered || !inside || keys.len() > KEYS_AHEAD {
            let reason = "the keys are out of order or outside of what was asked for".to_owned();
            return Err(Error::Answer { method, reason });
        }
        if !keys.is_empty() {
            let sets: Vec<ChangesJson> =
                self.rpc().request("state_queryStorageAt", rpc_params![&keys, at]).await?;
            for (Bytes(key), value) in sets.into_iter().flat_map(|set| set.changes) {
                known.values.insert(key, value.map(|Bytes(value)| value));
            }
        }
        let complete = keys.len() < KEYS_AHEAD;
        let keys = keys.into_iter().map(|Bytes(key)| key).collect();
        known.runs.push(Run { prefix, after, keys, complete });
        Ok(())
    }
}

/// What a query met that was not fetched yet.
pub(crate) enum Missing {
    Value(RawKey),
    Keys { prefix: RawKey, after: RawKey },
}

pub(crate) enum Stop {
    Missing(Missing),
    Panicked,
}

/// What was fetched of one block's state.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) values: BTreeMap<RawKey, Option<RawValue>>,
    runs: Vec<Run>,
}

/// Consecutive keys with a prefix, after some key; all that there are if `complete`.
struct Run {
    prefix: RawKey,
    after: RawKey,
    keys: Vec<RawKey>,
    complete: bool,
}

impl Known {
    /// Runs the query until it ends or misses something. A query is a plain function that expects an answer to each read,
    /// so a miss unwinds out of it; that is no panic, and no panic hook runs.
    pub(crate) fn run<T>(&self, query: impl Fn(&dyn StateRead) -> T) -> Result<T, Stop> {
        catch_unwind(AssertUnwindSafe(|| query(self))).map_err(|payload| {
            match payload.downcast::<Missing>() {
                Ok(missing) => Stop::Missing(*missing),
                Err(_) => Stop::Panicked,
            }
        })
    }
}

impl StateRead for Known {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        match self.values.get(key) {
            Some(value) => value.clone(),
            None => resume_unwind(Box::new(Missing::Value(key.to_vec()))),
        }
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        // Where the walk begins before the prefix, it begins at the prefix.
        let after = after.max(prefix);
        let runs = self.runs.iter().filter(|run| run.prefix == prefix && *run.after <= *after);
        for run in runs {
            let next = run.keys.partition_point(|key| **key <= *after);
            match run.keys.get(next) {
                Some(key) => return Some(key.clone()),
                None if run.complete => return None,
                None => {}
            }
        }
        let (prefix, after) = (prefix.to_vec(), after.to_vec());
        resume_unwind(Box::new(Missing::Keys { prefix, after }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use framework::MemState;
    use proptest::prelude::*;

    /// Answers a query as a node would, from a state in memory; also how many fetches it took.
    pub(crate) fn query_over<T>(
        state: &MemState,
        query: impl Fn(&dyn StateRead) -> T,
    ) -> (T, usize) {
        let mut known = Known::default();
        for fetches in 0.. {
            match known.run(&query) {
                Ok(answer) => return (answer, fetches),
                Err(Stop::Missing(Missing::Value(key))) => {
                    let value = state.get(&key);
                    known.values.insert(key, value);
                }
                Err(Stop::Missing(Missing::Keys { prefix, after })) => {
                    let mut keys: Vec<RawKey> = Vec::new();
                    while keys.len() < KEYS_AHEAD {
                        let last = keys.last().unwrap_or(&after);
                        let Some(key) = state.next_key(&prefix, last) else { break };
                        known.values.insert(key.clone(), state.get(&key));
                        keys.push(key);
                    }
                    let complete = keys.len() < KEYS_AHEAD;
                    known.runs.push(Run { prefix, after, keys, complete });
                }
                Err(Stop::Panicked) => panic!("the query panicked"),
            }
        }
        unreachable!("a query ends")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Walks and reads give what they would give beside the state, in few fetches.
        #[test]
        fn a_remote_state_reads_as_a_local_one(
            keys in prop::collection::btree_set(prop::collection::vec(0u8..4, 0..5), 0..400),
            prefix in prop::collection::vec(0u8..4, 0..3),
        ) {
            let state = MemState {
                map: keys.into_iter().map(|key| (key.clone(), [&key[..], b"!"].concat())).collect(),
            };
            let walk = |state: &dyn StateRead| {
                let (mut cursor, mut seen) = (prefix.clone(), Vec::new());
                while let Some(key) = state.next_key(&prefix, &cursor) {
                    seen.push((key.clone(), state.get(&key)));
                    cursor = key;
                }
                (seen, state.get(&prefix))
            };
            let ((seen, own), fetches) = query_over(&state, walk);
            prop_assert_eq!((&seen, &own), (&walk(&state).0, &walk(&state).1));
            prop_assert!(fetches <= seen.len() / KEYS_AHEAD + 2);
        }
    }
}
