//! Machines that are connected by wires which can be cut, slow and bad: network namespaces of this machine, whose packets
//! all pass through this process.
//!
//! Each namespace has one TUN device, whose other end is here. A packet goes on to the device of the address that it is
//! for, if the wires allow it, after as long as they take. Needs root, as whoever makes network namespaces does.

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    net::Ipv4Addr,
    os::fd::AsFd,
    process::Command,
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

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
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
        ensure!(
            rustix::process::geteuid().is_root(),
            "network namespaces need root: run these tests as root, or leave them out with \
             `cargo nextest run -E 'not binary(faults)'`"
        );
        ensure!((1..=200).contains(&count), "{count} machines: 1 to 200 have addresses here");
        let faults = Arc::<Mutex<Faults>>::default();
        let mut this = Self { hosts: Vec::new(), faults: faults.clone() };
        let (packets, arriving) = channel();
        let mut devices = Vec::new();
        for number in 0..count {
            let id = format!("{}-{number}", std::process::id());
            let namespace = format!("artel-{id}");
            // A name of a device has at most 15 letters.
            let device = format!("art{id}");
            let address = Ipv4Addr::new(10, 77, 0, u8::try_from(number + 1)?);
            ip(&["netns", "add", &namespace])?;
            this.hosts.push(Host { namespace: namespace.clone(), address });
            let wire = DeviceBuilder::new().name(&device).layer(Layer::L3).enable(false);
            let wire = Arc::new(wire.build_sync().context("cannot make a TUN device")?);
            ip(&["link", "set", &device, "netns", &namespace])?;
            let within = |args: &[&str]| ip(&[&["-n", &namespace], args].concat());
            within(&["address", "add", &format!("{address}/24"), "dev", &device])?;
            within(&["link", "set", &device, "up"])?;
            within(&["link", "set", "lo", "up"])?;
            devices.push(wire.clone());
            let packets = packets.clone();
            thread::spawn(move || read(number, &wire, &packets));
        }
        thread::spawn(move || pass_on(&devices, &arriving, &faults));
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
        let namespace = File::open(format!("/run/netns/{}", self.hosts[number].namespace))?;
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                // All in this thread, as the others of the process are elsewhere.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                anyhow::Ok(runtime.block_on(work()))
            });
            match running.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Host {
    /// What stands before a command that is to run on this machine.
    pub fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace].map(str::to_owned).to_vec()
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        for host in &self.hosts {
            // The device goes with its namespace, and its thread with the device.
            let _ = ip(&["netns", "delete", &host.namespace]);
        }
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("the command ip is missing")?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
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
            Ok((from, packet)) => {
                let faults = lock(faults).clone();
                let Some(to) = target(&packet).filter(|to| *to < devices.len()) else { continue };
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

/// The number of the machine that an IPv4 packet is for.
fn target(packet: &[u8]) -> Option<usize> {
    let version = packet.first()? >> 4;
    let last = *packet.get(19)?;
    (version == 4).then(|| usize::from(last).checked_sub(1)).flatten()
}
