//! Sentences about nodes that others cannot reach, or do not know of: real sockets in network namespaces.

use anyhow::{Context, Result};
use artel_e2e::{
    namespace::Namespace,
    steps::{LOOK, WAIT},
    wires::{Place, Wires},
};
use network::{
    Config, Handle, Inbound, Multiaddr, Network, Overview, PeerInfo, Protocol, Role, Setup,
};
use primitives::Hash;
use prometheus_client::registry::Registry;
use std::{
    net::Ipv4Addr,
    sync::mpsc,
    thread::{Scope, scope},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What an agent has: more than a relay passes on for anybody.
const BLOB_BYTES: usize = 1 << 20;

/// A node on one of the machines; it stops when it is dropped.
struct Node {
    handle: Handle,
    inbound: Inbound,
    stop: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Node {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        machine: &'scope Namespace,
        role: Role,
        seed: u8,
        config: Config,
    ) -> Self {
        let (give, given) = mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        scope.spawn(move || {
            let work = || async move {
                let folder = TempDir::new()?;
                let setup = Setup {
                    config,
                    key: [seed; 32],
                    genesis: Hash([7; 32]),
                    role,
                    agent: "artel".to_owned(),
                    folder: folder.path().to_owned(),
                };
                let (network, handle, inbound) = Network::new(setup, &mut Registry::default())?;
                give.send((handle, inbound))?;
                anyhow::Ok(network.run(stopped).await?)
            };
            machine.run(work).expect("it has a thread").expect("it runs");
        });
        let (handle, inbound) = given.recv().expect("it begins");
        Self { handle, inbound, stop }
    }

    fn peer(&self, other: &Self) -> Option<PeerInfo> {
        let id = other.handle.local_peer();
        self.handle.overview().borrow().peers.iter().find(|peer| peer.id == id).cloned()
    }

    /// Waits until what it knows of itself and others is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Overview) -> bool) -> Result<()> {
        let mut overview = self.handle.overview();
        let seen = timeout(WAIT, overview.wait_for(is_so)).await.map(drop);
        seen.with_context(|| format!("{what}: {:?}", self.handle.overview().borrow()))
    }
}

fn is_relayed(address: &Multiaddr) -> bool {
    address.to_string().contains("/p2p-circuit")
}

fn listen(address: Ipv4Addr, bootnodes: &[Multiaddr]) -> Config {
    let listen = format!("/ip4/{address}/tcp/30333").parse().expect("an address");
    Config { listen: vec![listen], bootnodes: bootnodes.to_vec(), ..Config::default() }
}

fn block_on(work: impl Future<Output = Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work).expect("the network does it");
}

#[test]
fn an_agent_behind_a_router_is_found_through_a_relay_and_holes_are_punched_for_its_blobs() {
    let place = |address, seen_as| Place { address, seen_as };
    let public = Ipv4Addr::new(45, 1, 0, 1);
    let (house_a, house_b) = (Ipv4Addr::new(192, 168, 1, 2), Ipv4Addr::new(192, 168, 2, 2));
    let wires = Wires::between(&[
        place(public, None),
        place(house_a, Some(Ipv4Addr::new(45, 2, 0, 9))),
        place(house_b, Some(Ipv4Addr::new(45, 3, 0, 9))),
    ])
    .expect("namespaces can be made");
    let machine = |number| &wires.host(number).namespace;
    scope(|scope| {
        let relay = Node::start(scope, machine(0), Role::Validator, 1, listen(public, &[]));
        let bootnode = format!("/ip4/{public}/tcp/30333/p2p/{}", relay.handle.local_peer());
        let bootnodes = [bootnode.parse().expect("an address")];
        let config = listen(house_a, &bootnodes);
        let mut agent = Node::start(scope, machine(1), Role::Agent, 2, config);
        block_on(async {
            agent.until("a place at the relay", |o| o.external.iter().any(is_relayed)).await?;
            let external = agent.handle.overview().borrow().external.clone();
            assert!(external.iter().all(is_relayed), "nobody reaches it at {external:?}");

            let config = listen(house_b, &bootnodes);
            let client = Node::start(scope, machine(2), Role::Gateway, 3, config);
            let id = agent.handle.local_peer();
            let knows = |o: &Overview| o.peers.iter().any(|peer| peer.id == id);
            client.until("the agent is not found", knows).await?;
            let first = client.peer(&agent).map(|peer| peer.address);
            println!("found at {first:?}");

            let is_direct = |o: &Overview| {
                o.peers.iter().any(|peer| peer.id == id && !is_relayed(&peer.address))
            };
            client.until("no hole is punched", is_direct).await?;
            println!("direct at {:?}", client.peer(&agent).map(|peer| peer.address));
            let requests = &mut agent.inbound.requests[Protocol::Blobs as usize];
            let serve = async {
                let request = requests.recv().await.context("the network runs")?;
                // Whoever asked waits for it.
                let _ = request.answer.send(vec![7; BLOB_BYTES]);
                anyhow::Ok(())
            };
            let ask = client.handle.ask(id, Protocol::Blobs, b"a blob".to_vec());
            let (served, answer) = timeout(WAIT, async { tokio::join!(serve, ask) }).await?;
            served?;
            assert_eq!(answer?.len(), BLOB_BYTES);
            Ok(())
        });
    });
}

#[test]
fn nodes_of_one_house_find_each_other_by_multicast_if_they_are_told_to() {
    let machines = [1, 2].map(|_| Namespace::new().expect("namespaces can be made"));
    let [here, there] = &machines;
    let wire = ["link", "add", "w0", "type", "veth", "peer", "name", "w0", "netns", there.name()];
    here.ip(&wire).expect("a wire");
    let places = [1, 2].map(|number| Ipv4Addr::new(10, 88, 0, number));
    for (machine, place) in machines.iter().zip(places) {
        machine.ip(&["address", "add", &format!("{place}/24"), "dev", "w0"]).expect("an address");
        machine.ip(&["link", "set", "w0", "up"]).expect("a device");
    }
    scope(|scope| {
        let config = |place, port, mdns| Config {
            listen: vec![format!("/ip4/{place}/tcp/{port}").parse().expect("an address")],
            private_addresses: true,
            mdns,
            ..Config::default()
        };
        // Those that are not told to are there first, so that they could have been found.
        let deaf: Vec<Node> = (1..)
            .zip(machines.iter().zip(places))
            .map(|(seed, (machine, place))| {
                Node::start(scope, machine, Role::Agent, seed, config(place, 30_333, false))
            })
            .collect();
        let told: Vec<Node> = (3..)
            .zip(machines.iter().zip(places))
            .map(|(seed, (machine, place))| {
                Node::start(scope, machine, Role::Agent, seed, config(place, 30_334, true))
            })
            .collect();
        block_on(async {
            let found = async {
                while told[0].peer(&told[1]).is_none() || told[1].peer(&told[0]).is_none() {
                    sleep(LOOK).await;
                }
            };
            timeout(WAIT, found).await.context("they do not find each other")?;
            for node in &deaf {
                assert!(node.handle.overview().borrow().peers.is_empty(), "it was found");
            }
            Ok(())
        });
    });
}
