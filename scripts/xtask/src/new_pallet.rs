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
    let line = format!("    {name} = {index} => pallets::{module}::Pallet,\n");
    let list = "framework::runtime! {\n";
    let start =
        runtime.find(list).context("runtime/src/lib.rs has no `framework::runtime!` list")?;
    let end = runtime[start..].find("\n}").context("the runtime's list does not end")? + start + 1;
    let runtime = format!("{}{line}{}", &runtime[..end], &runtime[end..]);

    let lib_path = root.join("pallets/src/lib.rs");
    let lib = add_line(&read(&lib_path)?, &format!("pub mod {module};"), "pub mod ");
    let readme_path = root.join("pallets/README.md");
    let row = format!("| `{module}` | {index} | | a number for each account |");
    let readme = add_line(&read(&readme_path)?, &row, "| `");

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

/// Adds a line after the last one with the given start.
fn add_line(text: &str, line: &str, start: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|other| other.starts_with(start));
    lines.insert(last.map_or(lines.len(), |last| last + 1), line);
    lines.join("\n") + "\n"
}
