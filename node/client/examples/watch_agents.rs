//! Lists the agents, and tells what becomes of them until it is stopped.
//!
//! ```text
//! cargo run --package artel-client --example watch_agents -- ws://127.0.0.1:9944
//! ```

use anyhow::{Context, Result};
use artel_client::Client;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("give a node's address")?;
    let client = Client::connect(&url).await?;
    // Followed before they are listed, so that nothing falls in between.
    let mut events = client.watch_agents().await?;
    for agent in client.agents().await? {
        let (free, slots) = (agent.free_slots, agent.slots);
        println!("{}: stake {}, {free} of {slots} slots free", agent.account, agent.stake);
    }
    loop {
        let event = events.next().await?;
        println!("block {}: {:?}", event.head.height, event.event);
    }
}
