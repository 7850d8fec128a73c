//! Which client does what: a table in the README, each cell of which is a test that ran.

use super::{Client, Results, install};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Where the table begins and ends in the README.
const BEGIN: &str = "<!-- features: written by cargo xtask clients --bless -->\n";
const END: &str = "<!-- end of features -->";
/// The Rust client's tests, by the way in which it knows the metadata; cargo runs them.
const SUBXT_PACKAGE: &str = "artel-e2e-subxt";
const SUBXT_WAYS: [(&str, &str); 2] = [
    ("with_metadata_at_run_time", "subxt, dynamic"),
    ("with_metadata_compiled_in", "subxt, generated code"),
];

/// What clients are to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    features: Vec<Feature>,
}

/// One thing that clients are to show, and the name of the test of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    shows: String,
    /// Clients that have no such thing, and why; their test of it shows that.
    #[serde(default)]
    lack: BTreeMap<String, String>,
}

impl Features {
    /// As `features.json` has them.
    pub fn read(sources: &Path) -> Result<Self> {
        let text = fs::read_to_string(sources.join("features.json"))?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("features.json is malformed")
    }

    /// What is wrong with a client's results: a feature without a test that passed, a test without a feature.
    pub fn check(&self, client: &str, results: &Results) -> Vec<String> {
        let missing = self.features.iter().filter_map(|Feature { name, .. }| {
            let why = match results.get(name) {
                Some(true) => return None,
                Some(false) => "failed",
                None => "did not run",
            };
            Some(format!("{client}: the test {name} {why}"))
        });
        let unknown = results.keys().filter(|name| !self.features.iter().any(|f| f.name == **name));
        let unknown =
            unknown.map(|name| format!("{client}: features.json does not name the test {name}"));
        missing.chain(unknown).collect()
    }

    /// The table, with a column for each client, which begins with its name; and what clients lack.
    pub(super) fn table(&self, columns: &[(String, &Results)]) -> String {
        let heads: Vec<_> = columns.iter().map(|(head, _)| head.as_str()).collect();
        let mut table = format!("| Test | Shows | {} |\n", heads.join(" | "));
        table += &format!("|---|---|{}\n", ":-:|".repeat(columns.len()));
        let mut lacks = String::new();
        for Feature { name, shows, lack } in &self.features {
            let cell = |(head, results): &(String, &Results)| match results.get(name) {
                Some(true) if lack.keys().any(|client| head.starts_with(client)) => "no",
                Some(true) => "✓",
                _ => " ",
            };
            let cells: Vec<_> = columns.iter().map(cell).collect();
            table += &format!("| `{name}` | {shows} | {} |\n", cells.join(" | "));
            for (client, why) in lack {
                lacks += &format!("\n`{name}`: {client}: {why}.\n");
            }
        }
        table + &lacks
    }
}

/// One test a line: whether it passed, and its name.
pub(super) fn parse_results(text: &str) -> Results {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(result, name)| (name.to_owned(), result == "passed")).collect()
}

/// Compares the README's table with what ran, or writes it.
pub fn compare(
    root: &Path,
    sources: &Path,
    features: &Features,
    clients: &[(&Client, Results)],
    bless: bool,
) -> Result<()> {
    let mut columns = Vec::new();
    for (client, results) in clients {
        let version = install::version(client, sources)?;
        columns.push((format!("{} {version}", client.folder), results));
    }
    let subxt = subxt(root)?;
    columns.extend(subxt.iter().map(|(way, results)| ((*way).to_owned(), results)));
    let table = features.table(&columns);
    let path = sources.join("README.md");
    let readme = fs::read_to_string(&path)?;
    let wanted = replace(&readme, &table)?;
    if bless {
        fs::write(&path, wanted)?;
    } else if wanted != readme {
        bail!(
            "the table in {} is not what ran: cargo xtask clients --bless writes it, and the diff says what \
             changed. It would be\n{table}",
            path.display()
        );
    }
    println!("== the table of features is what ran");
    Ok(())
}

/// The text with another table.
pub(super) fn replace(readme: &str, table: &str) -> Result<String> {
    let (before, rest) = readme.split_once(BEGIN).context("the README has no place for a table")?;
    let (_, after) = rest.split_once(END).context("the README's table has no end")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// The Rust client's tests; that they pass is for the step that runs the workspace's tests.
fn subxt(root: &Path) -> Result<Vec<(&'static str, Results)>> {
    let filter = format!("package({SUBXT_PACKAGE})");
    let list = Command::new("cargo")
        .current_dir(root)
        .args(["nextest", "list", "--locked", "--message-format", "oneline"])
        .args(["--filterset", &filter])
        .output()
        .context("cargo nextest does not start; scripts/setup.sh --test installs it")?;
    let said = String::from_utf8_lossy(&list.stderr).into_owned();
    ensure!(
        list.status.success(),
        "cargo nextest does not list the tests of {SUBXT_PACKAGE}:\n{said}"
    );
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    let named = |way: &str| {
        let tests = text.lines().filter_map(|line| line.split_once(&format!("{way}::")));
        tests.map(|(_, name)| (name.trim().to_owned(), true)).collect()
    };
    Ok(SUBXT_WAYS.iter().map(|(way, head)| (*head, named(way))).collect())
}
