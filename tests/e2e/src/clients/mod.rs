//! Other people's clients, unmodified, each against a node of its own; see `clients/README.md`.

mod install;
mod table;
#[cfg(test)]
mod tests;

use crate::process::DevNode;
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where the clients' folders are, from the checkout's top folder.
const SOURCES: &str = "tests/e2e/clients";
/// Longest that one command of a client may take; all of them take less than a minute, but for installing.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(600);
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What brings a client and runs its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Tests in JavaScript.
    JavaScript,
    /// A test in TypeScript of something to paste, which is no client.
    TypeScript,
    /// Tests in TypeScript, with types that the client's own tool makes from the node's metadata.
    Papi,
    /// Tests in Python.
    Python,
}

/// A client: its folder, its package, and its name for people.
#[derive(Debug)]
struct Client {
    folder: &'static str,
    package: &'static str,
    kind: Kind,
}

const CLIENTS: [Client; 4] = [
    Client { folder: "polkadot-js", package: "@polkadot/api", kind: Kind::JavaScript },
    Client { folder: "papi", package: "polkadot-api", kind: Kind::Papi },
    Client { folder: "py-substrate-interface", package: "substrate-interface", kind: Kind::Python },
    Client {
        folder: "async-substrate-interface",
        package: "async-substrate-interface",
        kind: Kind::Python,
    },
];

/// The verifier of read proofs, against real proofs; it has no column in the table of features.
const READ_PROOF: Client =
    Client { folder: "read-proof", package: "@noble/hashes", kind: Kind::TypeScript };

/// Tests that ran, by name, and whether they passed.
type Results = BTreeMap<String, bool>;

/// Which clients to run, and what for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folders of clients; all if there is none.
    pub clients: Vec<String>,
    /// Write the table of features anew instead of comparing with it.
    pub bless: bool,
    /// The checkout's top folder.
    pub root: PathBuf,
    /// Where clients are installed; kept from run to run.
    pub home: PathBuf,
}

/// Installs the clients that are not, runs their tests side by side, and compares the table of features.
///
/// # Errors
///
/// If a test fails or is missing, a node logs an error, or the table says something else.
pub fn run(plan: &Plan) -> Result<()> {
    let sources = plan.root.join(SOURCES);
    let all = || CLIENTS.iter().chain([&READ_PROOF]);
    let known = || all().map(|client| client.folder).collect::<Vec<_>>().join(", ");
    for name in &plan.clients {
        let is_known = all().any(|client| client.folder == name);
        ensure!(is_known, "there is no client '{name}': {} are here", known());
    }
    let chosen = |client: &&Client| {
        plan.clients.is_empty() || plan.clients.iter().any(|name| name == client.folder)
    };
    let clients: Vec<&Client> = all().filter(chosen).collect();
    fs::create_dir_all(&plan.home)?;
    let programs = plan.home.join("programs");
    let mut build = Command::new(plan.root.join("tests/programs/build.sh"));
    finish(build.arg(&programs).spawn()?, "tests/programs/build.sh")?;
    let tools = install::Node::find(&sources, &plan.home)?;
    let features = table::Features::read(&sources)?;
    let runs = thread::scope(|scope| {
        let run = |client| {
            let at = Places { sources: &sources, home: &plan.home, programs: &programs };
            let tools = &tools;
            (client, scope.spawn(move || run_client(client, tools, at)))
        };
        let running: Vec<(&Client, _)> = clients.into_iter().map(run).collect();
        running.into_iter().map(|(client, run)| (client, run.join())).collect::<Vec<_>>()
    });
    let mut columns = Vec::new();
    let mut faults = Vec::new();
    for (client, run) in runs {
        let folder = client.folder;
        match run.unwrap_or_else(|_| bail!("its thread panicked")) {
            Ok(results) if client.kind == Kind::TypeScript => {
                let failed = results.is_empty() || results.values().any(|passed| !passed);
                faults.extend(failed.then(|| format!("{folder}: its test failed, or did not run")));
            }
            Ok(results) => {
                faults.extend(features.check(folder, &results));
                columns.push((client, results));
            }
            Err(error) => faults.push(format!("{folder}: {error:#}")),
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    if columns.len() < CLIENTS.len() {
        return Ok(());
    }
    table::compare(&plan.root, &sources, &features, &columns, plan.bless)
}

/// Where things are.
#[derive(Clone, Copy)]
struct Places<'a> {
    sources: &'a Path,
    home: &'a Path,
    programs: &'a Path,
}

/// Runs one client's tests against a node; prints what they print when they are done.
fn run_client(client: &Client, tools: &install::Node, at: Places<'_>) -> Result<Results> {
    let Places { sources, home, programs } = at;
    let start = Instant::now();
    let log = home.join(format!("{}.log", client.folder));
    let results = home.join(format!("{}.results", client.folder));
    fs::write(&results, "")?;
    let output = File::create(&log)?;
    let folder = install::prepare(client, tools, sources, home, &output)?;
    let data = tempfile::tempdir()?;
    let node = DevNode::start(data.path(), &[])?;
    let installed_s = start.elapsed().as_secs();
    let ran = commands(client, tools, &folder, &node.url, &results);
    let ran = ran.into_iter().try_for_each(|mut run| {
        let what = format!("{run:?}");
        run.current_dir(&folder)
            .env("ARTEL_URL", &node.url)
            .env("ARTEL_PROGRAM", programs.join("wordfreq.wasm"))
            .env("ARTEL_RESULTS", &results)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        finish(run.spawn().with_context(|| format!("{what} does not start"))?, &what)
    });
    let faults = node.faults();
    let stopped = node.stop();
    let elapsed_s = start.elapsed().as_secs();
    let text = fs::read_to_string(&log)?;
    println!("== {}: {elapsed_s} s, {installed_s} s of it until it was there", client.folder);
    println!("{}", text.trim_end());
    ran?;
    stopped?;
    ensure!(faults.is_empty(), "the node logged errors:\n{}", faults.join("\n"));
    Ok(table::parse_results(&fs::read_to_string(&results)?))
}

/// What tests a client that is installed, in order.
fn commands(
    client: &Client,
    tools: &install::Node,
    folder: &Path,
    url: &str,
    results: &Path,
) -> Vec<Command> {
    let tool = |name: &str| tools.command(folder.join("node_modules/.bin").join(name));
    let node_test = |file: &str| {
        let mut run = tools.command("node");
        run.args(["--test", "--test-force-exit"]);
        run.args(["--test-reporter=spec", "--test-reporter-destination=stdout"]);
        run.arg("--test-reporter=./results.js").arg("--test-reporter-destination").arg(results);
        run.arg(file);
        run
    };
    match client.kind {
        Kind::JavaScript => vec![node_test("client.test.js")],
        Kind::TypeScript => vec![tool("tsc"), node_test("dist/read-proof.test.js")],
        Kind::Papi => {
            let (mut add, mut generate) = (tool("papi"), tool("papi"));
            add.args(["add", "artel", "--skip-codegen", "-w", url]);
            generate.arg("generate");
            let mut runs = vec![add, generate, tool("tsc"), node_test("dist/client.test.js")];
            for run in &mut runs {
                run.env("NODE_OPTIONS", "--enable-source-maps --import=./websocket.js");
            }
            runs
        }
        Kind::Python => {
            let mut run = Command::new(folder.join("venv/bin/python"));
            run.args(["-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider"]);
            run.args(["-p", "results", "test_client.py"]);
            run.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", folder);
            vec![run]
        }
    }
}

/// Waits until a command ends, which must be well and in time.
fn finish(mut child: Child, what: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{what} ended with {status}");
            return Ok(());
        }
        if start.elapsed() > COMMAND_WAIT_MAX {
            child.kill()?;
            child.wait()?;
            bail!("{what} did not end within {} s", COMMAND_WAIT_MAX.as_secs());
        }
        thread::sleep(LOOK);
    }
}
