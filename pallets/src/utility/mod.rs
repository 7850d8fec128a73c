//! # Utility
//!
//! Several calls in one transaction.
//!
//! Each call of a batch is atomic by itself; `batch_all` makes the whole atomic. How deep batches nest
//! is bounded where transactions are decoded.

use framework::prelude::*;
use std::marker::PhantomData;

/// Name of the pallet.
pub const NAME: &str = "Utility";
/// Index of the pallet.
pub const INDEX: u8 = 26;
/// Most calls of one batch.
pub const BATCH_CALLS_MAX: u32 = 1000;

/// What users can do. `C` is the runtime's call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call<C> {
    /// Make calls in turn; stop at the first that fails and keep what those before it did.
    #[codec(index = 0)]
    batch {
        /// The calls.
        calls: Vec<C>,
    },
    /// Make all calls or none.
    #[codec(index = 2)]
    batch_all {
        /// The calls.
        calls: Vec<C>,
    },
    /// Make calls in turn, whichever fail.
    #[codec(index = 4)]
    force_batch {
        /// The calls.
        calls: Vec<C>,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// A batch stopped at a call that failed.
    #[codec(index = 0)]
    BatchInterrupted {
        /// Place of the call, from 0.
        index: u32,
        /// Why it failed.
        error: DispatchError,
    },
    /// All calls of a batch succeeded.
    #[codec(index = 1)]
    BatchCompleted,
    /// A batch went through, but some calls failed.
    #[codec(index = 2)]
    BatchCompletedWithErrors,
    /// A call of a batch succeeded.
    #[codec(index = 3)]
    ItemCompleted,
    /// A call of a batch failed.
    #[codec(index = 4)]
    ItemFailed {
        /// Why.
        error: DispatchError,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// Why calls fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// A batch may have 1,000 calls.
    #[codec(index = 0)]
    TooManyCalls,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl<C> Call<C> {
    fn calls(&self) -> &[C] {
        let (Self::batch { calls } | Self::batch_all { calls } | Self::force_batch { calls }) =
            self;
        calls
    }
}

impl<C: Dispatch + DecodeWithMemTracking> Dispatch for Call<C> {
    fn weight(&self) -> Weight {
        let own = Weight::rw(0, 0);
        self.calls().iter().fold(own, |sum, call| sum.plus(call.weight()))
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        ensure(origin != Origin::None, DispatchError::BadOrigin)?;
        let count = u32::try_from(self.calls().len()).unwrap_or(u32::MAX);
        ensure(count <= BATCH_CALLS_MAX, Error::TooManyCalls)?;
        match self {
            Self::batch { calls } => batch(cx, &origin, calls),
            Self::batch_all { calls } => batch_all(cx, &origin, calls)?,
            Self::force_batch { calls } => force_batch(cx, &origin, calls),
        }
        Ok(())
    }
}

fn batch<C: Dispatch>(cx: &mut Ctx, origin: &Origin, calls: Vec<C>) {
    for (index, call) in (0..).zip(calls) {
        if let Err(error) = call.dispatch(cx, origin.clone()) {
            cx.emit(Event::BatchInterrupted { index, error });
            return;
        }
        cx.emit(Event::ItemCompleted);
    }
    cx.emit(Event::BatchCompleted);
}

fn batch_all<C: Dispatch>(cx: &mut Ctx, origin: &Origin, calls: Vec<C>) -> DispatchResult {
    for call in calls {
        call.dispatch(cx, origin.clone())?;
        cx.emit(Event::ItemCompleted);
    }
    cx.emit(Event::BatchCompleted);
    Ok(())
}

fn force_batch<C: Dispatch>(cx: &mut Ctx, origin: &Origin, calls: Vec<C>) {
    let mut failed = false;
    for call in calls {
        match call.dispatch(cx, origin.clone()) {
            Ok(()) => cx.emit(Event::ItemCompleted),
            Err(error) => {
                failed = true;
                cx.emit(Event::ItemFailed { error });
            }
        }
    }
    cx.emit(if failed { Event::BatchCompletedWithErrors } else { Event::BatchCompleted });
}

/// The pallet. `C` is the runtime's call, whose dispatch is atomic.
pub struct Pallet<C>(PhantomData<C>);

impl<C: Dispatch + DecodeWithMemTracking> framework::Pallet for Pallet<C> {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Several calls in one transaction.";
    const STORAGE: StorageItems = &[];
    type Call = Call<C>;
    type Event = Event;
    type Error = Error;
    type Genesis = ();

    fn constants() -> Vec<ConstantMeta> {
        vec![ConstantMeta::new("batched_calls_limit", &BATCH_CALLS_MAX, "Most calls of a batch.")]
    }
}

#[cfg(test)]
mod tests;
