//! `artel signer`: a process of its own that has a validator's session keys.

use super::{chain_spec, signal};
use crate::{
    keyring::{FOLDER, Keyring, read_session_key},
    logging,
    signer::{Server, Setup, listen},
};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Name of the socket in the signer's folder.
const SOCKET: &str = "socket";

/// Commands for signers.
#[derive(Subcommand)]
pub enum SignerCommand {
    /// Sign for the nodes of one validator, one at a time and nothing twice.
    #[command(after_help = "Examples:
  artel signer run --chain testnet --folder ./signer --session-key-file first.key --sign-without-guard
  artel signer run --chain testnet --folder ./signer                       later, with its own record
  artel node --role validator --remote-signer ./signer/socket --validator 5Grw… --base-path ./primary …
  artel node --role validator --remote-signer ./signer/socket --validator 5Grw… --base-path ./standby …
  ssh -N -L ./signer.socket:/var/lib/artel/signer/socket signer-host       from another machine

The second node stands by. It signs when the first is silent for five seconds, above the last height that was
signed. Never copy a node's folder for another; `artel backup` leaves out what must not be copied. New session
keys are made with `artel key rotate --keys ./signer/keys`.")]
    Run(RunArgs),
}

/// What `artel signer run` takes.
#[derive(Args)]
pub struct RunArgs {
    /// The chain: dev, local, testnet, or the path of a chain spec.
    #[arg(long, value_name = "CHAIN", env = "ARTEL_CHAIN")]
    chain: String,
    /// Folder of its last-signed record and, in `keys`, its session keys.
    #[arg(long, value_name = "PATH", env = "ARTEL_SIGNER_FOLDER")]
    folder: PathBuf,
    /// File with the secret URI of a session key; not needed if there are keys in the folder.
    #[arg(long, value_name = "FILE", env = "ARTEL_SESSION_KEY_FILE")]
    session_key_file: Option<PathBuf>,
    /// Where it listens; `socket` in its folder by default. Only this user can connect.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Begin without a last-signed record. Only if these keys have signed nothing on this chain, or with nodes that
    /// keep their own folders: a validator that signs twice loses its stake.
    #[arg(long)]
    sign_without_guard: bool,
    /// What is logged: a level, and levels by module.
    #[arg(long, short = 'l', value_name = "FILTER", default_value = "info", env = "ARTEL_LOG")]
    log: String,
    /// Log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

/// Runs a command.
pub async fn run(command: SignerCommand) -> Result<()> {
    let SignerCommand::Run(args) = command;
    logging::start(&args.log, args.log_json)?;
    let spec = chain_spec::load(&args.chain)?;
    let given = args.session_key_file.as_deref().map(read_session_key).transpose()?;
    let keys = Keyring::open(given, args.folder.join(FOLDER))?;
    let account = keys.account();
    let (server, mut broken) = Server::new(Setup {
        folder: &args.folder,
        genesis: chain::genesis_hash(&spec.genesis)?,
        keys,
        sign_without_guard: args.sign_without_guard,
    })?;
    let socket = args.socket.unwrap_or_else(|| args.folder.join(SOCKET));
    server.serve(listen(&socket)?)?;
    eprintln!("The signer of {account} listens at {}. Stop: Ctrl-C", socket.display());
    tokio::select! {
        () = signal::stop() => Ok(()),
        Some(error) = broken.recv() => Err(error),
    }
}
