//! A network of several nodes on this machine, each a process of its own.

use crate::cli::node::session_keys;
use anyhow::{Context, Result, bail, ensure};
use client::Client;
use network::Role;
use pallets::staking::GenesisValidator;
use primitives::{
    AccountId, Balance, Hash,
    crypto::pair::{Pair, Scheme},
};
use runtime::ChainSpec;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Most nodes of one kind: more would only wait for each other.
pub const NODES_MAX: usize = 64;
/// Longest that a node may take until it serves.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest that a node may take to stop.
const STOP_WAIT_MAX: Duration = Duration::from_secs(15);
/// How often is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(20);
/// What each agent has to begin with, in the smallest unit: ten thousand tokens.
const AGENT_MONEY: Balance = Balance::new(10_000_000_000_000_000);
/// What each validator stakes.
const STAKE: Balance = AGENT_MONEY;
/// What a validator has to begin with, if it is none of the accounts that people know.
const VALIDATOR_MONEY: Balance = Balance::new(20_000_000_000_000_000);
/// What a node prints before the address of its JSON-RPC.
const READY: &str = "JSON-RPC: ";

/// A network to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that nodes run.
    pub program: PathBuf,
    /// Folder of the network's data and logs.
    pub folder: PathBuf,
    /// How many decide blocks.
    pub validators: usize,
    /// How many compute tasks.
    pub agents: usize,
    /// How many serve dapps.
    pub gateways: usize,
    /// Port of the first gateway's JSON-RPC, of the first validator's if there is none; 0 takes a free one.
    pub rpc_port: u16,
    /// What nodes log.
    pub log: String,
    /// More flags for every node.
    pub flags: Vec<String>,
    /// More accounts with money.
    pub endowed: Vec<(AccountId, Balance)>,
    /// Where the nodes run, in the order validators, agents, gateways; on this machine's loopback if there are none.
    pub places: Vec<Place>,
}

impl Plan {
    /// Four validators on loopback that log what is wrong.
    pub fn new(program: PathBuf, folder: PathBuf) -> Self {
        Self {
            program,
            folder,
            validators: 4,
            agents: 0,
            gateways: 0,
            rpc_port: 0,
            log: "warn".to_owned(),
            flags: Vec::new(),
            endowed: Vec::new(),
            places: Vec::new(),
        }
    }
}

/// Where a node runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// What stands before the command that starts the node.
    pub prefix: Vec<String>,
    /// Its address.
    pub address: Ipv4Addr,
    /// More flags for it.
    pub flags: Vec<String>,
}

/// A node of the network.
pub struct Member {
    /// What it does.
    pub role: Role,
    /// Its name: role and number.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its flags, but for those that all have.
    flags: Vec<String>,
    /// What stands before the command that starts it.
    pub prefix: Vec<String>,
    child: Option<Child>,
    /// WebSocket address of its JSON-RPC while it runs.
    pub url: String,
}

/// A running network. Its nodes are killed when it is dropped.
pub struct Localnet {
    program: PathBuf,
    common: Vec<String>,
    /// Its nodes: validators, agents, gateways.
    pub members: Vec<Member>,
    /// Address of the one node that others begin with.
    pub bootnode: String,
}

impl Localnet {
    /// Starts a network and waits until every node serves.
    pub async fn start(plan: Plan) -> Result<Self> {
        Self::start_with(plan, |_| ()).await
    }

    /// Starts a network whose chain is changed before it begins.
    pub async fn start_with(plan: Plan, change: impl FnOnce(&mut ChainSpec)) -> Result<Self> {
        let kinds = [plan.validators, plan.agents, plan.gateways];
        ensure!(plan.validators > 0, "0 validators decide nothing: give --validators 1 or more");
        ensure!(
            kinds.iter().all(|count| *count <= NODES_MAX),
            "{kinds:?} validators, agents and gateways: {NODES_MAX} of a kind are the most"
        );
        let mut spec = spec(plan.validators, plan.agents, plan.endowed.clone())?;
        change(&mut spec);
        let mut this = Self::of(&spec, plan)?;
        for index in 0..this.members.len() {
            this.launch(index)?;
        }
        for index in 0..this.members.len() {
            this.wait_ready(index).await?;
        }
        Ok(this)
    }

    /// A network on a chain of which there may be more than its first block, or whose validators are elsewhere. Nobody runs
    /// yet, so that the nodes can be given what they are to begin with.
    pub fn of(spec: &ChainSpec, plan: Plan) -> Result<Self> {
        let kinds = [
            (Role::Validator, plan.validators),
            (Role::Agent, plan.agents),
            (Role::Gateway, plan.gateways),
        ];
        let first = kinds.iter().find(|(_, count)| *count > 0).map(|(role, _)| *role);
        let first = first.context("a network has a node")?;
        fs::create_dir_all(&plan.folder)
            .with_context(|| format!("cannot make the folder {}", plan.folder.display()))?;
        let spec_path = plan.folder.join("chain-spec.json");
        fs::write(&spec_path, serde_json::to_string_pretty(spec)?)?;
        let common = vec![
            "node".to_owned(),
            "--chain".to_owned(),
            spec_path.display().to_string(),
            "--log".to_owned(),
            plan.log.clone(),
        ];
        let common = [common, plan.flags.clone()].concat();
        let place = plan.places.first().map_or(Ipv4Addr::LOCALHOST, |place| place.address);
        let folder = plan.folder.join(name_of(first, 1));
        let (port, bootnode) = bootnode(&folder, spec, place)?;
        let mut this = Self { program: plan.program, common, members: Vec::new(), bootnode };
        for (role, count) in kinds {
            for number in 1..=count {
                let is_main = number == 1
                    && (role == Role::Gateway || (plan.gateways == 0 && role == Role::Validator));
                let rpc_port = if is_main { plan.rpc_port } else { 0 };
                let listen = if this.members.is_empty() { port } else { 0 };
                let place = plan.places.get(this.members.len());
                let member = this.member(&plan.folder, role, number, listen, rpc_port, place)?;
                this.members.push(member);
            }
        }
        Ok(this)
    }

    fn member(
        &self,
        base: &Path,
        role: Role,
        number: usize,
        listen: u16,
        rpc_port: u16,
        place: Option<&Place>,
    ) -> Result<Member> {
        let address = place.map_or(Ipv4Addr::LOCALHOST, |place| place.address);
        let name = name_of(role, number);
        let folder = base.join(&name);
        fs::create_dir_all(&folder)?;
        let mut flags = vec![
            "--role".to_owned(),
            role.name().to_owned(),
            "--name".to_owned(),
            name.clone(),
            "--base-path".to_owned(),
            folder.display().to_string(),
            "--listen".to_owned(),
            format!("/ip4/{address}/tcp/{listen}"),
            "--rpc-host".to_owned(),
            address.to_string(),
            "--rpc-port".to_owned(),
            rpc_port.to_string(),
            "--prometheus-port".to_owned(),
            "0".to_owned(),
        ];
        if address.is_loopback() || address.is_private() {
            flags.push("--private-addresses".to_owned());
        }
        if listen == 0 {
            flags.extend(["--bootnode".to_owned(), self.bootnode.clone()]);
        }
        flags.extend(place.into_iter().flat_map(|place| place.flags.clone()));
        match role {
            Role::Validator => {
                let key = folder.join("session.key");
                fs::write(&key, validator_uri(number))?;
                flags.extend(["--session-key-file".to_owned(), key.display().to_string()]);
            }
            Role::Agent => flags.extend(["--signer".to_owned(), agent_uri(number)]),
            Role::Gateway => {}
        }
        let prefix = place.map(|place| place.prefix.clone()).unwrap_or_default();
        Ok(Member { role, name, folder, flags, prefix, child: None, url: String::new() })
    }

    /// Starts a node that does not run. What it prints goes to `log` in its folder.
    pub fn launch(&mut self, index: usize) -> Result<()> {
        let member = &mut self.members[index];
        let log = File::create(member.log())?;
        let program = self.program.display().to_string();
        let mut words = member.prefix.iter().chain([&program]);
        let mut command = Command::new(words.next().expect("the program is one"));
        command.args(words).args(&self.common).args(&member.flags).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn();
        member.child = Some(child.with_context(|| format!("{} does not start", member.name))?);
        member.url.clear();
        Ok(())
    }

    /// Waits until a node serves.
    pub async fn wait_ready(&mut self, index: usize) -> Result<()> {
        self.wait_ready_for(index, START_WAIT_MAX).await
    }

    /// Waits until a node serves which may have much to do before.
    pub async fn wait_ready_for(&mut self, index: usize, wait: Duration) -> Result<()> {
        let member = &mut self.members[index];
        let start = Instant::now();
        loop {
            let log = fs::read_to_string(member.log())?;
            let ready = log.lines().find_map(|line| line.split_once(READY));
            if let Some((_, url)) = ready {
                member.url = url.trim().to_owned();
                return Ok(());
            }
            let ended = member.child.as_mut().and_then(|child| child.try_wait().transpose());
            if ended.is_some() || start.elapsed() > wait {
                bail!("{} did not start; it said:\n{log}", member.name);
            }
            sleep(LOOK).await;
        }
    }

    /// Ends a node at once, as a crash does.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        if let Some(mut child) = self.members[index].child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Stops a node in order.
    pub async fn stop_one(&mut self, index: usize) -> Result<()> {
        let member = &mut self.members[index];
        let Some(child) = member.child.take() else { return Ok(()) };
        // It may have ended already, which its status tells.
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        match end_of(child, &member.name, Instant::now() + STOP_WAIT_MAX).await? {
            None => Ok(()),
            Some(why) => bail!(why),
        }
    }

    /// The first node of a role.
    pub fn first(&self, role: Role) -> Option<&Member> {
        self.members.iter().find(|member| member.role == role)
    }

    /// The first node that has ended by itself, and the end of what it said.
    pub fn ended(&mut self) -> Option<(String, String)> {
        let mut running = self.members.iter_mut();
        let ended = running.find_map(|member| {
            let status = member.child.as_mut().and_then(|child| child.try_wait().ok());
            status.flatten().map(|_| member)
        })?;
        let log = fs::read_to_string(ended.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        Some((ended.name.clone(), last))
    }

    /// Stops all nodes in order; an error names those that did not end well.
    pub async fn stop(mut self) -> Result<()> {
        for member in &self.members {
            if let Some(child) = &member.child {
                // It may have ended already, which its status tells.
                let _ = kill_process(Pid::from_child(child), Signal::TERM);
            }
        }
        let until = Instant::now() + STOP_WAIT_MAX;
        let mut bad = Vec::new();
        for member in &mut self.members {
            if let Some(child) = member.child.take() {
                bad.extend(end_of(child, &member.name, until).await?);
            }
        }
        ensure!(bad.is_empty(), "{}: see the logs in their folders", bad.join(", "));
        Ok(())
    }
}

/// Waits for a process that was told to stop; says what was wrong with its end.
async fn end_of(mut child: Child, name: &str, until: Instant) -> Result<Option<String>> {
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(None),
            Some(status) => return Ok(Some(format!("{name} ended with {status}"))),
            None if Instant::now() < until => sleep(LOOK).await,
            None => {
                child.kill()?;
                child.wait()?;
                return Ok(Some(format!("{name} did not stop and was killed")));
            }
        }
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Member {
    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Adds flags that it is started with from now on.
    pub fn add_flags(&mut self, flags: impl IntoIterator<Item = String>) {
        self.flags.extend(flags);
    }

    /// Its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// A connection to it.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.url).await?)
    }
}

/// Secret of a validator: the first have accounts that people know.
pub fn validator_uri(number: usize) -> String {
    const KNOWN: [&str; 6] = ["//Alice", "//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie"];
    let known = number.checked_sub(1).and_then(|index| KNOWN.get(index));
    known.map_or_else(|| format!("//Validator//{number}"), |uri| (*uri).to_owned())
}

/// Secret of an agent.
pub fn agent_uri(number: usize) -> String {
    format!("//Agent//{number}")
}

fn name_of(role: Role, number: usize) -> String {
    format!("{}-{number}", role.name())
}

/// A chain for a network: its validators and agents have the secrets that [`validator_uri`] and [`agent_uri`] say.
pub fn spec(
    validators: usize,
    agents: usize,
    endowed: Vec<(AccountId, Balance)>,
) -> Result<ChainSpec> {
    let mut spec = ChainSpec::local();
    spec.genesis.Balances.balances.extend(endowed);
    let known: BTreeSet<AccountId> =
        spec.genesis.Balances.balances.iter().map(|(account, _)| *account).collect();
    spec.genesis.Staking.validators.clear();
    for number in 1..=validators {
        let keys = session_keys(&validator_uri(number))?;
        spec.genesis.Staking.validators.push(GenesisValidator {
            account: keys.account,
            stake: STAKE,
            commission_ppm: 0,
            vote_key: Hash(keys.vote.public()),
            vrf_key: Hash(keys.vrf.public()),
        });
        if !known.contains(&keys.account) {
            spec.genesis.Balances.balances.push((keys.account, VALIDATOR_MONEY));
        }
    }
    for number in 1..=agents {
        let account: AccountId = Pair::from_uri(Scheme::Sr25519, &agent_uri(number))?.account();
        spec.genesis.Balances.balances.push((account, AGENT_MONEY));
    }
    spec.validate().map_err(anyhow::Error::msg)?;
    Ok(spec)
}

/// Port and address of the first node, whose identity is made here in its folder, so that the others can know it.
fn bootnode(folder: &Path, spec: &ChainSpec, address: Ipv4Addr) -> Result<(u16, String)> {
    let key = folder.join("chains").join(&spec.id).join("network");
    fs::create_dir_all(&key)?;
    let identity = network::peer_id(&network::load_or_create_key(key.join("node_key"))?);
    // Free a moment ago is free enough: nobody else takes such ports in order.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    Ok((port, format!("/ip4/{address}/tcp/{port}/p2p/{identity}")))
}
