use crate::*;
use codec::{Decode, Encode};
use proptest::prelude::*;

proptest! {
    /// The portion is what division of the whole product gives, also where that leaves 128 bits.
    #[test]
    fn a_portion_is_exact(amount: u128, part: u64, whole in 1u64..) {
        let (part, whole) = (u128::from(part), u128::from(whole));
        let (amount, part) = (amount >> 1, part % (whole + 1));
        let (times, rest) = (amount / whole, amount % whole);
        let expected = times * part + rest * part / whole;
        prop_assert_eq!(Balance::new(amount).portion_floor(part, whole).get(), expected);
    }

    /// Of an amount that is the whole, the portion is the part, however large both are.
    #[test]
    fn a_portion_of_the_whole_is_the_part(part: u128, whole: u128) {
        let (part, whole) = (part.min(whole), part.max(whole));
        prop_assert_eq!(Balance::new(whole).portion_floor(part, whole).get(), part);
        prop_assert_eq!(Balance::new(part).portion_floor(whole, whole).get(), if whole == 0 { 0 } else { part });
    }
}

proptest! {
    /// The published rule: two bytes, the phase told in steps of `period >> 12`.
    #[test]
    fn eras_round_trip_and_hold_the_block_they_were_made_at(period in 2u32..100_000, current: u32) {
        let era = Era::mortal(period, current);
        prop_assert_eq!(Era::decode(&mut &era.encode()[..]), Ok(era));
        prop_assert_eq!(era.encode().len(), 2);
        let (birth, death) = (era.birth(current), era.death(current));
        prop_assert!(birth <= current && (current < death || death == u32::MAX));
    }

    #[test]
    fn shares_round_the_right_way(units: u128, parts in 0u32..=PARTS_PER_MILLION) {
        let whole = Balance::new(units);
        let (floor, ceil) = (whole.share_floor(parts), whole.share_ceil(parts));
        prop_assert!(floor <= ceil && ceil.get() - floor.get() <= 1);
        prop_assert_eq!(floor.checked_add(whole.share_ceil(PARTS_PER_MILLION - parts)), Some(whole));
        if let Some(exact) = units.checked_mul(u128::from(parts)) {
            prop_assert_eq!(floor.get(), exact / u128::from(PARTS_PER_MILLION));
        }
    }

    #[test]
    fn random_bytes_decode_to_an_error_or_to_what_encodes_the_same(bytes: Vec<u8>) {
        if let Ok(block) = Block::decode(&mut &bytes[..]) {
            prop_assert!(bytes.starts_with(&block.encode()));
        }
        if let Ok(tx) = Transaction::<Vec<u8>>::decode(&mut &bytes[..]) {
            prop_assert!(bytes.starts_with(&tx.encode()));
        }
    }
}

/// From Substrate's own tests of `Era`.
#[test]
fn eras_have_substrates_bytes() {
    assert_eq!(Era::Immortal.encode(), [0]);
    assert_eq!(
        Era::Mortal { period: 64, phase: 42 }.encode(),
        (5 + 42 % 16 * 16 + 42 / 16 * 256u16).to_le_bytes()
    );
    let era = Era::Mortal { period: 32768, phase: 20000 };
    assert_eq!(era.encode(), (14 + 2500 % 16 * 16 + 2500 / 16 * 256u16).to_le_bytes());
    assert_eq!(Era::mortal(32768, 20000), era);
    assert_eq!(Era::Mortal { period: 4, phase: 2 }.birth(6), 6);
    assert_eq!(Era::Mortal { period: 4, phase: 2 }.birth(5), 2);
    assert_eq!(Era::Mortal { period: 4, phase: 2 }.death(5), 6);
}

#[test]
fn a_signed_transaction_has_the_bytes_of_extrinsic_version_4() {
    let tx = Transaction::Signed {
        address: AccountId([1; 32]).into(),
        signature: MultiSignature::Sr25519([2; 64]),
        extra: TransactionExtra::new(Era::Immortal, 1, Balance::ZERO),
        call: [5u8, 3],
    };
    let bytes = [&[0x84, 0][..], &[1; 32], &[1], &[2; 64], &[0, 4, 0, 0], &[5, 3]].concat();
    assert_eq!(tx.encode(), bytes);
    assert_eq!(Transaction::decode(&mut &bytes[..]), Ok(tx));
    assert_eq!(Transaction::Bare([3u8, 0]).encode(), [4, 3, 0]);
}

#[test]
fn a_long_payload_is_hashed_before_it_is_signed() {
    let extra = TransactionExtra::new(Era::Immortal, 0, Balance::ZERO);
    let (genesis, birth) = (Hash([7; 32]), Hash([8; 32]));
    let context = SigningContext {
        spec_version: 1,
        transaction_version: 2,
        genesis,
        birth,
        metadata_digest: None,
    };
    let around = 4 + 4 + 4 + 32 + 32 + 1;
    let plain = signing_payload(&vec![9; 256 - around], &extra, &context);
    assert_eq!(plain.len(), 256);
    assert!(plain.ends_with(&[&[7; 32][..], &[8; 32], &[0]].concat()));
    let with_digest = SigningContext { metadata_digest: Some(Hash([9; 32])), ..context };
    let covering = signing_payload(&[], &extra, &with_digest);
    assert!(covering.ends_with(&[&[8; 32][..], &[1], &[9; 32]].concat()));
    let hashed = signing_payload(&vec![9; 257 - around], &extra, &context);
    assert_eq!(hashed.len(), 32);
}
