// Keys by their secret URIs, such as //Alice.

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ed25519CreateDerive, sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { accountId, blake2b256, DEV_MINI_SECRET, ss58Address } from "@polkadot-labs/hdkd-helpers";
import { getPolkadotSigner } from "polkadot-api/signer";

const derive = {
  Sr25519: sr25519CreateDerive(DEV_MINI_SECRET),
  Ed25519: ed25519CreateDerive(DEV_MINI_SECRET),
  Ecdsa: ecdsa,
};

export function key(uri: string, kind: keyof typeof derive = "Sr25519") {
  const { publicKey, sign } = derive[kind](uri);
  const account = accountId(publicKey);
  return { address: ss58Address(account), signer: getPolkadotSigner(account, kind, sign) };
}

// Not from hdkd, whose signatures of this kind lack their last byte, which says how to recover the key.
function ecdsa(uri: string) {
  const secret = blake2b256(new TextEncoder().encode(uri));
  const sign = (message: Uint8Array) => {
    const options = { prehash: false, format: "recovered" } as const;
    const [recovery, ...rest] = secp256k1.sign(blake2b256(message), secret, options);
    return Uint8Array.from([...rest, recovery]);
  };
  return { publicKey: secp256k1.getPublicKey(secret), sign };
}
