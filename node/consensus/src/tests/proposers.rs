use super::network::{account, validator_set};
use crate::{POWER_TOTAL_MAX, VALIDATORS_MAX, Validators, ValidatorsError};
use primitives::{AccountId, Hash};
use std::collections::BTreeMap;

fn set(powers: &[u64]) -> Validators {
    Validators::new(validator_set(powers, 1)).expect("a sound set")
}

#[test]
fn who_has_more_power_proposes_more_often() {
    let validators = set(&[1, 2, 3, 94]);
    let mut counts: BTreeMap<AccountId, u32> = BTreeMap::new();
    for height in 0..20_000 {
        *counts.entry(validators.proposer(height, Some(0))).or_default() += 1;
    }
    for (node, percent) in [(0, 1_u32), (1, 2), (2, 3), (3, 94)] {
        let expected = 200 * percent;
        let count = counts[&account(node)];
        let spread = 4 * f64::from(expected).sqrt() as u32;
        assert!(count.abs_diff(expected) < spread, "{count} instead of {expected}");
    }
}

#[test]
fn seed_height_and_round_all_matter() {
    let validators = set(&[1; 64]);
    let mut reseeded = validator_set(&[1; 64], 1);
    reseeded.seed = Hash([77; 32]);
    let reseeded = Validators::new(reseeded).expect("a sound set");
    let by_height: Vec<_> = (0..32).map(|h| validators.proposer(h, Some(0))).collect();
    let by_round: Vec<_> = (0..32).map(|r| validators.proposer(0, Some(r))).collect();
    let by_seed: Vec<_> = (0..32).map(|h| reseeded.proposer(h, Some(0))).collect();
    assert!(by_height != by_round && by_height != by_seed);
    assert_eq!(by_height, (0..32).map(|h| validators.proposer(h, Some(0))).collect::<Vec<_>>());
}

#[test]
fn every_round_has_a_proposer() {
    let validators = set(&[1, POWER_TOTAL_MAX - 1]);
    for round in [None, Some(0), Some(u32::MAX)] {
        for height in [0, u32::MAX] {
            assert!(validators.get(&validators.proposer(height, round)).is_some());
        }
    }
}

#[test]
fn thresholds_are_strict() {
    let validators = set(&[1, 1, 1]);
    assert!(!validators.is_quorum(2) && validators.is_quorum(3));
    assert!(!validators.has_honest(1) && validators.has_honest(2));
    let validators = set(&[1, 1, 1, 1]);
    assert!(!validators.is_quorum(2) && validators.is_quorum(3));
}

#[test]
fn unsound_sets_are_refused() {
    let check = |change: fn(&mut primitives::ValidatorSet)| {
        let mut set = validator_set(&[1, 2, 3], 1);
        change(&mut set);
        Validators::new(set).expect_err("unsound")
    };
    assert_eq!(check(|set| set.validators.clear()), ValidatorsError::Empty);
    let unsorted = check(|set| set.validators.swap(0, 1));
    assert_eq!(unsorted, ValidatorsError::Unsorted(account(0)));
    let double = check(|set| set.validators[1].account = account(0));
    assert_eq!(double, ValidatorsError::Unsorted(account(0)));
    let powerless = check(|set| set.validators[2].power = 0);
    assert_eq!(powerless, ValidatorsError::Powerless(account(2)));
    let strong = check(|set| set.validators[2].power = POWER_TOTAL_MAX);
    assert_eq!(strong, ValidatorsError::TooMuchPower);
    let wrapping = check(|set| set.validators[2].power = u64::MAX);
    assert_eq!(wrapping, ValidatorsError::TooMuchPower);
    let many = check(|set| {
        let last = set.validators[2].clone();
        set.validators.resize(VALIDATORS_MAX + 1, last);
    });
    assert_eq!(many, ValidatorsError::TooMany(VALIDATORS_MAX + 1));
}
