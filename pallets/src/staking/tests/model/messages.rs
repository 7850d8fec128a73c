//! Evidence and certificates that the model makes, in order and not.

use super::{super::super::*, LONG_ERA, Model};
use crate::{eras::*, offences, session};
use primitives::{Certificate, Evidence, ValidatorSet};

impl Model {
    /// Evidence, most of it good, some of it forged, stale, of another chain, or told before.
    pub(super) fn report(&mut self, height: Option<Height>) -> Option<Height> {
        let now = self.world.block.height;
        let back = match self.random.below(10) {
            0..=3 => self.random.below(4),
            4..=6 => self.random.below(300),
            _ => self.random.below(2_000),
        };
        let back = u32::try_from(back).expect("it is small");
        let height = height.unwrap_or(now.saturating_sub(back).max(1));
        let Some(set) = session::set_at(&self.world.state, height) else {
            self.stale(height);
            return None;
        };
        let accounts: Vec<_> = set.validators.iter().map(|v| v.account).collect();
        let who = self.random.pick(&accounts).expect("there are some");
        let mut evidence = if self.random.percent(70) {
            self.world.evidence(who, height)
        } else {
            self.world.proposals(who, height)
        };
        let harm = self.random.below(12);
        if let Evidence::Votes(a, b) = &mut evidence {
            match harm {
                0 => *b = a.clone(),
                1 => a.signature[7] ^= 1,
                2 => {
                    (a.vote.validator, b.vote.validator) =
                        (AccountId([0xfe; 32]), AccountId([0xfe; 32]))
                }
                3 => b.vote.round += 1,
                4 => (a.vote.height, b.vote.height) = (now + 1, now + 1),
                _ => {}
            }
        }
        let harmed = harm < 5 && matches!(evidence, Evidence::Votes(..));
        let session = session::session_at(&self.world.state, height).expect("the set is known");
        let known = self.oracle.offenders.get(&session).is_some_and(|o| o.contains(&who));
        let checked = offences::check_evidence(&self.world.state, now, &GENESIS, &evidence).is_ok();
        let result = self.world.report(evidence);
        let taken = self.count(result);
        assert_eq!(taken, !harmed && !known, "{result:?}");
        assert_eq!(taken, checked, "an author knows what a block can take");
        if taken {
            let raised = self.oracle.offenders.contains_key(&session);
            self.oracle.reported(session, who, &set);
            self.note(if raised { "equivocation with others" } else { "equivocation" });
            if session < self.oracle.era {
                self.note("equivocation in an earlier era");
            }
        } else if known && !harmed {
            self.note("equivocation reported again");
        }
        Some(height)
    }

    /// A height of which no set is known any more: no key can sign for it, but nobody looks at signatures either.
    fn stale(&mut self, height: Height) {
        let mut evidence = self.world.evidence(self.world.set()[0], self.world.block.height);
        if let Evidence::Votes(a, b) = &mut evidence {
            (a.vote.height, b.vote.height) = (height, height);
        }
        let result = self.world.report(evidence);
        assert_eq!(result, Err(offences::Error::OutOfTime.into()));
        self.count(result);
        self.note("evidence too old");
    }

    /// Certificates that are not in order, or of a block whose certificate was noted.
    pub(super) fn bad_certificate(&mut self) {
        let height = self.world.block.height;
        let Some(set) = session::set_at(&self.world.state, height - 1) else { return };
        let accounts: Vec<_> = set.validators.iter().map(|v| v.account).collect();
        let mut certificate = self.world.certificate(&set, height - 1, &accounts);
        match self.random.below(6) {
            0 => certificate.height -= 1,
            1 => certificate.signatures.reverse(),
            2 => certificate.signatures[0].0 = AccountId([0; 32]),
            3 => certificate.signatures[0].1[3] ^= 1,
            _ => certificate.signatures.truncate(1),
        }
        self.world.block.parent = certificate.block;
        let result = self.world.inherent(session::Call::note_certificate { certificate });
        assert!(result.is_err(), "{result:?}");
        self.count(result);
    }

    /// Members that sign a block: more than two thirds of the power.
    pub(super) fn signers(&mut self, set: &ValidatorSet) -> Vec<AccountId> {
        let total = u128::from(set.total_power());
        let mut signers: Vec<_> = set.validators.clone();
        // Some are away in long eras, all the time or most of it.
        let era = self.oracle.era;
        for v in &set.validators {
            let lazy = u32::from(v.account.0[0]) % 4 == era / LONG_ERA % 4;
            let chance = if lazy { 99 } else { 6 };
            let power: u128 = signers.iter().map(|s| u128::from(s.power)).sum();
            if self.random.percent(chance) && (power - u128::from(v.power)) * 3 > total * 2 {
                signers.retain(|s| s.account != v.account);
            }
        }
        signers.iter().map(|v| v.account).collect()
    }

    /// Shows votes that came late for blocks before.
    pub(super) fn widen(&mut self) {
        let now = self.world.block.height;
        for height in now.saturating_sub(5)..now.saturating_sub(1) {
            let Some((_, members, signers)) = self.oracle.signed.get(&height).cloned() else {
                continue;
            };
            let missing: Vec<_> = members.difference(&signers).copied().collect();
            let some: Vec<_> =
                missing.iter().filter(|_| self.random.percent(60)).copied().collect();
            if self.random.percent(60) {
                continue;
            }
            let set = session::set_at(&self.world.state, height).expect("it is known");
            let shown = if self.random.percent(5) { vec![set.validators[0].account] } else { some };
            let certificate: Certificate = self.world.certificate(&set, height, &shown);
            let fits = now - height <= 4 && !shown.is_empty();
            let news = shown.iter().all(|who| !signers.contains(who));
            let known = session::widening(&self.world.state, now, &GENESIS, &certificate);
            assert_eq!(known == Some(certificate.clone()), fits && news);
            let result = self.world.inherent(session::Call::widen_certificate { certificate });
            assert_eq!(self.count(result), fits && news, "{result:?}");
            if result.is_ok() {
                self.credit += thousandths(&set, &shown);
                self.oracle.signed.get_mut(&height).expect("it is there").2.extend(shown);
                self.note("certificate widened");
            }
        }
    }
}

/// Power of these members in thousandths of all.
pub(super) fn thousandths(set: &ValidatorSet, accounts: &[AccountId]) -> u32 {
    let power = |who: &AccountId| u128::from(set.get(who).expect("it is a member").power);
    let all: u128 = set.validators.iter().map(|v| u128::from(v.power)).sum();
    u32::try_from(accounts.iter().map(power).sum::<u128>() * 1_000 / all).expect("at most 1,000")
}
