//! Chain specs, as a file that `--chain` names.

use super::{
    Door, Outcome,
    mutate::{Source, bytes, deep, mutate, mutate_json, odd_number, pick},
};
use anyhow::{Context, Result, anyhow, ensure};
use framework::{BlockEnv, MemState};
use node::cli::chain_spec;
use primitives::Hash;
use rand::RngExt;
use runtime::{ChainSpec, Execution, Inherents, genesis_state};
use serde_json::Value;
use std::{fmt, fs};
use tempfile::TempDir;

/// Most bytes that are random through and through.
const RANDOM_BYTES_MAX: usize = 4_096;
/// Deepest nesting.
const DEPTH_MAX: usize = 100_000;
/// Most bytes of a single text.
const TEXT_BYTES_MAX: usize = 2 << 20;

pub struct Specs {
    /// The specs that come with the node.
    seeds: Vec<Value>,
    folder: TempDir,
}

/// A file.
pub struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes: {}", self.0.len(), String::from_utf8_lossy(&self.0))
    }
}

impl Specs {
    pub fn open() -> Result<Self> {
        let seeds = [ChainSpec::dev(), ChainSpec::local(), ChainSpec::testnet()];
        let seeds = seeds.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        Ok(Self { seeds, folder: TempDir::new()? })
    }
}

impl Door for Specs {
    type Input = Input;

    fn input(&mut self, source: &mut Source) -> Input {
        let mut json = pick(source, &self.seeds).clone();
        let text = |json: &Value| json.to_string().into_bytes();
        Input(match source.random_range(0..100) {
            0..5 => bytes(source, RANDOM_BYTES_MAX),
            5..30 => {
                let mut bytes = text(&json);
                mutate(source, &mut bytes, &[]);
                bytes
            }
            30..80 => {
                mutate_json(source, &mut json);
                text(&json)
            }
            80..90 => {
                // Only what is no number, or a number beyond all types, gets here as text.
                let text = json.to_string();
                let numbers: Vec<_> = text.match_indices(":1").map(|(at, _)| at + 1).collect();
                let at = *pick(source, &numbers);
                let number = odd_number(source);
                format!("{}{number}{}", &text[..at], &text[at + 1..]).into_bytes()
            }
            90..97 => {
                let key = *pick(source, &["name", "bootnodes", "genesis", "stranger"]);
                let nested = deep(source, DEPTH_MAX);
                format!(r#"{{"{key}":{nested},{}"#, &json.to_string()[1..]).into_bytes()
            }
            _ => {
                let key = *pick(source, &["name", "id", "chainType", "stranger"]);
                json[key] = "x".repeat(source.random_range(0..TEXT_BYTES_MAX)).into();
                text(&json)
            }
        })
    }

    async fn offer(&mut self, input: &Input) -> Result<Outcome> {
        let path = self.folder.path().join("spec.json");
        fs::write(&path, &input.0)?;
        match chain_spec::load(path.to_str().context("temporary folders have plain names")?) {
            Ok(spec) => check_usable(&spec),
            Err(error) => Outcome::refused(format!("{error:#}")),
        }
    }

    async fn finish(self) -> Result<()> {
        check_usable(&ChainSpec::dev()).map(drop)
    }
}

/// What was accepted says the same when it is written and read again, and its chain can begin: its
/// first state is sound, also after an empty block.
fn check_usable(spec: &ChainSpec) -> Result<Outcome> {
    let json = serde_json::to_string(spec)?;
    let again = ChainSpec::from_json(&json).map_err(|why| anyhow!("written, it is bad: {why}"))?;
    ensure!(serde_json::to_string(&again)? == json, "written and read, it is another");
    let genesis = chain::genesis_hash(&spec.genesis)?;
    let mut state = MemState::default();
    let told = |why: String| anyhow!(why);
    state.apply(&genesis_state(&spec.genesis).map_err(told)?);
    runtime::check(&state).map_err(told).context("the first state is not sound")?;
    let validator = spec.genesis.Staking.validators.first().context("there is no validator")?;
    let block = BlockEnv {
        height: 1,
        time_ms: 1_000,
        author: validator.account,
        origin_round: 0,
        randomness: Hash::ZERO,
        parent: genesis,
        genesis,
    };
    let inherents = Inherents { time_ms: 1_000, ..Inherents::default() };
    let writes = Execution::begin(&state, &block, &inherents)?.finish().writes;
    state.apply(&writes);
    runtime::check(&state).map_err(told).context("the state after a block is not sound")?;
    Ok(Outcome::Accepted)
}
