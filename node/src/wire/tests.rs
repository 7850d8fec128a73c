use super::*;
use consensus::Proposal;
use primitives::{Digest, ValidatorInfo, crypto::pair::Ed25519Pair};
use proptest::prelude::*;

/// What one side makes, the network between both must carry.
#[test]
fn the_largest_questions_and_answers_fit_what_the_network_carries() {
    use chain::{snapshot_sync, sync::wire as blocks};
    use network::Protocol::{Blobs, Blocks, State};
    let questions = [
        (State, snapshot_sync::REQUEST_BYTES_MAX),
        (Blocks, blocks::REQUEST_BYTES_MAX),
        (Blobs, blobs::CID_BYTES),
    ];
    for (protocol, most) in questions {
        assert!(most <= protocol.request_bytes_max(), "{protocol:?}: {most}");
    }
    let answers = [
        (State, snapshot_sync::ANSWER_BYTES_MAX),
        (Blocks, blocks::RESPONSE_BYTES_MAX),
        (Blobs, blobs::CHUNK_BYTES),
    ];
    for (protocol, most) in answers {
        assert!(most <= protocol.answer_bytes_max(), "{protocol:?}: {most}");
    }
}

fn block() -> Block {
    let inherents = runtime::Inherents { time_ms: 5, ..Default::default() };
    let mut body = inherents.to_transactions();
    body.extend((0..3u8).map(|number| OpaqueTransaction(vec![0x84, number, 1, 2])));
    let header = Header {
        parent_hash: Hash([1; 32]),
        number: 1,
        state_root: Hash([2; 32]),
        extrinsics_root: runtime::extrinsics_root(&body),
        digest: Digest::default(),
    };
    Block { header, body }
}

fn proposal(block: &Block) -> SignedProposal {
    let proposal = Proposal {
        height: block.header.number,
        round: 0,
        block: block.hash(),
        pol_round: None,
        proposer: AccountId([7; 32]),
    };
    SignedProposal { proposal, signature: [9; 64] }
}

#[test]
fn a_proposed_block_leaves_out_what_others_have() {
    let block = block();
    let proposed = Proposed::new(3, proposal(&block), &block);
    assert_eq!((proposed.inherents.len(), proposed.transactions.len()), (1, 3));
    assert_eq!(proposed.transactions[2], block.body[3].hash());
    assert!(proposed.is_of(&block));
    assert_eq!(Proposed::from_bytes(&proposed.encode()), Ok(proposed.clone()));

    let mut another = proposed.clone();
    another.header.state_root = Hash::ZERO;
    assert_eq!(Proposed::from_bytes(&another.encode()), Err(Malformed));
    let mut changed = proposed;
    changed.transactions.swap(0, 1);
    assert!(!changed.is_of(&block));
}

#[test]
fn no_two_messages_have_one_number() {
    let numbers = Numbers::new(1_000);
    let first = numbers.next();
    assert_ne!(first, numbers.next());
    // A start a millisecond later goes on far above.
    assert!(Numbers::new(1_001).next() > first + 1_000_000);
}

#[test]
fn a_validator_proves_which_node_it_runs() {
    let pair = Ed25519Pair::from_seed(&[4; 32]);
    let account = AccountId([1; 32]);
    let info = ValidatorInfo { account, vote_key: pair.public(), vrf_key: [0; 32], power: 1 };
    let set = ValidatorSet { validators: vec![info], seed: Hash::ZERO };
    let genesis = Hash([9; 32]);
    let signature = pair.sign(&PeerProof::signed_bytes(&genesis, b"a node"));
    let proof = PeerProof { account, signature };
    assert!(proof.is_good(&genesis, b"a node", &set));
    assert!(!proof.is_good(&genesis, b"another", &set));
    assert!(!proof.is_good(&Hash::ZERO, b"a node", &set));
    let stranger = PeerProof { account: AccountId([2; 32]), ..proof };
    assert!(!stranger.is_good(&genesis, b"a node", &set));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        // What is taken is encoded again in no more bytes: nothing unread is carried along.
        let sizes = [
            Proposed::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
            BodyRequest::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
            Status::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
            Announcement::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
            Said::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
            Waiting::from_bytes(&bytes).ok().map(|taken| taken.encoded_size()),
        ];
        for size in sizes.into_iter().flatten() {
            prop_assert!(size <= bytes.len());
        }
    }
}
