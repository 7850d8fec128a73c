//! Transactions, as hex in `author_submitExtrinsic`.

use super::{
    Door, Outcome,
    mutate::{Source, bytes, mutate, pick},
    served::Served,
};
use anyhow::{Context, Result, ensure};
use codec::{Compact, Decode, Encode, Output};
use pallets::{
    agents, balances, payouts, session, sudo, system,
    tasks::{self, Policy},
    utility, validations,
};
use primitives::{
    Balance, Certificate, Era, Hash, MetadataMode, MultiAddress, Nonce, OpaqueTransaction,
    Transaction, TransactionExtra, crypto::pair::Pair, signing_payload,
};
use rand::RngExt;
use runtime::{RuntimeCall, decode_transaction};
use serde_json::json;

/// Most bytes that are random through and through.
const RANDOM_BYTES_MAX: usize = 4_096;
/// Deepest nesting of calls in calls.
const DEPTH_MAX: usize = 2_000;
/// Most bytes of a remark: more than a transaction may have.
const REMARK_BYTES_MAX: usize = 2 << 20;
/// Accounts that sign what is odd; what they have may go anywhere, so there are many.
const SIGNERS: u64 = 100;
/// Who gives each of them a thousand tokens.
const FUNDER: &str = "//Eve";
const FUNDS: u128 = 1_000_000_000_000_000;
/// A batch of one call, up to that call: pallet, `batch`, and the list's length.
const BATCH_OF_ONE: [u8; 3] = [utility::INDEX, 0, 4];

pub struct Extrinsics {
    served: Served,
    genesis: Hash,
    calls: Vec<Vec<u8>>,
    /// Valid transactions, without their lengths.
    seeds: Vec<Vec<u8>>,
    signers: Vec<(Pair, Nonce)>,
}

#[derive(Debug)]
pub struct Input {
    /// The parameter.
    text: String,
    /// Whose nonce is taken if it is accepted.
    signer: Option<usize>,
}

/// A call's bytes, whatever they are.
struct RawCall<'a>(&'a [u8]);

impl Encode for RawCall<'_> {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.write(self.0);
    }
}

impl Extrinsics {
    pub async fn open() -> Result<Self> {
        let served = Served::start().await?;
        let genesis = served.client().chain().genesis;
        let calls = calls();
        let mut bob = testkit::Signer::new(testkit::bob(), genesis);
        let seeds = calls.iter().map(|call| bob.sign(call).0).collect();
        let calls = calls.iter().map(Encode::encode).collect();
        let signers: Vec<_> = (0..SIGNERS).map(|n| (testkit::numbered_pair(n), 0)).collect();
        let fund = |(pair, _): &(Pair, Nonce)| testkit::transfer(pair, FUNDS);
        let funding = utility::Call::batch_all { calls: signers.iter().map(fund).collect() };
        let funding = RuntimeCall::Utility(funding);
        served.client().call(&testkit::pair(FUNDER), &funding).await?;
        Ok(Self { served, genesis, calls, seeds, signers })
    }

    /// Signs bytes as a call, so that whatever is wrong with them is found behind the signature.
    fn sign(&self, source: &mut Source, call: &[u8]) -> (Vec<u8>, usize) {
        let index = source.random_range(0..self.signers.len());
        let (pair, nonce) = &self.signers[index];
        let mut extra = TransactionExtra::new(Era::Immortal, *nonce, Balance::ZERO);
        match source.random_range(0..10) {
            0 => extra.era = Era::mortal(source.random(), source.random()),
            1 => extra.nonce = source.random(),
            2 => extra.tip = Balance::new(source.random()),
            3 => extra.metadata.mode = MetadataMode::Enabled,
            _ => {}
        }
        let context = runtime::version().signing_context(self.genesis, self.genesis);
        let signature = pair.sign(&signing_payload(call, &extra, &context));
        let address = MultiAddress::Id(pair.account());
        let signed = Transaction::Signed { address, signature, extra, call: RawCall(call) };
        (signed.encode(), index)
    }

    /// A call that is odd, or none at all.
    fn odd_call(&self, source: &mut Source) -> Vec<u8> {
        let mut call = pick(source, &self.calls).clone();
        match source.random_range(0..20) {
            0 => bytes(source, RANDOM_BYTES_MAX),
            1 | 2 => {
                let depth = source.random_range(1..DEPTH_MAX);
                [BATCH_OF_ONE.repeat(depth), call].concat()
            }
            3 => {
                // The list's length is told, its calls are not all there.
                let told = Compact(source.random::<u32>()).encode();
                [&[utility::INDEX, 2], &told[..], &call.repeat(10)].concat()
            }
            4 if source.random_range(0..8) == 0 => {
                let remark = vec![7; source.random_range(0..REMARK_BYTES_MAX)];
                RuntimeCall::System(system::Call::remark { remark }).encode()
            }
            _ => {
                mutate(source, &mut call, &self.calls);
                call
            }
        }
    }
}

impl Door for Extrinsics {
    type Input = Input;

    fn input(&mut self, source: &mut Source) -> Input {
        let mut signer = None;
        let mut body = match source.random_range(0..10) {
            0 => bytes(source, RANDOM_BYTES_MAX),
            1 => {
                let version = *pick(source, &[0x84, 0x04, 0x05, 0x45, 0x85]);
                [&[version], &bytes(source, RANDOM_BYTES_MAX)[..]].concat()
            }
            2 => Transaction::Bare(RawCall(&self.odd_call(source))).encode(),
            3..6 => {
                let call = self.odd_call(source);
                let (body, index) = self.sign(source, &call);
                signer = Some(index);
                body
            }
            _ => {
                let mut body = pick(source, &self.seeds).clone();
                mutate(source, &mut body, &self.seeds);
                body
            }
        };
        // The length in front is right, mutated with the rest, or missing.
        if source.random_range(0..20) > 0 {
            body = OpaqueTransaction(body).encode();
        }
        if source.random_range(0..10) == 0 {
            mutate(source, &mut body, &self.seeds);
        }
        let mut text = format!("0x{}", hex::encode(body)).into_bytes();
        if source.random_range(0..20) == 0 {
            mutate(source, &mut text, &[]);
        }
        Input { text: String::from_utf8_lossy(&text).into_owned(), signer }
    }

    async fn offer(&mut self, input: &Input) -> Result<Outcome> {
        let answer = self.served.ask("author_submitExtrinsic", json!([input.text])).await?;
        self.served.check()?;
        if let Some(index) = input.signer {
            let account = self.signers[index].0.account();
            self.signers[index].1 = self.served.client().next_nonce(&account).await?;
        }
        let hash = match answer {
            Ok(hash) => hash,
            Err(refused) => return Ok(refused),
        };
        // What the pool takes, this side reads too, and it is written in one way only.
        let bytes = hex::decode(&input.text).context("it is no hex")?;
        let tx = OpaqueTransaction::decode(&mut &bytes[..])?;
        ensure!(tx.encode() == bytes, "the length in front has another spelling");
        let decoded = decode_transaction(&tx, tx.hash())?;
        ensure!(decoded.call.encode().len() < bytes.len(), "the call is larger than its bytes");
        ensure!(tx.0.ends_with(&decoded.call.encode()), "the call has another spelling");
        ensure!(hash == json!(decoded.hash), "its hash is {}, not {hash}", decoded.hash);
        Ok(Outcome::Accepted)
    }

    fn process(&self) -> u32 {
        self.served.process()
    }

    async fn finish(self) -> Result<()> {
        self.served.finish().await
    }
}

/// Valid calls of most pallets.
fn calls() -> Vec<RuntimeCall> {
    let transfer = || testkit::transfer(&testkit::charlie(), 1_000_000_000);
    let dest = || MultiAddress::Id(testkit::alice().account());
    let value = Balance::new(1_000_000_000);
    let task = Hash([7; 32]);
    vec![
        transfer(),
        RuntimeCall::Balances(balances::Call::transfer_allow_death { dest: dest(), value }),
        RuntimeCall::Balances(balances::Call::transfer_all { dest: dest(), keep_alive: true }),
        RuntimeCall::System(system::Call::remark { remark: b"remark".to_vec() }),
        RuntimeCall::System(system::Call::remark_with_event { remark: vec![0; 300] }),
        RuntimeCall::Utility(utility::Call::batch { calls: vec![transfer(); 3] }),
        RuntimeCall::Utility(utility::Call::force_batch {
            calls: vec![RuntimeCall::Utility(utility::Call::batch_all { calls: vec![transfer()] })],
        }),
        RuntimeCall::Sudo(sudo::Call::sudo { call: Box::new(transfer()) }),
        RuntimeCall::Agents(agents::Call::heartbeat { slots: 1, version: 1 }),
        RuntimeCall::Agents(agents::Call::set_stake { stake: value }),
        RuntimeCall::Tasks(tasks::Call::create_task {
            spec: testkit::task_spec(),
            policy: Policy::economy(Balance::new(1_000_000_000_000)),
            requester: None,
            funded: true,
        }),
        RuntimeCall::Tasks(tasks::Call::cancel_task { task }),
        RuntimeCall::Validations(validations::Call::poke { task }),
        RuntimeCall::Payouts(payouts::Call::claim_payouts { ids: vec![task; 3] }),
        RuntimeCall::Session(session::Call::note_certificate {
            certificate: Certificate { height: 1, round: 0, block: task, signatures: Vec::new() },
        }),
    ]
}
