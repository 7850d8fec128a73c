//! A chain of one validator with accounts whose keys are known.

use crate::*;
use codec::{Decode, Encode};
use pallets::{balances, session, staking, system};
use primitives::{
    AccountId, Balance, Block, Certificate, Era, Hash, Moment, MultiAddress, MultiSignature, Nonce,
    OpaqueTransaction, Transaction, TransactionExtra,
    crypto::{
        keys::SR25519_CONTEXT,
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
    signing_payload,
};
use runtime::{Genesis, RuntimeCall};
use std::sync::Arc;
use tempfile::TempDir;

/// Accounts with money; numbers from here on have none.
pub(crate) const RICH: u8 = 8;

pub(crate) struct Dev {
    pub(crate) pair: Sr25519Pair,
    pub(crate) account: AccountId,
}

/// The account with this number; 0 is the validator.
pub(crate) fn dev(number: u8) -> Dev {
    let pair = Sr25519Pair::from_seed(&[number + 1; 32]);
    let account = AccountId(pair.public());
    Dev { pair, account }
}

fn vote_pair() -> Ed25519Pair {
    Ed25519Pair::from_seed(&[77; 32])
}

pub(crate) fn vrf_pair() -> Sr25519Pair {
    Sr25519Pair::from_seed(&[78; 32])
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

pub(crate) fn genesis() -> Genesis {
    let money = Balance::new(1_000 * super::ARTL);
    Genesis {
        Balances: balances::Genesis {
            balances: (0..RICH).map(|number| (dev(number).account, money)).collect(),
        },
        Staking: staking::Genesis {
            validators: vec![staking::GenesisValidator {
                account: dev(0).account,
                vote_key: Hash(vote_pair().public()),
                vrf_key: Hash(vrf_pair().public()),
                stake: Balance::new(100_000_000_000_000),
                commission_ppm: 0,
            }],
            ..staking::Genesis::default()
        },
        Session: session::Genesis { randomness: Hash([5; 32]) },
        ..Genesis::default()
    }
}

pub(crate) struct Fixture {
    pub(crate) chain: Chain,
}

impl Fixture {
    pub(crate) fn open(dir: &TempDir) -> Self {
        Self::open_with(dir, &genesis())
    }

    pub(crate) fn open_with(dir: &TempDir, genesis: &Genesis) -> Self {
        let config = Config {
            path: dir.path().into(),
            storage: storage::Config { cache_mb: 16, state_cache_mb: 16, ..Default::default() },
            ..Config::default()
        };
        Self { chain: Chain::open(&config, genesis).expect("the chain opens") }
    }

    /// A transfer that is signed for the next block.
    pub(crate) fn transfer(
        &self,
        from: u8,
        to: u8,
        nonce: Nonce,
        amount: u128,
    ) -> OpaqueTransaction {
        let call = RuntimeCall::Balances(balances::Call::transfer_keep_alive {
            dest: MultiAddress::Id(dev(to).account),
            value: Balance::new(amount),
        });
        self.sign(&dev(from), call, nonce, Era::Immortal)
    }

    pub(crate) fn sign(
        &self,
        from: &Dev,
        call: RuntimeCall,
        nonce: Nonce,
        era: Era,
    ) -> OpaqueTransaction {
        let head = self.chain.head();
        let birth = match era.birth(head.height) {
            0 => self.chain.genesis(),
            birth => self.chain.database().hash(birth).expect("reads").expect("a past block"),
        };
        let extra = TransactionExtra::new(era, nonce, Balance::ZERO);
        let version = self.chain.head().rules.version();
        let context = version.signing_context(self.chain.genesis(), birth);
        let payload = signing_payload(&call.encode(), &extra, &context);
        let signature = MultiSignature::Sr25519(from.pair.sign(SR25519_CONTEXT, &payload));
        let address = MultiAddress::Id(from.account);
        OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
    }

    pub(crate) fn verified(&self, transactions: &[&OpaqueTransaction]) -> Vec<Arc<PooledTx>> {
        let received = transactions.iter().map(|tx| (*tx).clone().into()).collect();
        let verdicts = self.chain.verifier().verify(self.chain.head(), received, &[3; 32]);
        let good: Vec<_> =
            verdicts.into_iter().map(|verdict| verdict.expect("the signature is good")).collect();
        self.chain.verifier().remember(&good);
        good
    }

    pub(crate) fn build(&mut self, now_ms: Moment, transactions: &[&OpaqueTransaction]) -> Built {
        self.build_until(now_ms, transactions, &mut || false)
    }

    pub(crate) fn build_until(
        &mut self,
        now_ms: Moment,
        transactions: &[&OpaqueTransaction],
        is_late: &mut dyn FnMut() -> bool,
    ) -> Built {
        let request = BuildRequest {
            author: dev(0).account,
            origin_round: 0,
            now_ms,
            certificate: None,
            widened: Vec::new(),
            evidence: Vec::new(),
            transactions: self.verified(transactions),
            sign_vrf: &|message| vrf::sign(&vrf_pair(), runtime::VRF_LABEL, message).0,
            is_late,
        };
        self.chain.build(request).expect("a block can be built")
    }

    pub(crate) fn check(
        &mut self,
        block: &Block,
        now_ms: Option<Moment>,
    ) -> Result<Checked, CheckError> {
        self.chain.check(CheckRequest { block: block.clone(), now_ms, seed: [4; 32] })
    }

    /// A certificate of the next height by the only validator.
    pub(crate) fn certificate(&self, block: &Hash) -> Certificate {
        let height = self.chain.head().next_height();
        let mut certificate =
            Certificate { height, round: 0, block: *block, signatures: Vec::new() };
        let vote = vote_pair().sign(&certificate.signed_bytes(&self.chain.genesis()));
        certificate.signatures.push((dev(0).account, vote));
        certificate
    }

    /// Builds and commits a block.
    pub(crate) fn grow(
        &mut self,
        now_ms: Moment,
        transactions: &[&OpaqueTransaction],
    ) -> Committed {
        let built = self.build(now_ms, transactions);
        assert_eq!(built.rejected, []);
        let certificate = self.certificate(&built.hash);
        self.chain.commit(&built.hash, certificate).expect("the block was built")
    }

    pub(crate) fn account(&self, number: u8) -> system::AccountInfo {
        system::account(&self.chain.head().snapshot, &dev(number).account)
    }

    pub(crate) fn free(&self, number: u8) -> Balance {
        self.account(number).data.free
    }

    pub(crate) fn nonce(&self, number: u8) -> Nonce {
        self.account(number).nonce
    }

    /// All invariants of the state hold: among them that issuance is what all accounts have.
    pub(crate) fn check_state(&self) {
        runtime::check(&self.chain.head().snapshot).expect("the invariants hold");
    }
}

/// The block with another header, whose hash fits.
pub(crate) fn decoded(bytes: &OpaqueTransaction) -> Transaction<RuntimeCall> {
    Transaction::decode(&mut &bytes.0[..]).expect("our own bytes")
}
