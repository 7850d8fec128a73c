//! What happens in a run: nodes, their network, and what goes wrong when. A script says it, or a seed
//! draws it.

use crate::{Outcome, random::Random, world::World};
use primitives::Height;
use runtime::RuntimeCall;
use std::collections::{BTreeMap, BTreeSet};

/// Most nodes of a run.
pub const NODES_MAX: usize = 16;

/// A point in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When the first node has this block.
    Height(Height),
    /// So many milliseconds after the start.
    Ms(u64),
}

/// When the first node has this block.
pub fn at_height(height: Height) -> When {
    When::Height(height)
}

/// So many seconds after the start.
pub fn after(ms: u64) -> When {
    When::Ms(ms)
}

/// Seconds, in milliseconds.
pub const fn secs(seconds: u64) -> u64 {
    seconds * 1_000
}

/// What goes wrong, or is done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Crash(Crash),
    Partition {
        left: BTreeSet<usize>,
        right: BTreeSet<usize>,
        ms: u64,
    },
    /// The wall clock of a node is wrong for a while.
    Clock {
        node: usize,
        jump_ms: i64,
        ms: u64,
    },
    /// A node that was not there from the start begins.
    Join {
        node: usize,
    },
    /// An account that has money signs a call.
    Call(Box<RuntimeCall>),
}

/// A node stops before it performs an output, and begins again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) node: usize,
    /// Outputs that it still performs.
    pub(crate) outputs: u64,
    /// If the output appends to the log, how many bytes still get there.
    pub(crate) torn_bytes: usize,
    pub(crate) down_ms: u64,
    /// Whether all is lost that says what it has signed, but not the chain.
    pub(crate) forgets: bool,
}

/// What is taken from the validators to see that it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ablation {
    /// Nothing.
    #[default]
    None,
    /// A crash loses log and guard, and validators are told to sign all the same.
    NoLogAndNoGuard,
    /// A crash loses the log.
    NoLog,
    /// The log is there, but is not replayed.
    NoReplay,
}

/// How messages travel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay_ms: (u64, u64),
    pub(crate) loss_percent: u64,
    pub(crate) double_percent: u64,
}

/// A run, before it begins. See the crate's documentation.
#[derive(Clone, Debug)]
pub struct Sim {
    pub(crate) seed: u64,
    pub(crate) powers: Vec<u64>,
    /// Nodes that run consensus without being validators at the start.
    pub(crate) standbys: usize,
    pub(crate) followers: usize,
    pub(crate) until: Height,
    pub(crate) link: Link,
    pub(crate) actions: Vec<(When, Action)>,
    pub(crate) late: BTreeMap<usize, When>,
    pub(crate) equivocators: BTreeSet<usize>,
    pub(crate) withholders: BTreeSet<usize>,
    /// Milliseconds between two messages of an outsider that make no sense.
    pub(crate) spam_ms: Option<u64>,
    /// Milliseconds between two transactions.
    pub(crate) transactions_ms: Option<u64>,
    /// Whether validators that lag ask for the next decided block at once, beside the sync machine.
    pub(crate) pulls_decided: bool,
    pub(crate) ablation: Ablation,
}

/// A run of four validators on a good network, with a transaction now and then, to be changed.
pub fn sim(seed: u64) -> Sim {
    Sim {
        seed,
        powers: vec![10; 4],
        standbys: 0,
        followers: 0,
        until: 10,
        link: Link { delay_ms: (5, 60), loss_percent: 0, double_percent: 0 },
        actions: Vec::new(),
        late: BTreeMap::new(),
        equivocators: BTreeSet::new(),
        withholders: BTreeSet::new(),
        spam_ms: None,
        transactions_ms: Some(400),
        pulls_decided: false,
        ablation: Ablation::None,
    }
}

impl Sim {
    /// So many validators of equal power.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        self.powers = vec![10; count];
        self
    }

    /// Validators of these powers.
    #[must_use]
    pub fn powers(mut self, powers: &[u64]) -> Self {
        self.powers = powers.to_vec();
        self
    }

    /// So many nodes that run consensus and are no validators yet; their numbers come after the validators'.
    #[must_use]
    pub fn standbys(mut self, count: usize) -> Self {
        self.standbys = count;
        self
    }

    /// So many nodes that only follow; their numbers come last.
    #[must_use]
    pub fn followers(mut self, count: usize) -> Self {
        self.followers = count;
        self
    }

    /// Messages take so many milliseconds.
    #[must_use]
    pub fn delay(mut self, least_ms: u64, most_ms: u64) -> Self {
        self.link.delay_ms = (least_ms, most_ms);
        self
    }

    /// So many percent of all messages get lost.
    #[must_use]
    pub fn loss(mut self, percent: u64) -> Self {
        self.link.loss_percent = percent;
        self
    }

    /// So many percent of all messages come twice.
    #[must_use]
    pub fn doubles(mut self, percent: u64) -> Self {
        self.link.double_percent = percent;
        self
    }

    /// A node crashes, with a torn log, and is back after a second.
    #[must_use]
    pub fn crash(self, node: usize, when: When) -> Self {
        self.crash_for(node, when, secs(1))
    }

    /// A node crashes, with a torn log, and is back after a while.
    #[must_use]
    pub fn crash_for(mut self, node: usize, when: When, down_ms: u64) -> Self {
        let mut random = Random::new(self.seed ^ u64::try_from(self.actions.len()).unwrap_or(0));
        let (outputs, torn_bytes) = (random.below(12), random.index(400));
        let crash = Crash { node, outputs, torn_bytes, down_ms, forgets: false };
        self.actions.push((when, Action::Crash(crash)));
        self
    }

    /// A validator loses what it has signed, and knows that it has, and is back after a second.
    #[must_use]
    pub fn forget(mut self, node: usize, when: When) -> Self {
        let crash = Crash { node, outputs: 3, torn_bytes: 0, down_ms: secs(1), forgets: true };
        self.actions.push((when, Action::Crash(crash)));
        self
    }

    /// Two groups do not hear of each other for a while, from block 3 on.
    #[must_use]
    pub fn partition(
        self,
        left: impl IntoIterator<Item = usize>,
        right: impl IntoIterator<Item = usize>,
        ms: u64,
    ) -> Self {
        self.partition_at(at_height(3), left, right, ms)
    }

    /// Two groups do not hear of each other for a while.
    #[must_use]
    pub fn partition_at(
        mut self,
        when: When,
        left: impl IntoIterator<Item = usize>,
        right: impl IntoIterator<Item = usize>,
        ms: u64,
    ) -> Self {
        let (left, right) = (left.into_iter().collect(), right.into_iter().collect());
        self.actions.push((when, Action::Partition { left, right, ms }));
        self
    }

    /// A node's wall clock is wrong for a while.
    #[must_use]
    pub fn clock(mut self, node: usize, when: When, jump_ms: i64, ms: u64) -> Self {
        self.actions.push((when, Action::Clock { node, jump_ms, ms }));
        self
    }

    /// A node begins only then, with an empty folder.
    #[must_use]
    pub fn late(mut self, node: usize, when: When) -> Self {
        self.late.insert(node, when);
        self.actions.push((when, Action::Join { node }));
        self
    }

    /// A validator has a second signer: it votes twice and proposes twice, and serves damaged blocks.
    #[must_use]
    pub fn equivocator(mut self, node: usize) -> Self {
        self.equivocators.insert(node);
        self
    }

    /// A validator sends its blocks to one other node at most, and gives them to nobody who asks.
    #[must_use]
    pub fn withholder(mut self, node: usize) -> Self {
        self.withholders.insert(node);
        self
    }

    /// An outsider sends everybody messages that make no sense.
    #[must_use]
    pub fn spam(mut self, every_ms: u64) -> Self {
        self.spam_ms = Some(every_ms);
        self
    }

    /// A transaction comes so often; with 0, never.
    #[must_use]
    pub fn transactions(mut self, every_ms: u64) -> Self {
        self.transactions_ms = (every_ms > 0).then_some(every_ms);
        self
    }

    /// An account that has money signs this call: whatever changes the validators comes in here.
    #[must_use]
    pub fn call(mut self, when: When, call: RuntimeCall) -> Self {
        self.actions.push((when, Action::Call(Box::new(call))));
        self
    }

    /// Validators that lag also ask for the next decided block itself.
    #[must_use]
    pub fn pulling_decided(mut self) -> Self {
        self.pulls_decided = true;
        self
    }

    /// Something that should be there is missing.
    #[must_use]
    pub fn without(mut self, ablation: Ablation) -> Self {
        self.ablation = ablation;
        self
    }

    /// Runs until all nodes have this block, everything that was planned is over, and the chain went on
    /// after that.
    pub fn until_height(mut self, height: Height) -> Outcome {
        self.until = height;
        self.run()
    }

    /// Runs to the height of the plan.
    pub fn run(self) -> Outcome {
        World::new(self).run()
    }

    /// Nodes in total.
    pub(crate) fn count(&self) -> usize {
        self.powers.len() + self.standbys + self.followers
    }

    /// A run with all kinds of faults, each with its own chance.
    pub fn drawn(seed: u64) -> Self {
        let random = &mut Random::new(seed ^ 0x51AF_1A6E);
        let count = 4 + random.index(5);
        let mut plan = sim(seed).followers(random.index(3));
        plan.standbys = usize::from(random.chance(20));
        plan.powers = match random.chance(50) {
            true => vec![10; count],
            false => (0..count).map(|_| random.between(8, 13)).collect(),
        };
        plan.until = 8 + Height::try_from(random.below(7)).expect("small");
        plan.link = Link {
            delay_ms: (random.between(1, 20), random.between(20, 400)),
            loss_percent: if random.chance(50) { random.below(16) } else { 0 },
            double_percent: if random.chance(30) { random.below(20) } else { 0 },
        };
        plan.pulls_decided = random.chance(30);
        plan.spam_ms = random.chance(25).then(|| random.between(50, 400));
        plan.transactions_ms = random.chance(80).then(|| random.between(100, 1_500));
        plan.draw_liars(random);
        for _ in 0..random.below(5) {
            plan.draw_crash(random);
        }
        if random.chance(40) {
            plan.draw_partition(random);
        }
        if random.chance(25) {
            plan.draw_outage(random);
        }
        if random.chance(30) {
            let (node, when) = (random.index(plan.count()), draw_time(random));
            let size = i64::try_from(random.between(300, 8_000)).expect("small");
            let jump_ms = if random.chance(50) { size } else { -size };
            plan = plan.clock(node, when, jump_ms, random.between(1_000, 10_000));
        }
        if random.chance(30) {
            let node = random.index(plan.count());
            plan =
                plan.late(node, at_height(3 + Height::try_from(random.below(5)).expect("small")));
            // With it away, the others must have a quorum.
            if node < plan.powers.len() && !plan.has_quorum_without(&[node]) {
                let (when, _) = plan.actions.pop().expect("it was just added");
                let later = when_or(when, random.between(2_000, 9_000));
                plan.late.insert(node, later);
                plan.actions.push((later, Action::Join { node }));
            }
        }
        if random.chance(30) {
            plan.draw_loss(random);
        }
        plan
    }

    /// Some validators lie, with less than a third of the power.
    fn draw_liars(&mut self, random: &mut Random) {
        if !random.chance(40) {
            return;
        }
        let first = random.index(self.powers.len());
        let mut liars = Vec::new();
        for place in 0..self.powers.len() {
            let node = (first + place) % self.powers.len();
            liars.push(node);
            let power: u64 = liars.iter().map(|liar| self.powers[*liar]).sum();
            if 3 * power >= self.powers.iter().sum() {
                break;
            }
            if random.chance(70) {
                self.equivocators.insert(node);
            } else {
                self.withholders.insert(node);
            }
        }
    }

    fn draw_crash(&mut self, random: &mut Random) {
        let crash = Crash {
            node: random.index(self.count()),
            outputs: random.below(25),
            torn_bytes: random.index(600),
            down_ms: random.between(20, 6_000),
            forgets: false,
        };
        let when = draw_time(random);
        self.actions.push((when, Action::Crash(crash)));
    }

    /// A validator loses its records. Until it has seen the others go on it is as if it were away, as those are who join
    /// late.
    fn draw_loss(&mut self, random: &mut Random) {
        let node = random.index(self.powers.len());
        let away: Vec<usize> = self.late.keys().copied().chain([node]).collect();
        let crash = Crash {
            node,
            outputs: random.below(25),
            torn_bytes: 0,
            down_ms: random.between(20, 6_000),
            forgets: true,
        };
        let when = draw_time(random);
        if self.has_quorum_without(&away) {
            self.actions.push((when, Action::Crash(crash)));
        }
    }

    fn draw_partition(&mut self, random: &mut Random) {
        let mut groups = (BTreeSet::new(), BTreeSet::new());
        for node in 0..self.count() {
            if random.chance(50) {
                groups.0.insert(node)
            } else {
                groups.1.insert(node)
            };
        }
        let (when, ms) = (draw_time(random), random.between(1_000, 20_000));
        self.actions.push((when, Action::Partition { left: groups.0, right: groups.1, ms }));
    }

    /// More than a third goes away for long, so that the chain stands still.
    fn draw_outage(&mut self, random: &mut Random) {
        let when = draw_time(random);
        let down_ms = random.between(5_000, 25_000);
        for node in 0..self.powers.len() / 2 {
            let (outputs, torn_bytes) = (random.below(6), random.index(600));
            let crash = Crash { node, outputs, torn_bytes, down_ms, forgets: false };
            self.actions.push((when, Action::Crash(crash)));
        }
    }

    fn has_quorum_without(&self, away: &[usize]) -> bool {
        let total: u64 = self.powers.iter().sum();
        let lying = self.equivocators.union(&self.withholders).chain(away);
        let lying: BTreeSet<usize> = lying.copied().collect();
        let missing: u64 = lying.iter().filter_map(|node| self.powers.get(*node)).sum();
        3 * (total - missing.min(total)) > 2 * total
    }
}

fn when_or(when: When, ms: u64) -> When {
    match when {
        When::Height(_) => When::Ms(ms),
        ms => ms,
    }
}

fn draw_time(random: &mut Random) -> When {
    match random.chance(50) {
        true => When::Height(1 + Height::try_from(random.below(8)).expect("small")),
        false => When::Ms(random.between(0, 12_000)),
    }
}
