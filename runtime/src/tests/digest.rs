//! The digest of metadata that a signature may cover.

use super::{
    chain::{Chain, pay},
    metadata::v15,
};
use crate::{
    CUSTOM_BAD_ENCODING, InvalidTransaction, SPEC_NAME, SPEC_VERSION, TOKEN, metadata_digest,
};
use codec::Encode;
use frame_metadata::RuntimeMetadata;
use merkleized_metadata::{
    ExtraInfo, generate_metadata_digest, generate_proof_for_extrinsic, verify_proof,
};
use primitives::{
    Balance, CheckMetadataHash, Era, Hash, MetadataMode, Nonce, OpaqueTransaction, TransactionExtra,
};

/// As a wallet computes it, from what the node serves.
fn computed(symbol: &str) -> Hash {
    let info = ExtraInfo {
        spec_version: SPEC_VERSION,
        spec_name: SPEC_NAME.to_owned(),
        base58_prefix: 42,
        decimals: 12,
        token_symbol: symbol.to_owned(),
    };
    let digest = generate_metadata_digest(&RuntimeMetadata::V15(v15()), info);
    Hash(digest.expect("the metadata is whole").hash())
}

#[test]
fn the_digest_is_what_wallets_compute_from_the_metadata() {
    assert_eq!(metadata_digest(), computed(TOKEN.symbol));
    assert_ne!(metadata_digest(), computed("LTRA"));
}

fn extra(nonce: Nonce, mode: MetadataMode) -> TransactionExtra {
    let metadata = CheckMetadataHash { mode };
    TransactionExtra { metadata, ..TransactionExtra::new(Era::Immortal, nonce, Balance::ZERO) }
}

#[test]
fn a_signature_may_cover_the_digest_but_no_other() {
    let mut chain = Chain::dev();
    let signed = |chain: &Chain, mode, digest| {
        chain.sign_over("Alice", pay("Bob", 5), extra(chain.nonce("Alice"), mode), digest)
    };
    let (on, off) = (MetadataMode::Enabled, MetadataMode::Disabled);
    let digest = Some(metadata_digest());
    for (mode, digest) in [(on, Some(Hash::ZERO)), (on, None), (off, digest)] {
        let refused = chain.verify(&signed(&chain, mode, digest));
        assert_eq!(refused.err(), Some(InvalidTransaction::BadProof), "{mode:?} {digest:?}");
    }
    chain.include(signed(&chain, on, digest));
    chain.include(signed(&chain, off, None));
    assert_eq!(chain.nonce("Alice"), 2);
    let call = pay("Bob", 5).encode().len();
    let mut odd = signed(&chain, off, None);
    let mode = odd.0.len() - call - 1;
    odd.0[mode] = 2;
    let refused = InvalidTransaction::Custom(CUSTOM_BAD_ENCODING);
    assert_eq!(chain.verify(&odd).err(), Some(refused), "there is no third mode");
}

/// A device gets the types of one transaction with a proof, and checks that they lead to the digest.
#[test]
fn a_device_can_decode_a_transaction_with_a_part_of_the_metadata() {
    let chain = Chain::dev();
    let metadata = RuntimeMetadata::V15(v15());
    for (mode, digest) in
        [(MetadataMode::Enabled, Some(metadata_digest())), (MetadataMode::Disabled, None)]
    {
        let tx: OpaqueTransaction = chain.sign_over("Alice", pay("Bob", 5), extra(0, mode), digest);
        let context = crate::version().signing_context(chain.genesis, chain.genesis);
        let added = (
            context.spec_version,
            context.transaction_version,
            context.genesis,
            context.birth,
            digest,
        );
        let (bytes, added) = (tx.encode(), added.encode());
        let proof = generate_proof_for_extrinsic(&bytes, Some(&added), &metadata);
        let proof = proof.expect("the metadata names all that the transaction is made of");
        verify_proof(&bytes, Some(&added), &metadata, &proof).expect("the proof is enough");
        assert!(proof.leaves.len() < 60, "{} types are no small part", proof.leaves.len());
    }
}
