//! A node as a process of its own.

use anyhow::{Context, Result, bail, ensure};
use client::Client;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// Longest that a node may take until it serves.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// What a node prints when it serves.
const READY: &str = "JSON-RPC: ";
/// What it prints next if it serves metrics.
const METRICS: &str = "Metrics: ";
/// What is printed last.
const USAGE: &str = "Post a task: ";
/// What a line of the log has when the node itself is at fault.
const FAULTS: [&str; 2] = ["panicked at", "ERROR"];
/// Most such lines that are kept.
const FAULTS_MAX: usize = 16;

/// A running `artel dev`; it is killed when this is dropped.
pub struct DevNode {
    child: Child,
    faults: Arc<Mutex<Vec<String>>>,
    /// WebSocket address of JSON-RPC.
    pub url: String,
    /// HTTP address of its metrics, if it was started with `--prometheus-port`.
    pub metrics: Option<String>,
}

impl DevNode {
    /// Starts one with its data in a folder, and waits until it serves.
    pub fn start(folder: &Path, flags: &[&str]) -> Result<Self> {
        let no_metrics = (!flags.contains(&"--prometheus-port")).then_some("--no-prometheus");
        let mut child = Command::new(artel()?)
            .arg("dev")
            .arg("--base-path")
            .arg(folder)
            .args(["--rpc-port", "0", "--log", "warn"])
            .args(no_metrics)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the artel binary does not start")?;
        let stderr = child.stderr.take().context("the standard error is piped")?;
        let (lines, ready) = mpsc::sync_channel(64);
        // Reads until the node ends, so that its pipe never fills; what nobody takes is dropped.
        let faults = Arc::<Mutex<Vec<String>>>::default();
        let noted = faults.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if FAULTS.iter().any(|fault| line.contains(fault)) {
                    let mut noted = noted.lock().expect("no holder panics");
                    if noted.len() < FAULTS_MAX {
                        noted.push(line.clone());
                    }
                }
                let _ = lines.try_send(line);
            }
        });
        let mut node = Self { child, faults, url: String::new(), metrics: None };
        let mut printed = Vec::new();
        loop {
            match ready.recv_timeout(START_WAIT_MAX) {
                Ok(line) if line.starts_with(USAGE) && !node.url.is_empty() => return Ok(node),
                Ok(line) => {
                    if let Some((_, url)) = line.split_once(READY) {
                        node.url = url.trim().to_owned();
                    } else if let Some((_, url)) = line.split_once(METRICS) {
                        node.metrics = Some(url.trim().to_owned());
                    }
                    printed.push(line);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    bail!("the node did not start; it said:\n{}", printed.join("\n"));
                }
            }
        }
    }

    /// A connection to the node.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.url).await?)
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first lines of the log that tell of a panic, or of an error of the node itself.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("no holder panics").clone()
    }

    /// Kills the process at once, as a crash does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to stop and waits; it must end well.
    pub fn stop(mut self) -> Result<()> {
        let kill =
            Command::new("sh").args(["-c", "kill $0", &self.child.id().to_string()]).status()?;
        ensure!(kill.success(), "the node was gone before it was asked to stop");
        let status = self.child.wait()?;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }
}

impl Drop for DevNode {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of what a plain HTTP address answers.
pub fn get(url: &str) -> Result<String> {
    let (status, body) = ask(url)?;
    ensure!(status == 200, "{url} answers with {status}: {body}");
    Ok(body)
}

/// Status and body of what a plain HTTP address answers.
pub fn ask(url: &str) -> Result<(u16, String)> {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .with_context(|| format!("'{url}' is not of the form http://HOST/PATH"))?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(START_WAIT_MAX))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("there is no HTTP head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("{url} answers: {head}"))?, body.to_owned()))
}

/// The `artel` binary, built beside this one.
pub fn artel() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let mut beside = here.ancestors().skip(1).take(2).map(|folder| folder.join("artel"));
    beside
        .find(|path| path.is_file())
        .context("there is no artel binary beside the tests: cargo build --bin artel")
}
