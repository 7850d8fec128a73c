//! Chain specifications: which chain a node runs, as readable JSON.

use crate::{Genesis, TOKEN, genesis_state};
use framework::metadata::Token;
use pallets::{balances::EXISTENTIAL_DEPOSIT, staking::BONDING_ERAS};
use primitives::{Balance, Moment, crypto::ss58, shown};
use serde::{Deserialize, Serialize};

/// Most bytes of a chain specification.
pub const SPEC_BYTES_MAX: usize = 1 << 30;
/// Most bytes of a chain's name or id.
const NAME_BYTES_MAX: usize = 64;
/// Longest part of the parser's message that is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 300;
/// How long stake must be bound on a chain that others rely on, in milliseconds: whoever was away for less can tell
/// the chain from a forged one.
const BONDING_MS_MIN: Moment = 14 * 24 * 3_600_000;
/// Most nodes that a specification names to begin with.
const BOOTNODES_MAX: usize = 64;

const DEV: &str = include_str!("../../chain-specs/dev.json");
const LOCAL: &str = include_str!("../../chain-specs/local.json");
const TESTNET: &str = include_str!("../../chain-specs/testnet.json");

/// What a chain is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainType {
    /// One node on one machine.
    Development,
    /// Some nodes on one machine.
    Local,
    /// A chain that others rely on.
    Live,
    /// Something else.
    Custom(String),
}

/// What wallets show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Properties {
    /// Prefix of addresses.
    pub ss58_format: u16,
    /// Decimals of the token.
    pub token_decimals: u8,
    /// Symbol of the token.
    pub token_symbol: String,
    /// Least free money of an account, in the smallest unit.
    pub existential_deposit: Balance,
}

/// A chain.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainSpec {
    /// Its name, for people.
    pub name: String,
    /// Its name, for folders and files: letters, digits, `-` and `_`.
    pub id: String,
    /// What it is for.
    pub chain_type: ChainType,
    /// What wallets show.
    pub properties: Properties,
    /// Addresses of nodes to begin with.
    pub bootnodes: Vec<String>,
    /// The first state.
    pub genesis: Genesis,
}

impl ChainSpec {
    /// The chain of `artel dev`: one validator, well-known accounts with money, a sudo key.
    pub fn dev() -> Self {
        Self::from_json(DEV).expect("tests read the embedded spec")
    }

    /// A chain of four validators for tests on one machine.
    pub fn local() -> Self {
        Self::from_json(LOCAL).expect("tests read the embedded spec")
    }

    /// The test network: four validators, the first of whom has a quorum alone, and no sudo key.
    pub fn testnet() -> Self {
        Self::from_json(TESTNET).expect("tests read the embedded spec")
    }

    /// Reads and validates a specification.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words for its author.
    pub fn from_json(json: &str) -> Result<Self, String> {
        if json.len() > SPEC_BYTES_MAX {
            return Err(format!("the spec has {} bytes: {SPEC_BYTES_MAX} is the most", json.len()));
        }
        let spec: Self = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        spec.validate()?;
        Ok(spec)
    }

    /// Checks that the chain can begin. It makes the whole first state.
    ///
    /// # Errors
    ///
    /// What is wrong, in words for the specification's author.
    pub fn validate(&self) -> Result<(), String> {
        for (what, text) in [("name", &self.name), ("id", &self.id)] {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                return Err(format!("the {what} needs 1 to {NAME_BYTES_MAX} bytes"));
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !self.id.chars().all(plain) {
            let id = shown(&self.id, NAME_BYTES_MAX);
            return Err(format!("the id '{id}' has more than letters, digits, - and _"));
        }
        if self.bootnodes.len() > BOOTNODES_MAX {
            return Err(format!("more than {BOOTNODES_MAX} bootnodes: name fewer"));
        }
        self.validate_properties()?;
        if self.chain_type == ChainType::Live && self.genesis.Sudo.key.is_some() {
            return Err("a live chain has no sudo key: take it out".to_owned());
        }
        if self.chain_type == ChainType::Live && self.genesis.System.rehearsals {
            return Err(
                "a live chain rehearses no change of rules: take System.rehearsals out".to_owned()
            );
        }
        let bonding_ms = self.genesis.Staking.params.era_ms.saturating_mul(BONDING_ERAS.into());
        if self.chain_type == ChainType::Live && bonding_ms < BONDING_MS_MIN {
            return Err(format!(
                "unbonding takes {BONDING_ERAS} eras, and on a live chain at least 14 days: make Staking.params.era_ms {} or \
                 more",
                BONDING_MS_MIN.div_ceil(BONDING_ERAS.into())
            ));
        }
        genesis_state(&self.genesis).map(|_| ())
    }

    /// What the runtime fixes must be told as it is.
    fn validate_properties(&self) -> Result<(), String> {
        let Properties { ss58_format, token_decimals, token_symbol, existential_deposit } =
            &self.properties;
        if *ss58_format != ss58::PREFIX_DEFAULT {
            let expected = ss58::PREFIX_DEFAULT;
            return Err(format!("ss58Format is {ss58_format}: this runtime has {expected}"));
        }
        if *existential_deposit != EXISTENTIAL_DEPOSIT {
            return Err(format!(
                "existentialDeposit is {existential_deposit}: this runtime has {EXISTENTIAL_DEPOSIT}"
            ));
        }
        let Token { symbol, decimals, .. } = TOKEN;
        if token_symbol != symbol {
            let found = shown(token_symbol, NAME_BYTES_MAX);
            return Err(format!("tokenSymbol is '{found}': this runtime has {symbol}"));
        }
        if *token_decimals != decimals {
            return Err(format!("tokenDecimals is {token_decimals}: this runtime has {decimals}"));
        }
        Ok(())
    }
}

/// What the parser says, and where. It repeats what it found, which may be long.
fn malformed(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let what = text.strip_suffix(&place).unwrap_or(&text);
    format!("the spec is not in its form: {}{place}", shown(what, MESSAGE_CHARS_MAX))
}
