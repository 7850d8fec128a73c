//! Metadata of released rules, as it was served: the folder `metadata` has it by version, and the description that it was made
//! from goes on changing. `cargo xtask bless` writes that of the newest version, so it stays when the number rises.

use crate::{METADATA_VERSIONS, RuntimeVersion};
use primitives::Hash;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What is kept of one version.
pub(crate) struct Kept {
    pub(crate) spec_version: u32,
    pub(crate) info: LazyLock<Info>,
    /// By [`METADATA_VERSIONS`].
    metadata: [&'static [u8]; METADATA_VERSIONS.len()],
}

/// The part that is JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Info {
    pub(crate) version: RuntimeVersion,
    /// RFC-78's.
    pub(crate) digest: Hash,
}

macro_rules! kept {
    ($version:literal) => {
        Kept {
            spec_version: $version,
            info: LazyLock::new(|| {
                let json = include_str!(concat!("../../metadata/", $version, ".json"));
                serde_json::from_str(json).expect("a test reads what is kept")
            }),
            metadata: [
                include_bytes!(concat!("../../metadata/", $version, ".v14")),
                include_bytes!(concat!("../../metadata/", $version, ".v15")),
                include_bytes!(concat!("../../metadata/", $version, ".v16")),
            ],
        }
    };
}

/// All versions, the newest last.
pub(crate) static KEPT: [Kept; 1] = [kept!(1)];

/// What is kept of a version, if anything is.
pub(crate) fn find(spec_version: u32) -> Option<&'static Kept> {
    KEPT.iter().find(|kept| kept.spec_version == spec_version)
}

impl Kept {
    pub(crate) fn metadata(&self, version: u32) -> Option<&'static [u8]> {
        let place = METADATA_VERSIONS.iter().position(|served| *served == version)?;
        Some(self.metadata[place])
    }
}
