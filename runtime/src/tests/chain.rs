//! A chain of one validator in memory: blocks with real draws, certificates and signatures.

use crate::{
    ApplyError, BlockError, BlockOutput, ChainSpec, DecodedTx, Digested, Execution, Genesis,
    Inherents, InvalidTransaction, Position, Rules, RuntimeCall, RuntimeEvent, VRF_LABEL,
    block_env, check, decode_transaction, extrinsics_root, genesis_state, make_digest, vrf_message,
};
use ::pallets::{agents, balances, system};
use codec::{DecodeAll, Encode};
use framework::{BlockEnv, MemState};
use primitives::{
    AccountId, Balance, Certificate, Digest, Era, Hash, Header, MultiAddress, Nonce,
    OpaqueTransaction, SigningContext, Transaction, TransactionExtra,
    crypto::{
        keys,
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
    signing_payload,
};

pub type EventRecord = system::EventRecord<RuntimeEvent, Hash>;

/// Whose secret URI is `//name`.
pub fn pair(name: &str) -> Sr25519Pair {
    Sr25519Pair::from_uri(&format!("//{name}")).expect("a valid secret URI")
}

pub fn account(name: &str) -> AccountId {
    AccountId(pair(name).public())
}

/// `transfer_keep_alive` to a named account.
pub fn pay(name: &str, value: u128) -> RuntimeCall {
    pay_to(account(name), value)
}

pub fn pay_to(dest: AccountId, value: u128) -> RuntimeCall {
    let dest = MultiAddress::Id(dest);
    let value = Balance::new(value);
    RuntimeCall::Balances(balances::Call::transfer_keep_alive { dest, value })
}

pub struct Chain {
    pub state: MemState,
    pub head: Header,
    pub genesis: Hash,
}

impl Chain {
    pub fn dev() -> Self {
        Self::with(|_| {})
    }

    /// The development chain with another genesis.
    pub fn with(change: impl FnOnce(&mut Genesis)) -> Self {
        let mut genesis = ChainSpec::dev().genesis;
        change(&mut genesis);
        let mut state = MemState::default();
        state.apply(&genesis_state(&genesis).expect("the genesis is valid"));
        let head = Header {
            parent_hash: Hash::ZERO,
            number: 0,
            state_root: Hash::ZERO,
            extrinsics_root: extrinsics_root(&[]),
            digest: Digest::default(),
        };
        let genesis = head.hash();
        Self { state, head, genesis }
    }

    pub fn position(&self) -> Position {
        Position {
            height: self.head.number + 1,
            parent: self.head.hash(),
            genesis: self.genesis,
            rules: Rules::at(&self.state),
        }
    }

    pub fn free(&self, name: &str) -> Balance {
        balances::free(&self.state, &account(name))
    }

    pub fn nonce(&self, name: &str) -> Nonce {
        system::account(&self.state, &account(name)).nonce
    }

    /// A transaction with the sender's next nonce.
    pub fn sign(&self, name: &str, call: RuntimeCall) -> OpaqueTransaction {
        let extra = TransactionExtra::new(Era::Immortal, self.nonce(name), Balance::ZERO);
        self.sign_with(name, call, extra)
    }

    pub fn sign_with(
        &self,
        name: &str,
        call: RuntimeCall,
        extra: TransactionExtra,
    ) -> OpaqueTransaction {
        self.sign_over(name, call, extra, None)
    }

    /// A transaction whose signature covers this digest of the metadata.
    pub fn sign_over(
        &self,
        name: &str,
        call: RuntimeCall,
        extra: TransactionExtra,
        digest: Option<Hash>,
    ) -> OpaqueTransaction {
        let birth = match extra.era.birth(self.head.number) {
            0 => self.genesis,
            birth if birth == self.head.number => self.head.hash(),
            birth => system::block_hash(&self.state, birth).expect("the era began lately"),
        };
        let context = SigningContext {
            metadata_digest: digest,
            ..crate::version_at(&self.state).signing_context(self.genesis, birth)
        };
        let payload = signing_payload(&call.encode(), &extra, &context);
        let signature =
            primitives::MultiSignature::Sr25519(pair(name).sign(keys::SR25519_CONTEXT, &payload));
        let address = MultiAddress::Id(account(name));
        OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
    }

    /// Decodes a transaction and verifies its signature for the next block.
    pub fn verify(&self, bytes: &OpaqueTransaction) -> Result<DecodedTx, InvalidTransaction> {
        let tx = decode_transaction(bytes, bytes.hash())?;
        let payload = tx.signing_payload(&self.state, &self.position())?;
        if keys::verify(&tx.signer, &payload, &tx.signature) {
            Ok(tx)
        } else {
            Err(InvalidTransaction::BadProof)
        }
    }

    /// What the author adds to the next block, a second after the one before.
    pub fn inherents(&self) -> Inherents {
        let height = self.head.number + 1;
        let mut certificate = Certificate {
            height: self.head.number,
            round: 0,
            block: self.head.hash(),
            signatures: Vec::new(),
        };
        let vote = Ed25519Pair::from_uri("//Alice//vote").expect("a valid secret URI");
        let signature = vote.sign(&certificate.signed_bytes(&self.genesis));
        certificate.signatures.push((account("Alice"), signature));
        Inherents {
            time_ms: u64::from(height) * 1000,
            parent_certificate: (height > 1).then_some(certificate),
            ..Inherents::default()
        }
    }

    /// The next header as its author begins it.
    pub fn header(&self) -> Header {
        let height = self.head.number + 1;
        let vrf_pair = Sr25519Pair::from_uri("//Alice//vrf").expect("a valid secret URI");
        let (draw, _) = vrf::sign(&vrf_pair, VRF_LABEL, &vrf_message(&self.state, height, 0));
        Header {
            parent_hash: self.head.hash(),
            number: height,
            state_root: Hash::ZERO,
            extrinsics_root: Hash::ZERO,
            digest: make_digest(&Digested {
                author: account("Alice"),
                origin_round: 0,
                vrf_output: draw.output,
                vrf_proof: draw.proof,
                next_validators: Hash::ZERO,
                new_rules: crate::brings_rules(&self.state, height),
            }),
        }
    }

    pub fn env(&self) -> Result<BlockEnv, BlockError> {
        self.env_of(&self.header())
    }

    pub fn env_of(&self, header: &Header) -> Result<BlockEnv, BlockError> {
        block_env(&self.state, &self.head, header, &self.inherents(), self.genesis)
    }

    /// Makes a block of what can be included; tells of each transaction whether it was, and why not.
    pub fn block(
        &mut self,
        transactions: &[OpaqueTransaction],
    ) -> (Vec<EventRecord>, Vec<Result<(), ApplyError>>) {
        let (inherents, mut header) = (self.inherents(), self.header());
        let (at, env) = (self.position(), self.env().expect("the header is the author's"));
        let mut execution = Execution::begin(&self.state, &env, &inherents)
            .expect("the inherents are the author's");
        let mut body = inherents.to_transactions();
        let verdicts = transactions
            .iter()
            .map(|bytes| {
                let checked = self.verify(bytes)?.verified(&at);
                execution.apply(&checked)?;
                body.push(bytes.clone());
                Ok(())
            })
            .collect();
        let output: BlockOutput = execution.finish();
        header.extrinsics_root = extrinsics_root(&body);
        self.state.apply(&output.writes);
        self.head = header;
        check(&self.state).expect("every invariant holds after every block");
        (Vec::decode_all(&mut &output.events[..]).expect("the record decodes"), verdicts)
    }

    /// Makes an account an agent.
    pub fn enrol(&mut self, name: &str) {
        let peer = Ed25519Pair::from_seed(&account(name).0);
        let profile = agents::Profile {
            payout: agents::Payee::Account(account(name)),
            peer_key: peer.public(),
            peer_proof: peer.sign(&agents::peer_message(&self.genesis, &account(name))),
            exchange_key: [1; 32],
            vrf_key: pair(name).public(),
            engines: vec![1],
            capabilities: agents::Capabilities::default(),
            hold_max: Balance::MAX,
            slots: 64,
            price: Balance::new(1_000),
        };
        let stake = Balance::new(1_000_000_000_000_000);
        let call = RuntimeCall::Agents(agents::Call::register { profile, stake });
        self.include(self.sign(name, call));
        assert!(agents::agent(&self.state, &account(name)).is_some());
    }

    /// Makes a block of one transaction that is included.
    pub fn include(&mut self, transaction: OpaqueTransaction) -> Vec<RuntimeEvent> {
        let index = if self.head.number == 0 { 1 } else { 2 };
        let (records, verdicts) = self.block(&[transaction]);
        assert_eq!(verdicts, [Ok(())]);
        records
            .into_iter()
            .filter(|record| record.phase == system::Phase::ApplyExtrinsic(index))
            .map(|record| record.event)
            .collect()
    }
}
