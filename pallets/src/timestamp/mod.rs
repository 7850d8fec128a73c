//! # Timestamp
//!
//! The block's time, which its author sets in the first inherent.
//!
//! Invariant: `Now` is the time of the block whose state this is, and grows from block to block; the
//! runtime refuses a block whose time does not.

use framework::prelude::*;

/// Name of the pallet.
pub const NAME: &str = "Timestamp";
/// Index of the pallet.
pub const INDEX: u8 = 3;
/// Half of the shortest time between blocks that validators agree to, in milliseconds: clients that
/// ask for the block time double it.
pub const MINIMUM_PERIOD_MS: Moment = 125;

static NOW: Value<Moment> =
    Value::new_default(NAME, "Now", "The block's time, in milliseconds since 1970.");

/// What the block's author does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Set the block's time. The author of the block does it, in the first inherent.
    #[codec(index = 0)]
    set {
        /// Milliseconds since 1970.
        #[codec(compact)]
        now: Moment,
    },
}

/// Why calls fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The time is not the one under which the block runs.
    #[codec(index = 0)]
    NotTheBlocksTime,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        Weight::rw(0, 1)
    }

    fn class(&self) -> DispatchClass {
        DispatchClass::Mandatory
    }

    fn pays(&self) -> Pays {
        Pays::No
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        origin.none()?;
        let Self::set { now } = self;
        ensure(now == cx.block.time_ms, Error::NotTheBlocksTime)?;
        NOW.set(cx, &now);
        Ok(())
    }
}

/// Time of the block whose state this is, in milliseconds; 0 in genesis.
pub fn now(state: &dyn StateRead) -> Moment {
    NOW.get(state).unwrap_or_default()
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "The block's time.";
    const STORAGE: StorageItems = &[&NOW];
    type Call = Call;
    type Event = NoEvent;
    type Error = Error;
    type Genesis = ();

    fn constants() -> Vec<ConstantMeta> {
        vec![ConstantMeta::new(
            "MinimumPeriod",
            &MINIMUM_PERIOD_MS,
            "Half of the shortest time between blocks, in milliseconds.",
        )]
    }
}

#[cfg(test)]
mod tests;
