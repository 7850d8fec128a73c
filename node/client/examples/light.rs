//! Reads a balance that is proven: the node is not believed, only the hashes of two blocks, genesis and a late one.
//!
//! ```text
//! cargo run --package artel-client --example light -- ws://127.0.0.1:9944 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY 0x<genesis> 1200 0x<hash of block 1200>
//! ```

use anyhow::{Context, Result};
use artel_client::{Checkpoint, Client, pallets::balances};
use primitives::{AccountId, Hash};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("give a node's address, an account, genesis, a height and its hash")
    };
    let client = Client::connect(&next()?).await?;
    let account: AccountId = next()?.parse()?;
    let genesis: Hash = next()?.parse()?;
    let checkpoint = Checkpoint { height: next()?.parse()?, hash: next()?.parse()? };

    let mut chain = client.follow(genesis, checkpoint).await?;
    let head = chain.update().await?;
    println!("block {} ({}) is final", head.height, head.hash);
    let free = chain.query(move |state| balances::free(state, &account)).await?;
    println!("{account} has {free}, proven");
    Ok(())
}
