//! Agents: who computes, and what becomes of them.

use crate::{BlockEvents, Client, Error, Head, Heads};
use framework::StateRead;
use jsonrpsee::rpc_params;
use pallets::agents::{self, Event};
use primitives::AccountId;
use runtime::{
    RuntimeEvent,
    view::{self, AgentView},
};
use std::collections::VecDeque;

/// Something that happened to agents in a finalised block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEvent {
    /// The block.
    pub head: Head,
    /// What happened.
    pub event: Event,
}

/// What happens to agents, in finalised blocks, none left out.
pub struct AgentEvents {
    client: Client,
    heads: Heads,
    /// What the last block had and was not asked for yet.
    waiting: VecDeque<AgentEvent>,
}

impl Client {
    /// What the registry knows of an agent.
    pub async fn agent(&self, account: &AccountId) -> Result<Option<AgentView>, Error> {
        self.rpc().request("artel_agent", rpc_params![account]).await
    }

    /// All agents as of the last finalised block. With some hundreds of thousands of them it is too much for one query:
    /// [`Error::TooManyReads`].
    pub async fn agents(&self) -> Result<Vec<AgentView>, Error> {
        let all = |state: &dyn StateRead| {
            let accounts = agents::agents(state).map(|(account, _)| account);
            accounts.filter_map(|account| view::agent(state, &account)).collect()
        };
        self.query(None, all).await
    }

    /// Follow all agents, from the next finalised block on.
    pub async fn watch_agents(&self) -> Result<AgentEvents, Error> {
        let heads = self.heads(None).await?;
        Ok(AgentEvents { client: self.clone(), heads, waiting: VecDeque::new() })
    }
}

impl AgentEvents {
    /// The next event.
    pub async fn next(&mut self) -> Result<AgentEvent, Error> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let head = self.heads.next().await?;
            let BlockEvents { events } = self.client.events(head.hash).await?;
            self.waiting.extend(events.into_iter().filter_map(|(_, event)| match event {
                RuntimeEvent::Agents(event) => Some(AgentEvent { head, event }),
                _ => None,
            }));
        }
    }
}
