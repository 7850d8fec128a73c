//! With which key a command signs.

use super::key::{self, PasswordArgs};
use anyhow::Result;
use clap::Args;
use primitives::crypto::pair::{Pair, Scheme};

/// Whose key signs.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    /// Words, a secret URI such as //Alice on a development chain, a key file, or - for stdin.
    #[arg(long, value_name = "KEY", env = "ARTEL_SIGNER")]
    signer: String,
    /// Kind of key: sr25519, ed25519 or ecdsa.
    #[arg(long, default_value = "sr25519", value_name = "KIND")]
    scheme: Scheme,
    #[command(flatten)]
    password: PasswordArgs,
}

impl SignerArgs {
    /// Reads the key.
    pub fn pair(&self) -> Result<Pair> {
        key::load(&self.signer, self.scheme, &self.password)
    }
}

/// Whose key signs, where not every use needs one.
#[derive(Args, Clone, Debug)]
pub struct OptionalSignerArgs {
    /// Words, a secret URI such as //Alice on a development chain, a key file, or - for stdin.
    #[arg(long, value_name = "KEY", env = "ARTEL_SIGNER")]
    signer: Option<String>,
    /// Kind of key: sr25519, ed25519 or ecdsa.
    #[arg(long, default_value = "sr25519", value_name = "KIND")]
    scheme: Scheme,
    #[command(flatten)]
    password: PasswordArgs,
}

impl OptionalSignerArgs {
    /// Reads the key, if one is named.
    pub fn pair(&self) -> Result<Option<Pair>> {
        let load = |signer: &String| key::load(signer, self.scheme, &self.password);
        self.signer.as_ref().map(load).transpose()
    }
}
