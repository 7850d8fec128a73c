//! `artel stake`: validate, nominate, and look at stake.

use super::{Connection, amount, key::register, output, signing::SignerArgs};
use crate::keyring::read_session_key;
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use client::Receipt;
use client::pallets::staking::{self, Call, Perbill, RewardDestination, ValidatorPrefs};
use framework::StateRead;
use primitives::{AccountId, Balance, crypto::pair::Pair};
use runtime::RuntimeCall;
use serde::Serialize;
use std::path::PathBuf;

/// Commands for stakers.
#[derive(Subcommand)]
pub enum StakeCommand {
    /// Show what accounts have at stake.
    #[command(after_help = "Example:
  artel stake show 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")]
    Show(ShowArgs),
    /// Bond money: the first time with where rewards go, later more of it.
    #[command(after_help = "Examples:
  artel stake bond 500 --signer validator.json
  artel stake bond 500 --payee stash --signer validator.json    rewards are not bonded")]
    Bond(BondArgs),
    /// Take stake out; it is slashable until the waiting period ends.
    Unbond(AmountArgs),
    /// Bond again what waits to be taken out.
    Rebond(AmountArgs),
    /// Make stake free that has waited long enough.
    Withdraw(CommonArgs),
    /// Ask to be elected from the next era on.
    #[command(after_help = "To become a validator:
  artel stake bond 1000 --signer validator.json
  artel stake keys session.key --signer validator.json
  artel stake validate --commission 5 --signer validator.json
  artel node --role validator --session-key-file session.key ...      keys count two eras later
  artel key rotate --base-path ... --signer validator.json            later: a new key, without a restart")]
    Validate(ValidateArgs),
    /// Put your stake behind validators from the next era on.
    Nominate(NominateArgs),
    /// Neither validate nor nominate from the next era on.
    Chill(CommonArgs),
    /// Tell the chain the session keys of your node, which must be those of its --session-key-file.
    Keys(KeysArgs),
    /// Pay stakers behind a validator for an era now instead of some blocks later.
    Payout(PayoutArgs),
}

/// What all that sign take.
#[derive(Args)]
pub struct CommonArgs {
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel stake show` takes.
#[derive(Args)]
pub struct ShowArgs {
    /// Addresses, with any prefix, or 0x-hex.
    #[arg(required = true)]
    accounts: Vec<AccountId>,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel stake bond` takes.
#[derive(Args)]
pub struct BondArgs {
    /// How many tokens, such as 100.
    #[arg(value_parser = amount::parse)]
    amount: Balance,
    /// Where rewards go: staked (bonded too), stash, none, or an account. Counts the first time.
    #[arg(long, default_value = "staked", value_parser = payee)]
    payee: RewardDestination,
    #[command(flatten)]
    common: CommonArgs,
}

/// What commands take that name an amount.
#[derive(Args)]
pub struct AmountArgs {
    /// How many tokens, such as 100.
    #[arg(value_parser = amount::parse)]
    amount: Balance,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `artel stake validate` takes.
#[derive(Args)]
pub struct ValidateArgs {
    /// Your share of the rewards before they are divided by stake, in percent, such as 2.5.
    #[arg(long, default_value = "0", value_parser = percent)]
    commission: Perbill,
    /// Take no new nominators.
    #[arg(long)]
    blocked: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `artel stake nominate` takes.
#[derive(Args)]
pub struct NominateArgs {
    /// One to 16 validators.
    #[arg(required = true)]
    validators: Vec<AccountId>,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `artel stake keys` takes.
#[derive(Args)]
pub struct KeysArgs {
    /// The file that the node gets as --session-key-file.
    file: PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `artel stake payout` takes.
#[derive(Args)]
pub struct PayoutArgs {
    /// The validator.
    validator: AccountId,
    /// An era that has ended.
    #[arg(long)]
    era: u32,
    #[command(flatten)]
    common: CommonArgs,
}

fn payee(text: &str) -> Result<RewardDestination> {
    Ok(match text {
        "staked" => RewardDestination::Staked,
        "stash" => RewardDestination::Stash,
        "none" => RewardDestination::None,
        account => RewardDestination::Account(account.parse().with_context(|| {
            format!("'{account}' is neither staked, stash, none nor an account")
        })?),
    })
}

/// Reads "2.5" as parts of a hundred, exactly.
fn percent(text: &str) -> Result<Perbill> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = !whole.is_empty()
        && part.len() <= 7
        && (whole.to_owned() + part).bytes().all(|b| b.is_ascii_digit());
    ensure!(is_number, "'{text}' is no percentage: write 5 or 2.5");
    let parts: u64 = format!("{whole}{part:0<7}").parse()?;
    let share = u32::try_from(parts).ok().filter(|parts| *parts <= 1_000_000_000);
    let share = share.map(Perbill::from_parts);
    share.with_context(|| format!("{text} % is more than 100 %"))
}

/// Runs a command.
pub async fn run(command: StakeCommand) -> Result<()> {
    let (common, call, done) = match command {
        StakeCommand::Show(args) => return show(args).await,
        StakeCommand::Bond(args) => return bond(args).await,
        StakeCommand::Keys(args) => return keys(args).await,
        StakeCommand::Unbond(AmountArgs { amount, common }) => {
            (common, Call::unbond { value: amount }, "is on its way out")
        }
        StakeCommand::Rebond(AmountArgs { amount, common }) => {
            (common, Call::rebond { value: amount }, "is bonded again")
        }
        StakeCommand::Withdraw(common) => (
            common,
            Call::withdraw_unbonded { num_slashing_spans: 0 },
            "what waited long enough is free",
        ),
        StakeCommand::Validate(ValidateArgs { commission, blocked, common }) => {
            let prefs = ValidatorPrefs { commission, blocked };
            (common, Call::validate { prefs }, "a candidate from the next era on")
        }
        StakeCommand::Nominate(NominateArgs { validators, common }) => {
            let targets = validators.into_iter().map(Into::into).collect();
            (common, Call::nominate { targets }, "nominates from the next era on")
        }
        StakeCommand::Chill(common) => {
            (common, Call::chill, "out of elections from the next era on")
        }
        StakeCommand::Payout(PayoutArgs { validator, era, common }) => {
            (common, Call::payout_stakers { validator_stash: validator, era }, "paid")
        }
    };
    submit(common, RuntimeCall::Staking(call), done).await
}

async fn bond(args: BondArgs) -> Result<()> {
    let BondArgs { amount, payee, common } = args;
    let client = common.connection.client().await?;
    let stash = common.signer.pair()?.account();
    let has_bonded =
        client.query(None, move |state: &dyn StateRead| staking::ledger(state, &stash).is_some());
    let call = match has_bonded.await? {
        true => Call::bond_extra { max_additional: amount },
        false => Call::bond { value: amount, payee },
    };
    submit(common, RuntimeCall::Staking(call), "bonded").await
}

async fn keys(args: KeysArgs) -> Result<()> {
    let KeysArgs { file, common: CommonArgs { signer, connection } } = args;
    let keys = read_session_key(&file)?;
    let signer = signer.pair()?;
    ensure!(
        keys.account == signer.account(),
        "the node with {} would work for {}, not for the signer, {}",
        file.display(),
        keys.account,
        signer.account()
    );
    let client = connection.client().await?;
    let receipt = register(&client, &signer, &keys).await?;
    tell(&connection, &signer, &receipt, "session keys are set and count two eras later")
}

async fn submit(common: CommonArgs, call: RuntimeCall, done: &str) -> Result<()> {
    let CommonArgs { signer, connection } = common;
    let signer = signer.pair()?;
    let client = connection.client().await?;
    let receipt = client.call(&signer, &call).await?;
    tell(&connection, &signer, &receipt, done)
}

fn tell(connection: &Connection, signer: &Pair, receipt: &Receipt, done: &str) -> Result<()> {
    let json = serde_json::json!({
        "transaction": receipt.hash, "block": receipt.block, "height": receipt.height,
    });
    output::print(connection.json, &json, |_| {
        format!(
            "{}: {done}, in block {} (transaction {})",
            signer.account(),
            receipt.height,
            receipt.hash
        )
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    account: AccountId,
    /// What counts in elections to come.
    active: Balance,
    /// What is on its way out, and the era from which on it can be withdrawn.
    unlocking: Vec<(u32, Balance)>,
    /// Whether the account decides blocks now.
    validates: bool,
    /// What stands behind it in this era, nominators included.
    behind: Option<Balance>,
    points: Option<u32>,
    era: u32,
}

async fn show(args: ShowArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let mut shown = Vec::new();
    for account in args.accounts {
        let read = move |state: &dyn StateRead| {
            let ledger = staking::ledger(state, &account);
            let era = staking::active_era(state).map_or(0, |era| era.index);
            let points = staking::reward_points(state, era).individual;
            let behind = staking::exposure(state, era, &account).map(|exposure| exposure.total);
            let unlocking = ledger.iter().flat_map(|ledger| &ledger.unlocking);
            Shown {
                account,
                active: ledger.as_ref().map(|ledger| ledger.active).unwrap_or_default(),
                unlocking: unlocking.map(|chunk| (chunk.era, chunk.value)).collect(),
                validates: runtime::validator_set(state).get(&account).is_some(),
                behind,
                points: points.iter().find(|(who, _)| **who == account).map(|(_, points)| *points),
                era,
            }
        };
        shown.push(client.query(None, read).await?);
    }
    output::print(args.connection.json, &shown, |shown| {
        shown.iter().map(Shown::lines).collect::<Vec<_>>().join("\n")
    })
}

impl Shown {
    fn lines(&self) -> String {
        let mut line = format!("{}  active stake {}", self.account, amount::format(self.active));
        for (era, value) in &self.unlocking {
            line += &format!("\n  {} free from era {era} on", amount::format(*value));
        }
        if self.validates {
            let behind = self.behind.map_or("?".to_owned(), amount::format);
            let points = self.points.unwrap_or_default();
            line += &format!(
                "\n  decides blocks of era {}, {behind} behind it, {points} points",
                self.era
            );
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        for (text, parts) in
            [("0", 0), ("2.5", 25_000_000), ("100", 1_000_000_000), ("0.0000001", 1)]
        {
            assert_eq!(percent(text).expect(text).parts(), parts, "{text}");
        }
        for text in ["", "101", "-1", "2,5", "1.00000001", "a"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
