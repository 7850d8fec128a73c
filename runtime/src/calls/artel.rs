//! What this chain answers beside what every Substrate chain does.

use super::{
    Api, Method,
    market::{AgentInfo, Estimate, TaskInfo, agent, estimate, task},
};
use crate::explain;
use codec::{Decode, DecodeAll, Encode};
use framework::DispatchError;
use pallets::tasks::{Policy, TaskId, TaskSpec};
use primitives::AccountId;
use scale_info::{TypeInfo, meta_type};

pub(super) static API: Api = Api {
    name: "ArtelApi",
    version: 1,
    doc: "The market: tasks, agents, and what a task will cost.",
    methods: &[
        Method {
            name: "task",
            doc: "A task with all that belongs to it; nothing if it was never created or has been pruned.",
            inputs: || vec![("id", meta_type::<TaskId>())],
            output: meta_type::<Option<TaskInfo>>,
            run: |view, args| Ok(task(view.state, &TaskId::decode_all(&mut &*args)?).encode()),
        },
        Method {
            name: "agent",
            doc: "An agent; nothing if the account is none.",
            inputs: || vec![("account", meta_type::<AccountId>())],
            output: meta_type::<Option<AgentInfo>>,
            run: |view, args| Ok(agent(view.state, &AccountId::decode_all(&mut &*args)?).encode()),
        },
        Method {
            name: "estimate",
            doc: "What a task would cost and how long it could take, or why nobody could create it.",
            inputs: || {
                vec![
                    ("spec", meta_type::<TaskSpec>()),
                    ("policy", meta_type::<Policy>()),
                    ("funded", meta_type::<bool>()),
                ]
            },
            output: meta_type::<Result<Estimate, DispatchError>>,
            run: |view, args| Ok(estimate(view, args)?.encode()),
        },
        Method {
            name: "explain",
            doc: "An error in words.",
            inputs: || vec![("error", meta_type::<DispatchError>())],
            output: meta_type::<Explanation>,
            run: |_, args| {
                let explained = explain::error(&DispatchError::decode_all(&mut &*args)?);
                Ok(Explanation { name: explained.name, text: explained.text }.encode())
            },
        },
    ],
};

/// A name for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Explanation {
    /// Pallet and variant, such as `Tasks.UnknownTask`.
    pub name: String,
    /// What it means.
    pub text: String,
}
