//! subxt as its users have it, against a node as its users run it. See README.md.

mod codegen;
mod dynamic;
mod features;
mod interface;
mod metadata;
mod session;
mod signers;

use std::time::Duration;

/// Longest that a feature's test may take; seconds are usual.
const FEATURE_WAIT_MAX: Duration = Duration::from_secs(120);

/// A test of each feature, in one way to use subxt.
macro_rules! test_features {
    ($way:ident, $interface:ty, $methods:expr; $($feature:ident)*) => {
        mod $way {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $feature() -> anyhow::Result<()> {
                    let session = crate::session::Session::start($methods).await?;
                    let feature = crate::features::$feature::<$interface>(session);
                    tokio::time::timeout(crate::FEATURE_WAIT_MAX, feature).await?
                }
            )*
        }
    };
}

/// The features, each by one word for all clients.
macro_rules! test_all_features {
    ($way:ident, $interface:ty) => {
        test_features! { $way, $interface, crate::session::Methods::Preferred;
            connect constants storage_single storage_multi entries subscriptions runtime_call
            transfer_sr25519 transfer_ed25519 transfer_ecdsa mortal immortal tip long_payload
            failing_dispatch bad_signature stale_nonce fee_estimate nonces_100 historic_query batch
        }
    };
}

test_all_features!(with_metadata_at_run_time, crate::dynamic::Dynamic);
test_all_features!(with_metadata_compiled_in, crate::codegen::Codegen);

// What subxt does in another way where it has other methods to do it with.
test_features! { by_legacy_methods, crate::dynamic::Dynamic, crate::session::Methods::Legacy;
    connect entries subscriptions transfer_sr25519 bad_signature fee_estimate nonces_100 historic_query
}
test_features! { by_chain_head_methods, crate::dynamic::Dynamic, crate::session::Methods::ChainHead;
    connect entries subscriptions transfer_sr25519 bad_signature fee_estimate nonces_100
}
test_features! { of_an_archive, crate::dynamic::Dynamic, crate::session::Methods::OfAnArchive;
    connect entries subscriptions transfer_sr25519 historic_query
}
