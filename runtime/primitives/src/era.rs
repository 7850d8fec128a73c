//! How long a transaction may wait.

use crate::Height;
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::{
    Path, Type, TypeInfo,
    build::{Fields, Variants},
};
use std::sync::LazyLock;

/// Shortest period of a mortal transaction, in blocks.
pub const ERA_PERIOD_MIN: u32 = 4;
/// Longest period of a mortal transaction, in blocks.
pub const ERA_PERIOD_MAX: u32 = 1 << 16;

/// The blocks in which a transaction is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// In every block; only the nonce guards against replay.
    Immortal,
    /// From the birth block, for `period` blocks. `phase` is the birth block modulo `period`.
    Mortal {
        /// A power of two from [`ERA_PERIOD_MIN`] to [`ERA_PERIOD_MAX`].
        period: u32,
        /// Less than `period`, a multiple of the quantum that the encoding can tell.
        phase: u32,
    },
}

impl Era {
    /// The era of `period` blocks that holds `current`; the period is rounded up to a power of two.
    pub fn mortal(period: u32, current: Height) -> Self {
        let period = period.clamp(ERA_PERIOD_MIN, ERA_PERIOD_MAX).next_power_of_two();
        let quantum = quantum(period);
        let phase = (current % period) / quantum * quantum;
        Self::Mortal { period, phase }
    }

    /// The first block of the era that holds `current`; its hash is part of what is signed.
    pub fn birth(self, current: Height) -> Height {
        match self {
            Self::Immortal => 0,
            Self::Mortal { period, phase } => {
                (current.max(phase) - phase) / period * period + phase
            }
        }
    }

    /// The first block that is no longer part of the era that holds `current`.
    pub fn death(self, current: Height) -> Height {
        match self {
            Self::Immortal => Height::MAX,
            Self::Mortal { period, .. } => self.birth(current).saturating_add(period),
        }
    }
}

/// Phases of long periods are told in steps, so that an era fits two bytes.
fn quantum(period: u32) -> u32 {
    (period >> 12).max(1)
}

impl Encode for Era {
    fn size_hint(&self) -> usize {
        match self {
            Self::Immortal => 1,
            Self::Mortal { .. } => 2,
        }
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        match self {
            Self::Immortal => dest.push_byte(0),
            Self::Mortal { period, phase } => {
                let exponent = (period.trailing_zeros() - 1).clamp(1, 15);
                let bits = exponent | (phase / quantum(*period)) << 4;
                dest.write(&bits.to_le_bytes()[..2]);
            }
        }
    }
}

impl Decode for Era {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let first = input.read_byte()?;
        if first == 0 {
            return Ok(Self::Immortal);
        }
        let bits = u32::from(u16::from_le_bytes([first, input.read_byte()?]));
        let period = 2u32 << (bits % 16);
        let phase = (bits >> 4) * quantum(period);
        if period >= ERA_PERIOD_MIN && phase < period {
            Ok(Self::Mortal { period, phase })
        } else {
            Err("the era's phase lies outside its period".into())
        }
    }
}

impl DecodeWithMemTracking for Era {}

/// Names of the variants by first byte; metadata wants them static.
static MORTAL_NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..=255).map(|first| format!("Mortal{first}")).collect());

/// As Substrate describes it: one variant for each first byte.
impl TypeInfo for Era {
    type Identity = Self;

    fn type_info() -> Type {
        let immortal = Variants::new().variant("Immortal", |v| v.index(0));
        let variants = (1..=255u8).fold(immortal, |variants, first| {
            let name: &'static str = &MORTAL_NAMES[usize::from(first)];
            variants
                .variant(name, |v| v.index(first).fields(Fields::unnamed().field(|f| f.ty::<u8>())))
        });
        Type::builder()
            .path(
                Path::from_segments(["sp_runtime", "generic", "era", "Era"])
                    .expect("the path's segments are identifiers"),
            )
            .variant(variants)
    }
}
