//! Batches: the verdicts of single checks, in any mixture and at any size.

use super::pair;
use crate::{
    AccountId, MultiSignature,
    crypto::{
        batch::{BATCH_ITEMS_MAX, Item, find_invalid},
        keys,
        pair::{Pair, Scheme},
    },
};
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use std::sync::LazyLock;

struct Signed {
    account: AccountId,
    message: Vec<u8>,
    signature: MultiSignature,
}

impl Signed {
    fn by(pair: &Pair, message: Vec<u8>) -> Self {
        Self { account: pair.account(), signature: pair.sign(&message), message }
    }

    fn item(&self) -> Item<'_> {
        Item { account: self.account, message: &self.message, signature: &self.signature }
    }
}

/// More than one full batch of good signatures, all kinds mixed, some keys often.
static GOOD: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let pairs: Vec<_> = [Scheme::Sr25519, Scheme::Ed25519, Scheme::Sr25519, Scheme::Ecdsa]
        .iter()
        .flat_map(|scheme| ["//Alice", "//Bob", "//Eve"].map(|uri| pair(*scheme, uri)))
        .collect();
    (0..2 * BATCH_ITEMS_MAX + 100)
        .map(|number| {
            Signed::by(&pairs[number * 7 % pairs.len()], format!("{number}").into_bytes())
        })
        .collect()
});

fn indices_of_invalid(items: &[Item<'_>]) -> Vec<usize> {
    let invalid = |item: &Item<'_>| !keys::verify(&item.account, item.message, item.signature);
    (0..items.len()).filter(|&index| invalid(&items[index])).collect()
}

#[test]
fn good_batches_of_all_sizes_are_good() {
    for size in [0, 1, 7, 8, 31, 32, 33, 100, BATCH_ITEMS_MAX, GOOD.len()] {
        let items: Vec<_> = GOOD[..size].iter().map(Signed::item).collect();
        assert_eq!(find_invalid(&items, &[1; 32]), Vec::<usize>::new());
    }
}

#[test]
fn exactly_the_bad_ones_are_named() {
    let last = GOOD.len() - 1;
    for bad in [vec![0], vec![last], vec![1023, 1024], (300..420).collect(), (0..=last).collect()] {
        let mut items: Vec<_> = GOOD.iter().map(Signed::item).collect();
        for &index in &bad {
            items[index].message = b"something else";
        }
        assert_eq!(find_invalid(&items, &[2; 32]), bad);
    }
}

/// With equal coefficients the two errors would cancel.
#[test]
fn errors_that_cancel_out_are_found() {
    for scheme in [Scheme::Sr25519, Scheme::Ed25519] {
        let alice = pair(scheme, "//Alice");
        let mut signed: Vec<_> = (0..40).map(|number| Signed::by(&alice, vec![number])).collect();
        let error = Scalar::from(5_u64);
        for (index, error) in [(3, error), (4, -error)] {
            let (MultiSignature::Sr25519(signature) | MultiSignature::Ed25519(signature)) =
                &mut signed[index].signature
            else {
                unreachable!()
            };
            let mut scalar = [0; 32];
            scalar.copy_from_slice(&signature[32..]);
            let mark = match scheme {
                Scheme::Sr25519 => 128,
                _ => 0,
            };
            scalar[31] &= !mark;
            let moved = Option::<Scalar>::from(Scalar::from_canonical_bytes(scalar))
                .expect("an honest signature's s is canonical")
                + error;
            signature[32..].copy_from_slice(moved.as_bytes());
            signature[63] |= mark;
        }
        let items: Vec<_> = signed.iter().map(Signed::item).collect();
        assert_eq!(indices_of_invalid(&items), [3, 4]);
        for seed in 0..16 {
            assert_eq!(find_invalid(&items, &[seed; 32]), [3, 4]);
        }
    }
}

/// One way in which an item differs from a good one.
#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    SignatureBit(usize),
    AccountBit(usize),
    Message,
    Kind,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        1 => (0..512_usize).prop_map(Damage::SignatureBit),
        1 => (0..256_usize).prop_map(Damage::AccountBit),
        1 => Just(Damage::Message),
        1 => Just(Damage::Kind),
    ]
}

fn damaged(good: &Signed, damage: Damage) -> Signed {
    let mut signed = Signed {
        account: good.account,
        message: good.message.clone(),
        signature: good.signature.clone(),
    };
    match damage {
        Damage::None => {}
        Damage::SignatureBit(bit) => {
            let bytes = match &mut signed.signature {
                MultiSignature::Sr25519(bytes) | MultiSignature::Ed25519(bytes) => &mut bytes[..],
                MultiSignature::Ecdsa(bytes) => &mut bytes[..],
            };
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Damage::AccountBit(bit) => signed.account.0[bit / 8] ^= 1 << (bit % 8),
        Damage::Message => signed.message.push(0),
        Damage::Kind => {
            signed.signature = match signed.signature {
                MultiSignature::Sr25519(bytes) => MultiSignature::Ed25519(bytes),
                MultiSignature::Ed25519(bytes) => MultiSignature::Sr25519(bytes),
                MultiSignature::Ecdsa(_) => MultiSignature::Ecdsa([0; 65]),
            }
        }
    }
    signed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_batch_agrees_with_single_checks(
        damages in prop::collection::vec(damage(), 0..200),
        offset in 0..GOOD.len(),
        seed: [u8; 32],
    ) {
        let signed: Vec<_> = damages
            .iter()
            .enumerate()
            .map(|(index, damage)| damaged(&GOOD[(offset + index) % GOOD.len()], *damage))
            .collect();
        let items: Vec<_> = signed.iter().map(Signed::item).collect();
        prop_assert_eq!(find_invalid(&items, &seed), indices_of_invalid(&items));
    }
}
