//! `artel completions`: scripts with which shells complete commands.

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::Write;

/// What `artel completions` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  artel completions bash > ~/.local/share/bash-completion/completions/artel
  artel completions zsh > ~/.zfunc/_artel            where fpath has ~/.zfunc
  artel completions fish > ~/.config/fish/completions/artel.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub fn run(args: CompletionsArgs, command: &mut Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "artel", &mut script);
    std::io::stdout().write_all(&script).context("cannot write the script")
}
