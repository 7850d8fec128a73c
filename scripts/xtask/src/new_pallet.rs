//! A new pallet from the template, listed where pallets are listed.

use anyhow::{Context, Result, bail, ensure};
use std::{fs, path::Path};

/// Indexes below are the project's own and FRAME's.
const INDEX_FIRST: u8 = 110;
const PALLET: &str = include_str!("template/mod.rs.txt");
const TESTS: &str = include_str!("template/tests.rs.txt");

/// Makes the pallet `name` and says what it did.
pub fn run(root: &Path, name: &str, index: Option<u8>) -> Result<()> {
    let camel = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    ensure!(camel, "'{name}' is not a pallet's name: write it in CamelCase, such as GuestBook");
    let module = snake_case(name);
    let folder = root.join("pallets/src").join(&module);
    ensure!(!folder.exists(), "the pallet '{module}' exists already: {}", folder.display());

    let runtime_path = root.join("runtime/src/lib.rs");
    let runtime = read(&runtime_path)?;
    let index = free_index(&runtime, index)?;
    let line = format!("    {name} = {index} => ::pallets::{module}::Pallet,");
    let runtime = add_line(&runtime, &line, |line| {
        line.split_once(" => ::pallets::")?.0.rsplit(' ').next()?.parse::<u8>().ok()
    })
    .context("runtime/src/lib.rs has no list of pallets")?;

    // rustfmt wants modules by name; people want pallets by index.
    let lib_path = root.join("pallets/src/lib.rs");
    let line = format!("pub mod {module};");
    let lib = add_line(&read(&lib_path)?, &line, |line| line.strip_prefix("pub mod "))
        .context("pallets/src/lib.rs names no module")?;
    let readme_path = root.join("pallets/README.md");
    let row = format!("| `{module}` | {index} | | a number for each account |");
    let readme = add_line(&read(&readme_path)?, &row, |line| {
        line.strip_prefix("| `")?.split(" | ").nth(1)?.parse::<u8>().ok()
    })
    .context("pallets/README.md has no table of pallets")?;

    fs::create_dir(&folder)?;
    let fill = |template: &str| {
        template
            .replace("{{Name}}", name)
            .replace("{{name}}", &module)
            .replace("{{index}}", &index.to_string())
    };
    fs::write(folder.join("mod.rs"), fill(PALLET))?;
    fs::write(folder.join("tests.rs"), fill(TESTS))?;
    fs::write(runtime_path, runtime)?;
    fs::write(lib_path, lib)?;
    fs::write(readme_path, readme)?;
    println!("made pallets/src/{module}, index {index}, one line in runtime/src/lib.rs");
    println!("try it: cargo nextest run -p artel-pallets {module}");
    println!("clients and genesis change with it: cargo xtask bless, and read the diff");
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The index asked for, or the lowest free one.
fn free_index(runtime: &str, wanted: Option<u8>) -> Result<u8> {
    let taken = |index: u8| runtime.contains(&format!("= {index} =>"));
    match wanted {
        Some(index) if taken(index) => bail!("index {index} is taken in runtime/src/lib.rs"),
        Some(index) => Ok(index),
        None => (INDEX_FIRST..u8::MAX)
            .find(|index| !taken(*index))
            .context("no index is free: give one with --index"),
    }
}

/// Adds a line where it belongs among those that have a key and are sorted by it.
fn add_line<'a, K: Ord>(
    text: &'a str,
    line: &'a str,
    key: impl Fn(&'a str) -> Option<K>,
) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let own = key(line)?;
    let others: Vec<(usize, K)> =
        lines.iter().enumerate().filter_map(|(at, other)| Some((at, key(other)?))).collect();
    let before = others.iter().rfind(|(_, key)| *key < own);
    let place = before.map_or(others.first()?.0, |(before, _)| before + 1);
    lines.insert(place, line);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_where_its_key_belongs() {
        let text = "list {\n    A = 1\n    C = 255\n}\n";
        let key = |line: &'static str| line.split_once(" = ")?.1.parse::<u8>().ok();
        let added = add_line(text, "    B = 110", key);
        assert_eq!(added.as_deref(), Some("list {\n    A = 1\n    B = 110\n    C = 255\n}\n"));
        let added = add_line(text, "    B = 0", key);
        assert_eq!(added.as_deref(), Some("list {\n    B = 0\n    A = 1\n    C = 255\n}\n"));
        assert_eq!(add_line("list {\n}\n", "    B = 110", key), None);
    }

    #[test]
    fn names_become_modules() {
        assert_eq!(snake_case("GuestBook"), "guest_book");
        assert_eq!(snake_case("Notes"), "notes");
    }

    #[test]
    fn an_index_is_taken_once() {
        let runtime = "    A = 110 => ::pallets::a::Pallet,\n";
        assert_eq!(free_index(runtime, None).ok(), Some(111));
        assert_eq!(free_index(runtime, Some(7)).ok(), Some(7));
        assert!(free_index(runtime, Some(110)).is_err());
    }
}
