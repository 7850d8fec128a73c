//! Machines that are connected by wires which can be cut, slow and bad: network namespaces of this machine, whose packets
//! all pass through this process.
//!
//! Each namespace has one TUN device, whose other end is here. A packet goes on to the device of the address that it is
//! for, if the wires allow it, after as long as they take. Needs root, as whoever makes network namespaces does.

mod router;

use self::router::Router;
use crate::namespace::{Namespace, ip};
use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// Largest packet on a wire.
const PACKET_BYTES_MAX: usize = 1_500;
/// Longest sleep of the thread that passes packets on.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Most packets that are on their way; more are lost, as in a router.
const PACKETS_MAX: usize = 100_000;

/// Machines and the wires between them. All are gone when it is dropped.
pub struct Wires {
    hosts: Vec<Host>,
    faults: Arc<Mutex<Faults>>,
}

/// Where a machine is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its address.
    pub address: Ipv4Addr,
    /// The address that others see, if a router stands before it: it lets in only what answers.
    pub seen_as: Option<Ipv4Addr>,
}

/// A machine.
#[derive(Debug)]
pub struct Host {
    /// Where its sockets are.
    pub namespace: Namespace,
    /// Its address.
    pub address: Ipv4Addr,
}

/// What is wrong with the wires.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Hosts of different groups cannot reach each other; one of none reaches all.
    pub groups: Vec<Vec<usize>>,
    /// How long every packet takes.
    pub delay: Duration,
    /// How many of a hundred packets are lost.
    pub loss_percent: u32,
}

impl Faults {
    fn allow(&self, from: usize, to: usize) -> bool {
        let group = |host| self.groups.iter().position(|group| group.contains(&host));
        match (group(from), group(to)) {
            (Some(from), Some(to)) => from == to,
            _ => true,
        }
    }
}

/// A packet on its way: when it arrives, where, and the order in which it was sent.
type Packet = Reverse<(Instant, u64, usize, Vec<u8>)>;

impl Wires {
    /// Makes so many machines, connected by good wires.
    pub fn new(count: usize) -> Result<Self> {
        ensure!((1..=200).contains(&count), "{count} machines: 1 to 200 have addresses here");
        let last = (1..=u8::MAX).take(count);
        let place = |last| Place { address: Ipv4Addr::new(10, 77, 0, last), seen_as: None };
        Self::between(&last.map(place).collect::<Vec<_>>())
    }

    /// Makes machines at these places, connected by good wires.
    pub fn between(places: &[Place]) -> Result<Self> {
        let faults = Arc::<Mutex<Faults>>::default();
        let mut this = Self { hosts: Vec::new(), faults: faults.clone() };
        let (packets, arriving) = channel();
        let mut devices = Vec::new();
        for (number, Place { address, .. }) in places.iter().enumerate() {
            let namespace = Namespace::new()?;
            // A name of a device has at most 15 letters.
            let device = namespace.name().replace("artel-", "art");
            let wire = DeviceBuilder::new().name(&device).layer(Layer::L3).enable(false);
            let wire = Arc::new(wire.build_sync().context("cannot make a TUN device")?);
            ip(&["link", "set", &device, "netns", namespace.name()])?;
            namespace.ip(&["address", "add", &format!("{address}/32"), "dev", &device])?;
            namespace.ip(&["link", "set", &device, "up"])?;
            namespace.ip(&["route", "add", "default", "dev", &device])?;
            this.hosts.push(Host { namespace, address: *address });
            devices.push(wire.clone());
            let packets = packets.clone();
            thread::spawn(move || read(number, &wire, &packets));
        }
        let routers = places.iter().map(Router::new).collect();
        thread::spawn(move || pass_on(&devices, &arriving, &faults, routers));
        Ok(this)
    }

    /// The machine with this number.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// Changes what is wrong with the wires.
    pub fn set(&self, faults: Faults) {
        *lock(&self.faults) = faults;
    }

    /// Runs work on a machine: its sockets, and those of processes that it starts, are there.
    pub fn run_on<T: Send, F: Future<Output = T>>(
        &self,
        number: usize,
        work: impl FnOnce() -> F + Send,
    ) -> Result<T> {
        self.hosts[number].namespace.run(work)
    }
}

impl Host {
    /// What stands before a command that is to run on this machine.
    pub fn prefix(&self) -> Vec<String> {
        self.namespace.prefix()
    }
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what a machine sends, until the machine is gone.
fn read(from: usize, wire: &SyncDevice, packets: &Sender<(usize, Vec<u8>)>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    while let Ok(length) = wire.recv(&mut buffer) {
        if packets.send((from, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

/// Passes packets on, each when it is due, until all machines are gone.
fn pass_on(
    devices: &[Arc<SyncDevice>],
    arriving: &Receiver<(usize, Vec<u8>)>,
    faults: &Mutex<Faults>,
    mut routers: Vec<Router>,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut under_way: BinaryHeap<Packet> = BinaryHeap::new();
    let mut sequence = 0;
    loop {
        while let Some(Reverse((at, ..))) = under_way.peek()
            && *at <= Instant::now()
        {
            if let Some(Reverse((.., to, packet))) = under_way.pop() {
                // A machine that is gone loses its packets.
                let _ = devices[to].send(&packet);
            }
        }
        let wait = under_way.peek().map_or(SLEEP_MAX, |Reverse((at, ..))| {
            at.saturating_duration_since(Instant::now()).min(SLEEP_MAX)
        });
        match arriving.recv_timeout(wait) {
            Ok((from, mut packet)) => {
                let faults = lock(faults).clone();
                routers[from].send(&mut packet);
                let Some(to) = routers.iter_mut().position(|router| router.receive(&mut packet))
                else {
                    continue;
                };
                let is_lost = rng.random_range(0..100) < faults.loss_percent;
                if is_lost || !faults.allow(from, to) || under_way.len() >= PACKETS_MAX {
                    continue;
                }
                sequence += 1;
                under_way.push(Reverse((Instant::now() + faults.delay, sequence, to, packet)));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
