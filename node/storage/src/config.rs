//! What an operator may choose about the database.

/// Most megabytes of cache: more than any machine that runs a node has.
pub const CACHE_MB_MAX: usize = 1 << 20;

/// Choices about the database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Megabytes of memory that cache blocks of the database's files, in 1..=[`CACHE_MB_MAX`].
    pub cache_mb: usize,
    /// Megabytes of memory that cache values of the state, in 1..=[`CACHE_MB_MAX`]: about 5,000 accounts each.
    pub state_cache_mb: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache_mb: 256, state_cache_mb: 512 }
    }
}

impl Config {
    /// Checks each choice against its bounds; the error names it.
    pub fn validate(&self) -> Result<(), String> {
        let choices = [("cache_mb", self.cache_mb), ("state_cache_mb", self.state_cache_mb)];
        match choices.iter().find(|(_, mb)| !(1..=CACHE_MB_MAX).contains(mb)) {
            None => Ok(()),
            Some((name, mb)) => Err(format!("{name} is {mb}; choose 1 to {CACHE_MB_MAX}")),
        }
    }
}
