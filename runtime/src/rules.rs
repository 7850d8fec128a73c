//! Versions of the rules, side by side: those in force, those before, and the change from one to the next.

pub(crate) mod kept;

use crate::{
    CODE_KEY, RuntimeVersion, SPEC_NAME, SPEC_VERSION, TOKEN, TRANSACTION_VERSION, describe,
    version::version_of,
};
use framework::{Ctx, metadata};
use pallets::system;
use primitives::{Hash, Height, StateRead, crypto::hash::blake2_256};
use std::sync::LazyLock;

/// First version of the rules by which this program can make blocks.
const SPEC_VERSION_MIN: u32 = 1;
/// Version of the rules that are there to rehearse a change: those of [`SPEC_VERSION`] under another number, and with one
/// more constant in their metadata. Only a chain whose genesis allows it changes to them.
pub const REHEARSAL_SPEC_VERSION: u32 = SPEC_VERSION + 1;

/// A version of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    spec_version: u32,
}

impl Rules {
    /// Those that chains begin with.
    pub const NEWEST: Self = Self { spec_version: SPEC_VERSION };
    /// Those that are there to rehearse a change.
    pub const REHEARSAL: Self = Self { spec_version: REHEARSAL_SPEC_VERSION };

    /// The rules by which the block after this state is made, and by which its transactions are signed.
    pub fn at(state: &dyn StateRead) -> Self {
        system::spec_version(state).map_or(Self::NEWEST, |spec_version| Self { spec_version })
    }

    /// The rules that [`Self::at`] gave for the state after a block, told by the state of any later one.
    pub fn after(later: &dyn StateRead, height: Height) -> Self {
        let found = system::spec_version_after(later, height);
        found.map_or_else(|| Self::at(later), |spec_version| Self { spec_version })
    }

    /// The rules of a number, if this program knows them.
    pub fn of_version(spec_version: u32) -> Option<Self> {
        let is_known = (SPEC_VERSION_MIN..=SPEC_VERSION).contains(&spec_version)
            || spec_version == REHEARSAL_SPEC_VERSION;
        is_known.then_some(Self { spec_version })
    }

    /// Their number.
    pub fn spec_version(self) -> u32 {
        self.spec_version
    }

    /// Version of the format of their transactions.
    pub fn transaction_version(self) -> u32 {
        match kept::find(self.spec_version) {
            Some(kept) if self != Self::NEWEST => kept.info.version.transaction_version,
            _ => TRANSACTION_VERSION,
        }
    }

    /// What clients are told of them. Of rules that this program does not know it tells the number alone right; no state that
    /// it made has such.
    pub fn version(self) -> RuntimeVersion {
        match kept::find(self.spec_version) {
            Some(kept) if self != Self::NEWEST => kept.info.version.clone(),
            _ => version_of(self.spec_version),
        }
    }

    /// Metadata from its `meta` on, of one of [`crate::METADATA_VERSIONS`].
    pub fn metadata(self, version: u32) -> Option<&'static [u8]> {
        match (self.described(), version) {
            (Some(rules), 14) => Some(&rules.v14),
            (Some(rules), 15) => Some(&rules.v15),
            (Some(rules), 16) => Some(&rules.v16),
            (Some(_), _) => None,
            (None, _) => kept::find(self.spec_version)?.metadata(version),
        }
    }

    /// Digest of the metadata, as RFC-78 defines it: what a signature covers whose transaction says so.
    pub fn metadata_digest(self) -> Option<Hash> {
        match self.described() {
            Some(rules) => Some(*rules.digest),
            None => Some(kept::find(self.spec_version)?.info.digest),
        }
    }

    /// What stands under [`CODE_KEY`]: it changes exactly where the rules do.
    pub(crate) fn code_marker(self) -> Vec<u8> {
        let metadata = self.metadata(14).expect("blocks are made by rules that are described");
        let mut marker = b"native".to_vec();
        marker.extend_from_slice(SPEC_NAME.as_bytes());
        marker.extend_from_slice(&self.spec_version.to_le_bytes());
        marker.extend_from_slice(blake2_256(metadata).as_bytes());
        marker
    }

    /// Whether this program can make blocks by these rules on the chain with this state.
    pub(crate) fn is_known(self, state: &dyn StateRead) -> bool {
        Self::of_version(self.spec_version).is_some()
            && (self != Self::REHEARSAL || system::rehearsals(state))
    }

    fn described(self) -> Option<&'static Described> {
        match self {
            Self::NEWEST => Some(&NEWEST),
            Self::REHEARSAL => Some(&REHEARSAL),
            _ => None,
        }
    }
}

/// What is made from a description, each part when it is first asked for.
struct Described {
    v14: LazyLock<Vec<u8>>,
    v15: LazyLock<Vec<u8>>,
    v16: LazyLock<Vec<u8>>,
    digest: LazyLock<Hash>,
}

static NEWEST: Described = Described {
    v14: LazyLock::new(|| metadata::v14(describe(Rules::NEWEST))),
    v15: LazyLock::new(|| metadata::v15(describe(Rules::NEWEST))),
    v16: LazyLock::new(|| metadata::v16(describe(Rules::NEWEST))),
    digest: LazyLock::new(|| digest(Rules::NEWEST)),
};

static REHEARSAL: Described = Described {
    v14: LazyLock::new(|| metadata::v14(describe(Rules::REHEARSAL))),
    v15: LazyLock::new(|| metadata::v15(describe(Rules::REHEARSAL))),
    v16: LazyLock::new(|| metadata::v16(describe(Rules::REHEARSAL))),
    digest: LazyLock::new(|| digest(Rules::REHEARSAL)),
};

fn digest(rules: Rules) -> Hash {
    metadata::digest(describe(rules), SPEC_NAME, rules.spec_version, &TOKEN)
}

/// Whether the block of this height, after this state, brings new rules: its header says so then.
pub fn brings_rules(state: &dyn StateRead, height: Height) -> bool {
    system::upgrade_due(state, height).is_some()
}

/// Version and height of a change of the rules to come that this program does not know: it must be replaced before.
pub fn unknown_rules_ahead(state: &dyn StateRead) -> Option<(u32, Height)> {
    let system::ScheduledUpgrade { spec_version, height } = system::scheduled_upgrade(state)?;
    (!Rules { spec_version }.is_known(state)).then_some((spec_version, height))
}

/// The rules without which the block of this height cannot be made, if this program does not know them: those that it is made
/// by, or those that it brings.
pub(crate) fn unknown(state: &dyn StateRead, height: Height) -> Option<Rules> {
    let brought = system::upgrade_due(state, height).map(|spec_version| Rules { spec_version });
    [Some(Rules::at(state)), brought].into_iter().flatten().find(|rules| !rules.is_known(state))
}

/// Makes the change of rules that is due with this block; [`unknown`] has found none of them.
pub(crate) fn switch(cx: &mut Ctx) {
    let Some(spec_version) = system::upgrade_due(cx, cx.block.height) else { return };
    system::switch(cx, SPEC_NAME, spec_version);
    cx.put(CODE_KEY.to_vec(), Some(Rules { spec_version }.code_marker()));
}
