//! Sends a token and reads what that cost.
//!
//! ```text
//! cargo run --package artel-client --example transfer -- ws://127.0.0.1:9944 //Alice 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty
//! ```

use anyhow::{Context, Result};
use artel_client::{Client, RuntimeCall, TxOptions, pallets::balances};
use primitives::{
    AccountId, Balance,
    crypto::pair::{Pair, Scheme},
};

const TOKEN: Balance = Balance::new(1_000_000_000_000);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("give a node's address, a key and an account");
    let client = Client::connect(&next()?).await?;
    let signer = Pair::from_uri(Scheme::Sr25519, &next()?)?;
    let to: AccountId = next()?.parse()?;

    let call = balances::Call::transfer_keep_alive { dest: to.into(), value: TOKEN };
    let tx = client.sign(&signer, &RuntimeCall::Balances(call), TxOptions::default()).await?;
    println!("estimate: {}", client.fee_of(&tx, None).await?);
    let receipt = client.submit_and_watch(&tx).await?.ok()?;
    println!("paid: {} in block {}", receipt.fee().paid, receipt.height);
    println!("{to} has {}", client.balance(&to).await?);
    Ok(())
}
