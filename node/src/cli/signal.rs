//! When a node is told to stop.

use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

/// Ready at the first interrupt or termination signal.
pub async fn stop() {
    let mut terminate =
        signal(SignalKind::terminate()).expect("a process may listen to its own signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = ctrl_c() => {}
    }
}
