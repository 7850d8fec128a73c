// Posts a task, watches it and fetches its result: node dist/examples/task.js PROGRAM.wasm INPUT
// Descriptors first: npx papi add artel -w ws://127.0.0.1:9944

import { readFileSync } from "node:fs";
import { artel } from "@polkadot-api/descriptors";
import { createClient, Enum } from "polkadot-api";
import { getWsProvider } from "polkadot-api/ws";
import { filter, firstValueFrom } from "rxjs";
import { key } from "../keys.js";

const [program, input] = process.argv.slice(2);
const client = createClient(getWsProvider(process.env.ARTEL_URL ?? "ws://127.0.0.1:9944"));
const api = client.getTypedApi(artel);
const { signer } = key("//Alice");

const wasm = readFileSync(program).toString("base64");
const blob = await client._request("artel_uploadBlob", [wasm]);
const spec = {
  engine: 1,
  program: blob.bytes,
  input: Enum("Inline", new TextEncoder().encode(input)),
  args: [],
  fuel_limit: 1_000_000_000n,
  memory_pages_max: 64,
  output_bytes_max: 1_000_000n,
};
const policy = {
  reward: 1_000_000_000_000n,
  replicas: 1,
  quorum: 1,
  extra_attempts: 2,
  assurance: Enum("Economy"),
  value_at_risk: 0n,
  requires: { memory_class: 0, tags: [] },
  claim_ms: 600_000n,
  retain_ms: 86_400_000n,
};
const tx = api.tx.Tasks.create_task({ spec, policy, requester: undefined, funded: true });
const posted = await tx.signAndSubmit(signer);
const [{ payload }] = api.event.Tasks.Created.filter(posted.events);
console.error(`task ${payload.task} in block ${posted.block.number}`);

const results = api.query.Validations.Results.watchValue([payload.task, 0]);
const { value } = await firstValueFrom(results.pipe(filter(({ value }) => value !== undefined)));
const outcome = value!.outcome;
if (outcome.type !== "Ok") throw new Error(`the program ended with ${outcome.type}`);
const { output } = outcome.value;
const bytes =
  output.type === "Inline"
    ? output.value
    : Buffer.from((await client._request("artel_blob", [output.value])).data, "base64");
process.stdout.write(bytes);

await api.tx.Validations.accept_result({ task: payload.task }).signAndSubmit(signer);
client.destroy();
