//! `artel localnet`: a network on this machine.

use super::{dev::Home, signal};
use crate::localnet::{Localnet, Member, Plan};
use anyhow::{Context, Result, bail};
use clap::Args;
use client::Client;
use network::Role;
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};
use tokio::time::interval;

/// How often the table is drawn anew.
const DRAW: Duration = Duration::from_millis(500);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// What `artel localnet` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  artel localnet                                      four validators, three agents, a gateway; gone at the end
  artel localnet --validators 7 --base-path ./net     kept, with the logs of all nodes

Validators are //Alice, //Bob, …; agents //Agent//1, //Agent//2, …. Connect any Substrate client to the
gateway at ws://127.0.0.1:9944, and post a task: artel task submit PROGRAM.wasm --signer //Alice")]
pub struct LocalnetArgs {
    /// Nodes that decide blocks.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    validators: usize,
    /// Nodes that compute tasks.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    agents: usize,
    /// Nodes that serve dapps.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    gateways: usize,
    /// Folder of the network's data and logs; a temporary one if absent.
    #[arg(long, short = 'd', value_name = "PATH")]
    base_path: Option<PathBuf>,
    /// Port of the first gateway's JSON-RPC; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 9944)]
    rpc_port: u16,
    /// What the nodes log.
    #[arg(long, short = 'l', value_name = "FILTER", default_value = "info")]
    log: String,
    /// Print a line now and then instead of a table.
    #[arg(long)]
    plain: bool,
}

/// Runs a network until it is told to stop.
pub async fn run(args: LocalnetArgs) -> Result<()> {
    let home = Home::new(args.base_path)?;
    let plan = Plan {
        program: std::env::current_exe().context("cannot find this program")?,
        folder: home.path(),
        validators: args.validators,
        agents: args.agents,
        gateways: args.gateways,
        rpc_port: args.rpc_port,
        log: args.log,
        flags: Vec::new(),
        endowed: Vec::new(),
        places: Vec::new(),
    };
    eprintln!(
        "starting {} nodes in {}",
        args.validators + args.agents + args.gateways,
        home.path().display()
    );
    let mut network = Localnet::start(plan).await?;
    let main = network.first(Role::Gateway).or(network.first(Role::Validator));
    let main = main.context("there is a validator")?.url.clone();
    eprintln!("the network runs. JSON-RPC: {main}   Stop: Ctrl-C");
    let is_table = !args.plain && std::io::stderr().is_terminal();
    let watched = watch(&mut network, is_table);
    let result = tokio::select! {
        result = watched => result,
        () = signal::stop() => Ok(()),
    };
    eprintln!("stopping");
    let stopped = network.stop().await;
    result.and(stopped)
}

/// Shows how the nodes are until one ends.
async fn watch(network: &mut Localnet, is_table: bool) -> Result<()> {
    let mut clients: Vec<Client> = Vec::new();
    for member in &network.members {
        clients.push(member.client().await?);
    }
    let mut tick = interval(if is_table { DRAW } else { LINE });
    let mut drawn = 0;
    loop {
        tick.tick().await;
        if let Some((name, said)) = network.ended() {
            bail!("{name} has ended; it said:\n{said}");
        }
        let mut rows = Vec::new();
        for (member, client) in network.members.iter().zip(&clients) {
            rows.push(Row::of(member, client).await);
        }
        let mut err = std::io::stderr().lock();
        if is_table {
            if drawn > 0 {
                write!(err, "\x1b[{drawn}A\x1b[J")?;
            }
            writeln!(err, "{:<14} {:>8} {:>6} {:>7}  json-rpc", "node", "height", "peers", "pid")?;
            for row in &rows {
                writeln!(err, "{}", row.line())?;
            }
            drawn = rows.len() + 1;
        } else {
            let heights: Vec<String> = rows.iter().map(Row::short).collect();
            writeln!(err, "{}", heights.join("  "))?;
        }
    }
}

/// How a node is.
struct Row {
    name: String,
    url: String,
    id: u32,
    /// Height and peers, if it answers.
    state: Option<(u32, usize)>,
}

impl Row {
    async fn of(member: &Member, client: &Client) -> Self {
        let state = async {
            Some((client.finalised().await.ok()?.height, client.peers().await.ok()?.len()))
        };
        Self {
            name: member.name.clone(),
            url: member.url.clone(),
            id: member.id().unwrap_or_default(),
            state: state.await,
        }
    }

    fn line(&self) -> String {
        let Self { name, url, id, state } = self;
        match state {
            Some((height, peers)) => format!("{name:<14} {height:>8} {peers:>6} {id:>7}  {url}"),
            None => format!("{name:<14} {:>8} {:>6} {id:>7}  {url}", "silent", "?"),
        }
    }

    fn short(&self) -> String {
        let height = self.state.map_or("silent".to_owned(), |(height, _)| height.to_string());
        format!("{} {height}", self.name)
    }
}
