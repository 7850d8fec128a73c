//! Verifiable randomness: from a label and a message, the holder of an sr25519 key computes 32
//! random bytes that nobody else can foresee and everybody can verify, and has no choice in them.
//!
//! It is schnorrkel's VRF in its non-malleable form: the public key is hashed with the input, so no
//! derived or related key has a related output. Output and proof are what goes on the wire; the
//! randomness is a hash of input and output, and only [`verify`] gives it out.

use schnorrkel::{
    PublicKey,
    context::SigningTranscript,
    signing_context,
    vrf::{VRFInOut, VRFPreOut, VRFProof},
};

/// Bytes of a VRF output on the wire.
pub const OUTPUT_BYTES: usize = 32;
/// Bytes of a VRF proof on the wire.
pub const PROOF_BYTES: usize = 64;

const INPUT_CONTEXT: &[u8] = b"artel vrf input";
const PROOF_CONTEXT: &[u8] = b"artel vrf proof";
const RANDOMNESS_CONTEXT: &[u8] = b"artel vrf randomness";

/// What the holder of the key publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The point that the randomness is a hash of.
    pub output: [u8; OUTPUT_BYTES],
    /// Why this output, and no other, belongs to key, label and message.
    pub proof: [u8; PROOF_BYTES],
}

/// The randomness that `output` stands for, if `proof` shows that it is `public`'s output for this
/// label and message.
///
/// The label names the use (block randomness, task claims), so that no output serves for two; the
/// message is the use's SCALE bytes.
pub fn verify(
    public: &[u8; 32],
    label: &[u8],
    message: &[u8],
    output: &[u8; OUTPUT_BYTES],
    proof: &[u8; PROOF_BYTES],
) -> Option<[u8; 32]> {
    let public = PublicKey::from_bytes(public).ok()?;
    let proof = VRFProof::from_bytes(proof).ok()?;
    let input = transcript(INPUT_CONTEXT, label, message);
    let extra = transcript(PROOF_CONTEXT, label, message);
    let (pair, _) = public.vrf_verify_extra(input, &VRFPreOut(*output), &proof, extra).ok()?;
    Some(randomness(&pair))
}

/// Compute output and proof for a label and a message, and the randomness that [`verify`] will
/// give.
#[cfg(feature = "sign")]
pub fn sign(pair: &super::pair::Sr25519Pair, label: &[u8], message: &[u8]) -> (Proof, [u8; 32]) {
    let input = transcript(INPUT_CONTEXT, label, message);
    let extra = super::pair::deterministic(transcript(PROOF_CONTEXT, label, message));
    let (in_out, proof, _) = pair.keypair().vrf_sign_extra(input, extra);
    let published = Proof { output: in_out.to_preout().to_bytes(), proof: proof.to_bytes() };
    (published, randomness(&in_out))
}

fn transcript(context: &[u8], label: &[u8], message: &[u8]) -> impl SigningTranscript {
    let mut transcript = signing_context(context).bytes(message);
    SigningTranscript::commit_bytes(&mut transcript, b"label", label);
    transcript
}

fn randomness(pair: &VRFInOut) -> [u8; 32] {
    pair.make_bytes(RANDOMNESS_CONTEXT)
}
