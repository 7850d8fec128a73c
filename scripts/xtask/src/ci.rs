//! The steps that must pass before a change lands, and the chores that run cargo.

use anyhow::{Context, Result, bail};
use std::{env, path::Path, process::Command, time::Instant};

/// Builds all that is run.
const BUILD: [&str; 3] = ["build", "--locked", "--all-targets"];

/// Where proptest takes its seed from. One seed for all makes a run of the tests repeatable; set
/// another one, or run `cargo nextest run`, to look elsewhere.
const SEED: &str = "PROPTEST_RNG_SEED";
const SEED_DEFAULT: &str = "1";

/// Runs every step, the quick ones first, and stops at the first that fails.
pub fn run(root: &Path) -> Result<()> {
    step(root, "format", &["fmt", "--all", "--check"])?;
    crate::tidy::run(root)?;
    step(root, "lints", &["clippy", "--locked", "--all-targets", "--", "-D", "warnings"])?;
    step(root, "docs", &["doc", "--locked", "--no-deps"])?;
    if installed(root, "deny") {
        step(root, "dependencies", &["deny", "--locked", "check", "bans", "licenses", "sources"])?;
    } else {
        println!("== dependencies: skipped, as cargo-deny is not installed");
    }
    step(root, "build", &BUILD)?;
    step(root, "tests", &["nextest", "run", "--locked", "--no-fail-fast"])?;
    step(root, "doc tests", &["test", "--locked", "--quiet", "--doc"])?;
    run_clients(root, &[])
}

/// Other people's clients against a node of this checkout.
pub fn clients(root: &Path, args: &[String]) -> Result<()> {
    step(root, "build", &BUILD)?;
    run_clients(root, args)
}

/// Simulated networks on virtual time.
pub fn sim(root: &Path, args: &[String]) -> Result<()> {
    let mut all = vec!["run", "--quiet", "--locked", "--bin", "sim", "--"];
    all.extend(args.iter().map(String::as_str));
    step(root, "sim", &all)
}

/// Runs the clients' program, which was built beside this one.
fn run_clients(root: &Path, args: &[String]) -> Result<()> {
    println!("== clients");
    let start = Instant::now();
    let program = env::current_exe()?.with_file_name("clients");
    let status = Command::new(&program).current_dir(root).args(args).status();
    let status = status.with_context(|| format!("{} does not start", program.display()))?;
    if !status.success() {
        bail!("clients failed: cargo xtask clients {}", args.join(" "));
    }
    println!("== clients: passed in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Runs the tests that compare with fixtures so that they write them instead. They run twice: chain
/// specs are built in, so only the second run sees the hashes of what the first one wrote.
pub fn bless(root: &Path) -> Result<()> {
    for _ in 0..2 {
        let status = Command::new("cargo")
            .current_dir(root)
            .env("BLESS", "1")
            .args(["nextest", "run", "--locked", "fixture"])
            .status()
            .context("cargo nextest does not start; scripts/setup.sh --test installs it")?;
        if !status.success() {
            bail!("a fixture's test failed while it was written anew");
        }
    }
    let changed = ["diff", "--stat"];
    Command::new("git").current_dir(root).args(changed).status().context("git does not start")?;
    Ok(())
}

/// Measures what reads and writes of state take on this machine.
pub fn weights(root: &Path) -> Result<()> {
    let bench =
        ["run", "--release", "--locked", "--package", "artel-node", "--", "bench", "weights"];
    step(root, "weights", &bench)
}

fn step(root: &Path, name: &str, args: &[&str]) -> Result<()> {
    println!("== {name}: cargo {}", args.join(" "));
    let start = Instant::now();
    let status = Command::new("cargo")
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .env(SEED, env::var(SEED).unwrap_or_else(|_| SEED_DEFAULT.to_owned()))
        .args(args)
        .status()
        .with_context(|| format!("cargo {} does not start", args[0]))?;
    if !status.success() {
        bail!("{name} failed: cargo {}", args.join(" "));
    }
    println!("== {name}: passed in {} s", start.elapsed().as_secs());
    Ok(())
}

fn installed(root: &Path, tool: &str) -> bool {
    let output = Command::new("cargo").current_dir(root).args([tool, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}
