"""py-substrate-interface against a development node. The tests' names are those of ../features.json."""

import inspect
import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey
from scalecodec.utils.ss58 import ss58_encode
from substrateinterface import Keypair, KeypairType, SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException

TOKEN = 10**12
UNKNOWN = "0x" + "ab" * 32
URL = os.environ["ARTEL_URL"]

alice, charlie, dave, eve = (
    Keypair.create_from_uri(uri) for uri in ("//Alice", "//Charlie", "//Dave", "//Eve")
)


class EcdsaKey:
    """A signer of one's own: the client's ecdsa keys are Ethereum's, with accounts of 20 bytes."""

    crypto_type = KeypairType.ECDSA

    def __init__(self, uri):
        self.secret = PrivateKey(blake2b(uri.encode(), digest_size=32).digest())
        compressed = self.secret.public_key.to_compressed_bytes()
        self.public_key = blake2b(compressed, digest_size=32).digest()
        self.ss58_address = ss58_encode(self.public_key, 42)

    def sign(self, payload):
        digest = blake2b(bytes(payload.data), digest_size=32).digest()
        return self.secret.sign_msg_hash(digest).to_bytes()


@pytest.fixture(scope="module")
def chain():
    with SubstrateInterface(url=URL) as chain:
        yield chain


def call(chain, pallet, name, **params):
    return chain.compose_call(pallet, name, params)


def transfer(chain, address, value=TOKEN):
    return call(chain, "Balances", "transfer_keep_alive", dest=address, value=value)


def remark(chain, data=b"\x01"):
    return call(chain, "System", "remark", remark=data)


def sign(chain, composed, signer, **options):
    return chain.create_signed_extrinsic(composed, signer, **{"era": {"period": 64}, **options})


def send(chain, composed, signer, **options):
    extrinsic = sign(chain, composed, signer, **options)
    return chain.submit_extrinsic(extrinsic, wait_for_finalization=True)


def attributes(receipt, pallet, name):
    """What the first event of this name says."""
    events = (event.value["event"] for event in receipt.triggered_events)
    return next(
        e["attributes"] for e in events if (e["module_id"], e["event_id"]) == (pallet, name)
    )


def account(chain, address, block=None):
    return chain.query("System", "Account", [address], block_hash=block).value


def free(chain, address, block=None):
    return account(chain, address, block)["data"]["free"]


def included(chain, receipt):
    """The transaction itself, as its block has it."""
    block = chain.get_block(receipt.block_hash)
    return block["extrinsics"][receipt.extrinsic_idx].value


def transfers(chain, signer):
    to = Keypair.create_from_uri(f"//fresh//{signer.crypto_type}").ss58_address
    send(chain, transfer(chain, signer.ss58_address, 10 * TOKEN), alice)
    before = free(chain, to)
    receipt = send(chain, transfer(chain, to), signer)
    assert receipt.is_success
    told = attributes(receipt, "Balances", "Transfer")
    assert told == {"from": signer.ss58_address, "to": to, "amount": TOKEN}
    assert free(chain, to) == before + TOKEN
    return receipt


def refused(chain, data, reason):
    with pytest.raises(SubstrateRequestException) as refusal:
        chain.rpc_request("author_submitExtrinsic", [data])
    assert refusal.value.args[0]["code"] == 1010
    assert refusal.value.args[0]["data"] == reason


def test_connect(chain):
    assert chain.chain == "Artel Development"
    assert chain.get_block_hash(0).startswith("0x")
    assert (chain.token_symbol, chain.token_decimals, chain.ss58_format) == ("ARTL", 12, 42)
    chain.init_runtime()
    version = chain.get_constant("System", "Version").value
    assert chain.runtime_version == version["spec_version"]


def test_constants(chain):
    assert chain.get_constant("System", "SS58Prefix").value == 42
    assert chain.get_constant("Balances", "ExistentialDeposit").value == 10**9


def test_storage_single(chain):
    assert chain.query("Timestamp", "Now").value > 1_700_000_000_000
    assert free(chain, eve.ss58_address) > 0
    assert free(chain, Keypair.create_from_uri("//nobody").ss58_address) == 0


def test_storage_multi(chain):
    keys = [
        chain.create_storage_key("System", "Account", [eve.ss58_address]),
        chain.create_storage_key("System", "Account", [dave.ss58_address]),
        chain.create_storage_key("Balances", "TotalIssuance", []),
    ]
    first, second, issuance = (value.value for _, value in chain.query_multi(keys))
    assert issuance > first["data"]["free"] > 0
    assert second["data"]["free"] > 0


def test_entries(chain):
    entries = {
        key.value: value.value for key, value in chain.query_map("System", "Account", page_size=2)
    }
    assert {key.ss58_address for key in (alice, charlie, dave, eve)} <= entries.keys()
    assert entries[eve.ss58_address]["data"]["free"] > 0


def test_subscriptions(chain):
    heads_follow(chain)
    storage_follows(chain)


def heads_follow(chain):
    def two(finalized_only):
        numbers = []

        def told(head, update_nr, _):
            numbers.append(head["header"]["number"])
            return numbers if update_nr == 1 else None

        return chain.subscribe_block_headers(told, finalized_only=finalized_only)

    for first, second in (two(finalized_only=False), two(finalized_only=True)):
        assert second == first + 1


def storage_follows(chain):
    to = Keypair.create_from_uri("//watched").ss58_address
    told = []

    def changed(value, update_nr, _):
        told.append(value.value["data"]["free"])
        if update_nr == 0:
            with SubstrateInterface(url=URL) as other:
                send(other, transfer(other, to), alice)
        return told if update_nr == 1 else None

    chain.query("System", "Account", [to], subscription_handler=changed)
    assert told == [told[0], told[0] + TOKEN]


def test_runtime_call(chain):
    nonce = chain.runtime_call("AccountNonceApi", "account_nonce", [alice.ss58_address]).value
    assert nonce == account(chain, alice.ss58_address)["nonce"]
    assert chain.get_account_nonce(alice.ss58_address) == nonce


def test_transfer_sr25519(chain):
    receipt = transfers(chain, Keypair.create_from_uri("//sr25519"))
    assert receipt.triggered_events[-1].value["event_id"] == "ExtrinsicSuccess"


def test_transfer_ed25519(chain):
    seed = blake2b(b"//ed25519", digest_size=32).hexdigest()
    transfers(chain, Keypair.create_from_seed(seed, crypto_type=KeypairType.ED25519))


def test_transfer_ecdsa(chain):
    transfers(chain, EcdsaKey("//ecdsa"))


def test_mortal(chain):
    receipt = send(chain, remark(chain), alice, era={"period": 8})
    period, phase = included(chain, receipt)["era"]
    assert period == 8 and phase < 8


def test_immortal(chain):
    receipt = send(chain, remark(chain), alice, era=None)
    assert included(chain, receipt)["era"] == "00"


def test_tip(chain):
    receipt = send(chain, remark(chain), alice, tip=TOKEN)
    assert included(chain, receipt)["tip"] == TOKEN
    paid = attributes(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["tip"] == TOKEN and paid["actual_fee"] > TOKEN


def test_long_payload(chain):
    data = b"\x07" * 1_000
    receipt = send(chain, call(chain, "System", "remark_with_event", remark=data), alice)
    told = attributes(receipt, "System", "Remarked")
    assert told["hash"] == "0x" + blake2b(data, digest_size=32).hexdigest()


def test_failing_dispatch(chain):
    receipt = send(chain, call(chain, "Tasks", "cancel_task", task=UNKNOWN), alice)
    assert not receipt.is_success
    assert receipt.error_message["name"] == "UnknownTask"
    error = attributes(receipt, "System", "ExtrinsicFailed")["dispatch_error"]["Module"]
    decoded = chain.metadata.get_module_error(error["index"], bytes.fromhex(error["error"][2:])[0])
    assert decoded.value["name"] == "UnknownTask"
    assert chain.get_metadata_error("Tasks", "UnknownTask") is not None


def test_bad_signature(chain):
    data = bytearray(sign(chain, remark(chain), alice).data.data)
    data[60] ^= 1
    refused(chain, "0x" + data.hex(), "Transaction has a bad signature")


def test_stale_nonce(chain):
    send(chain, remark(chain), alice)
    extrinsic = sign(chain, remark(chain), alice, nonce=0)
    refused(chain, str(extrinsic.data), "Transaction is outdated")


def test_fee_estimate(chain):
    composed = transfer(chain, eve.ss58_address)
    extrinsic = sign(chain, composed, alice)
    receipt = chain.submit_extrinsic(extrinsic, wait_for_finalization=True)
    paid = attributes(receipt, "TransactionPayment", "TransactionFeePaid")["actual_fee"]
    parent = chain.get_block_header(receipt.block_hash)["header"]["parentHash"]
    params = [extrinsic, extrinsic.data.length]
    info = chain.runtime_call("TransactionPaymentApi", "query_info", params, block_hash=parent)
    assert info.value["partialFee"] == paid == receipt.total_fee_amount
    # Without a signature yet, as a wallet asks.
    assert chain.get_payment_info(composed, alice)["partialFee"] > 0


def test_batch(chain):
    to = Keypair.create_from_uri("//batched").ss58_address
    before = free(chain, to)
    failing = call(chain, "Tasks", "cancel_task", task=UNKNOWN)
    calls = [transfer(chain, to), failing, transfer(chain, to)]
    receipt = send(chain, call(chain, "Utility", "batch", calls=calls), alice)
    assert receipt.is_success
    told = attributes(receipt, "Utility", "BatchInterrupted")
    error = told["error"]["Module"]
    decoded = chain.metadata.get_module_error(error["index"], bytes.fromhex(error["error"][2:])[0])
    assert (told["index"], decoded.value["name"]) == (1, "UnknownTask")
    assert free(chain, to) == before + TOKEN
    receipt = send(chain, call(chain, "Utility", "batch_all", calls=calls), alice)
    assert receipt.error_message["name"] == "UnknownTask"
    assert free(chain, to) == before + TOKEN


def test_staking(chain):
    validator = chain.query("Session", "Validators").value[0]
    bond = call(chain, "Staking", "bond", value=100 * TOKEN, payee="Staked")
    calls = [bond, call(chain, "Staking", "nominate", targets=[validator])]
    assert send(chain, call(chain, "Utility", "batch_all", calls=calls), eve).is_success
    ledger = chain.query("Staking", "Ledger", [eve.ss58_address]).value
    assert ledger["active"] == 100 * TOKEN
    assert chain.query("Staking", "Nominators", [eve.ss58_address]).value["targets"] == [validator]


def test_nonces_100(chain):
    address = charlie.ss58_address
    start = account(chain, address)["nonce"]
    for i in range(100):
        # The node counts those that wait, which the state does not.
        nonce = chain.rpc_request("system_accountNextIndex", [address])["result"]
        assert nonce == start + i
        chain.submit_extrinsic(sign(chain, remark(chain, bytes(i)), charlie, nonce=nonce))

    def done(*_):
        return account(chain, address)["nonce"] == start + 100 or None

    chain.subscribe_block_headers(done)


def test_historic_query(chain):
    address = dave.ss58_address
    receipt = send(chain, transfer(chain, address), alice)
    send(chain, transfer(chain, address), alice)
    block = receipt.block_hash
    parent = chain.get_block_header(block)["header"]["parentHash"]
    assert free(chain, address, block) == free(chain, address, parent) + TOKEN
    assert free(chain, address) == free(chain, address, block) + TOKEN
    assert included(chain, receipt)["call"]["call_function"] == "transfer_keep_alive"
    events = [event.value["event_id"] for event in chain.get_events(block)]
    assert "Transfer" in events
    genesis = account(chain, address, chain.get_block_hash(0))
    assert genesis["nonce"] == 0 and genesis["data"]["free"] > 0


def test_metadata_hash(chain):
    # What the client lacks: it always signs without the digest, and offers no way to sign with it.
    offered = inspect.signature(chain.create_signed_extrinsic).parameters
    assert not {"mode", "metadata_hash"} & offered.keys()
    assert sign(chain, remark(chain), alice).value["mode"] == "Disabled"


def test_task():
    example = Path(__file__).parent / "examples" / "task.py"
    args = [sys.executable, example, os.environ["ARTEL_PROGRAM"], "to be or not to be"]
    done = subprocess.run(args, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "be" in done.stdout


def test_rule_change(chain):
    """The last one, as the chain has other rules after it."""
    chain.init_runtime()
    old = chain.runtime_version
    assert chain.get_constant("System", "Rehearsal") is None
    before = send(chain, transfer(chain, dave.ss58_address), alice)
    height = chain.get_block_header(before.block_hash)["header"]["number"] + 3
    change = call(chain, "System", "schedule_upgrade", spec_version=old + 1, height=height)
    receipt = send(chain, call(chain, "Sudo", "sudo", call=change), alice)
    assert attributes(receipt, "Sudo", "Sudid")["sudo_result"] == {"Ok": ()}
    # The client signs by the rules that the head's parent names.
    chain.subscribe_block_headers(lambda head, *_: head["header"]["number"] > height or None)
    chain.init_runtime()
    assert chain.runtime_version == old + 1
    assert chain.get_constant("System", "Rehearsal").value is True
    after = send(chain, transfer(chain, dave.ss58_address), alice)
    assert after.is_success
    for receipt, version in ((before, old), (after, old + 1)):
        assert included(chain, receipt)["call"]["call_function"] == "transfer_keep_alive"
        assert chain.runtime_version == version
        assert "Transfer" in [e.value["event_id"] for e in chain.get_events(receipt.block_hash)]
        rehearsal = chain.get_constant("System", "Rehearsal", block_hash=receipt.block_hash)
        assert (rehearsal is None) == (version == old)
