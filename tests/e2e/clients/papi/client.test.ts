// PAPI with typed descriptors against a development node. The tests' names are those of ../features.json.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test, { after } from "node:test";
import { promisify } from "node:util";
import { artel } from "@polkadot-api/descriptors";
import { blake2b256 } from "@polkadot-labs/hdkd-helpers";
import { Binary, createClient, InvalidTxError } from "polkadot-api";
import type { PolkadotSigner, Transaction, TxFinalizedPayload } from "polkadot-api";
import { withMetadataHash } from "polkadot-api/signer";
import { getWsProvider } from "polkadot-api/ws";
import { lastValueFrom, take, takeWhile, toArray, type Observable } from "rxjs";
import { key } from "./keys.js";

const TOKEN = 10n ** 12n;
const LIMIT_MS = { timeout: 60_000 };
const UNKNOWN = `0x${"ab".repeat(32)}`;

const client = createClient(getWsProvider(process.env.ARTEL_URL!));
const api = client.getTypedApi(artel);
const [alice, charlie, dave, eve] = ["//Alice", "//Charlie", "//Dave", "//Eve"].map((uri) =>
  key(uri),
);
after(() => client.destroy());

const transfer = (address: string, value = TOKEN) =>
  api.tx.Balances.transfer_keep_alive({ dest: { type: "Id", value: address }, value });
const remark = (bytes: Uint8Array = new Uint8Array(1)) => api.tx.System.remark({ remark: bytes });
const hex = (bytes: Uint8Array) => Binary.toHex(bytes);

// Balance and nonce in the best block, or in another one.
const account = (address: string, at = "best") =>
  api.query.System.Account.getValue(address, { at });
const free = async (address: string, at = "best") => (await account(address, at)).data.free;

const send = (tx: Transaction, from: { signer: PolkadotSigner }, options = {}) =>
  tx.signAndSubmit(from.signer, options);

// Transfers between a key of the given kind and a fresh account.
async function transfers(kind: "Sr25519" | "Ed25519" | "Ecdsa") {
  const from = key(`//${kind}`, kind);
  const to = key(`//fresh//${kind}`).address;
  await send(transfer(from.address, 10n * TOKEN), alice);
  const before = await free(to);
  const sent = await send(transfer(to), from);
  assert.ok(sent.ok);
  const [{ payload }] = api.event.Balances.Transfer.filter(sent.events);
  assert.deepEqual(payload, { from: from.address, to, amount: TOKEN });
  assert.equal(await free(to), before + TOKEN);
  return sent;
}

// The transaction itself, as its block has it.
const included = async ({ block }: TxFinalizedPayload) =>
  (await client.getBlockBody(block.hash))[block.index];

// Refused by the client after it asked the node, and by the node itself when it is asked directly.
async function refused(tx: Uint8Array, kind: string, reason: string) {
  await assert.rejects(client.submit(tx), (error) => {
    assert.ok(error instanceof InvalidTxError);
    assert.equal(error.error.value.type, kind);
    return true;
  });
  await assert.rejects(client._request("author_submitExtrinsic", [hex(tx)]), (error: any) => {
    assert.deepEqual([error.code, error.data], [1010, reason]);
    return true;
  });
}

const paid = ({ events }: TxFinalizedPayload) =>
  api.event.TransactionPayment.TransactionFeePaid.filter(events)[0].payload;

test("connect", LIMIT_MS, async () => {
  const { name, genesisHash, properties } = await client.getChainSpecData();
  assert.match(name, /^Artel/);
  assert.equal(genesisHash, artel.genesis);
  assert.equal(properties.tokenSymbol, "ARTL");
  assert.equal(properties.tokenDecimals, 12);
  // Everything that the descriptors say is what the node has.
  const { compat } = await api.getStaticApis();
  assert.ok(compat.tx.Tasks.create_task.isCompatible());
  assert.ok(compat.query.Validations.Results.isCompatible());
});

test("constants", LIMIT_MS, async () => {
  assert.equal(await api.constants.System.SS58Prefix(), 42);
  assert.equal(await api.constants.Balances.ExistentialDeposit(), 10n ** 9n);
  assert.equal((await api.constants.System.Version()).spec_name, "artel");
});

test("storage_single", LIMIT_MS, async () => {
  assert.ok((await api.query.Timestamp.Now.getValue()) > 1_700_000_000_000n);
  assert.ok((await free(eve.address)) > 0n);
  assert.equal(await free(key("//nobody").address), 0n);
});

test("storage_multi", LIMIT_MS, async () => {
  const accounts = await api.query.System.Account.getValues([[eve.address], [dave.address]]);
  assert.ok(accounts.every(({ data }) => data.free > 0n));
});

test("entries", LIMIT_MS, async () => {
  const entries = await api.query.System.Account.getEntries();
  const addresses = entries.map(({ keyArgs }) => keyArgs[0]);
  assert.ok([alice, charlie, dave, eve].every(({ address }) => addresses.includes(address)));
});

test("subscriptions", LIMIT_MS, async () => {
  await headsFollow();
  await storageFollows();
});

async function headsFollow() {
  const three = <T>(told: Observable<T>) => lastValueFrom(told.pipe(take(3), toArray()));
  const [best, finalized] = await Promise.all([
    three(client.bestBlocks$),
    three(client.finalizedBlock$),
    send(remark(), alice),
  ]);
  assert.ok(best.every((blocks) => blocks[0].number >= blocks.at(-1)!.number));
  const numbers = finalized.map(({ number }) => number);
  assert.deepEqual(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2]);
}

async function storageFollows() {
  const to = key("//watched").address;
  const before = await free(to);
  const told = api.query.System.Account.watchValue(to, { at: "best" });
  const until = takeWhile<{ value: { data: { free: bigint } } }>(
    ({ value }) => value.data.free === before,
    true,
  );
  const changed = lastValueFrom(told.pipe(until));
  // Of a whole map: the client compares one hash a block, and reads what changed.
  const deltas = lastValueFrom(
    api.query.System.Account.watchEntries({ at: "best" }).pipe(
      takeWhile(
        ({ deltas }) => !deltas?.upserted.some(({ args }) => args[0] === to && before === 0n),
        true,
      ),
    ),
  );
  await send(transfer(to), alice);
  assert.equal((await changed).value.data.free, before + TOKEN);
  const entry = (await deltas).entries.find(({ args }) => args[0] === to);
  assert.equal(entry?.value.data.free, before + TOKEN);
}

test("runtime_call", LIMIT_MS, async () => {
  const nonce = await api.apis.AccountNonceApi.account_nonce(alice.address, { at: "best" });
  assert.equal(nonce, (await account(alice.address)).nonce);
  assert.equal((await api.apis.Core.version()).spec_name, "artel");
});

test("transfer_sr25519", LIMIT_MS, async () => {
  const { events } = await transfers("Sr25519");
  const { type, value } = events.at(-1)!.event;
  assert.deepEqual([type, value.type], ["System", "ExtrinsicSuccess"]);
});

test("transfer_ed25519", LIMIT_MS, () => transfers("Ed25519").then(() => {}));

test("transfer_ecdsa", LIMIT_MS, () => transfers("Ecdsa").then(() => {}));

// Where a signed transaction's era stands: behind length, version, account and signature.
const era = (tx: Uint8Array, length = 2) => tx[length + 1 + 33 + 65];

test("mortal", LIMIT_MS, async () => {
  const sent = await send(remark(), alice, { mortality: { mortal: true, period: 8 } });
  // The low bits are log2 of the period, less one.
  assert.equal(era(await included(sent)) & 15, 2);
});

test("immortal", LIMIT_MS, async () => {
  const sent = await send(remark(), alice, { mortality: { mortal: false } });
  assert.equal(era(await included(sent)), 0);
});

test("tip", LIMIT_MS, async () => {
  const { actual_fee, tip } = paid(await send(remark(), alice, { tip: TOKEN }));
  assert.equal(tip, TOKEN);
  assert.ok(actual_fee > TOKEN);
});

test("long_payload", LIMIT_MS, async () => {
  const bytes = new Uint8Array(1_000).fill(7);
  const sent = await send(api.tx.System.remark_with_event({ remark: bytes }), alice);
  const [{ payload }] = api.event.System.Remarked.filter(sent.events);
  assert.equal(payload.hash, hex(blake2b256(bytes)));
});

test("failing_dispatch", LIMIT_MS, async () => {
  const { ok, dispatchError } = await send(api.tx.Tasks.cancel_task({ task: UNKNOWN }), alice);
  assert.equal(ok, false);
  assert.deepEqual(dispatchError, {
    type: "Module",
    value: { type: "Tasks", value: { type: "UnknownTask", value: undefined } },
  });
});

test("bad_signature", LIMIT_MS, async () => {
  const tx = await remark().sign(alice.signer);
  tx[60] ^= 1;
  await refused(tx, "BadProof", "Transaction has a bad signature");
});

test("stale_nonce", LIMIT_MS, async () => {
  await send(remark(), alice);
  const tx = await remark().sign(alice.signer, { nonce: 0 });
  await refused(tx, "Stale", "Transaction is outdated");
});

test("fee_estimate", LIMIT_MS, async () => {
  // A client forgets final blocks; this one is asked about the parent of a block that comes.
  const held = client.blocks$.subscribe(({ hash }) => client.hodlBlock(hash));
  const tx = transfer(eve.address);
  const sent = await send(tx, alice);
  const bytes = await included(sent);
  const { parentHash } = await client.getBlockHeader(sent.block.hash);
  const query = api.apis.TransactionPaymentApi.query_info;
  // The call's bytes get their length in front when they are encoded; a block's have it.
  const { partial_fee } = await query(bytes.slice(2), bytes.length, { at: parentHash });
  assert.equal(partial_fee, paid(sent).actual_fee);
  // Without a signature yet, as a wallet asks.
  assert.ok((await tx.getEstimatedFees(alice.address)) > 0n);
  held.unsubscribe();
});

test("batch", LIMIT_MS, async () => {
  const to = key("//batched").address;
  const before = await free(to);
  const inner = transfer(to).decodedCall;
  const calls = [inner, api.tx.Tasks.cancel_task({ task: UNKNOWN }).decodedCall, inner];
  const sent = await send(api.tx.Utility.batch({ calls }), alice);
  assert.ok(sent.ok);
  const [{ payload }] = api.event.Utility.BatchInterrupted.filter(sent.events);
  assert.equal(payload.index, 1);
  assert.deepEqual(payload.error.value, {
    type: "Tasks",
    value: { type: "UnknownTask", value: undefined },
  });
  assert.equal(await free(to), before + TOKEN);
  const all = await send(api.tx.Utility.batch_all({ calls }), alice);
  assert.equal(all.dispatchError?.type, "Module");
  assert.equal(await free(to), before + TOKEN);
});

test("staking", LIMIT_MS, async () => {
  const [validator] = await api.query.Session.Validators.getValue();
  const payee = { type: "Staked", value: undefined } as const;
  const calls = [
    api.tx.Staking.bond({ value: 100n * TOKEN, payee }).decodedCall,
    api.tx.Staking.nominate({ targets: [{ type: "Id", value: validator }] }).decodedCall,
  ];
  const sent = await send(api.tx.Utility.batch_all({ calls }), eve);
  assert.ok(sent.ok);
  const ledger = await api.query.Staking.Ledger.getValue(eve.address);
  assert.equal(ledger?.active, 100n * TOKEN);
  const nominations = await api.query.Staking.Nominators.getValue(eve.address);
  assert.deepEqual(nominations?.targets, [validator]);
});

test("nonces_100", LIMIT_MS, async () => {
  const start = (await account(charlie.address)).nonce;
  const sent = Array.from({ length: 100 }, (_, i) =>
    send(remark(new Uint8Array(i)), charlie, { nonce: start + i }),
  );
  assert.ok((await Promise.all(sent)).every(({ ok }) => ok));
  assert.equal((await account(charlie.address)).nonce, start + 100);
});

test("historic_query", LIMIT_MS, async () => {
  const sent = await send(transfer(dave.address), alice);
  const { parentHash } = await client.getBlockHeader(sent.block.hash);
  const next = await send(transfer(dave.address), alice);
  const then = await free(dave.address, sent.block.hash);
  assert.equal(then, (await free(dave.address, parentHash)) + TOKEN);
  assert.equal(await free(dave.address, next.block.hash), then + TOKEN);
  const events = await api.query.System.Events.getValue({ at: sent.block.hash });
  const { length } = api.event.Balances.Transfer.filter(events);
  assert.equal(length, 1);
  const body = await included(sent);
  const { length: size } = await transfer(dave.address).getEncodedData();
  const { decodedCall } = await api.txFromCallData(body.slice(-size));
  assert.deepEqual(decodedCall, transfer(dave.address).decodedCall);
  const genesis = await account(dave.address, artel.genesis!);
  assert.deepEqual([genesis.nonce, genesis.data.free > 0n], [0, true]);
});

test("metadata_hash", LIMIT_MS, async () => {
  const info = { base58Prefix: 42, decimals: 12, tokenSymbol: "ARTL" };
  const sent = await send(remark(), { signer: withMetadataHash(info, alice.signer) });
  assert.ok(sent.ok);
  const other = withMetadataHash({ ...info, decimals: 10 }, alice.signer);
  const tx = await remark().sign(other);
  await refused(tx, "BadProof", "Transaction has a bad signature");
});

test("task", LIMIT_MS, async () => {
  const example = new URL("./examples/task.js", import.meta.url).pathname;
  const args = [example, process.env.ARTEL_PROGRAM!, "to be or not to be"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(stdout, /be/);
});

// The last one, as the chain has other rules after it.
test("rule_change", LIMIT_MS, async () => {
  const version = async () => (await api.constants.System.Version()).spec_version;
  const rehearsal = () => client.getUnsafeApi().constants.System.Rehearsal() as Promise<unknown>;
  const old = await version();
  await assert.rejects(rehearsal());
  const before = await send(transfer(dave.address), alice);
  const height = before.block.number + 3;
  const change = api.tx.System.schedule_upgrade({ spec_version: old + 1, height });
  const scheduled = await send(api.tx.Sudo.sudo({ call: change.decodedCall }), alice);
  const [{ payload }] = api.event.Sudo.Sudid.filter(scheduled.events);
  assert.ok(payload.sudo_result.success);
  // The client hears of it, and fetches the new metadata.
  await lastValueFrom(client.finalizedBlock$.pipe(takeWhile(({ number }) => number <= height, true)));
  assert.equal(await version(), old + 1);
  assert.ok(await rehearsal());
  const after = await send(transfer(dave.address), alice);
  assert.ok(after.ok);
  for (const [{ block }, expected] of [[before, old], [after, old + 1]] as const) {
    const rules = await api.apis.Core.version({ at: block.hash });
    assert.equal(rules.spec_version, expected);
    const events = await api.query.System.Events.getValue({ at: block.hash });
    assert.equal(api.event.Balances.Transfer.filter(events).length, 1);
  }
});
