"""Posts a task, watches it and fetches its result: python task.py PROGRAM.wasm INPUT"""

import base64
import os
import sys

from substrateinterface import Keypair, SubstrateInterface

program, text = sys.argv[1:]
chain = SubstrateInterface(url=os.environ.get("ARTEL_URL", "ws://127.0.0.1:9944"))
alice = Keypair.create_from_uri("//Alice")


def send(pallet, call, **params):
    """Signs and sends a call; ends when it is final, and raises if it failed."""
    composed = chain.compose_call(pallet, call, params)
    extrinsic = chain.create_signed_extrinsic(composed, alice, era={"period": 64})
    receipt = chain.submit_extrinsic(extrinsic, wait_for_finalization=True)
    if not receipt.is_success:
        raise RuntimeError(receipt.error_message)
    return [event.value["event"] for event in receipt.triggered_events]


with open(program, "rb") as file:
    wasm = base64.b64encode(file.read()).decode()
blob = chain.rpc_request("artel_uploadBlob", [wasm])["result"]
spec = {
    "engine": 1,
    "program": blob["bytes"],
    "input": {"Inline": text},
    "args": [],
    "fuel_limit": 10**9,
    "memory_pages_max": 64,
    "output_bytes_max": 10**6,
}
policy = {
    "reward": 10**12,
    "replicas": 1,
    "quorum": 1,
    "extra_attempts": 2,
    "assurance": "Economy",
    "value_at_risk": 0,
    "requires": {"memory_class": 0, "tags": []},
    "claim_ms": 600_000,
    "retain_ms": 86_400_000,
}
events = send("Tasks", "create_task", spec=spec, policy=policy, requester=None, funded=True)
task = next(e["attributes"]["task"] for e in events if e["event_id"] == "Created")
print(f"task {task}", file=sys.stderr)

# Called with each change of the result; the first answer ends the subscription.
result = chain.query(
    "Validations", "Results", [(task, 0)], subscription_handler=lambda told, *_: told.value
)
output = result["outcome"]["Ok"]["output"]
if "Inline" in output:
    content = output["Inline"]
    content = bytes.fromhex(content[2:]) if content.startswith("0x") else content.encode()
else:
    part = chain.rpc_request("artel_blob", [output["Blob"]])["result"]
    content = base64.b64decode(part["data"])
sys.stdout.buffer.write(content)

send("Validations", "accept_result", task=task)
