//! `artel key`: make, look at and store keys.

mod rotate;

pub use rotate::register;

use super::output;
use crate::keystore::KeyFile;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use primitives::{
    AccountId,
    crypto::{
        pair::{Pair, Scheme},
        uri,
    },
};
use serde::Serialize;
use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Commands for keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a new key and print its words, or seal it in a key file.
    #[command(after_help = "Examples:
  artel key generate                       words and address, to be written down
  artel key generate --out alice.json      sealed under a password that is asked for; no words are shown
  artel key generate --words 24 --json")]
    Generate(GenerateArgs),
    /// Show the account behind words, a secret URI, an address or a key file.
    #[command(after_help = "Examples:
  artel key inspect //Alice
  artel key inspect 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY
  artel key inspect alice.json
  artel key inspect - < words.txt          keeps the words out of the shell's history")]
    Inspect(InspectArgs),
    /// Seal words or a secret URI in a key file, as polkadot-js and its wallets import it.
    #[command(after_help = "Examples:
  artel key store - --out alice.json < words.txt
  artel key store //Alice --out alice.json --password-file secret.txt")]
    Store(StoreArgs),
    /// Make a new session key for a validator's node or signer, and register it. The old one stays.
    #[command(after_help = "Examples:
  artel key rotate --base-path ./first --chain testnet --signer validator.json
  artel key rotate --base-path ./first --chain testnet --signer validator.json --wait
  artel key rotate --keys ./signer/keys --signer validator.json      for a signer of its own

The key signs from the second era after on. A node that runs notices it by itself. If this is interrupted, do it again:
the same key is registered. Keys that no evidence can name any more are removed.")]
    Rotate(rotate::RotateArgs),
    /// Show the session keys of a validator's node or signer, and what the chain knows of them.
    #[command(after_help = "Examples:
  artel key list --base-path ./first --chain testnet
  artel key list --keys ./signer/keys --json")]
    List(rotate::ListArgs),
}

/// What `artel key generate` takes.
#[derive(Args)]
pub struct GenerateArgs {
    /// How many words: 12, 15, 18, 21 or 24.
    #[arg(long, default_value_t = 12, value_name = "COUNT")]
    words: usize,
    #[command(flatten)]
    scheme: SchemeArgs,
    /// Seal the key in this file instead of showing its words.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    label: LabelArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// What `artel key inspect` takes.
#[derive(Args)]
pub struct InspectArgs {
    /// Words, a secret URI, an address, a key file, or - for stdin.
    what: String,
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// What `artel key store` takes.
#[derive(Args)]
pub struct StoreArgs {
    /// Words, a secret URI, or - for stdin.
    secret: String,
    /// The key file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    label: LabelArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// Which kind of key is meant.
#[derive(Args, Clone, Debug)]
pub struct SchemeArgs {
    /// Kind of key: sr25519, ed25519 or ecdsa.
    #[arg(long, default_value = "sr25519", value_name = "KIND")]
    scheme: Scheme,
}

/// What is noted in a key file.
#[derive(Args)]
pub struct LabelArgs {
    /// Name of the key in wallets.
    #[arg(long, default_value = "artel", value_name = "NAME")]
    name: String,
}

/// Where the password of a key file comes from; it is asked for if nothing is given.
#[derive(Args, Clone, Debug, Default)]
pub struct PasswordArgs {
    /// File whose first line is the key file's password.
    #[arg(long, value_name = "FILE", env = "ARTEL_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
}

/// A key as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    address: AccountId,
    /// The account's bytes in hex.
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Shown {
    fn account(account: AccountId) -> Self {
        let hex = format!("0x{}", hex::encode(account.0));
        Self { words: None, scheme: None, address: account, account: hex, file: None }
    }

    fn pair(pair: &Pair) -> Self {
        Self { scheme: Some(pair.scheme().to_string()), ..Self::account(pair.account()) }
    }

    fn lines(&self) -> String {
        let mut lines = Vec::new();
        if let Some(words) = &self.words {
            lines.push(format!("Words:    {words}"));
        }
        lines.push(format!("Address:  {}", self.address));
        lines.push(format!("Account:  {}", self.account));
        if let Some(scheme) = &self.scheme {
            lines.push(format!("Kind:     {scheme}"));
        }
        if let Some(file) = &self.file {
            lines.push(format!("File:     {}", file.display()));
        }
        if self.words.is_some() {
            lines
                .push("Write the words down and show them to nobody: they are the key.".to_owned());
        }
        lines.join("\n")
    }
}

/// Runs one of the commands.
pub fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Generate(args) => generate(&args),
        KeyCommand::Inspect(args) => inspect(&args),
        KeyCommand::Store(args) => store(&args),
        KeyCommand::Rotate(args) => super::block_on(rotate::rotate(args)),
        KeyCommand::List(args) => super::block_on(rotate::list(args)),
    }
}

/// The key that a user names on a command line: the path of a key file, words, or a secret URI such as `//Alice`.
pub fn load(what: &str, scheme: Scheme, password: &PasswordArgs) -> Result<Pair> {
    if let Some(file) = key_file(what)? {
        let password = if file.is_encrypted() { password.read(false)? } else { String::new() };
        return file.open(&password).with_context(|| format!("the key file {what}"));
    }
    Pair::from_uri(scheme, what).context(
        "this names no key: give words, 0x and 64 hex digits, a path such as //Alice, or an existing key file",
    )
}

fn generate(args: &GenerateArgs) -> Result<()> {
    let words_allowed = [12, 15, 18, 21, 24];
    ensure!(
        words_allowed.contains(&args.words),
        "--words {} is not possible: 12, 15, 18, 21 or 24 words make a phrase",
        args.words
    );
    // Three words hold 32 bits and one bit of checksum.
    let mut entropy = vec![0; args.words / 3 * 4];
    getrandom::fill(&mut entropy)
        .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    let words = uri::phrase_from_entropy(&entropy)?;
    let pair = Pair::from_uri(args.scheme.scheme, &words)?;
    let mut shown = Shown::pair(&pair);
    match &args.out {
        Some(path) => shown.file = Some(seal(&pair, path, &args.label, &args.password)?),
        None => shown.words = Some(words),
    }
    output::print(args.json, &shown, Shown::lines)
}

fn inspect(args: &InspectArgs) -> Result<()> {
    let what = argument(&args.what)?;
    let shown = match what.parse::<AccountId>() {
        // 64 hex digits may be an account or a seed; a seed is secret, so it is the one that is looked at.
        Ok(account) if !what.starts_with("0x") => Shown::account(account),
        _ => {
            let is_file = key_file(&what)?.is_some();
            let pair = load(&what, args.scheme.scheme, &args.password)?;
            Shown { file: is_file.then(|| what.into()), ..Shown::pair(&pair) }
        }
    };
    output::print(args.json, &shown, Shown::lines)
}

fn store(args: &StoreArgs) -> Result<()> {
    let secret = argument(&args.secret)?;
    let pair = Pair::from_uri(args.scheme.scheme, &secret)?;
    let file = seal(&pair, &args.out, &args.label, &args.password)?;
    output::print(args.json, &Shown { file: Some(file), ..Shown::pair(&pair) }, Shown::lines)
}

fn seal(pair: &Pair, path: &Path, label: &LabelArgs, password: &PasswordArgs) -> Result<PathBuf> {
    ensure!(!path.exists(), "{} exists already: choose another name", path.display());
    let password = password.read(true)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let created_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
    KeyFile::seal(pair, &password, &label.name, created_ms)?.write(path)?;
    Ok(path.to_owned())
}

/// The key file of a name; none if there is no such file.
fn key_file(what: &str) -> Result<Option<KeyFile>> {
    let path = Path::new(what);
    Ok(if path.is_file() { Some(KeyFile::read(path)?) } else { None })
}

/// An argument, or what stdin holds in its place.
fn argument(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut text = String::new();
    let limit = u64::try_from(uri::URI_BYTES_MAX).expect("a small number") + 2;
    std::io::stdin().take(limit).read_to_string(&mut text).context("reading stdin")?;
    Ok(text.trim().to_owned())
}

impl PasswordArgs {
    /// The password from its file or from the terminal; a new one is asked for twice.
    fn read(&self, new: bool) -> Result<String> {
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the password from {}", path.display()))?;
            return Ok(text.lines().next().unwrap_or_default().to_owned());
        }
        if !std::io::stdin().is_terminal() {
            bail!("the key file needs a password: give --password-file FILE, or run in a terminal");
        }
        let password = rpassword::prompt_password("Password of the key file: ")?;
        if new && rpassword::prompt_password("The same again: ")? != password {
            bail!("the two passwords differ: nothing was written");
        }
        Ok(password)
    }
}

#[cfg(test)]
mod tests;
