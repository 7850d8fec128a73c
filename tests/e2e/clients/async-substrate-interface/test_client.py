"""async-substrate-interface against a development node. The tests' names are those of ../features.json."""

import base64
import inspect
import os
from pathlib import Path

import pytest
import pytest_asyncio
from async_substrate_interface import AsyncSubstrateInterface
from async_substrate_interface.errors import SubstrateRequestException
from keys import ALICE, CHARLIE, DAVE, EVE, Key, hashed

TOKEN = 10**12
UNKNOWN = "0x" + "ab" * 32
URL = os.environ["ARTEL_URL"]


@pytest_asyncio.fixture(scope="module")
async def chain():
    async with AsyncSubstrateInterface(URL, ss58_format=42) as chain:
        yield chain


def named(name):
    """An account that nobody has the key of."""
    return Key("sr25519", hashed(name.encode())).ss58_address


async def call(chain, pallet, name, **params):
    return await chain.compose_call(pallet, name, params)


async def transfer(chain, address, value=TOKEN):
    return await call(chain, "Balances", "transfer_keep_alive", dest=address, value=value)


async def remark(chain, data=b"\x01"):
    return await call(chain, "System", "remark", remark=data)


async def sign(chain, composed, signer, **options):
    options = {"era": {"period": 64}, **options}
    return await chain.create_signed_extrinsic(composed, signer, **options)


async def send(chain, composed, signer, **options):
    extrinsic = await sign(chain, composed, signer, **options)
    return await chain.submit_extrinsic(extrinsic, wait_for_finalization=True)


async def attributes(receipt, pallet, name):
    """What the first event of this name says."""
    events = [event["event"] for event in await receipt.triggered_events]
    return next(
        e["attributes"] for e in events if (e["module_id"], e["event_id"]) == (pallet, name)
    )


async def account(chain, address, block=None):
    return (await chain.query("System", "Account", [address], block_hash=block)).value


async def free(chain, address, block=None):
    return (await account(chain, address, block))["data"]["free"]


async def included(chain, receipt):
    """The transaction itself, as its block has it."""
    block = await chain.get_block(receipt.block_hash)
    return block["extrinsics"][await receipt.extrinsic_idx].value


async def transfers(chain, kind):
    signer = Key(kind, hashed(kind.encode()))
    to = named(f"fresh {kind}")
    await send(chain, await transfer(chain, signer.ss58_address, 10 * TOKEN), ALICE)
    before = await free(chain, to)
    receipt = await send(chain, await transfer(chain, to), signer)
    assert await receipt.is_success
    told = await attributes(receipt, "Balances", "Transfer")
    assert told == {"from": signer.ss58_address, "to": to, "amount": TOKEN}
    assert await free(chain, to) == before + TOKEN
    return receipt


async def refused(chain, data, reason, caplog):
    with pytest.raises(SubstrateRequestException, match="Invalid Transaction"):
        await chain.rpc_request("author_submitExtrinsic", [data])
    # The client's exception keeps the message alone; its log has the whole answer.
    assert "'code': 1010" in caplog.text and reason in caplog.text


async def test_connect(chain):
    assert chain.chain == "Artel Development"
    properties = await chain.properties
    assert (properties["tokenSymbol"], properties["tokenDecimals"]) == ("ARTL", 12)
    runtime = await chain.init_runtime()
    version = (await chain.get_constant("System", "Version")).value
    assert runtime.runtime_version == version["spec_version"]
    genesis = await chain.get_block_hash(0)
    assert (await chain.get_block(genesis))["header"]["number"] == 0


async def test_constants(chain):
    assert (await chain.get_constant("System", "SS58Prefix")).value == 42
    assert (await chain.get_constant("Balances", "ExistentialDeposit")).value == 10**9


async def test_storage_single(chain):
    assert (await chain.query("Timestamp", "Now")).value > 1_700_000_000_000
    assert await free(chain, EVE.ss58_address) > 0
    assert await free(chain, named("nobody")) == 0


async def test_storage_multi(chain):
    keys = [
        await chain.create_storage_key("System", "Account", [EVE.ss58_address]),
        await chain.create_storage_key("System", "Account", [DAVE.ss58_address]),
        await chain.create_storage_key("Balances", "TotalIssuance", []),
    ]
    first, second, issuance = [value for _, value in await chain.query_multi(keys)]
    assert issuance > first["data"]["free"] > 0
    assert second["data"]["free"] > 0


async def test_entries(chain):
    found = await chain.query_map("System", "Account", page_size=2)
    entries = {key: value async for key, value in found}
    assert {key.ss58_address for key in (ALICE, CHARLIE, DAVE, EVE)} <= entries.keys()
    assert entries[EVE.ss58_address]["data"]["free"] > 0


async def test_subscriptions(chain):
    await heads_follow(chain)
    await storage_follows(chain)


async def heads_follow(chain):
    async def two(finalized_only):
        numbers = []

        async def told(head):
            numbers.append(head["header"]["number"])
            return numbers if len(numbers) == 2 else None

        return await chain.subscribe_block_headers(told, finalized_only=finalized_only)

    for first, second in (await two(finalized_only=False), await two(finalized_only=True)):
        assert second == first + 1


async def storage_follows(chain):
    to = named("watched")
    told = []

    # By the request itself: the client's subscribe_storage cannot decode that an entry is absent.
    async def changed(message, _subscription):
        if "params" in message:
            block = message["params"]["result"]["block"]
            told.append(await free(chain, to, block))
            if len(told) == 1:
                async with AsyncSubstrateInterface(URL, ss58_format=42) as other:
                    await send(other, await transfer(other, to), ALICE)
        return message, len(told) == 2

    key = await chain.create_storage_key("System", "Account", [to])
    await chain.rpc_request("state_subscribeStorage", [[key.to_hex()]], changed)
    assert told == [told[0], told[0] + TOKEN]


async def test_runtime_call(chain):
    address = ALICE.ss58_address
    nonce = await chain.runtime_call("AccountNonceApi", "account_nonce", [address])
    assert nonce == (await account(chain, address))["nonce"]
    assert await chain.get_account_nonce(address) == nonce


async def test_transfer_sr25519(chain):
    receipt = await transfers(chain, "sr25519")
    assert (await receipt.triggered_events)[-1]["event"]["event_id"] == "ExtrinsicSuccess"


async def test_transfer_ed25519(chain):
    await transfers(chain, "ed25519")


async def test_transfer_ecdsa(chain):
    await transfers(chain, "ecdsa")


async def test_mortal(chain):
    receipt = await send(chain, await remark(chain), ALICE, era={"period": 8})
    period, phase = (await included(chain, receipt))["era"]
    assert period == 8 and phase < 8


async def test_immortal(chain):
    receipt = await send(chain, await remark(chain), ALICE, era=None)
    assert (await included(chain, receipt))["era"] == "00"


async def test_tip(chain):
    receipt = await send(chain, await remark(chain), ALICE, tip=TOKEN)
    assert (await included(chain, receipt))["tip"] == TOKEN
    paid = await attributes(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["tip"] == TOKEN and paid["actual_fee"] > TOKEN


async def test_long_payload(chain):
    data = b"\x07" * 1_000
    composed = await call(chain, "System", "remark_with_event", remark=data)
    told = await attributes(await send(chain, composed, ALICE), "System", "Remarked")
    assert told["hash"] == "0x" + hashed(data).hex()


async def test_failing_dispatch(chain):
    receipt = await send(chain, await call(chain, "Tasks", "cancel_task", task=UNKNOWN), ALICE)
    assert not await receipt.is_success
    assert (await receipt.error_message)["name"] == "UnknownTask"


async def test_bad_signature(chain, caplog):
    # Of another account: the client counts nonces on from each transaction that it signs.
    data = bytearray((await sign(chain, await remark(chain), EVE, nonce=0)).data.data)
    data[60] ^= 1
    await refused(chain, "0x" + data.hex(), "Transaction has a bad signature", caplog)


async def test_stale_nonce(chain, caplog):
    await send(chain, await remark(chain), EVE, nonce=0)
    extrinsic = await sign(chain, await remark(chain), EVE, nonce=0)
    await refused(chain, str(extrinsic.data), "Transaction is outdated", caplog)


async def test_fee_estimate(chain):
    composed = await transfer(chain, EVE.ss58_address)
    extrinsic = await sign(chain, composed, ALICE)
    receipt = await chain.submit_extrinsic(extrinsic, wait_for_finalization=True)
    paid = (await attributes(receipt, "TransactionPayment", "TransactionFeePaid"))["actual_fee"]
    parent = await chain.get_parent_block_hash(receipt.block_hash)
    params = [extrinsic, extrinsic.data.length]
    info = await chain.runtime_call("TransactionPaymentApi", "query_info", params, parent)
    assert info["partial_fee"] == paid == await receipt.total_fee_amount
    # Without a signature yet, as a wallet asks.
    assert (await chain.get_payment_info(composed, ALICE))["partial_fee"] > 0


async def test_batch(chain):
    to = named("batched")
    before = await free(chain, to)
    failing = await call(chain, "Tasks", "cancel_task", task=UNKNOWN)
    calls = [await transfer(chain, to), failing, await transfer(chain, to)]
    receipt = await send(chain, await call(chain, "Utility", "batch", calls=calls), ALICE)
    assert await receipt.is_success
    told = await attributes(receipt, "Utility", "BatchInterrupted")
    error = told["error"]["Module"]
    number = bytes.fromhex(error["error"][2:])[0]
    runtime = await chain.init_runtime()
    decoded = runtime.metadata.get_module_error(error["index"], number)
    assert (told["index"], decoded.value["name"]) == (1, "UnknownTask")
    assert await free(chain, to) == before + TOKEN
    receipt = await send(chain, await call(chain, "Utility", "batch_all", calls=calls), ALICE)
    assert (await receipt.error_message)["name"] == "UnknownTask"
    assert await free(chain, to) == before + TOKEN


async def test_staking(chain):
    validator = (await chain.query("Session", "Validators")).value[0]
    bond = await call(chain, "Staking", "bond", value=100 * TOKEN, payee="Staked")
    calls = [bond, await call(chain, "Staking", "nominate", targets=[validator])]
    receipt = await send(chain, await call(chain, "Utility", "batch_all", calls=calls), EVE)
    assert await receipt.is_success
    ledger = (await chain.query("Staking", "Ledger", [EVE.ss58_address])).value
    assert ledger["active"] == 100 * TOKEN
    nominations = (await chain.query("Staking", "Nominators", [EVE.ss58_address])).value
    assert nominations["targets"] == [validator]


async def test_nonces_100(chain):
    address = CHARLIE.ss58_address
    start = (await account(chain, address))["nonce"]
    for i in range(100):
        # The client asks the node for the first nonce, which counts those that wait, and counts on.
        extrinsic = await sign(chain, await remark(chain, bytes(i)), CHARLIE)
        await chain.submit_extrinsic(extrinsic)

    async def done(_head):
        return (await account(chain, address))["nonce"] == start + 100 or None

    await chain.subscribe_block_headers(done)


async def test_historic_query(chain):
    address = DAVE.ss58_address
    receipt = await send(chain, await transfer(chain, address), ALICE)
    await send(chain, await transfer(chain, address), ALICE)
    block = receipt.block_hash
    parent = await chain.get_parent_block_hash(block)
    assert await free(chain, address, block) == await free(chain, address, parent) + TOKEN
    assert await free(chain, address) == await free(chain, address, block) + TOKEN
    assert (await included(chain, receipt))["call"]["call_function"] == "transfer_keep_alive"
    assert "Transfer" in [event["event"]["event_id"] for event in await chain.get_events(block)]
    genesis = await account(chain, address, await chain.get_block_hash(0))
    assert genesis["nonce"] == 0 and genesis["data"]["free"] > 0


async def test_metadata_hash(chain):
    # What the client lacks: it always signs without the digest, and offers no way to sign with it.
    offered = inspect.signature(chain.create_signed_extrinsic).parameters
    assert not {"mode", "metadata_hash"} & offered.keys()
    extrinsic = await sign(chain, await remark(chain), DAVE, nonce=0)
    assert extrinsic.value["mode"] == "Disabled"


async def test_task(chain):
    program = Path(os.environ["ARTEL_PROGRAM"]).read_bytes()
    upload = [base64.b64encode(program).decode()]
    blob = (await chain.rpc_request("artel_uploadBlob", upload))["result"]
    spec = {
        "engine": 1,
        "program": blob["bytes"],
        "input": {"Inline": "to be or not to be"},
        "args": [],
        "fuel_limit": 10**9,
        "memory_pages_max": 64,
        "output_bytes_max": 10**6,
    }
    policy = {
        "reward": TOKEN,
        "replicas": 1,
        "quorum": 1,
        "extra_attempts": 2,
        "assurance": "Economy",
        "value_at_risk": 0,
        "requires": {"memory_class": 0, "tags": []},
        "claim_ms": 600_000,
        "retain_ms": 86_400_000,
    }
    params = {"spec": spec, "policy": policy, "requester": None, "funded": True}
    posted = await send(chain, await call(chain, "Tasks", "create_task", **params), ALICE)
    task = (await attributes(posted, "Tasks", "Created"))["task"]

    async def told(_head):
        # Not by subscribing to the entry: the client cannot decode that it is absent.
        return (await chain.query("Validations", "Results", [(task, 0)])).value

    result = await chain.subscribe_block_headers(told)
    assert "be" in result["outcome"]["Ok"]["output"]["Inline"]
    accepted = await send(
        chain, await call(chain, "Validations", "accept_result", task=task), ALICE
    )
    assert await accepted.is_success


async def test_rule_change(chain):
    """The last one, as the chain has other rules after it."""
    old = (await chain.init_runtime()).runtime_version
    assert await chain.get_constant("System", "Rehearsal") is None
    before = await send(chain, await transfer(chain, DAVE.ss58_address), ALICE)
    height = (await chain.get_block(before.block_hash))["header"]["number"] + 3
    params = {"spec_version": old + 1, "height": height}
    change = await call(chain, "System", "schedule_upgrade", **params)
    receipt = await send(chain, await call(chain, "Sudo", "sudo", call=change), ALICE)
    assert await receipt.is_success

    async def is_over(head):
        return head["header"]["number"] > height or None

    # The client signs by the rules that the head's parent names.
    await chain.subscribe_block_headers(is_over)
    assert (await chain.init_runtime()).runtime_version == old + 1
    assert (await chain.get_constant("System", "Rehearsal")).value is True
    after = await send(chain, await transfer(chain, DAVE.ss58_address), ALICE)
    assert await after.is_success
    for receipt, version in ((before, old), (after, old + 1)):
        block = receipt.block_hash
        assert (await chain.init_runtime(block_hash=block)).runtime_version == version
        assert (await included(chain, receipt))["call"]["call_function"] == "transfer_keep_alive"
        assert "Transfer" in [e["event"]["event_id"] for e in await chain.get_events(block)]
        rehearsal = await chain.get_constant("System", "Rehearsal", block_hash=block)
        assert (rehearsal is None) == (version == old)
