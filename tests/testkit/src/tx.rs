//! Calls and signed transactions.

use codec::Encode;
use pallets::{
    balances,
    tasks::{Cid, Input, TaskSpec},
};
use primitives::{
    Balance, Era, Hash, MultiAddress, Nonce, OpaqueTransaction, Transaction, TransactionExtra,
    crypto::pair::Pair, signing_payload,
};
use runtime::RuntimeCall;

/// Signs one account's transactions, each with the next nonce, immortal and without a tip.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The account's keys.
    pub pair: Pair,
    /// The next transaction's nonce.
    pub nonce: Nonce,
    genesis: Hash,
}

impl Signer {
    /// A signer whose account has sent nothing yet, on the chain with this genesis.
    pub fn new(pair: Pair, genesis: Hash) -> Self {
        Self { pair, nonce: 0, genesis }
    }

    /// The next transaction.
    pub fn sign(&mut self, call: &RuntimeCall) -> OpaqueTransaction {
        let extra = TransactionExtra::new(Era::Immortal, self.nonce, Balance::ZERO);
        let context = runtime::version().signing_context(self.genesis, self.genesis);
        let signature = self.pair.sign(&signing_payload(&call.encode(), &extra, &context));
        let address = MultiAddress::Id(self.pair.account());
        self.nonce += 1;
        OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
    }
}

/// A transfer that keeps the sender's account alive.
pub fn transfer(to: &Pair, units: u128) -> RuntimeCall {
    RuntimeCall::Balances(balances::Call::transfer_keep_alive {
        dest: MultiAddress::Id(to.account()),
        value: Balance::new(units),
    })
}

/// A small task: a program that need not exist, over an input of a few bytes.
pub fn task_spec() -> TaskSpec {
    TaskSpec {
        engine: 1,
        program: Cid::new(Cid::RAW, [1; 32]),
        input: Input::Inline(b"input".to_vec()),
        args: Vec::new(),
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    }
}
