//! The runtime calls behind `state_call`: one table for answers, versions and metadata.

mod artel;
mod fees;
mod market;
mod pool;
mod rules;

pub use artel::Explanation;
pub use fees::RuntimeDispatchInfo;
pub(crate) use market::NONCE_FOR_ESTIMATES;
pub use market::{AgentInfo, Estimate, TaskInfo};
pub use pool::{TransactionSource, ValidTransaction};

use crate::Position;
use framework::{
    DispatchError,
    metadata::{ApiMeta, MethodMeta},
};
use pallets::tasks::{Policy, TaskSpec};
use primitives::{StateRead, TRANSACTION_BYTES_MAX, shown};
use scale_info::MetaType;

/// Most bytes of a call's arguments: a transaction, and a little beside it.
const ARGUMENT_BYTES_MAX: usize = TRANSACTION_BYTES_MAX + 256;

/// Why a runtime call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such call. Clients match the text.
    #[error("Exported method {0} is not found")]
    NotFound(String),
    /// The arguments do not decode.
    #[error("Bad input data provided to {method}: {reason}")]
    BadArguments {
        /// The call.
        method: String,
        /// What is wrong.
        reason: String,
    },
}

/// A group of calls.
pub(crate) struct Api {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    doc: &'static str,
    methods: &'static [Method],
}

/// A call.
struct Method {
    name: &'static str,
    doc: &'static str,
    inputs: fn() -> Vec<(&'static str, MetaType)>,
    output: fn() -> MetaType,
    run: fn(&View, &[u8]) -> Result<Vec<u8>, codec::Error>,
}

/// What a call may read.
struct View<'a> {
    state: &'a dyn StateRead,
    at: &'a Position,
}

/// Every group, in the order in which clients are told.
pub(crate) static APIS: &[&Api] = &[
    &rules::CORE,
    &rules::METADATA,
    &pool::QUEUE,
    &pool::NONCES,
    &fees::OF_TRANSACTIONS,
    &fees::OF_CALLS,
    &artel::API,
];

/// Answers a runtime call. `state` is that of block `at.height - 1`.
///
/// # Errors
///
/// `NotFound` if there is no such call, `BadArguments` if `args` are not its arguments in SCALE.
pub fn call(
    state: &dyn StateRead,
    at: &Position,
    method: &str,
    args: &[u8],
) -> Result<Vec<u8>, CallError> {
    let found = APIS.iter().find_map(|api| {
        let name = method.strip_prefix(api.name)?.strip_prefix('_')?;
        api.methods.iter().find(|method| method.name == name)
    });
    let short = || shown(method, 100);
    let found = found.ok_or_else(|| CallError::NotFound(short()))?;
    let wrong = |reason| CallError::BadArguments { method: short(), reason };
    if args.len() > ARGUMENT_BYTES_MAX {
        return Err(wrong(format!("{} bytes are too many", args.len())));
    }
    (found.run)(&View { state, at }, args).map_err(|error| wrong(error.to_string()))
}

/// What a task would cost in the block after a state, and how long it could take.
pub(crate) fn estimate_task(
    state: &dyn StateRead,
    at: &Position,
    spec: TaskSpec,
    policy: Policy,
    funded: bool,
) -> Result<Estimate, DispatchError> {
    market::estimate_of(&View { state, at }, spec, policy, funded)
}

/// The calls as metadata tells of them.
pub(crate) fn describe() -> Vec<ApiMeta> {
    let method = |method: &Method| MethodMeta {
        name: method.name,
        inputs: (method.inputs)(),
        output: (method.output)(),
        doc: method.doc,
    };
    APIS.iter()
        .map(|api| ApiMeta {
            name: api.name,
            version: api.version,
            doc: api.doc,
            methods: api.methods.iter().map(method).collect(),
        })
        .collect()
}

fn no_args(args: &[u8], answer: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, codec::Error> {
    if args.is_empty() { Ok(answer()) } else { Err("the call has no arguments".into()) }
}
