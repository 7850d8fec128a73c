//! The house rules that no compiler knows.

use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// Longest source file, in lines.
const FILE_LINES_MAX: usize = 600;
/// Longest shell script, in lines: what needs more is written in Rust.
const SCRIPT_LINES_MAX: usize = 30;
/// What no file of the project may hold: traces of one machine and of work that is not done.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("to", "do!("), "unfinished code"),
    (concat!("unimple", "mented!("), "unfinished code"),
    (concat!("FIX", "ME"), "unfinished code"),
    (concat!("unbounded_", "channel("), "a channel without a bound"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
];

/// Checks every tracked file and names each that breaks a rule.
pub fn run(root: &Path) -> Result<()> {
    println!("== tidy");
    let mut faults = Vec::new();
    for path in tracked(root)? {
        // A file that was deleted but is still tracked has nothing to check.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        check_file(&path, &text, &mut faults);
    }
    check_crates(root, &mut faults)?;
    check_pallet_order(root, &mut faults)?;
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} house rules are broken:\n  {}", faults.len(), faults.join("\n  "))
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git").current_dir(root).arg("ls-files").output();
    let output = output.context("git does not start")?;
    ensure!(
        output.status.success(),
        "git does not list the files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn check_file(path: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    let (is_rust, is_script) = (path.ends_with(".rs"), path.ends_with(".sh"));
    if is_rust && lines > FILE_LINES_MAX {
        faults.push(format!("{path}: {lines} lines, more than {FILE_LINES_MAX}: split it"));
    }
    if is_script && lines > SCRIPT_LINES_MAX {
        faults.push(format!("{path}: {lines} lines, more than {SCRIPT_LINES_MAX}: use xtask"));
    }
    if !(is_rust || is_script || path.ends_with(".toml") || path.ends_with(".md")) {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                faults.push(format!("{path}:{}: {why}: {}", number + 1, line.trim()));
            }
        }
    }
}

/// Each library has a README, which is its documentation too.
fn check_crates(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    for manifest in tracked(root)?.iter().filter(|path| path.ends_with("/Cargo.toml")) {
        let folder = manifest.trim_end_matches("/Cargo.toml");
        let Ok(lib) = fs::read_to_string(root.join(folder).join("src/lib.rs")) else { continue };
        let documented = lib.contains("#![doc = include_str!(\"../README.md\")]");
        if !documented || !root.join(folder).join("README.md").is_file() {
            faults.push(format!("{folder}: README.md is missing or not the crate's documentation"));
        }
    }
    Ok(())
}

/// The pallets' table says who may call whom; the code must not say more, and there is no cycle.
fn check_pallet_order(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let readme = fs::read_to_string(root.join("pallets/README.md"))
        .context("pallets/README.md holds the table of pallets")?;
    let table = parse_table(&readme);
    for (pallet, allowed) in &table {
        let folder = root.join("pallets/src").join(pallet);
        if !folder.is_dir() {
            faults.push(format!("pallets/README.md: there is no pallet '{pallet}'"));
            continue;
        }
        for used in uses(&folder, &table)? {
            if used != *pallet && !allowed.contains(&used) {
                faults.push(format!("pallets/src/{pallet}: uses {used}, which the table lacks"));
            }
        }
    }
    for entry in fs::read_dir(root.join("pallets/src"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_pallet = fs::read_to_string(entry.path().join("mod.rs"))
            .is_ok_and(|code| code.contains("framework::Pallet for"));
        if is_pallet && !table.contains_key(&name) {
            faults.push(format!("pallets/README.md: the table lacks the pallet '{name}'"));
        }
    }
    if let Some(pallet) = cycle(&table) {
        faults.push(format!("pallets/README.md: '{pallet}' calls itself through others"));
    }
    Ok(())
}

/// Rows like "| `tasks` | 101 | `agents`, `escrow` | ... |": a pallet and, after its index, those
/// below it.
fn parse_table(readme: &str) -> BTreeMap<String, BTreeSet<String>> {
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let pallet = names(cells.next()?).into_iter().next()?;
        Some((pallet, names(cells.nth(1)?).into_iter().collect()))
    })
    .collect()
}

/// The pallets that the sources in `folder` name after `crate::`; tests may name any.
fn uses(folder: &Path, table: &BTreeMap<String, BTreeSet<String>>) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_none_or(|e| e != "rs") || name.contains("test") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for after in text.split("crate::").skip(1) {
            let group = after.strip_prefix('{').and_then(|rest| rest.split(';').next());
            let named = |name: &&String| match group {
                Some(group) => group.split(|c: char| !is_word(c)).any(|word| word == *name),
                None => after.split(|c: char| !is_word(c)).next() == Some(name),
            };
            used.extend(table.keys().filter(named).cloned());
        }
    }
    Ok(used)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A pallet that can be reached from itself.
fn cycle(table: &BTreeMap<String, BTreeSet<String>>) -> Option<&String> {
    table.iter().find_map(|(pallet, below)| {
        let (mut seen, mut open) = (BTreeSet::new(), below.iter().collect::<Vec<_>>());
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(table.get(next).into_iter().flatten());
            }
        }
        seen.contains(pallet).then_some(pallet)
    })
}
