//! What the registry knows of an agent.

use super::Error;
use framework::prelude::*;
use primitives::PARTS_PER_MILLION;

/// Most engines that an agent may name.
pub const ENGINES_MAX: usize = 16;
/// Most tags that an agent may carry or a task may ask for.
pub const TAGS_MAX: usize = 8;
/// Most bytes of a tag.
pub const TAG_BYTES_MAX: usize = 32;
/// Most ways into which an agent may split its pay.
pub const SHARES_MAX: usize = 4;
/// Most tasks that one agent may work on at once.
pub const SLOTS_MAX: u32 = 4_096;

/// Number of an execution engine with its instrumentation; 1 is `wasm-1`.
pub type EngineId = u16;

/// What an agent can do, or a task asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Capabilities {
    /// Memory for one task is at least 2^class pages of 64 KiB.
    pub memory_class: u8,
    /// Free labels, sorted, each once; a task's must all be among the agent's.
    pub tags: Vec<Vec<u8>>,
}

impl Capabilities {
    /// Whether class and tags keep to the limits.
    pub fn is_valid(&self) -> bool {
        self.memory_class <= 16
            && self.tags.len() <= TAGS_MAX
            && self.tags.iter().all(|tag| !tag.is_empty() && tag.len() <= TAG_BYTES_MAX)
            && self.tags.is_sorted_by(|a, b| a < b)
    }

    /// Whether whoever can do this can do what `asked` asks for.
    pub fn cover(&self, asked: &Self) -> bool {
        self.memory_class >= asked.memory_class
            && asked.tags.iter().all(|tag| self.tags.binary_search(tag).is_ok())
    }
}

/// One part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Share {
    /// Who gets it.
    pub account: AccountId,
    /// Parts per million.
    pub parts: u32,
}

/// Where an agent's pay goes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Payee {
    /// To one account, the agent's own or one whose key is kept elsewhere.
    Account(AccountId),
    /// To two to four accounts, whose parts sum to a million; the last takes what rounding leaves.
    Split(Vec<Share>),
}

impl Payee {
    fn is_valid(&self) -> bool {
        let Self::Split(shares) = self else { return true };
        let parts = shares.iter().try_fold(0u32, |sum, share| sum.checked_add(share.parts));
        (2..=SHARES_MAX).contains(&shares.len())
            && parts == Some(PARTS_PER_MILLION)
            && shares.iter().all(|share| share.parts > 0)
    }

    /// Who gets how much of `amount`; parts of nothing are left out, and the sum is `amount`.
    pub fn split(&self, amount: Balance) -> Vec<(AccountId, Balance)> {
        let shares = match self {
            Self::Account(account) => return vec![(*account, amount)],
            Self::Split(shares) => shares,
        };
        let mut left = amount;
        let mut parts: Vec<_> = shares
            .iter()
            .map(|share| {
                let part = amount.share_floor(share.parts);
                left = left.saturating_sub(part);
                (share.account, part)
            })
            .collect();
        if let Some((_, last)) = parts.last_mut() {
            *last = last.saturating_add(left);
        }
        parts.retain(|(_, part)| !part.is_zero());
        parts
    }
}

/// What an agent tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Profile {
    /// Where pay goes.
    pub payout: Payee,
    /// ed25519 key of the agent's libp2p node: its PeerId.
    pub peer_key: [u8; 32],
    /// Signature by `peer_key` over [`super::peer_message`]: binds the node to the account.
    pub peer_proof: [u8; 64],
    /// X25519 key to which private inputs are sealed.
    pub exchange_key: [u8; 32],
    /// sr25519 key whose VRF takes part in draws.
    pub vrf_key: [u8; 32],
    /// Engines that the agent runs, sorted, each once.
    pub engines: Vec<EngineId>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Most stake that one task may put at risk.
    pub hold_max: Balance,
    /// Tasks that it works on at once.
    pub slots: u32,
    /// Price of 10^6 units of fuel, for requesters to compare.
    pub price: Balance,
}

impl Profile {
    /// Checks the limits and the proof that the PeerId's holder agrees.
    pub(super) fn check(&self, genesis: &Hash, account: &AccountId) -> DispatchResult {
        ensure(self.payout.is_valid(), Error::BadPayee)?;
        ensure(
            self.capabilities.is_valid()
                && (1..=ENGINES_MAX).contains(&self.engines.len())
                && self.engines.is_sorted_by(|a, b| a < b)
                && self.slots <= SLOTS_MAX,
            Error::BadProfile,
        )?;
        let message = super::peer_message(genesis, account);
        let proven =
            primitives::crypto::keys::verify_ed25519(&self.peer_key, &message, &self.peer_proof);
        ensure(proven, Error::BadPeerProof)
    }
}

/// Reputation: the value of work that was validated under random assignment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Reputation {
    /// Sum of rewards as of `since`.
    pub value: Balance,
    /// Market time from which the value is halved every 90 days.
    pub since: Moment,
}

/// After this span of market time reputation is worth half, in milliseconds: 90 days.
pub const REPUTATION_HALF_LIFE_MS: Moment = 90 * 24 * 60 * 60 * 1_000;

impl Reputation {
    /// The reputation with all halvings up to `now` applied.
    pub fn at(self, now: Moment) -> Self {
        let halvings = now.saturating_sub(self.since) / REPUTATION_HALF_LIFE_MS;
        let shift = u32::try_from(halvings).unwrap_or(u32::MAX);
        Self {
            value: Balance::new(self.value.get().checked_shr(shift).unwrap_or(0)),
            since: self.since + halvings * REPUTATION_HALF_LIFE_MS,
        }
    }
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Agent {
    /// Who answers for the agent; today the account that registered it.
    pub owner: AccountId,
    /// What it tells of itself.
    pub profile: Profile,
    /// Its stake, all of it held on its account.
    pub stake: Balance,
    /// The part of its stake that tasks put at risk.
    pub locked: Balance,
    /// Tasks that it wants or works on: candidacies and assignments without a result.
    pub busy: u32,
    /// What it has earned.
    pub reputation: Reputation,
    /// No-shows in a row.
    pub no_shows: u8,
    /// Market time until which it may not claim.
    pub jailed_until: Moment,
    /// Market time of its last sign of life.
    pub last_seen: Moment,
    /// Version of its software, as its heartbeat tells.
    pub version: u32,
}

impl Agent {
    /// Tasks that it can still take.
    pub fn free_slots(&self) -> u32 {
        self.profile.slots.saturating_sub(self.busy)
    }

    /// Stake that no task puts at risk.
    pub fn free_stake(&self) -> Balance {
        self.stake.saturating_sub(self.locked)
    }
}
