// polkadot-js against a development node. The tests' names are those of ../features.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { merkleizeMetadata } from "@polkadot-api/merkleize-metadata";
import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";
import { u8aToHex } from "@polkadot/util";
import { blake2AsHex } from "@polkadot/util-crypto";

const TOKEN = 10n ** 12n;
const LIMIT_MS = { timeout: 60_000 };
const UNKNOWN = `0x${"ab".repeat(32)}`;

const keyring = new Keyring({ type: "sr25519" });
const [alice, charlie, dave, eve] = ["//Alice", "//Charlie", "//Dave", "//Eve"].map((uri) =>
  keyring.addFromUri(uri),
);
let api;

function connect() {
  const provider = new WsProvider(process.env.ARTEL_URL);
  return ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
}

before(async () => {
  api = await connect();
});
after(() => api.disconnect());

// Signs and sends; ends when the transaction is final, with what happened on the way.
function send(tx, signer, options = {}) {
  return new Promise((resolve, reject) => {
    const statuses = [];
    tx.signAndSend(signer, options, (result) => {
      statuses.push(result.status.type);
      if (result.isError) reject(new Error(`the transaction ended as ${result.status.type}`));
      if (!result.status.isFinalized) return;
      const block = result.status.asFinalized.toHex();
      const events = result.events.map(({ event }) => event);
      resolve({ block, events, statuses, error: result.dispatchError, index: result.txIndex });
    }).catch(reject);
  });
}

const find = (events, type) => events.find((event) => type.is(event));
const free = async (address, at = api) =>
  (await at.query.system.account(address)).data.free.toBigInt();
const parent = async (block) => (await api.rpc.chain.getHeader(block)).parentHash;

// Transfers between a key of the given kind and a fresh account.
async function transfers(kind) {
  const signer = new Keyring({ type: kind }).addFromUri(`//${kind}`);
  const dest = keyring.addFromUri(`//fresh//${kind}`).address;
  await send(api.tx.balances.transferKeepAlive(signer.address, 10n * TOKEN), alice);
  const sent = await send(api.tx.balances.transferKeepAlive(dest, TOKEN), signer);
  assert.equal(sent.error, undefined);
  const { data } = find(sent.events, api.events.balances.Transfer);
  assert.deepEqual(
    [data.from.toString(), data.to.toString(), data.amount.toBigInt()],
    [signer.address, dest, TOKEN],
  );
  assert.ok(find(sent.events, api.events.system.NewAccount));
  assert.equal(await free(dest), TOKEN);
  return sent;
}

// The transaction itself, as its block has it.
async function included({ block, index }) {
  const { block: whole } = await api.rpc.chain.getBlock(block);
  return whole.extrinsics[index];
}

async function refused(hex, reason) {
  await assert.rejects(api.rpc.author.submitExtrinsic(hex), (error) => {
    assert.equal(error.code, 1010);
    assert.equal(error.data, reason);
    return true;
  });
}

test("connect", LIMIT_MS, async () => {
  assert.equal(api.runtimeChain.toString(), "Artel Development");
  assert.equal(api.genesisHash.toHex(), (await api.rpc.chain.getBlockHash(0)).toHex());
  assert.equal(api.runtimeVersion.specName.toString(), "artel");
  assert.deepEqual(api.registry.chainTokens, ["ARTL"]);
  assert.deepEqual(api.registry.chainDecimals, [12]);
  assert.equal(api.registry.chainSS58, 42);
  assert.equal((await api.rpc.system.health()).isSyncing.isTrue, false);
  // Not one method that the node names is unknown to the client under its own types.
  assert.ok((await api.rpc.rpc.methods()).methods.length > 0);
});

test("constants", LIMIT_MS, async () => {
  assert.equal(api.consts.system.ss58Prefix.toNumber(), 42);
  assert.equal(api.consts.balances.existentialDeposit.toBigInt(), 10n ** 9n);
  const { specVersion } = api.consts.system.version;
  assert.equal(specVersion.toNumber(), api.runtimeVersion.specVersion.toNumber());
});

test("storage_single", LIMIT_MS, async () => {
  assert.ok((await api.query.timestamp.now()).toNumber() > 1_700_000_000_000);
  assert.ok((await free(eve.address)) > 0n);
  assert.equal(await free(keyring.addFromUri("//nobody").address), 0n);
});

test("storage_multi", LIMIT_MS, async () => {
  const accounts = await api.query.system.account.multi([eve.address, dave.address]);
  assert.ok(accounts.every(({ data }) => data.free.toBigInt() > 0n));
  const [issuance, account] = await api.queryMulti([
    api.query.balances.totalIssuance,
    [api.query.system.account, eve.address],
  ]);
  assert.ok(issuance.toBigInt() > account.data.free.toBigInt());
});

test("entries", LIMIT_MS, async () => {
  const entries = await api.query.system.account.entries();
  const addresses = entries.map(([key]) => key.args[0].toString());
  assert.ok([alice, charlie, dave, eve].every(({ address }) => addresses.includes(address)));
  const first = await api.query.system.account.keysPaged({ args: [], pageSize: 2 });
  const next = { args: [], pageSize: 2, startKey: first[1].toHex() };
  const second = await api.query.system.account.keysPaged(next);
  const keys = entries.map(([key]) => key.toHex());
  assert.deepEqual(
    [...first, ...second].map((key) => key.toHex()),
    keys.slice(0, 4),
  );
});

test("subscriptions", LIMIT_MS, async () => {
  await headsFollow();
  await storageFollows();
});

async function headsFollow() {
  const follow = (subscribe) =>
    new Promise((resolve, reject) => {
      const numbers = [];
      const stop = subscribe((head) => {
        numbers.push(head.number.toNumber());
        if (numbers.length === 3) stop.then((unsubscribe) => resolve(unsubscribe() ?? numbers));
      });
      stop.catch(reject);
    });
  const { chain } = api.rpc;
  const [best, finalized] = await Promise.all([
    follow((told) => chain.subscribeNewHeads(told)),
    follow((told) => chain.subscribeFinalizedHeads(told)),
    send(api.tx.system.remark("0x01"), alice),
  ]);
  assert.deepEqual(best, [best[0], best[0] + 1, best[0] + 2]);
  assert.ok(finalized[0] < finalized[1] && finalized[1] < finalized[2]);
}

async function storageFollows() {
  const dest = keyring.addFromUri("//watched").address;
  const told = [];
  let stop;
  const changed = new Promise((resolve) => {
    stop = api.query.system.account(dest, ({ data }) => {
      told.push(data.free.toBigInt());
      if (told.length === 2) resolve();
    });
  });
  const unsubscribe = await stop;
  await send(api.tx.balances.transferKeepAlive(dest, TOKEN), alice);
  await changed;
  unsubscribe();
  assert.deepEqual(told, [0n, TOKEN]);
}

test("runtime_call", LIMIT_MS, async () => {
  const nonce = await api.call.accountNonceApi.accountNonce(alice.address);
  const account = await api.query.system.account(alice.address);
  assert.equal(nonce.toNumber(), account.nonce.toNumber());
  assert.equal((await api.call.core.version()).specName.toString(), "artel");
});

test("transfer_sr25519", LIMIT_MS, async () => {
  const { statuses, events } = await transfers("sr25519");
  // Applications act on the first; it must not be lost to the second.
  assert.deepEqual(statuses.slice(-2), ["InBlock", "Finalized"]);
  assert.ok(api.events.system.ExtrinsicSuccess.is(events.at(-1)));
});

test("transfer_ed25519", LIMIT_MS, () => transfers("ed25519"));

test("transfer_ecdsa", LIMIT_MS, () => transfers("ecdsa"));

test("mortal", LIMIT_MS, async () => {
  const sent = await send(api.tx.system.remark("0x02"), alice, { era: 8 });
  const { era } = await included(sent);
  assert.ok(era.isMortalEra);
  assert.equal(era.asMortalEra.period.toNumber(), 8);
});

test("immortal", LIMIT_MS, async () => {
  const sent = await send(api.tx.system.remark("0x03"), alice, { era: 0 });
  assert.ok((await included(sent)).era.isImmortalEra);
});

test("tip", LIMIT_MS, async () => {
  const sent = await send(api.tx.system.remark("0x04"), alice, { tip: TOKEN });
  assert.equal((await included(sent)).tip.toBigInt(), TOKEN);
  const { data } = find(sent.events, api.events.transactionPayment.TransactionFeePaid);
  assert.equal(data.tip.toBigInt(), TOKEN);
  assert.ok(data.actualFee.toBigInt() > TOKEN);
});

test("long_payload", LIMIT_MS, async () => {
  const bytes = new Uint8Array(1_000).fill(7);
  const { events } = await send(api.tx.system.remarkWithEvent(u8aToHex(bytes)), alice);
  assert.equal(find(events, api.events.system.Remarked).data[1].toHex(), blake2AsHex(bytes));
});

test("failing_dispatch", LIMIT_MS, async () => {
  const { error } = await send(api.tx.tasks.cancelTask(UNKNOWN), alice);
  const { section, name, docs } = api.registry.findMetaError(error.asModule);
  assert.deepEqual([section, name], ["tasks", "UnknownTask"]);
  assert.match(docs.join(" "), /No task has this id/);
});

test("bad_signature", LIMIT_MS, async () => {
  const tx = await api.tx.system.remark("0x05").signAsync(alice);
  const bytes = tx.toU8a();
  // Of the signature: length, version, address kind, account and signature kind stand before it.
  const place = bytes.length - tx.encodedLength + 60;
  bytes[place] ^= 1;
  await refused(u8aToHex(bytes), "Transaction has a bad signature");
});

test("stale_nonce", LIMIT_MS, async () => {
  await send(api.tx.system.remark("0x06"), alice);
  const tx = await api.tx.system.remark("0x07").signAsync(alice, { nonce: 0 });
  await refused(tx.toHex(), "Transaction is outdated");
});

test("fee_estimate", LIMIT_MS, async () => {
  const tx = api.tx.balances.transferKeepAlive(eve.address, TOKEN);
  const sent = await send(tx, alice);
  const paid = find(sent.events, api.events.transactionPayment.TransactionFeePaid).data.actualFee;
  const bytes = (await included(sent)).toU8a();
  const before = await api.at(await parent(sent.block));
  const info = await before.call.transactionPaymentApi.queryInfo(bytes, bytes.length);
  assert.equal(info.partialFee.toBigInt(), paid.toBigInt());
  // Without a signature yet, as a wallet asks.
  assert.ok((await tx.paymentInfo(alice)).partialFee.toBigInt() > 0n);
});

test("batch", LIMIT_MS, async () => {
  const dest = keyring.addFromUri("//batched").address;
  const transfer = api.tx.balances.transferKeepAlive(dest, TOKEN);
  const calls = [transfer, api.tx.tasks.cancelTask(UNKNOWN), transfer];
  const { events, error } = await send(api.tx.utility.batch(calls), alice);
  assert.equal(error, undefined);
  const [index, why] = find(events, api.events.utility.BatchInterrupted).data;
  assert.equal(index.toNumber(), 1);
  assert.equal(api.registry.findMetaError(why.asModule).name, "UnknownTask");
  assert.equal(await free(dest), TOKEN);
  const all = await send(api.tx.utility.batchAll(calls), alice);
  assert.equal(api.registry.findMetaError(all.error.asModule).name, "UnknownTask");
  assert.equal(await free(dest), TOKEN);
});

test("staking", LIMIT_MS, async () => {
  const [validator] = (await api.query.session.validators()).map(String);
  const calls = [api.tx.staking.bond(100n * TOKEN, "Staked"), api.tx.staking.nominate([validator])];
  const { error } = await send(api.tx.utility.batchAll(calls), eve);
  assert.equal(error, undefined);
  const nominator = await api.derive.staking.account(eve.address);
  assert.equal(nominator.stakingLedger.active.toBigInt(), 100n * TOKEN);
  assert.deepEqual(nominator.nominators.map(String), [validator]);
  const { stakingLedger, nextSessionIds } = await api.derive.staking.account(validator);
  assert.ok(stakingLedger.active.toBigInt() > 0n);
  assert.equal(nextSessionIds.length, 2);
  const { info } = await api.derive.staking.electedInfo({ withExposureMeta: true, withPrefs: true });
  assert.deepEqual(
    info.map(({ accountId }) => accountId.toString()),
    [validator],
  );
  assert.ok(info[0].exposureMeta.unwrap().total.toBigInt() >= stakingLedger.active.toBigInt());
  const { activeEra } = await api.derive.staking.overview();
  assert.equal(activeEra.toNumber(), (await api.query.staking.activeEra()).unwrap().index.toNumber());
});

test("nonces_100", LIMIT_MS, async () => {
  const start = (await api.query.system.account(charlie.address)).nonce.toNumber();
  let left = 100;
  await new Promise((resolve, reject) => {
    const told = ({ status, isError }) => {
      if (isError) reject(new Error(`a transaction ended as ${status.type}`));
      if (status.isInBlock && --left === 0) resolve();
    };
    const sendAll = async () => {
      for (let i = 0; i < 100; i++) {
        // The node counts those that wait, which the state does not.
        const nonce = await api.rpc.system.accountNextIndex(charlie.address);
        assert.equal(nonce.toNumber(), start + i);
        await api.tx.system.remark(`0x${"00".repeat(i)}`).signAndSend(charlie, { nonce }, told);
      }
    };
    sendAll().catch(reject);
  });
  const end = (await api.query.system.account(charlie.address)).nonce.toNumber();
  assert.equal(end - start, 100);
});

test("historic_query", LIMIT_MS, async () => {
  const sent = await send(api.tx.balances.transferKeepAlive(dave.address, TOKEN), alice);
  await send(api.tx.balances.transferKeepAlive(dave.address, TOKEN), alice);
  const [then, earlier] = await Promise.all([api.at(sent.block), api.at(await parent(sent.block))]);
  assert.equal(await free(dave.address, then), (await free(dave.address, earlier)) + TOKEN);
  assert.equal(await free(dave.address), (await free(dave.address, then)) + TOKEN);
  const { extrinsics } = await api.derive.chain.getBlock(sent.block);
  const { extrinsic, events } = extrinsics[sent.index];
  assert.equal(extrinsic.method.method, "transferKeepAlive");
  assert.ok(find(events, then.events.balances.Transfer));
  const genesis = await api.at(api.genesisHash);
  assert.ok((await free(dave.address, genesis)) > 0n);
  assert.equal((await genesis.query.system.account(dave.address)).nonce.toNumber(), 0);
});

test("metadata_hash", LIMIT_MS, async () => {
  const metadata = (await api.call.metadata.metadataAtVersion(15)).unwrap().toU8a(true);
  const info = { base58Prefix: 42, decimals: 12, tokenSymbol: "ARTL" };
  const metadataHash = u8aToHex(merkleizeMetadata(metadata, info).digest());
  const sent = await send(api.tx.system.remark("0x08"), alice, { mode: 1, metadataHash });
  assert.ok(api.events.system.ExtrinsicSuccess.is(sent.events.at(-1)));
  const other = { mode: 1, metadataHash: UNKNOWN };
  const tx = await api.tx.system.remark("0x09").signAsync(alice, other);
  await refused(tx.toHex(), "Transaction has a bad signature");
});

test("task", LIMIT_MS, async () => {
  const upload = (bytes) =>
    api._rpcCore.provider.send("artel_uploadBlob", [Buffer.from(bytes).toString("base64")]);
  const { bytes } = await upload(readFileSync(process.env.ARTEL_PROGRAM));
  const spec = {
    engine: 1,
    program: bytes,
    input: { Inline: "to be or not to be" },
    args: [],
    fuelLimit: 10n ** 9n,
    memoryPagesMax: 64,
    outputBytesMax: 1 << 20,
  };
  const policy = {
    reward: TOKEN,
    replicas: 1,
    quorum: 1,
    extraAttempts: 2,
    assurance: "Economy",
    valueAtRisk: 0,
    requires: { memoryClass: 0, tags: [] },
    claimMs: 600_000,
    retainMs: 86_400_000,
  };
  const posted = await send(api.tx.tasks.createTask(spec, policy, null, true), alice);
  const { task } = find(posted.events, api.events.tasks.Created).data;
  let stop;
  const result = await new Promise((resolve, reject) => {
    stop = api.query.validations.results(
      [task, 0],
      (told) => told.isSome && resolve(told.unwrap()),
    );
    stop.catch(reject);
  });
  (await stop)();
  const { output } = result.outcome.asOk;
  const text = Buffer.from(output.asInline.toU8a(true)).toString();
  assert.match(text, /be/);
  const paid = await send(api.tx.validations.acceptResult(task), alice);
  assert.ok(find(paid.events, api.events.validations.ResultAccepted));
});

// The last one, as the chain has other rules after it.
test("rule_change", LIMIT_MS, async () => {
  const old = api.runtimeVersion.specVersion.toNumber();
  assert.equal(api.consts.system.rehearsal, undefined);
  const before = await send(api.tx.balances.transferKeepAlive(dave.address, TOKEN), alice);
  const height = (await api.rpc.chain.getHeader()).number.toNumber() + 3;
  const change = api.tx.sudo.sudo(api.tx.system.scheduleUpgrade(old + 1, height));
  const { events } = await send(change, alice);
  assert.ok(find(events, api.events.sudo.Sudid).data.sudoResult.isOk);
  // The client hears of it, and fetches the new metadata.
  while (api.consts.system.rehearsal === undefined) await sleep(20);
  assert.equal(api.runtimeVersion.specVersion.toNumber(), old + 1);
  const after = await send(api.tx.balances.transferKeepAlive(dave.address, TOKEN), alice);
  assert.ok(api.events.system.ExtrinsicSuccess.is(after.events.at(-1)));
  // The client mixes up old and new metadata of blocks that it has seen before the change.
  const anew = await connect();
  for (const [{ block, index }, version] of [
    [before, old],
    [after, old + 1],
  ]) {
    const then = await anew.at(block);
    assert.equal(then.runtimeVersion.specVersion.toNumber(), version);
    assert.equal(then.consts.system.rehearsal === undefined, version === old);
    const { extrinsics } = await anew.derive.chain.getBlock(block);
    assert.equal(extrinsics[index].extrinsic.method.method, "transferKeepAlive");
    assert.ok(find(extrinsics[index].events, then.events.balances.Transfer));
  }
  await anew.disconnect();
});
