use crate::{
    Config,
    core::{Core, Input, Known, OFFERS_MAX, Output, RunEnd, SendEnd, Tx},
    journal::{self, Delivery, Entry, Journal},
    keys::Keys,
    shell::Error,
};
use client::{
    Failure,
    pallets::{
        agents::{Agent, Deadline, Profile, Reputation},
        tasks::{
            self, Cid, EarlyPay, Input as TaskInput, Outcome, Policy, ReleaseReason, Slot,
            SlotState, Stamp, Task, TaskSpec, TaskState,
        },
        validations,
    },
};
use primitives::{AccountId, Balance, Hash};
use proptest::prelude::*;
use std::{collections::BTreeMap, fs};

const ME: AccountId = AccountId([1; 32]);
const OTHER: AccountId = AccountId([2; 32]);
const HOLD: Balance = Balance::new(100);

fn id(number: u8) -> Hash {
    Hash([number; 32])
}

fn profile(config: &Config) -> Profile {
    Keys::from_seed(&[7; 32]).profile(config, ME, &Hash::ZERO)
}

fn me(config: &Config) -> Agent {
    Agent {
        owner: ME,
        profile: profile(config),
        stake: Balance::new(1_000),
        locked: Balance::ZERO,
        busy: 0,
        reputation: Reputation::default(),
        no_shows: 0,
        jailed_until: 0,
        last_seen: 0,
        version: 0,
    }
}

fn spec() -> TaskSpec {
    TaskSpec {
        engine: 1,
        program: Cid::new(Cid::RAW, [3; 32]),
        input: TaskInput::Inline(Vec::new()),
        args: Vec::new(),
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    }
}

/// A pending task that pays this much for 10^6 units of fuel.
fn pending(reward: u128) -> Known {
    let stamp = Stamp { height: 1, time_ms: 0 };
    let task = Task {
        requester: OTHER,
        sponsor: None,
        spec_hash: Hash::ZERO,
        engine: 1,
        fuel_limit: 1_000_000,
        output_bytes_max: 1_024,
        policy: Policy::economy(Balance::new(reward)),
        slot_hold: HOLD,
        exec_ms: 30_000,
        state: TaskState::Pending,
        attempt: 0,
        slots: Vec::new(),
        deadline: Deadline { at: 40_000, height: 5 },
        candidates: 0,
        cancel: None,
        barred: Vec::new(),
        input_reports: Vec::new(),
        early: EarlyPay::No,
        payouts_open: 0,
        verdict: None,
        created: stamp,
        changed: stamp,
        close_reason: None,
    };
    Known { task, spec: spec(), candidate: false }
}

/// The same task, drawn for an agent.
fn assigned(to: AccountId, attempt: u8) -> Known {
    let mut known = pending(1_000_000);
    known.task.state = TaskState::Assigned;
    known.task.attempt = attempt;
    known.task.slots = vec![Slot {
        attempt,
        agent: to,
        owner: to,
        hold: HOLD,
        random: false,
        state: SlotState::Assigned,
        commit: None,
        outcome: None,
        payouts: 0,
    }];
    known
}

fn entry(task: Hash, attempt: u8) -> Entry {
    Entry { task, attempt, outcome: Outcome::OutOfFuel, fuel_used: 5, delivery: None }
}

/// An agent and everything that it wanted since it was last asked.
struct Run {
    core: Core,
    config: Config,
}

impl Run {
    fn new() -> Self {
        Self::with(Config::default(), &BTreeMap::new())
    }

    /// A registered agent with some results on disk.
    fn with(config: Config, entries: &BTreeMap<Hash, Entry>) -> Self {
        let mut run =
            Self { core: Core::new(config.clone(), ME, profile(&config), entries), config };
        let known = Some(me(&run.config));
        assert_eq!(run.step(Input::Me(known)), []);
        run
    }

    fn step(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.core.step(input, &mut out);
        out
    }

    fn task(&mut self, number: u8, known: impl Into<Option<Known>>) -> Vec<Output> {
        self.step(Input::Task { id: id(number), known: known.into().map(Box::new) })
    }

    fn block(&mut self, market_ms: u64) -> Vec<Output> {
        self.step(Input::Block { market_ms })
    }

    fn sent(&mut self, what: Tx, end: SendEnd) -> Vec<Output> {
        self.step(Input::Sent { what, end })
    }

    fn ran(&mut self, number: u8, attempt: u8, end: RunEnd) -> Vec<Output> {
        self.step(Input::Ran { task: id(number), attempt, end })
    }
}

fn claim(number: u8) -> Output {
    Output::Claim { task: id(number), attempt: 0 }
}

fn run(number: u8, attempt: u8) -> Output {
    Output::Run { task: id(number), attempt, spec: spec() }
}

fn deliver(number: u8) -> Output {
    Output::Deliver { task: id(number) }
}

fn lost() -> SendEnd {
    SendEnd::Lost("the connection broke".to_owned())
}

fn failed(error: impl Into<client::DispatchError>) -> SendEnd {
    SendEnd::Failed(Failure::new(error.into()))
}

fn unavailable() -> RunEnd {
    RunEnd::Unavailable("nobody has it".to_owned())
}

#[test]
fn a_task_goes_from_claim_to_delivery_with_its_result_on_disk_first() {
    let mut agent = Run::new();
    assert_eq!(agent.task(1, pending(1_000_000)), [claim(1)]);
    assert_eq!(agent.sent(Tx::Claim { task: id(1), attempt: 0 }, SendEnd::Done), []);
    assert_eq!(agent.task(1, Known { candidate: true, ..pending(1_000_000) }), []);
    assert_eq!(agent.task(1, assigned(ME, 0)), [run(1, 0)]);
    assert_eq!(agent.task(1, assigned(ME, 0)), [], "it is at work already");
    let finished = RunEnd::Finished(entry(id(1), 0));
    assert_eq!(agent.ran(1, 0, finished), [Output::Keep(entry(id(1), 0)), deliver(1)]);
    assert_eq!(agent.sent(Tx::Deliver { task: id(1) }, SendEnd::Done), []);
    let mut known = assigned(ME, 0);
    known.task.state = TaskState::Validating;
    assert_eq!(agent.task(1, known), [Output::Forget { task: id(1) }]);
}

#[test]
fn a_result_on_disk_is_delivered_after_a_restart_and_not_computed_again() {
    let entries = BTreeMap::from([(id(1), entry(id(1), 0)), (id(2), entry(id(2), 0))]);
    let mut agent = Run::with(Config::default(), &entries);
    assert_eq!(agent.core.tasks().len(), 2, "the chain is asked about both");
    assert_eq!(agent.task(1, assigned(ME, 0)), [deliver(1)]);
    assert_eq!(agent.task(2, None), [Output::Forget { task: id(2) }]);
}

#[test]
fn unfinished_work_is_computed_again_after_a_restart() {
    let mut agent = Run::new();
    assert_eq!(agent.task(1, assigned(ME, 0)), [run(1, 0)]);
}

#[test]
fn a_result_of_another_attempt_is_not_delivered() {
    let mut agent = Run::with(Config::default(), &BTreeMap::from([(id(1), entry(id(1), 0))]));
    assert_eq!(agent.task(1, assigned(ME, 1)), [run(1, 1)]);
    assert_eq!(agent.ran(1, 0, RunEnd::Finished(entry(id(1), 0))), [], "an old worker");
}

#[test]
fn a_lost_delivery_is_sent_again_with_the_next_block() {
    let mut agent = Run::new();
    agent.task(1, assigned(ME, 0));
    agent.ran(1, 0, RunEnd::Finished(entry(id(1), 0)));
    assert_eq!(agent.sent(Tx::Deliver { task: id(1) }, lost()), []);
    assert_eq!(agent.block(1), [deliver(1)]);
    assert_eq!(agent.block(2), [], "it is on its way");
}

#[test]
fn blobs_that_cannot_be_had_are_tried_until_half_of_the_time_is_over() {
    let mut agent = Run::new();
    agent.block(10_000);
    agent.task(1, assigned(ME, 0));
    assert_eq!(agent.ran(1, 0, unavailable()), []);
    assert_eq!(agent.block(11_999), []);
    assert_eq!(agent.block(12_000), [run(1, 0)]);
    // The deadline is at 40,000 and the agent was given 30,000.
    assert_eq!(agent.block(25_000), []);
    let reason = ReleaseReason::InputUnavailable;
    assert_eq!(agent.ran(1, 0, unavailable()), [Output::Release { task: id(1), reason }]);
    assert_eq!(agent.sent(Tx::Release { task: id(1) }, lost()), []);
    assert_eq!(agent.block(25_001), [Output::Release { task: id(1), reason }]);
}

#[test]
fn what_this_machine_cannot_execute_is_given_back() {
    let mut agent = Run::new();
    agent.task(1, assigned(ME, 0));
    let reason = ReleaseReason::CannotExecute;
    let end = RunEnd::CannotExecute("no memory".to_owned());
    assert_eq!(agent.ran(1, 0, end), [Output::Release { task: id(1), reason }]);
}

#[test]
fn slots_and_stake_bound_what_is_claimed_and_the_best_price_comes_first() {
    let mut agent = Run::with(Config { slots_max: 1, ..Config::default() }, &BTreeMap::new());
    assert_eq!(agent.task(1, pending(1_000_000)), [claim(1)]);
    assert_eq!(agent.task(2, pending(2_000_000)), []);
    assert_eq!(agent.task(3, pending(3_000_000)), []);
    assert_eq!(agent.task(1, assigned(OTHER, 0)), [claim(3)], "another was drawn");

    let mut agent = Run::with(Config { slots_max: 9, ..Config::default() }, &BTreeMap::new());
    let poor = Agent { stake: Balance::new(250), ..me(&agent.config) };
    agent.step(Input::Me(Some(poor)));
    assert_eq!(agent.task(1, pending(1_000_000)), [claim(1)]);
    assert_eq!(agent.task(2, pending(1_000_000)), [claim(2)]);
    assert_eq!(agent.task(3, pending(1_000_000)), [], "250 bear two holds of 100");
}

#[test]
fn the_best_offers_are_remembered_and_the_others_looked_for_once_there_is_room() {
    let config = Config::default();
    // Without a registration nothing is claimed.
    let mut core = Core::new(config.clone(), ME, profile(&config), &BTreeMap::new());
    let id = |number: usize| {
        let mut id = Hash::ZERO;
        id.0[..8].copy_from_slice(&number.to_be_bytes());
        id
    };
    let tell = |core: &mut Core, number, known: Option<Known>| {
        let mut out = Vec::new();
        core.step(Input::Task { id: id(number), known: known.map(Box::new) }, &mut out);
        assert_eq!(out.iter().find(|output| !matches!(output, Output::Enrol { .. })), None);
    };
    let least = 1_000_000;
    for number in 0..=OFFERS_MAX {
        assert_eq!(core.is_full(), number == OFFERS_MAX);
        tell(&mut core, number, Some(pending(least + number as u128)));
    }
    let remembered = core.tasks();
    assert_eq!(remembered.len(), OFFERS_MAX);
    assert!(!remembered.contains(&id(0)), "it pays least");

    for number in 1..=OFFERS_MAX / 2 {
        assert!(!core.wants_more(), "there is little room");
        tell(&mut core, number, None);
    }
    assert!(core.wants_more());
    assert!(!core.wants_more(), "it says so once");
    tell(&mut core, 0, Some(pending(least)));
    assert!(core.tasks().contains(&id(0)));
}

#[test]
fn what_does_not_suit_is_not_claimed() {
    let mut agent = Run::new();
    let mut cases = vec![("too cheap", pending(999_999))];
    let mut case = |what, change: fn(&mut Known)| {
        let mut known = pending(1_000_000);
        change(&mut known);
        cases.push((what, known));
    };
    case("another engine", |known| known.spec.engine = 2);
    case("too much memory", |known| known.spec.memory_pages_max = 16_385);
    case("too much output", |known| known.spec.output_bytes_max = (64 << 20) + 1);
    case("a label that it lacks", |known| {
        known.task.policy.requires.tags = vec![b"gpu".to_vec()];
    });
    case("barred", |known| known.task.barred = vec![ME]);
    case("too much at risk", |known| known.task.slot_hold = Balance::new(1_001));
    case("a sealed input", |known| {
        known.spec.input = TaskInput::Blob {
            cid: Cid::new(Cid::RAW, [0; 32]),
            plaintext_hash: Hash::ZERO,
            key_commit: Some(Hash::ZERO),
            size: 1,
        };
    });
    case("too large an input", |known| {
        known.spec.input = TaskInput::Blob {
            cid: Cid::new(Cid::RAW, [0; 32]),
            plaintext_hash: Hash::ZERO,
            key_commit: None,
            size: (256 << 20) + 1,
        };
    });
    for (number, (what, known)) in (0u8..).zip(cases) {
        assert_eq!(agent.task(number, known), [], "{what}");
    }
}

#[test]
fn a_claim_that_failed_is_not_tried_again_in_its_attempt() {
    let mut agent = Run::new();
    let sent = Tx::Claim { task: id(1), attempt: 0 };
    agent.task(1, pending(1_000_000));
    assert_eq!(agent.sent(sent, lost()), []);
    assert_eq!(agent.block(1_001), [claim(1)], "it was not included");
    assert_eq!(agent.sent(sent, failed(tasks::Error::TooManyCandidates)), []);
    assert_eq!(agent.task(1, pending(1_000_000)), []);
    let mut next = pending(1_000_000);
    next.task.attempt = 1;
    assert_eq!(agent.task(1, next), [Output::Claim { task: id(1), attempt: 1 }]);
}

#[test]
fn silence_is_broken_by_one_heartbeat_before_anything_is_claimed() {
    let mut agent = Run::new();
    assert_eq!(agent.block(59_999), []);
    assert_eq!(agent.block(60_000), [Output::Heartbeat { slots: 2 }]);
    assert_eq!(agent.block(60_001), [], "one is on its way");
    assert_eq!(agent.task(1, pending(1_000_000)), []);
    assert_eq!(agent.sent(Tx::Heartbeat, SendEnd::Done), [claim(1)]);
    assert_eq!(agent.block(60_002), [], "the registry may not show it yet");
    assert_eq!(agent.block(120_001), [Output::Heartbeat { slots: 2 }]);
}

#[test]
fn a_result_that_the_chain_does_not_take_is_given_back() {
    let mut agent = Run::new();
    agent.task(1, assigned(ME, 0));
    agent.ran(1, 0, RunEnd::Finished(entry(id(1), 0)));
    let reason = ReleaseReason::CannotExecute;
    let end = failed(validations::Error::BadOutcome);
    assert_eq!(
        agent.sent(Tx::Deliver { task: id(1) }, end),
        [Output::Release { task: id(1), reason }]
    );
    agent.task(2, assigned(ME, 0));
    agent.ran(2, 0, RunEnd::Finished(entry(id(2), 0)));
    let too_late = failed(tasks::Error::NotAssigned);
    assert_eq!(agent.sent(Tx::Deliver { task: id(2) }, too_late), []);
    assert_eq!(agent.block(1), [], "it is not sent again");
}

#[test]
fn an_agent_registers_itself_if_it_has_a_stake_to_do_so() {
    let config = Config::default();
    let unknown =
        |config: &Config| Core::new(config.clone(), ME, profile(config), &BTreeMap::new());
    let mut out = Vec::new();
    let mut core = unknown(&config);
    core.step(Input::Me(None), &mut out);
    core.step(Input::Me(None), &mut out);
    let enrol = Output::Enrol { profile: profile(&config), stake: config.stake };
    assert_eq!(out, [enrol], "once, as long as it is on its way");

    let waits = Config { stake: None, ..config.clone() };
    out.clear();
    unknown(&waits).step(Input::Me(None), &mut out);
    assert_eq!(out, []);

    let dearer = Config { price_per_mfuel: Balance::new(5), ..config.clone() };
    unknown(&dearer).step(Input::Me(Some(me(&config))), &mut out);
    assert_eq!(out, [Output::Enrol { profile: profile(&dearer), stake: None }]);
}

#[test]
fn a_jailed_agent_waits() {
    let mut agent = Run::new();
    let jailed = Agent { jailed_until: 5_000, ..me(&agent.config) };
    agent.step(Input::Me(Some(jailed)));
    assert_eq!(agent.task(1, pending(1_000_000)), []);
    assert_eq!(agent.block(4_999), []);
    assert_eq!(agent.block(5_000), [claim(1)]);
}

#[test]
fn settings_out_of_bounds_are_named() {
    assert_eq!(Config::default().validate(), Ok(()));
    for (config, name) in [
        (Config { slots_max: 0, ..Config::default() }, "agent.slots_max is 0"),
        (Config { engines: vec![2], ..Config::default() }, "agent.engines is [2]"),
        (Config { memory_pages_max: 65_537, ..Config::default() }, "agent.memory_pages_max"),
        (Config { tags: vec![String::new()], ..Config::default() }, "agent.tags"),
        (Config { heartbeat_ms: 180_000, ..Config::default() }, "agent.heartbeat_ms"),
    ] {
        let error = config.validate().expect_err(name).to_string();
        assert!(error.starts_with(name), "{error}");
    }
}

#[test]
fn a_journal_gives_back_what_it_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (journal, entries) = Journal::open(folder.path()).expect("it opens");
    assert!(entries.is_empty());
    let delivery = Delivery { bytes: vec![9; 200], nonce: 4, dies_at: 70, spec_version: 1 };
    let signed = Entry { delivery: Some(delivery), ..entry(id(1), 0) };
    for entry in [&entry(id(1), 0), &signed, &entry(id(2), 3)] {
        journal.keep(entry).expect("it is written");
    }
    journal.keep(&entry(id(3), 0)).expect("it is written");
    journal.forget(&id(3)).expect("it is removed");
    journal.forget(&id(3)).expect("it was removed before");
    // What a crash leaves behind is no entry.
    fs::write(folder.path().join("results/.new.x1"), b"half").expect("it can be written");

    let (_, entries) = Journal::open(folder.path()).expect("it opens again");
    assert_eq!(entries, BTreeMap::from([(id(1), signed), (id(2), entry(id(2), 3))]));
}

#[test]
fn a_damaged_result_is_set_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (journal, _) = Journal::open(folder.path()).expect("it opens");
    journal.keep(&entry(id(1), 0)).expect("it is written");
    let path = folder.path().join("results").join(id(1).to_string());
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[10] ^= 1;
    fs::write(&path, bytes).expect("it can be written");
    let (_, entries) = Journal::open(folder.path()).expect("it opens all the same");
    assert!(entries.is_empty() && !path.exists() && path.with_extension("damaged").exists());
}

#[test]
fn keys_are_made_once_and_damage_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made =
        || Keys::open(folder.path()).map(|keys| keys.profile(&Config::default(), ME, &Hash::ZERO));
    let first = made().expect("new keys");
    assert_eq!(made().expect("the same keys"), first);
    fs::write(folder.path().join("keys"), b"damaged").expect("it can be written");
    assert!(matches!(made(), Err(Error::Damaged(_))));
}

proptest! {
    /// However the file is cut or changed, what is read is what was written, or an error.
    #[test]
    fn a_changed_file_is_noticed(content in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        journal::write(&path, &content).expect("it is written");
        prop_assert_eq!(journal::read(&path).expect("it is whole"), Some(content));
        let whole = fs::read(&path).expect("it is there");
        let mut changed = whole.clone();
        changed[at.index(whole.len())] ^= 1 << bit;
        fs::write(&path, &changed).expect("it can be written");
        prop_assert!(matches!(journal::read(&path), Err(Error::Damaged(_))));
        fs::write(&path, &whole[..cut.index(whole.len())]).expect("it can be written");
        prop_assert!(matches!(journal::read(&path), Err(Error::Damaged(_))));
    }

    /// Whatever comes in whatever order: never more work than slots, and no delivery of what is not on disk.
    #[test]
    fn the_core_keeps_its_bounds(steps in prop::collection::vec((0u8..6, 0u8..9, 0u8..2), 0..120)) {
        let mut agent = Run::new();
        let mut kept = std::collections::BTreeSet::new();
        let mut now = 0;
        for (number, what, attempt) in steps {
            let task = id(number);
            let out = match what {
                0 => agent.task(number, pending(1_000_000)),
                1 => agent.task(number, assigned(OTHER, attempt)),
                2 => agent.task(number, None),
                3 => agent.sent(Tx::Claim { task, attempt }, SendEnd::Done),
                4 => agent.sent(Tx::Deliver { task }, lost()),
                5 => agent.ran(number, attempt, RunEnd::Finished(entry(task, attempt))),
                6 => agent.ran(number, attempt, unavailable()),
                7 => agent.task(number, assigned(ME, attempt)),
                _ => { now += 1_000; agent.block(now) }
            };
            let claims = out.iter().filter(|output| matches!(output, Output::Claim { .. })).count();
            prop_assert!(claims <= 2);
            for output in out {
                match output {
                    Output::Keep(entry) => { kept.insert(entry.task); }
                    Output::Forget { task } => prop_assert!(kept.remove(&task)),
                    Output::Deliver { task } => prop_assert!(kept.contains(&task)),
                    _ => {}
                }
            }
        }
    }
}
