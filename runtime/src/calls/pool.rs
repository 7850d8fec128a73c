//! What pools and signers ask of transactions and accounts.

use super::{Api, Method, View};
use crate::{
    InvalidTransaction, UncheckedTransaction, decode_transaction,
    invalid::{TransactionValidityError, UnknownTransaction},
};
use codec::{Decode, DecodeAll, Encode};
use pallets::system;
use primitives::{AccountId, Hash, Nonce, OpaqueTransaction, crypto::keys};
use scale_info::{TypeInfo, meta_type};

pub(super) static QUEUE: Api = Api {
    name: "TaggedTransactionQueue",
    version: 3,
    doc: "What a pool asks.",
    methods: &[Method {
        name: "validate_transaction",
        doc: "Whether a transaction could be included.",
        inputs: || {
            vec![
                ("source", meta_type::<TransactionSource>()),
                ("tx", meta_type::<UncheckedTransaction>()),
                ("block_hash", meta_type::<Hash>()),
            ]
        },
        output: meta_type::<Result<ValidTransaction, TransactionValidityError>>,
        run: validate_transaction,
    }],
};

pub(super) static NONCES: Api = Api {
    name: "AccountNonceApi",
    version: 1,
    doc: "Nonces of accounts.",
    methods: &[Method {
        name: "account_nonce",
        doc: "The nonce of an account's next transaction, the pool not regarded.",
        inputs: || vec![("account", meta_type::<AccountId>())],
        output: meta_type::<Nonce>,
        run: |view, args| {
            let who = AccountId::decode_all(&mut &*args)?;
            Ok(system::account(view.state, &who).nonce.encode())
        },
    }],
};

/// Where a transaction came from; all are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum TransactionSource {
    /// From a block.
    InBlock,
    /// From this node.
    Local,
    /// From the network or a user.
    External,
}

/// What a pool needs to know to order transactions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidTransaction {
    /// Those with more go first.
    pub priority: u64,
    /// Tags that others must provide before.
    pub requires: Vec<Vec<u8>>,
    /// Tags that it provides.
    pub provides: Vec<Vec<u8>>,
    /// For how many blocks this holds.
    pub longevity: u64,
    /// Whether others should be told.
    pub propagate: bool,
}

fn validate_transaction(view: &View, args: &[u8]) -> Result<Vec<u8>, codec::Error> {
    let (_source, bytes, _block) =
        <(TransactionSource, OpaqueTransaction, Hash)>::decode_all(&mut &*args)?;
    let verdict = valid_transaction(view, &bytes).map_err(|invalid| match invalid {
        InvalidTransaction::Call => {
            TransactionValidityError::Unknown(UnknownTransaction::NoUnsignedValidator)
        }
        other => TransactionValidityError::Invalid(other),
    });
    Ok(verdict.encode())
}

fn valid_transaction(
    view: &View,
    bytes: &OpaqueTransaction,
) -> Result<ValidTransaction, InvalidTransaction> {
    let tx = decode_transaction(bytes, bytes.hash())?;
    let payload = tx.signing_payload(view.state, view.at)?;
    if !keys::verify(&tx.signer, &payload, &tx.signature) {
        return Err(InvalidTransaction::BadProof);
    }
    let validity = crate::validate(view.state, view.at.height, &tx)?;
    let tag = |nonce: Nonce| (tx.signer, nonce).encode();
    let waits = validity.nonce > validity.account_nonce;
    Ok(ValidTransaction {
        priority: validity.priority,
        requires: waits.then(|| tag(validity.nonce - 1)).into_iter().collect(),
        provides: vec![tag(validity.nonce)],
        longevity: validity.longevity,
        propagate: true,
    })
}
