//! What an operator may choose about the database.

/// Most megabytes of cache: more than any machine that runs a node has.
pub const CACHE_MB_MAX: usize = 1 << 20;

/// Choices about the database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Megabytes of memory that cache blocks of the database's files, in 1..=[`CACHE_MB_MAX`].
    pub cache_mb: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_mb: 512 }
    }
}

impl Config {
    /// Checks each choice against its bounds; the error names it.
    pub fn validate(&self) -> Result<(), String> {
        match self.cache_mb {
            1..=CACHE_MB_MAX => Ok(()),
            other => Err(format!("cache_mb is {other}; choose 1 to {CACHE_MB_MAX}")),
        }
    }
}
