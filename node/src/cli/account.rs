//! `artel account`: look at accounts and send tokens.

use super::{Connection, amount, output, signing::SignerArgs};
use anyhow::Result;
use clap::{Args, Subcommand};
use pallets::balances;
use primitives::{AccountId, Balance};
use runtime::RuntimeCall;
use serde::Serialize;

/// Commands for accounts.
#[derive(Subcommand)]
pub enum AccountCommand {
    /// Show what accounts have.
    #[command(after_help = "Example:
  artel account show 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")]
    Show(ShowArgs),
    /// Send tokens and wait until that is final.
    #[command(after_help = "Example:
  artel account send 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty 1.5 --signer //Alice")]
    Send(SendArgs),
}

/// What `artel account show` takes.
#[derive(Args)]
pub struct ShowArgs {
    /// Addresses, with any prefix, or 0x-hex.
    #[arg(required = true)]
    accounts: Vec<AccountId>,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel account send` takes.
#[derive(Args)]
pub struct SendArgs {
    /// Who gets it.
    to: AccountId,
    /// How many tokens, such as 1.5.
    #[arg(value_parser = amount::parse)]
    amount: Balance,
    /// Let the sending account die if too little stays behind.
    #[arg(long)]
    allow_death: bool,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Runs a command.
pub async fn run(command: AccountCommand) -> Result<()> {
    match command {
        AccountCommand::Show(args) => show(args).await,
        AccountCommand::Send(args) => send(args).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    account: AccountId,
    free: Balance,
    held: Balance,
    nonce: u32,
}

async fn show(args: ShowArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let mut shown = Vec::new();
    for account in args.accounts {
        let info = client.account(&account).await?;
        let (free, held) = (info.data.free, info.data.reserved);
        shown.push(Shown { account, free, held, nonce: info.nonce });
    }
    output::print(args.connection.json, &shown, |shown| {
        let line = |s: &Shown| {
            let (free, held) = (amount::format(s.free), amount::format(s.held));
            format!("{}  free {free}  held {held}  nonce {}", s.account, s.nonce)
        };
        shown.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

async fn send(args: SendArgs) -> Result<()> {
    let signer = args.signer.pair()?;
    let client = args.connection.client().await?;
    let (dest, value) = (args.to.into(), args.amount);
    let call = if args.allow_death {
        balances::Call::transfer_allow_death { dest, value }
    } else {
        balances::Call::transfer_keep_alive { dest, value }
    };
    let receipt = client.call(&signer, &RuntimeCall::Balances(call)).await?;
    let json = serde_json::json!({
        "transaction": receipt.hash, "block": receipt.block, "height": receipt.height,
    });
    output::print(args.connection.json, &json, |_| {
        let (amount, to, height) = (amount::format(args.amount), args.to, receipt.height);
        format!("sent {amount} to {to} in block {height} (transaction {})", receipt.hash)
    })
}
