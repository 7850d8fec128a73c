//! What came of a run, and the table of many.

use primitives::{Hash, Height};
use std::fmt;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Hash of all that happened, in order: the same seed gives the same.
    pub trace: Hash,
    /// Everything that should never happen, in words. Empty if all went well.
    pub failures: Vec<String>,
    /// The highest block.
    pub height: Height,
    /// Blocks that nodes committed in total.
    pub blocks: u64,
    /// Those of them that came through the sync machine.
    pub synced: u64,
    /// Transactions in the highest chain.
    pub transactions: u64,
    /// Nodes that stopped and began again.
    pub crashes: u64,
    /// Of these, how many tore the log's last append.
    pub torn: u64,
    /// And how many lost what they had signed.
    pub forgotten: u64,
    /// Partitions.
    pub partitions: u64,
    /// Slots in which a liar sent two things.
    pub equivocations: u64,
    /// Evidence that honest nodes found.
    pub evidence: u64,
    /// Liars that were in a position to be caught, and those that were.
    pub liars: u64,
    /// See `liars`.
    pub caught: u64,
    /// Equivocators that a block proved and the chain slashed.
    pub slashed: u64,
    /// Heights with two different blocks.
    pub forks: u64,
    /// Slots in which an honest node sent two things.
    pub double_signs: u64,
    /// Whether nothing went on after the faults were over.
    pub stalls: u64,
    /// The highest round.
    pub max_round: u32,
    /// Virtual milliseconds from the end of all faults until each node had [`crate::CALM_BLOCKS`] more
    /// blocks.
    pub recovery_ms: u64,
    /// Virtual milliseconds.
    pub ms: u64,
    /// Events.
    pub events: u64,
}

impl Outcome {
    /// Fails with everything that should not have happened, and how to see it again.
    ///
    /// # Panics
    ///
    /// If something happened that should not.
    #[track_caller]
    pub fn expect_good(&self) {
        assert!(self.failures.is_empty(), "seed {}: {}", self.seed, self.failures.join("; "));
    }
}

/// The sums of many runs.
#[derive(Clone, Debug, Default)]
pub struct Table {
    runs: u64,
    sums: Outcome,
    heights: u64,
    /// Seed of the run that took longest to recover.
    slowest: u64,
}

impl Table {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        let sums = &mut self.sums;
        self.runs += 1;
        self.heights += u64::from(outcome.height);
        sums.blocks += outcome.blocks;
        sums.synced += outcome.synced;
        sums.transactions += outcome.transactions;
        sums.crashes += outcome.crashes;
        sums.torn += outcome.torn;
        sums.forgotten += outcome.forgotten;
        sums.partitions += outcome.partitions;
        sums.equivocations += outcome.equivocations;
        sums.evidence += outcome.evidence;
        sums.liars += outcome.liars;
        sums.caught += outcome.caught;
        sums.slashed += outcome.slashed;
        sums.forks += outcome.forks;
        sums.double_signs += outcome.double_signs;
        sums.stalls += outcome.stalls;
        sums.max_round = sums.max_round.max(outcome.max_round);
        if outcome.recovery_ms > sums.recovery_ms {
            (sums.recovery_ms, self.slowest) = (outcome.recovery_ms, outcome.seed);
        }
        sums.ms += outcome.ms;
        sums.events += outcome.events;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = &self.sums;
        let rows = [
            ("runs", self.runs),
            ("heights", self.heights),
            ("blocks committed", sums.blocks),
            ("  of these synced", sums.synced),
            ("transactions", sums.transactions),
            ("crashes", sums.crashes),
            ("  of these torn", sums.torn),
            ("  without records", sums.forgotten),
            ("partitions", sums.partitions),
            ("equivocations", sums.equivocations),
            ("evidence", sums.evidence),
            ("liars to catch", sums.liars),
            ("  of these caught", sums.caught),
            ("slashes", sums.slashed),
            ("forks", sums.forks),
            ("double signs", sums.double_signs),
            ("stalls", sums.stalls),
            ("highest round", u64::from(sums.max_round)),
            ("slowest recovery, ms", sums.recovery_ms),
            ("  its seed", self.slowest),
            ("events", sums.events),
            ("virtual seconds", sums.ms / 1_000),
        ];
        for (name, value) in rows {
            writeln!(f, "{name:<22}{value:>12}")?;
        }
        Ok(())
    }
}
