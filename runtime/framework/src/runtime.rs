//! The one list of pallets.

/// Composes pallets, one line each; everything that must list them all is made here:
/// `RuntimeCall`, `RuntimeEvent`, `RuntimeError`, `Genesis` and `genesis`, `on_initialize`,
/// `on_finalize`, `next_due`, `check_pallets`, `storage` and `pallets`. Hooks run in the order of the lines.
#[macro_export]
macro_rules! runtime {
    ($($name:ident = $index:literal => $pallet:ty),+ $(,)?) => {
        /// Any call of any pallet, as it stands in a transaction.
        #[derive(
            Clone, Debug, PartialEq, Eq,
            $crate::__private::codec::Encode,
            $crate::__private::codec::Decode,
            $crate::__private::codec::DecodeWithMemTracking,
            $crate::__private::scale_info::TypeInfo,
        )]
        #[codec(crate = $crate::__private::codec)]
        #[scale_info(crate = $crate::__private::scale_info)]
        #[allow(missing_docs)]
        pub enum RuntimeCall {
            $(#[codec(index = $index)] $name(<$pallet as $crate::Pallet>::Call)),+
        }

        /// Any event of any pallet, as it stands in a block's event record.
        #[derive(
            Clone, Debug, PartialEq, Eq,
            $crate::__private::codec::Encode,
            $crate::__private::codec::Decode,
            $crate::__private::codec::DecodeWithMemTracking,
            $crate::__private::scale_info::TypeInfo,
        )]
        #[codec(crate = $crate::__private::codec)]
        #[scale_info(crate = $crate::__private::scale_info)]
        #[allow(missing_docs)]
        pub enum RuntimeEvent {
            $(#[codec(index = $index)] $name(<$pallet as $crate::Pallet>::Event)),+
        }

        /// Any error of any pallet.
        #[derive(Clone, Debug, PartialEq, Eq, $crate::__private::scale_info::TypeInfo)]
        #[scale_info(crate = $crate::__private::scale_info)]
        #[allow(missing_docs)]
        pub enum RuntimeError {
            $(#[codec(index = $index)] $name(<$pallet as $crate::Pallet>::Error)),+
        }

        impl $crate::Dispatch for RuntimeCall {
            fn weight(&self) -> $crate::Weight {
                match self { $(Self::$name(call) => call.weight()),+ }
            }
            fn class(&self) -> $crate::DispatchClass {
                match self { $(Self::$name(call) => call.class()),+ }
            }
            fn pays(&self) -> $crate::Pays {
                match self { $(Self::$name(call) => call.pays()),+ }
            }
            fn dispatch(
                self,
                cx: &mut $crate::Ctx,
                origin: $crate::Origin,
            ) -> $crate::DispatchResult {
                match self { $(Self::$name(call) => cx.atomic(|cx| call.dispatch(cx, origin))),+ }
            }
        }

        /// Runs before a block's transactions.
        pub fn on_initialize(cx: &mut $crate::Ctx) {
            $(<$pallet as $crate::Pallet>::on_initialize(cx);)+
        }

        /// Runs after a block's transactions.
        pub fn on_finalize(cx: &mut $crate::Ctx) {
            $(<$pallet as $crate::Pallet>::on_finalize(cx);)+
        }

        /// Block time, in milliseconds, at which a hook next has work.
        pub fn next_due(state: &dyn $crate::StateRead) -> Option<$crate::Moment> {
            [$(<$pallet as $crate::Pallet>::next_due(state)),+].into_iter().flatten().min()
        }

        /// Every pallet's invariant.
        pub fn check_pallets(state: &dyn $crate::StateRead) -> Result<(), String> {
            $(<$pallet as $crate::Pallet>::check(state)
                .map_err(|e| format!("{}: {e}", stringify!($name)))?;)+
            Ok(())
        }

        /// First state, pallet by pallet, as a chain spec gives it.
        #[allow(non_snake_case, missing_docs)]
        #[derive(
            Clone, Default,
            $crate::__private::serde::Serialize,
            $crate::__private::serde::Deserialize,
        )]
        #[serde(default, deny_unknown_fields, crate = "framework::__private::serde")]
        pub struct Genesis {
            $(pub $name: <$pallet as $crate::Pallet>::Genesis),+
        }

        /// Writes the first state.
        pub fn genesis(cx: &mut $crate::Ctx, genesis: Genesis) -> Result<(), String> {
            $(<$pallet as $crate::Pallet>::genesis(cx, genesis.$name)
                .map_err(|e| format!("{}: {e}", stringify!($name)))?;)+
            Ok(())
        }

        /// Every storage item of every pallet.
        pub fn storage() -> impl Iterator<Item = &'static dyn $crate::StorageItem> {
            [$(<$pallet as $crate::Pallet>::STORAGE),+].into_iter().flatten().copied()
        }

        /// What clients are told of each pallet.
        pub fn pallets() -> Vec<$crate::PalletMeta> {
            vec![$($crate::metadata::pallet::<$pallet>(stringify!($name))),+]
        }

        const _: () = { $(assert!(<$pallet as $crate::Pallet>::INDEX == $index);)+ };
    };
}
