//! Answers for people and for scripts.

use anyhow::Result;
use serde::Serialize;

/// Prints a value as JSON for scripts, or else as the given lines.
pub fn print<T: Serialize>(json: bool, value: &T, lines: impl FnOnce(&T) -> String) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(value)?);
    } else {
        println!("{}", lines(value));
    }
    Ok(())
}
