//! The first half: from the checkpoint to a block whose state peers serve.

use super::{Fault, Now, Offer, Output, Request, SnapshotSync, Stage, fetch::Fetch};
use primitives::{Certificate, Hash, Height};
use runtime::light::{Light, LightBlock, LightError, LightStart};
use std::cmp::Reverse;
use storage::ImportTarget;

/// A pause between questions that each peer may answer with nothing, in milliseconds.
const REST_MS: u64 = 500;

/// The search for a state.
#[derive(Debug, Default)]
pub(super) struct Seek {
    /// The last block that is known to be final; none if that is the checkpoint.
    pub(super) light: Option<Light>,
    /// Certificate of that block.
    certificate: Option<Certificate>,
    /// Whether somebody was asked what leads on.
    is_asked: bool,
    /// Nobody is asked before this, in milliseconds.
    rests_until_ms: u64,
}

impl Seek {
    /// Asks nobody for a moment: a peer has said that it does not have what each could be asked for again at once.
    pub(super) fn rest(&mut self, now_ms: u64) {
        self.rests_until_ms = now_ms + REST_MS;
    }

    /// A question that was not answered well may be asked again.
    pub(super) fn give_back(&mut self, request: &Request) {
        if matches!(request, Request::Start(_) | Request::Light { .. }) {
            self.is_asked = false;
        }
    }
}

impl<P: Copy + Ord> SnapshotSync<P> {
    /// Asks for the next proof, one peer at a time: proofs are small, and who has sent one is known.
    pub(super) fn seek(&mut self, now: Now, out: &mut Vec<Output<P>>) {
        let Stage::Seek(seek) = &mut self.stage else { return };
        if seek.is_asked || now.ms < seek.rests_until_ms {
            return;
        }
        let Some(start) = &self.start else {
            let best = self.peers.iter().filter(|(_, peer)| !peer.offers.is_empty());
            let best = best.min_by_key(|(name, peer)| (peer.rank(), **name));
            if let Some((peer, _)) = best.map(|(name, peer)| (*name, peer)) {
                seek.is_asked = true;
                self.ask(now, peer, Request::Start(self.checkpoint), out);
            }
            return;
        };
        if let Err(error) = start.check_now(now.unix_ms) {
            return self.stuck(error, out);
        }
        let known = seek.light.as_ref().unwrap_or(start).head();
        let (height, hash) = (known.height, known.hash);
        let Some((peer, offer)) = self.best_offer() else { return };
        if offer.height == height && offer.hash == hash {
            return self.begin_fetch(now, out);
        }
        if let Stage::Seek(seek) = &mut self.stage {
            if offer.height <= height {
                // It lies below what is known, and nobody offers more: from the checkpoint again.
                (seek.light, seek.certificate) = (None, None);
            }
            seek.is_asked = true;
        }
        let known = match &self.stage {
            Stage::Seek(seek) => seek.light.as_ref().map(|light| light.head().height),
            _ => None,
        };
        let known = known.unwrap_or(self.checkpoint.height);
        self.ask(now, peer, Request::Light { from: known, to: offer.height }, out);
    }

    /// The state that was doubted least, and the word of its peers with it, of these one that was begun, or else the one that
    /// most peers offer, and the latest; and the best peer that does. So each peer that offers states that there are not holds
    /// the search up once, whatever it thinks up next. Offers at the checkpoint and below it cannot be proven.
    fn best_offer(&self) -> Option<(P, Offer)> {
        let offers = self.peers.values().flat_map(|peer| &peer.offers);
        let above = offers.filter(|offer| offer.height > self.checkpoint.height);
        let best = above.max_by_key(|offer| {
            let serving = self.serving(&offer.hash).filter_map(|name| self.peers.get(name));
            let unproven: Vec<u32> = serving.map(|peer| peer.unproven).collect();
            let (least, count) = (unproven.iter().min().copied(), unproven.len());
            let doubts = self.doubts.get(&offer.hash).copied().unwrap_or_default();
            let doubts = doubts.saturating_add(least.unwrap_or_default());
            let is_begun = self.begun == Some(offer.hash);
            (Reverse(doubts), is_begun, count, offer.height, offer.hash)
        })?;
        let offering = self.peers.iter().filter(|(_, peer)| peer.offers.contains(best));
        let (peer, _) = offering.min_by_key(|(name, peer)| (peer.unproven, peer.rank(), **name))?;
        Some((*peer, *best))
    }

    /// What the checkpoint's hash proves came, or a lie.
    pub(super) fn on_start(
        &mut self,
        now: Now,
        peer: P,
        start: LightStart,
        out: &mut Vec<Output<P>>,
    ) -> Vec<(P, Fault)> {
        if let Stage::Seek(seek) = &mut self.stage {
            seek.is_asked = false;
        }
        match Light::begin(self.genesis, &self.checkpoint, start, now.unix_ms) {
            Ok(light) => {
                self.start = Some(light);
                Vec::new()
            }
            // What the peer sent is proven; the operator must do something.
            Err(
                error @ (LightError::Genesis
                | LightError::Expired { .. }
                | LightError::Ahead { .. }),
            ) => {
                self.stuck(error, out);
                Vec::new()
            }
            Err(error) => vec![(peer, Fault::Light(error))],
        }
    }

    /// Blocks that lead on came, or lies.
    pub(super) fn on_light(
        &mut self,
        now: Now,
        peer: P,
        to: Height,
        blocks: Vec<LightBlock>,
        out: &mut Vec<Output<P>>,
    ) -> Vec<(P, Fault)> {
        let (Stage::Seek(seek), Some(start)) = (&mut self.stage, &self.start) else {
            return Vec::new();
        };
        seek.is_asked = false;
        if blocks.is_empty() || blocks.iter().any(|block| block.header.number > to) {
            return vec![(peer, Fault::Detour)];
        }
        let mut light = seek.light.clone().unwrap_or_else(|| start.clone());
        let mut last = None;
        for block in blocks {
            let (height, certificate) = (block.header.number, block.certificate.clone());
            let deciding = light.head().validators_hash();
            match light.follow(block, now.unix_ms) {
                // Who leads on in small steps would take as long as the chain did.
                Ok(()) if height < to && light.head().validators_hash() == deciding => {
                    return vec![(peer, Fault::Detour)];
                }
                Ok(()) => last = Some(certificate),
                Err(error @ LightError::Expired { .. }) => {
                    self.stuck(error, out);
                    return Vec::new();
                }
                // Either clock may be wrong. Others are asked too.
                Err(LightError::Ahead { .. }) => break,
                Err(error) => return vec![(peer, Fault::Light(error))],
            }
        }
        let (height, hash) = (light.head().height, light.head().hash);
        let advanced = seek.light.as_ref().unwrap_or(start).head().height < height;
        if last.is_some() {
            (seek.light, seek.certificate) = (Some(light), last);
        }
        if !advanced {
            self.doubt(&peer, to);
        }
        // Who serves another state of this height serves one that is not of the chain.
        self.false_offers(height, &hash)
    }

    fn false_offers(&self, height: Height, hash: &Hash) -> Vec<(P, Fault)> {
        let false_offer = |(name, offer): (&P, &Offer)| {
            let is_false = offer.height == height && offer.hash != *hash;
            is_false.then_some((*name, Fault::FalseOffer { height, hash: offer.hash }))
        };
        let offers = self
            .peers
            .iter()
            .flat_map(|(name, peer)| peer.offers.iter().map(move |offer| (name, offer)));
        offers.filter_map(false_offer).collect()
    }

    /// The last known block is one whose state peers serve.
    fn begin_fetch(&mut self, now: Now, out: &mut Vec<Output<P>>) {
        let Stage::Seek(seek) = &mut self.stage else { return };
        let (Some(light), Some(certificate)) = (&seek.light, seek.certificate.take()) else {
            return;
        };
        let head = light.head();
        let target = ImportTarget { height: head.height, block: head.hash, root: head.state_root };
        // The smallest: who exaggerates would have the state asked for in crumbs.
        let offers = self.peers.values().flat_map(|peer| &peer.offers);
        let bytes = offers.filter(|offer| offer.hash == target.block).map(|offer| offer.bytes);
        let bytes = bytes.min().unwrap_or_default();
        self.stage = Stage::Fetch(Box::new(Fetch::new(target, certificate, bytes, now.ms)));
        out.push(Output::Open(target));
    }
}
