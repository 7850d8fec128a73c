//! The core of a signer that is a process of its own and serves several nodes of one validator: never two
//! contents in a slot, and never two nodes in a height.
//!
//! The guard alone prevents double signing. It does not prevent amnesia: a validator that has precommitted a block is
//! locked on it for the rest of the height, and only the node that asked for the signature knows so. A second node
//! could vote for another block in a later round, with a signature in each slot, and yet fork the chain together
//! with other liars. So one node is served at a time, and another one only above the last height that was signed.
//!
//! A node that comes back goes on in its height only if it remembers what was signed for it: it says with each request
//! what it remembers, and may not fall behind what it said before. One that was restored from an old copy of its disk
//! counts as another node.

use crate::{
    guard::{Guard, GuardError, Refusal, Slot, WithoutRecord},
    message::Signature,
    signer::{Content, Unsigned},
    types::Time,
};
use codec::{Decode, DecodeAll, Encode};
use primitives::{AccountId, Hash, Height};

/// How long a node that is not heard of keeps its place, in milliseconds.
pub const LEASE_MS: u64 = 5_000;
/// A node that has signed nothing for that long loses its place to one that is so many heights above: it is cut off, or
/// cannot follow, while the chain goes on.
const BEHIND: Height = 2;

/// A node of a validator, as one life of its write-ahead log: a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Instance(pub [u8; 16]);

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// In the name of somebody else.
    #[error("the message is in the name of {0}, whose signer this is not")]
    Foreign(AccountId),
    /// Another node is served.
    #[error("another node of this validator is served")]
    Busy,
    /// Another node may be locked there.
    #[error("another node signed below height {from}, or this one has lost what it signed there")]
    Below {
        /// The first height at which this node is served.
        from: Height,
    },
    /// Something is signed there, or there is no signature to give.
    #[error(transparent)]
    Guard(#[from] Refusal),
}

/// What is kept on disk.
#[derive(Encode, Decode)]
struct Record {
    /// The guard's own record.
    guard: Vec<u8>,
    lease: Lease,
}

#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
struct Lease {
    /// Who is served.
    holder: Option<Instance>,
    /// The first height at which it is.
    from: Height,
    /// What it remembered when it asked last.
    known: Option<Slot>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Custody {
    account: AccountId,
    guard: Guard,
    lease: Lease,
    dirty: bool,
    /// When the holder was heard of.
    heard: Time,
    /// When something was signed for it.
    signed: Time,
}

impl Custody {
    /// A signer with what its disk has; `None` if nothing was ever signed with its keys, or what was is in the
    /// guards of the nodes. Who was served before keeps its place for a while.
    pub fn new(
        genesis: Hash,
        account: AccountId,
        stored: Option<&[u8]>,
        now: Time,
    ) -> Result<Self, GuardError> {
        let stored = stored.map(|mut bytes| Record::decode_all(&mut bytes)).transpose()?;
        let guard = stored.as_ref().map(|record| record.guard.as_slice());
        let guard = Guard::new(genesis, account, guard, WithoutRecord::Override)?;
        let dirty = stored.is_none();
        let lease = stored.map(|record| record.lease).unwrap_or_default();
        Ok(Self { account, guard, lease, dirty, heard: now, signed: now })
    }

    /// The last thing signed.
    pub fn last(&self) -> Option<Slot> {
        self.guard.last()
    }

    /// Who is served.
    pub fn holder(&self) -> Option<Instance> {
        self.lease.holder
    }

    /// A node says that it is there.
    pub fn on_beat(&mut self, now: Time, node: Instance) {
        if self.lease.holder == Some(node) {
            self.heard = now;
        }
    }

    /// Signs, or gives the signature that the node got before. `known` is the last slot whose signature it
    /// remembers. What [`Self::take_changed`] gives must be on disk before the signature leaves the process.
    pub fn sign(
        &mut self,
        now: Time,
        node: Instance,
        content: &Content,
        known: Option<Slot>,
        sign: impl FnOnce() -> Result<Signature, Unsigned>,
    ) -> Result<Signature, Denial> {
        let validator = content.validator();
        if validator != self.account {
            return Err(Denial::Foreign(validator));
        }
        if self.lease.holder == Some(node) && known < self.lease.known {
            self.lease.from = self.above();
            self.lease.known = known;
            self.dirty = true;
        }
        self.admit(now, node, content.slot().height)?;
        let signature = self.guard.sign(content, |_| sign())?;
        if self.lease.known != known {
            self.lease.known = known;
            self.dirty = true;
        }
        self.signed = now;
        Ok(signature)
    }

    /// Whether a node may have what is not guarded, but of use to a proposer alone.
    pub fn admit(&mut self, now: Time, node: Instance, height: Height) -> Result<(), Denial> {
        let is_holder = self.lease.holder == Some(node);
        if !is_holder && self.lease.holder.is_some() && !self.is_free(now, height) {
            return Err(Denial::Busy);
        }
        // A place that is of no use yet is not taken: who had it may come back.
        let from = if is_holder { self.lease.from } else { self.above() };
        if is_holder {
            self.heard = now;
        }
        if height < from {
            return Err(Denial::Below { from });
        }
        if !is_holder {
            self.lease = Lease { holder: Some(node), from, known: None };
            self.dirty = true;
            (self.heard, self.signed) = (now, now);
        }
        Ok(())
    }

    /// What must be on disk before anything that was given leaves the process, if it changed.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let is_dirty = std::mem::take(&mut self.dirty);
        let is_changed = self.guard.take_changed().is_some() || is_dirty;
        is_changed.then(|| Record { guard: self.guard.to_bytes(), lease: self.lease }.encode())
    }

    /// The first height at which nothing is signed.
    fn above(&self) -> Height {
        self.guard.last().map_or(0, |last| last.height.saturating_add(1))
    }

    fn is_free(&self, now: Time, height: Height) -> bool {
        let is_silent = now.since_ms(self.heard) > LEASE_MS;
        let is_idle = now.since_ms(self.signed) > LEASE_MS;
        is_silent || (is_idle && height >= self.above().saturating_add(BEHIND - 1))
    }
}
