//! A transaction that panics harms nobody; a database that panics ends the node.

use super::fixture::{Fixture, dev, folder, vrf_pair};
use crate::{Refusal, execute::WatchedState};
use primitives::{AccountId, Hash, Header, RawKey, RawValue, StateRead, crypto::vrf};
use runtime::{Digested, Execution, Inherents};
use std::panic::{AssertUnwindSafe, catch_unwind};
use storage::Snapshot;

/// A state in which the record of one account is bad.
struct Broken {
    state: Snapshot,
    account: AccountId,
    how: Damage,
}

#[derive(Clone, Copy)]
enum Damage {
    /// It does not decode, so that the transition panics.
    Record,
    /// It cannot be read, so that the database panics.
    Disk,
}

impl StateRead for Broken {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        match self.how {
            _ if !key.ends_with(&self.account.0) => self.state.get(key),
            Damage::Record => Some(vec![1]),
            Damage::Disk => panic!("the disk is gone"),
        }
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        self.state.next_key(prefix, after)
    }
}

/// Executes a transfer of account 1, whose record is bad, and one of account 2. Gives both verdicts, and whether the block
/// is the one that the second makes alone.
fn execute(how: Damage) -> (Result<(), Refusal>, Result<(), Refusal>, bool) {
    let dir = folder();
    let f = Fixture::open(&dir);
    let head = f.chain.head();
    let (bad, good) = (f.transfer(1, 3, 0, 5), f.transfer(2, 3, 0, 5));
    let transfers = f.verified(&[&bad, &good]);
    let inherents = Inherents { time_ms: 1_000, ..Inherents::default() };
    let message = runtime::vrf_message(&head.snapshot, 1, 0);
    let vrf::Proof { output, proof } = vrf::sign(&vrf_pair(), runtime::VRF_LABEL, &message).0;
    let digest = runtime::make_digest(&Digested {
        author: dev(0).account,
        origin_round: 0,
        vrf_output: output,
        vrf_proof: proof,
        new_rules: false,
        next_validators: Hash::ZERO,
    });
    let header = Header { parent_hash: head.hash, number: 1, digest, ..(*head.header).clone() };
    let env = runtime::block_env(&head.snapshot, &head.header, &header, &inherents, head.hash);
    let env = env.expect("the header is in order");

    let broken = Broken { state: head.snapshot.clone(), account: dev(1).account, how };
    let state = WatchedState::new(&broken);
    let mut execution = Execution::begin(&state, &env, &inherents).expect("it begins");
    let first = state.apply(&mut execution, &transfers[0].checked);
    let second = state.apply(&mut execution, &transfers[1].checked);
    let output = execution.finish();

    let mut alone = Execution::begin(&head.snapshot, &env, &inherents).expect("it begins");
    alone.apply(&transfers[1].checked).expect("it is valid");
    (first, second, alone.finish() == output)
}

#[test]
fn a_transaction_that_panics_leaves_the_block_as_it_was() {
    let (first, second, is_alone) = execute(Damage::Record);
    let Err(Refusal::Panicked(message)) = first else { panic!("it was not refused: {first:?}") };
    assert!(message.contains("System.Account"), "{message}");
    assert_eq!(second, Ok(()));
    assert!(is_alone);
}

#[test]
fn a_panic_of_the_database_goes_through() {
    let panic = catch_unwind(AssertUnwindSafe(|| execute(Damage::Disk)));
    let panic = panic.expect_err("it is no outcome of a transaction");
    assert_eq!(panic.downcast_ref(), Some(&"the disk is gone"));
}
