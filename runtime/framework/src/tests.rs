use crate::{prelude::*, *};
use codec::Decode;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use primitives::Writes;
use proptest::prelude::*;
use scale_info::meta_type;

/// A pallet as small as they come.
mod counter {
    use crate::prelude::*;

    pub const NAME: &str = "Counter";
    pub const INDEX: u8 = 7;
    pub static COUNTS: Map<AccountId, u32> = Map::new_default(NAME, "Counts", "Count by account.");
    pub static ALARMS: Schedule<u32> = Schedule::new(NAME, "Alarms", "What is due when.");

    #[derive(Encode, Decode, DecodeWithMemTracking, TypeInfo, Clone, Debug, PartialEq, Eq)]
    #[allow(non_camel_case_types)]
    pub enum Call {
        /// Count up, to at most three.
        #[codec(index = 0)]
        count { by: u32 },
    }

    #[derive(Encode, Decode, DecodeWithMemTracking, TypeInfo, Clone, Debug, PartialEq, Eq)]
    pub enum Error {
        #[codec(index = 4)]
        TooHigh,
    }

    impl PalletError for Error {
        const PALLET: u8 = INDEX;
    }

    impl Dispatch for Call {
        fn weight(&self) -> Weight {
            Weight::rw(1, 1)
        }

        fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
            let (who, Self::count { by }) = (origin.signed()?, self);
            let count = COUNTS.get(cx, &who).unwrap_or_default().saturating_add(by);
            COUNTS.set(cx, &who, &count);
            cx.note_burned(Balance::new(1));
            ensure(count <= 3, Error::TooHigh)
        }
    }

    pub struct Pallet;

    impl crate::Pallet for Pallet {
        const NAME: &'static str = NAME;
        const INDEX: u8 = INDEX;
        const DOC: &'static str = "Counts.";
        const STORAGE: StorageItems = &[&COUNTS, &ALARMS];
        type Call = Call;
        type Event = NoEvent;
        type Error = Error;
        type Genesis = ();
    }
}

#[allow(dead_code, missing_docs)] // A runtime uses all that the macro makes; this one does not.
mod composed {
    extern crate self as framework;
    crate::runtime! { Counter = 7 => super::counter::Pallet }
}

const WHO: AccountId = AccountId([1; 32]);

fn block() -> BlockEnv {
    BlockEnv {
        height: 1,
        time_ms: 1,
        author: WHO,
        origin_round: 0,
        randomness: Hash::ZERO,
        parent: Hash::ZERO,
        genesis: Hash::ZERO,
    }
}

fn count(state: &MemState, by: u32) -> TxOutput {
    let block = block();
    let mut cx = Ctx::new(state, &block, Hash([9; 32]));
    let call = composed::RuntimeCall::Counter(counter::Call::count { by });
    let result = call.dispatch(&mut cx, Origin::Signed(WHO));
    cx.finish(result)
}

#[test]
fn a_call_that_fails_leaves_no_write_and_no_total() {
    let mut state = MemState::default();
    let done = count(&state, 3);
    assert_eq!((done.result, done.deltas.burned), (Ok(()), Balance::new(1)));
    state.apply(&done.writes);
    let failed = count(&state, 1);
    let error = ModuleError { index: 7, error: [4, 0, 0, 0] };
    assert_eq!(failed.result, Err(DispatchError::Module(error)));
    assert!(failed.writes.is_empty() && failed.deltas == Deltas::default());
    assert_eq!(counter::COUNTS.get(&state, &WHO), Some(3));
}

/// The prefix of every Substrate chain's accounts.
#[test]
fn keys_are_substrates() {
    let accounts = Map::<AccountId, u8>::new("System", "Account", "");
    let key = hex::encode(accounts.key(&WHO));
    assert!(key.starts_with("26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9"));
    assert!(key.ends_with(&"01".repeat(32)));
}

#[test]
fn what_is_due_comes_earliest_first_and_what_is_not_due_stays() {
    let (mut state, block) = (MemState::default(), block());
    let mut cx = Ctx::new(&state, &block, Hash::ZERO);
    for (when, id) in [(300, 3), (2, 2), (2, 1), (1 << 40, 9)] {
        counter::ALARMS.insert(&mut cx, when, &id);
    }
    assert_eq!(counter::ALARMS.due(&cx, 300, 9), [(2, 1), (2, 2), (300, 3)]);
    assert_eq!(counter::ALARMS.due(&cx, 300, 1), [(2, 1)]);
    assert_eq!(counter::ALARMS.due(&cx, 1, 9), []);
    counter::ALARMS.remove(&mut cx, 2, &1);
    assert_eq!(counter::ALARMS.next_after(&cx, None), Some((2, 2)));
    assert_eq!(counter::ALARMS.next_after(&cx, Some(&(2, 2))), Some((300, 3)));
    assert_eq!(counter::ALARMS.next_after(&cx, Some(&(1 << 40, 9))), None);
    let output = cx.finish(Ok(()));
    state.apply(&output.writes);
    assert_eq!(counter::ALARMS.next(&state), Some(2));
    assert_eq!(counter::ALARMS.iter(&state).count(), 3);
}

/// Each key that a scan passes over is looked for in the state below.
#[test]
fn a_scan_counts_what_it_passes_over() {
    let (mut state, block) = (MemState::default(), block());
    let mut cx = Ctx::new(&state, &block, Hash::ZERO);
    (0..10).for_each(|id| counter::ALARMS.insert(&mut cx, 1, &id));
    let output = cx.finish(Ok(()));
    state.apply(&output.writes);
    let mut cx = Ctx::new(&state, &block, Hash::ZERO);
    (0..9).for_each(|id| counter::ALARMS.remove(&mut cx, 1, &id));
    assert_eq!(counter::ALARMS.next(&cx), Some(1));
    assert_eq!(cx.used().reads, 10);
}

fn described() -> metadata::RuntimeMeta {
    metadata::RuntimeMeta {
        pallets: composed::pallets(),
        transaction: meta_type::<primitives::Transaction<composed::RuntimeCall>>(),
        extensions: Vec::new(),
        apis: Vec::new(),
        runtime: meta_type::<()>(),
        calls: meta_type::<composed::RuntimeCall>(),
        events: meta_type::<composed::RuntimeEvent>(),
        errors: meta_type::<composed::RuntimeError>(),
    }
}

fn decoded(bytes: &[u8]) -> RuntimeMetadata {
    RuntimeMetadataPrefixed::decode(&mut &bytes[..]).expect("it was just encoded").1
}

#[test]
fn metadata_decodes_and_has_no_empty_parts() {
    let bytes = metadata::v14(described());
    assert!(bytes.starts_with(b"meta\x0e"));
    let RuntimeMetadata::V14(v14) = decoded(&bytes) else { panic!("not version 14") };
    let RuntimeMetadata::V15(v15) = decoded(&metadata::v15(described())) else {
        panic!("not version 15")
    };
    let RuntimeMetadata::V16(v16) = decoded(&metadata::v16(described())) else {
        panic!("not version 16")
    };
    assert!(v14.pallets[0].event.is_none() && v14.pallets[0].calls.is_some());
    assert!(v15.pallets[0].event.is_none() && v15.pallets[0].calls.is_some());
    assert!(v16.pallets[0].event.is_none() && v16.pallets[0].calls.is_some());
    for (types, events) in [
        (&v15.types, v15.outer_enums.event_enum_ty.id),
        (&v16.types, v16.outer_enums.event_enum_ty.id),
    ] {
        let scale_info::TypeDef::Variant(events) =
            &types.resolve(events).expect("it is registered").type_def
        else {
            panic!("events are no enum")
        };
        assert!(events.variants.is_empty(), "a pallet without events has no variant");
    }
    for types in [v14.types, v15.types, v16.types] {
        let paths: Vec<_> = types.types.iter().map(|t| t.ty.path.segments.join("::")).collect();
        let path = "sp_core::crypto::AccountId32";
        assert!(paths.iter().any(|p| p == path), "{path} is not among {paths:?}");
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..3, 0..4)
}

proptest! {
    /// An overlay reads as if its writes had been applied.
    #[test]
    fn next_key_over_writes_equals_next_key_after_them(
        base in proptest::collection::btree_map(key(), key(), 0..12),
        writes in proptest::collection::btree_map(key(), proptest::option::of(key()), 0..12),
        prefix in key(),
        after in key(),
    ) {
        let base = MemState { map: base };
        let writes: Writes = writes;
        let mut applied = base.clone();
        applied.apply(&writes);
        prop_assert_eq!(
            crate::next_key_over(&writes, &base, &prefix, &after).0,
            applied.next_key(&prefix, &after)
        );
    }
}

#[test]
fn keys_of_several_parts_are_substrates_and_are_listed_by_the_first() {
    static EXPOSED: NestedMap<(u32, AccountId, u32), u8> = NestedMap::new("Staking", "Paged", "");
    let (state, block) = (MemState::default(), block());
    let mut cx = Ctx::new(&state, &block, Hash::ZERO);
    for (era, page) in [(1, 0), (2, 0), (2, 1), (3, 0)] {
        EXPOSED.set(&mut cx, &(era, WHO, page), &7);
    }
    EXPOSED.remove(&mut cx, &(3, WHO, 0));
    let mut pages: Vec<_> = EXPOSED.under(&cx, &2).collect();
    pages.sort_unstable();
    assert_eq!(pages, [((2, WHO, 0), 7), ((2, WHO, 1), 7)]);
    assert_eq!((EXPOSED.iter(&cx).count(), EXPOSED.get(&cx, &(3, WHO, 0))), (3, None));
    // Each part is hashed by itself, as in Substrate's double maps: 8 bytes of hash in front of each.
    let writes = cx.finish(Ok(())).writes;
    let raw = writes.keys().next().expect("there are four");
    assert_eq!(raw.len(), 32 + (8 + 4) + (8 + 32) + (8 + 4));
    assert_eq!(EXPOSED.meta().hashers.len(), 3);
}
