//! Messages of the next height, whose signatures are good.

use crate::message::Message;
use primitives::AccountId;
use std::collections::BTreeMap;

/// Most messages kept for one validator: an honest one gets no further than its first rounds before
/// we are there.
const PER_VALIDATOR_MAX: usize = 8;

/// As many slots for each validator, so that none can fill those of others.
#[derive(Default)]
pub(crate) struct Early(BTreeMap<AccountId, Vec<Message>>);

impl Early {
    /// Keep a message that this validator signed, unless it is known or one too many. Whether it is
    /// kept.
    pub(crate) fn put(&mut self, signer: AccountId, message: Message) -> bool {
        let kept = self.0.entry(signer).or_default();
        let is_news = kept.len() < PER_VALIDATOR_MAX && !kept.contains(&message);
        if is_news {
            kept.push(message);
        }
        is_news
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that was kept.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Message> + use<> {
        std::mem::take(&mut self.0).into_values().flatten()
    }
}
