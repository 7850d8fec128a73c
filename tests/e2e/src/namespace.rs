//! A machine within this one: a network namespace. Needs root.

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    os::fd::AsFd,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Threads of a runtime on such a machine.
const THREADS: usize = 2;

/// A network namespace; it is gone when this is dropped.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// Makes one, whose loopback is up.
    pub fn new() -> Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        ensure!(
            rustix::process::geteuid().is_root(),
            "network namespaces need root: run these tests as root, or leave them out with \
             `cargo nextest run -E 'not (binary(faults) | binary(hostile) | binary(nat))'`"
        );
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("artel-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let this = Self(name);
        this.ip(&["link", "set", "lo", "up"])?;
        Ok(this)
    }

    /// One that has all addresses of a range, as `45.0.0.0/8`, by itself: what is sent to any of them stays there.
    pub fn with_range(range: &str) -> Result<Self> {
        let this = Self::new()?;
        this.ip(&["route", "add", "local", range, "dev", "lo"])?;
        Ok(this)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Runs the command `ip` within.
    pub fn ip(&self, args: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.0], args].concat())
    }

    /// What stands before a command that is to run on this machine.
    pub fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.0].map(str::to_owned).to_vec()
    }

    /// Runs work on this machine: its sockets, and those of processes that it starts, are there.
    pub fn run<T: Send, F: Future<Output = T>>(
        &self,
        work: impl FnOnce() -> F + Send,
    ) -> Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.0))?;
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                // Its threads begin where this one is; the others of the process are elsewhere.
                let mut runtime = tokio::runtime::Builder::new_multi_thread();
                let runtime = runtime.worker_threads(THREADS).enable_all().build()?;
                anyhow::Ok(runtime.block_on(work()))
            });
            match running.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its devices go with it.
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

/// Runs the command `ip`.
pub(crate) fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("the command ip is missing")?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
