//! What is valid at the edges: points of small order, encodings that are not canonical, scalars out
//! of range. Each case is checked alone, against what the rule says, and amid honest signatures in
//! a batch.

use super::{bytes, pair};
use crate::{
    AccountId, MultiSignature,
    crypto::{
        batch::{Item, find_invalid},
        keys,
        pair::Scheme,
    },
};
use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION, RISTRETTO_BASEPOINT_POINT},
    edwards::CompressedEdwardsY,
    scalar::Scalar,
    traits::IsIdentity,
};

const MESSAGE: &[u8] = b"an edge";

/// The order of the group, l = 2^252 + 27742317777372353535851937790883648493, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// The points of small order in encodings that are not canonical.
const SMALL_NON_CANONICAL: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn small_order_encodings() -> Vec<[u8; 32]> {
    let canonical = EIGHT_TORSION.iter().map(|point| point.compress().0);
    canonical.chain(SMALL_NON_CANONICAL.map(bytes)).collect()
}

fn join(point: [u8; 32], scalar: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&point);
    signature[32..].copy_from_slice(&scalar);
    signature
}

/// The sum of two little-endian numbers that fits into 32 bytes.
fn add(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    let sum = std::array::from_fn(|at| {
        let sum = u16::from(left[at]) + u16::from(right[at]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    });
    assert_eq!(carry, 0);
    sum
}

/// Check that a batch gives the verdicts that single checks give, whatever stands around each case.
fn assert_batch_agrees(cases: &[(AccountId, MultiSignature)]) {
    let honest: Vec<_> = [Scheme::Sr25519, Scheme::Ed25519]
        .map(|scheme| pair(scheme, "//Alice"))
        .iter()
        .map(|pair| (pair.account(), pair.sign(MESSAGE)))
        .collect();
    let item =
        |(account, signature): &'_ (AccountId, MultiSignature)| (*account, signature.clone());
    // Each case alone among enough honest ones that a combination is made, so that none hides
    // behind another.
    for case in cases {
        let valid = keys::verify(&case.0, MESSAGE, &case.1);
        let mut all: Vec<_> = std::iter::repeat_n(&honest, 8).flatten().map(item).collect();
        all.insert(5, item(case));
        let items: Vec<_> = all
            .iter()
            .map(|(account, signature)| Item { account: *account, message: MESSAGE, signature })
            .collect();
        let expected = if valid { vec![] } else { vec![5] };
        assert_eq!(find_invalid(&items, &[7; 32]), expected, "{case:?}");
    }
    // All cases together.
    let items: Vec<_> = cases
        .iter()
        .map(|(account, signature)| Item { account: *account, message: MESSAGE, signature })
        .collect();
    let expected: Vec<_> = (0..cases.len())
        .filter(|&index| !keys::verify(&cases[index].0, MESSAGE, &cases[index].1))
        .collect();
    assert_eq!(find_invalid(&items, &[8; 32]), expected);
}

#[test]
fn ed25519_is_zip_215() {
    let scalar = Scalar::from(0x1234_5678_u64);
    let base = ED25519_BASEPOINT_POINT * scalar;
    let off_curve = [2; 32];
    assert!(CompressedEdwardsY(off_curve).decompress().is_none());
    let mut points = small_order_encodings();
    points.extend(EIGHT_TORSION.map(|torsion| (base + torsion).compress().0));
    points.push(off_curve);
    let scalars = [[0; 32], scalar.to_bytes(), add(scalar.to_bytes(), bytes(ORDER)), bytes(ORDER)];

    let mut cases = Vec::new();
    let mut valid = 0;
    // With a key of small order the equation is [8][s]B = [8]R whatever the message: valid
    // signatures that a rule without the cofactor would mostly refuse.
    for key in small_order_encodings() {
        for point in &points {
            for scalar in scalars {
                let canonical = Option::<Scalar>::from(Scalar::from_canonical_bytes(scalar));
                let holds = canonical.zip(CompressedEdwardsY(*point).decompress()).is_some_and(
                    |(scalar, point)| {
                        let rest = point - ED25519_BASEPOINT_POINT * scalar;
                        rest.mul_by_cofactor().is_identity()
                    },
                );
                let signature = join(*point, scalar);
                assert_eq!(keys::verify_ed25519(&key, MESSAGE, &signature), holds);
                valid += usize::from(holds);
                cases.push((AccountId(key), MultiSignature::Ed25519(signature)));
            }
        }
    }
    // 14 keys; s = 0 fits the 14 points of small order, s the 8 that are base plus torsion.
    assert_eq!(valid, 14 * (14 + 8));

    let alice = pair(Scheme::Ed25519, "//Alice");
    let MultiSignature::Ed25519(honest) = alice.sign(MESSAGE) else { unreachable!() };
    let (point, scalar) = (bytes(&hex::encode(&honest[..32])), bytes(&hex::encode(&honest[32..])));
    for signature in [
        join(point, add(scalar, bytes(ORDER))),
        join(off_curve, scalar),
        join(point, [0; 32]),
        join([0; 32], scalar),
        [0; 64],
        [255; 64],
    ] {
        assert!(!keys::verify_ed25519(&alice.account().0, MESSAGE, &signature));
        cases.push((alice.account(), MultiSignature::Ed25519(signature)));
    }
    cases.push((AccountId(off_curve), MultiSignature::Ed25519(honest)));
    assert_batch_agrees(&cases);
}

#[test]
fn sr25519_has_one_encoding_for_each_signature() {
    let scalar = Scalar::from(0x1234_5678_u64);
    let mark = |mut scalar: [u8; 32]| {
        scalar[31] |= 128;
        scalar
    };
    let base = (RISTRETTO_BASEPOINT_POINT * scalar).compress().0;
    // Zero as the field's prime, a negative number, and no point at all.
    let bad_points = [
        bytes(SMALL_NON_CANONICAL[2]),
        {
            let mut one = [0; 32];
            one[0] = 1;
            one
        },
        [255; 32],
    ];
    let mut points = vec![[0; 32], base];
    points.extend(bad_points);
    let scalars = [
        mark([0; 32]),
        mark(scalar.to_bytes()),
        scalar.to_bytes(),
        mark(add(scalar.to_bytes(), bytes(ORDER))),
        mark(bytes(ORDER)),
        [255; 32],
    ];

    let mut cases = Vec::new();
    let mut valid = Vec::new();
    for key in [[0; 32]].into_iter().chain(bad_points) {
        for point in &points {
            for scalar in scalars {
                let signature = MultiSignature::Sr25519(join(*point, scalar));
                if keys::verify(&AccountId(key), MESSAGE, &signature) {
                    valid.push(signature.clone());
                }
                cases.push((AccountId(key), signature));
            }
        }
    }
    // The identity is everybody's key; nothing else here is a key at all.
    let anyones = [join([0; 32], scalars[0]), join(base, scalars[1])].map(MultiSignature::Sr25519);
    assert_eq!(valid, anyones);

    let alice = pair(Scheme::Sr25519, "//Alice");
    let MultiSignature::Sr25519(honest) = alice.sign(MESSAGE) else { unreachable!() };
    let point: [u8; 32] = bytes(&hex::encode(&honest[..32]));
    let mut unmarked: [u8; 32] = bytes(&hex::encode(&honest[32..]));
    unmarked[31] &= 127;
    for signature in [
        join(point, unmarked),
        join(point, mark(add(unmarked, bytes(ORDER)))),
        join(bad_points[0], mark(unmarked)),
        join([0; 32], mark(unmarked)),
        join(point, mark([0; 32])),
        [0; 64],
        [255; 64],
    ] {
        let signature = MultiSignature::Sr25519(signature);
        assert!(!keys::verify(&alice.account(), MESSAGE, &signature));
        cases.push((alice.account(), signature));
    }
    for key in bad_points {
        cases.push((AccountId(key), MultiSignature::Sr25519(honest)));
    }
    assert_batch_agrees(&cases);
}

#[test]
fn ecdsa_takes_four_values_of_v_and_both_halves_of_s() {
    let alice = pair(Scheme::Ecdsa, "//Alice");
    let MultiSignature::Ecdsa(honest) = alice.sign(MESSAGE) else { unreachable!() };
    let with_v = |v: u8| {
        let mut signature = honest;
        signature[64] = v;
        signature
    };
    let mut cases = Vec::new();
    for v in 0..=u8::MAX {
        let signature = MultiSignature::Ecdsa(with_v(v));
        let valid = v == honest[64] || v == honest[64] + 27;
        assert_eq!(keys::verify(&alice.account(), MESSAGE, &signature), valid, "v is {v}");
        cases.push((alice.account(), signature));
    }

    // n - s with the other v is the same signature.
    let mut high = honest;
    let scalar = secp256k1::SecretKey::from_secret_bytes(bytes(&hex::encode(&honest[32..64])))
        .expect("s is a scalar other than zero");
    high[32..64].copy_from_slice(&scalar.negate().to_secret_bytes());
    high[64] ^= 1;
    assert!(keys::verify(&alice.account(), MESSAGE, &MultiSignature::Ecdsa(high)));

    let mut zero_r = honest;
    zero_r[..32].fill(0);
    let mut zero_s = honest;
    zero_s[32..64].fill(0);
    let mut r_above_order = honest;
    r_above_order[..32].fill(255);
    for signature in [zero_r, zero_s, r_above_order, [0; 65], [255; 65]] {
        assert_eq!(keys::recover_ecdsa(MESSAGE, &signature), None);
        cases.push((alice.account(), MultiSignature::Ecdsa(signature)));
    }
    assert_batch_agrees(&cases);
}
