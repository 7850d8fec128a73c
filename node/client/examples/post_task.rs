//! Posts a task and prints its result.
//!
//! ```text
//! cargo run --package artel-client --example post_task -- ws://127.0.0.1:9944 //Alice wordfreq.wasm README.md
//! ```

use anyhow::{Context, Result};
use artel_client::{Client, TaskLimits, pallets::tasks::Policy};
use primitives::{
    Balance,
    crypto::pair::{Pair, Scheme},
};

/// What the agent gets: a token.
const REWARD: Balance = Balance::new(1_000_000_000_000);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("give a node's address, a key and two files");
    let client = Client::connect(&next()?).await?;
    let signer = Pair::from_uri(Scheme::Sr25519, &next()?)?;
    let (program, input) = (std::fs::read(next()?)?, std::fs::read(next()?)?);

    let spec = client.prepare_task(&program, &input, Vec::new(), TaskLimits::default()).await?;
    let task = client.post_task(&signer, spec, Policy::economy(REWARD)).await?.task;
    eprintln!("posted {task}");
    let done = client.wait_for_result(task).await?;
    eprintln!("it is {:?}", done.state);
    let output = client.output(task).await?;
    client.accept_result(&signer, task).await?;
    print!("{}", String::from_utf8_lossy(&output));
    Ok(())
}
