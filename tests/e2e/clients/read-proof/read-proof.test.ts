// Proofs of a running node hold; with any bit flipped they do not.

import assert from "node:assert/strict";
import test from "node:test";
import { fromHex, stateRoot, verifyRead, type HeaderJson } from "./read-proof.js";

const url = process.env.ARTEL_URL!.replace(/^ws/, "http");
/// Of longer values not every bit is flipped.
const ALL_BITS_BYTES_MAX = 2_048;
const BIT_STEP = 997;

async function ask<T>(method: string, ...params: unknown[]): Promise<T> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  const answer: any = await (await fetch(url, { method: "POST", headers, body })).json();
  if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
  return answer.result;
}

/// Flips each bit in turn.
function* flips(bytes: Uint8Array) {
  const step = bytes.length > ALL_BITS_BYTES_MAX ? BIT_STEP : 1;
  for (let bit = 0; bit < bytes.length * 8; bit += step) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    yield bit;
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
}

test("read_proof", { timeout: 60_000 }, async () => {
  const at = await ask<string>("chain_getFinalizedHead");
  const header = await ask<HeaderJson>("chain_getHeader", at);
  const root = stateRoot(header, at);
  assert.throws(() => stateRoot({ ...header, number: "0x7fffffff" }, at));
  // The same bytes with a border elsewhere.
  const joined = header.stateRoot + header.extrinsicsRoot.slice(2);
  assert.throws(() => stateRoot({ ...header, stateRoot: joined, extrinsicsRoot: "0x" }, at));

  const stored = await ask<string[]>("state_getKeysPaged", "0x", 8, null, at);
  const keys = [...stored, "0x3a636f6465", "0xdead", "0x"];
  type Changes = { changes: [string, string | null][] };
  const [{ changes }] = await ask<Changes[]>("state_queryStorageAt", keys, at);
  const { proof } = await ask<{ proof: string[] }>("state_getReadProof", keys, at);
  assert.deepEqual([changes.length, proof.length], [keys.length, keys.length]);
  for (const [index, [hex, valueHex]] of changes.entries()) {
    const [key, bytes] = [fromHex(hex), fromHex(proof[index])];
    const value = valueHex === null ? null : fromHex(valueHex);
    const holds = () => verifyRead(root, key, value, bytes);
    assert(holds(), `the proof of ${hex} holds`);
    assert(!verifyRead(root, key, value === null ? key : null, bytes), "its reverse does not");
    assert(!verifyRead(root, key, value, Uint8Array.of(...bytes, 0)), "nothing may follow");
    assert(!verifyRead(root, key, value, bytes.slice(0, -1)), "nothing may be missing");
    // Where one key is absent another one may be, by the same proof.
    for (const part of value === null ? [root, bytes] : [root, key, bytes, value]) {
      for (const bit of flips(part)) assert(!holds(), `bit ${bit} matters for ${hex}`);
    }
    assert(holds());
  }
});
