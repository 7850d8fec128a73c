use super::{network::account, wal};
use crate::{
    BODY_BYTES_MAX, Body, Config, ConfigError, Message, MessageError, Proposal, ROUND_MAX,
    RoundCertificate, RoundReason, SignedProposal, SignedVote, Step, VALIDATORS_MAX, Vote,
    VoteKind, proposal_bytes, vote_bytes,
};
use codec::Encode;
use primitives::{Certificate, Hash};
use proptest::prelude::*;
use std::sync::Arc;

fn refused(message: Message) -> MessageError {
    Message::from_bytes(&message.encode()).expect_err("out of bounds")
}

#[test]
fn messages_survive_their_encoding() {
    for message in wal::messages() {
        assert_eq!(Message::from_bytes(&message.encode()), Ok(message));
    }
}

#[test]
fn whatever_is_out_of_bounds_is_refused() {
    let [vote, proposal, polka, round, body, decided] = wal::messages();
    let Message::Vote(mut vote) = vote else { panic!("a vote") };
    vote.vote.round = ROUND_MAX + 1;
    assert_eq!(refused(Message::Vote(vote)), MessageError::RoundTooHigh(ROUND_MAX + 1));

    let Message::Proposal(SignedProposal { proposal, signature }) = proposal else { panic!() };
    let round_two = |pol_round| {
        let proposal = Proposal { round: 2, pol_round, ..proposal.clone() };
        Message::Proposal(SignedProposal { proposal, signature })
    };
    assert!(Message::from_bytes(&round_two(Some(1)).encode()).is_ok());
    let error = MessageError::PolkaNotEarlier { round: 2, pol_round: 2 };
    assert_eq!(refused(round_two(Some(2))), error);

    let Message::Polka(mut polka) = polka else { panic!("a polka") };
    polka.signatures = vec![(account(0), [0; 64]); VALIDATORS_MAX + 1];
    assert_eq!(refused(Message::Polka(polka)), MessageError::TooManySignatures(VALIDATORS_MAX + 1));

    let Message::Round(RoundCertificate { votes, .. }) = round else { panic!("votes of a round") };
    let votes = vec![votes[0].clone(); VALIDATORS_MAX + 1];
    let round = RoundCertificate { height: 1, round: 1, reason: RoundReason::Skip, votes };
    assert_eq!(refused(Message::Round(round)), MessageError::TooManySignatures(VALIDATORS_MAX + 1));

    let long = Arc::new(vec![0; BODY_BYTES_MAX + 1]);
    let Message::Body(body) = body else { panic!("a block") };
    let error = MessageError::BodyTooLong(BODY_BYTES_MAX + 1);
    assert_eq!(refused(Message::Body(Body { bytes: long.clone(), ..body })), error);
    let Message::Decided(mut decided) = decided else { panic!("a final block") };
    decided.body = long;
    assert_eq!(refused(Message::Decided(decided)), error);
}

#[test]
fn bytes_left_over_are_refused() {
    for message in wal::messages() {
        let mut bytes = message.encode();
        bytes.push(0);
        assert!(matches!(Message::from_bytes(&bytes), Err(MessageError::Malformed(_))));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(Message::from_bytes(&message.encode()), Ok(message));
        }
    }

    /// The runtime checks certificates without this crate: both must mean the same bytes.
    #[test]
    fn a_certificate_covers_the_bytes_of_its_precommits(
        (genesis, height, round, block) in any::<([u8; 32], u32, u32, [u8; 32])>(),
    ) {
        let (genesis, block) = (Hash(genesis), Hash(block));
        let certificate = Certificate { height, round, block, signatures: Vec::new() };
        let signed = |kind, block| {
            let vote = Vote { kind, height, round, block, validator: account(0) };
            SignedVote { vote, signature: [0; 64] }.signed_bytes(&genesis)
        };
        let covered = certificate.signed_bytes(&genesis);
        prop_assert_eq!(&covered, &signed(VoteKind::Precommit, Some(block)));
        prop_assert_ne!(&covered, &signed(VoteKind::Prevote, Some(block)));
        prop_assert_ne!(&covered, &signed(VoteKind::Precommit, None));
    }
}

/// What validators sign never changes: signatures of old blocks must stay valid.
#[test]
fn signed_bytes_are_fixed() {
    let genesis = Hash([0xaa; 32]);
    let block = Hash([0xbb; 32]);
    let domain = hex::encode(b"artel/consensus1");
    let (genesis_hex, block_hex) = ("aa".repeat(32), "bb".repeat(32));
    let vote = vote_bytes(&genesis, Step::Precommit, 7, 2, Some(block));
    let expected = format!("{domain}{genesis_hex}020700000002000000{}{block_hex}", "01");
    assert_eq!(hex::encode(vote), expected);
    let nil = vote_bytes(&genesis, Step::Prevote, 7, 2, None);
    assert_eq!(hex::encode(nil), format!("{domain}{genesis_hex}01070000000200000000"));
    let proposal = proposal_bytes(&genesis, 7, 2, block, Some(1));
    let expected = format!("{domain}{genesis_hex}000700000002000000{}{block_hex}0101000000", "01");
    assert_eq!(hex::encode(proposal), expected);
}

#[test]
fn settings_are_checked() {
    assert_eq!(Config::default().validate(), Ok(()));
    type Change = fn(&mut Config);
    let changes: [(Change, &str); 4] = [
        (|config| config.pacing.interval_ms = 0, "pacing.interval_ms"),
        (|config| config.pacing.heartbeat_ms = 249, "pacing.heartbeat_ms"),
        (|config| config.timeouts.propose_ms = 9, "timeouts.propose_ms"),
        (|config| config.timeouts.longest_ms = 1_000_000_000, "timeouts.longest_ms"),
    ];
    for (change, expected) in changes {
        let mut config = Config::default();
        change(&mut config);
        let Err(ConfigError::OutOfRange { name, .. }) = config.validate() else {
            panic!("{expected} must be refused");
        };
        assert_eq!(name, expected);
    }
}
