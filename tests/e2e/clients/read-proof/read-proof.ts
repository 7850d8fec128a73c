// Verifies what `state_getReadProof` of an Artel node says: see node/docs/read-proofs.md.
// Paste it; all it needs is blake2b.
import { blake2b } from "@noble/hashes/blake2.js";

type Bytes = Uint8Array;
export type HeaderJson = {
  parentHash: string;
  number: string;
  stateRoot: string;
  extrinsicsRoot: string;
  digest: { logs: string[] };
};

const hash = (...parts: Bytes[]): Bytes => blake2b(concat(parts), { dkLen: 32 });

const concat = (parts: Bytes[]): Bytes => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

export const fromHex = (hex: string): Bytes => {
  if (!/^0x([0-9a-f]{2})*$/i.test(hex)) throw new Error(`not hex: ${hex.slice(0, 80)}`);
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (byte) => parseInt(byte, 16));
};

export const toHex = (bytes: Bytes): string =>
  "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const isSame = (a: Bytes, b: Bytes) => a.length === b.length && a.every((byte, at) => byte === b[at]);

const goesRight = (path: Bytes, depth: number) => ((path[depth >> 3] >> (7 - (depth & 7))) & 1) === 1;

const leaf = (path: Bytes, valueHash: Bytes): Bytes => {
  const node = hash(path, valueHash);
  node[0] |= 0x80;
  return node;
};

const inner = (left: Bytes, right: Bytes): Bytes => {
  const node = hash(left, right);
  node[0] &= 0x7f;
  return node;
};

/** Whether the proof shows that under `root` the key has this value, or none if the value is null. */
export function verifyRead(root: Bytes, key: Bytes, value: Bytes | null, proof: Bytes): boolean {
  let at = 0;
  const take = (count: number): Bytes => {
    if (at + count > proof.length) throw new Error("the proof ends early");
    return proof.slice(at, (at += count));
  };
  try {
    const path = hash(key);
    const kind = take(1)[0];
    if (kind > 2 || (kind === 0) !== (value !== null)) return false;
    const [otherPath, otherValue] = kind === 2 ? [take(32), take(32)] : [path, path];
    let count = take(1)[0];
    if ((count & 3) === 1) count |= take(1)[0] << 8;
    else if ((count & 3) !== 0) return false;
    const isLong = (count & 3) === 1;
    count >>= 2;
    if (count > 256 || isLong !== count > 63) return false;
    const siblings = Array.from({ length: count }, () => take(32));
    if (at !== proof.length) return false;
    const sharesWay = siblings.every((_, i) => goesRight(path, i) === goesRight(otherPath, i));
    if (kind === 2 && (isSame(path, otherPath) || !sharesWay)) return false;
    let node = value !== null ? leaf(path, hash(value)) : new Uint8Array(32);
    if (kind === 2) node = leaf(otherPath, otherValue);
    for (let i = count - 1; i >= 0; i--) {
      node = goesRight(path, i) ? inner(siblings[i], node) : inner(node, siblings[i]);
    }
    return isSame(node, root);
  } catch {
    return false;
  }
}

/** The state root of a header, if the header has the hash that is trusted. */
export function stateRoot(header: HeaderJson, trusted: string): Bytes {
  const compact = (n: number): Bytes => {
    if (n < 1 << 6) return Uint8Array.of(n << 2);
    if (n < 1 << 14) return Uint8Array.of((n << 2) | 1, n >> 6);
    if (n < 1 << 30) return Uint8Array.of((n << 2) | 2, n >> 6, n >> 14, n >> 22);
    return Uint8Array.of(3, n, n >> 8, n >> 16, n >> 24);
  };
  // All fields have their lengths, or the same bytes could be read as another header.
  const hash32 = (hex: string): Bytes => {
    const bytes = fromHex(hex);
    if (bytes.length !== 32) throw new Error(`${hex} is no hash`);
    return bytes;
  };
  const number = Number(header.number);
  if (!Number.isInteger(number) || number < 0 || number >= 2 ** 32) {
    throw new Error(`${header.number} is no number of a block`);
  }
  const logs = header.digest.logs.map(fromHex);
  const hashed = hash(
    hash32(header.parentHash),
    compact(number),
    hash32(header.stateRoot),
    hash32(header.extrinsicsRoot),
    compact(logs.length),
    ...logs,
  );
  if (!isSame(hashed, fromHex(trusted))) throw new Error(`the header is not that of ${trusted}`);
  return hash32(header.stateRoot);
}
