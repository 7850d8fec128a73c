//! One connection: what bounds it, and what it holds.

use crate::{
    access::Pace,
    broadcasts::Broadcasts,
    config::{BATCHES_IN_FLIGHT_MAX, IN_FLIGHT_MAX, LARGE_IN_FLIGHT_MAX},
    context::Context,
    error::Error,
    flow::Flow,
    follows::Follows,
};
use rustix::time::{ClockId, clock_gettime};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What bounds one connection, and what it holds; travels with each of its requests and ends with it.
#[derive(Debug)]
pub(crate) struct Session {
    /// Whether the peer reads.
    pub flow: Flow,
    /// Permits for requests that are not answered yet.
    pub in_flight: Arc<Semaphore>,
    /// Permits for those whose answers may be large.
    pub large: Arc<Semaphore>,
    /// Permits for batches.
    pub batches: Arc<Semaphore>,
    /// Transactions that are to be brought into the chain.
    pub broadcasts: Broadcasts,
    /// What follows the chain.
    pub follows: Arc<Follows>,
    /// Work that it may still ask for.
    pub pace: Pace,
}

impl Session {
    /// A new connection's.
    pub fn new(flow: Flow, pace: Pace) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            flow,
            in_flight: permits(IN_FLIGHT_MAX),
            large: permits(LARGE_IN_FLIGHT_MAX),
            batches: permits(BATCHES_IN_FLIGHT_MAX),
            broadcasts: Broadcasts::default(),
            follows: Arc::default(),
            pace,
        }
    }

    /// Does what may wait for a disk or takes long, as much at a time as its caller may have, and charges for it.
    pub async fn work<R: Send + 'static>(
        &self,
        context: &Arc<Context>,
        work: impl FnOnce(&Context) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = self.flow.account().work.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::Stopping)?;
        let pace = self.pace.clone();
        let charged = move |context: &Context| {
            let _permit = permit;
            let before = core_time();
            let done = work(context);
            context.access.charge(core_time().saturating_sub(before), &pace);
            done
        };
        context.blocking(charged).await
    }

    /// The same for what nobody asked for just now: a page or an update, for which a caller waits that is ahead of its rate.
    pub async fn work_in_turn<R: Send + 'static>(
        &self,
        context: &Arc<Context>,
        work: impl FnOnce(&Context) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        context.access.wait(&self.pace).await;
        self.work(context, work).await
    }

    /// Waits for one of the permits, and until the peer reads.
    pub async fn turn(&self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        let permit = permits.clone().acquire_owned().await.expect("nobody closes the semaphore");
        self.flow.flows().await;
        permit
    }
}

/// What this thread has taken of a core.
fn core_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
