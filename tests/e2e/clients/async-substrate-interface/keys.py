"""Signers: the client brings none, but takes whatever has these properties."""

from hashlib import blake2b

import nacl.signing
import sr25519
from eth_keys.datatypes import PrivateKey
from scalecodec.utils.ss58 import ss58_encode


def hashed(data):
    return blake2b(data, digest_size=32).digest()


class Key:
    """A key of one of the three kinds, from 32 secret bytes."""

    ss58_format = 42

    def __init__(self, kind, secret):
        self.crypto_type = {"ed25519": 0, "sr25519": 1, "ecdsa": 2}[kind]
        if kind == "ed25519":
            key = nacl.signing.SigningKey(secret)
            self.public_key = bytes(key.verify_key)
            self._sign = lambda data: key.sign(data).signature
        elif kind == "sr25519":
            pair = sr25519.pair_from_seed(secret)
            self.public_key = pair[0]
            self._sign = lambda data: sr25519.sign(pair, data)
        else:
            key = PrivateKey(secret)
            # The account of such a key is the hash of its public key.
            self.public_key = hashed(key.public_key.to_compressed_bytes())
            self._sign = lambda data: key.sign_msg_hash(hashed(data)).to_bytes()
        self.ss58_address = ss58_encode(self.public_key, self.ss58_format)

    def sign(self, data):
        return self._sign(bytes(data))


# The accounts of a development chain: their secrets are known to everybody.
ALICE, CHARLIE, DAVE, EVE = (
    Key("sr25519", bytes.fromhex(secret))
    for secret in (
        "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a",
        "bc1ede780f784bb6991a585e4f6e61522c14e1cae6ad0895fb57b9a205a8f938",
        "868020ae0687dda7d57565093a69090211449845a7e11453612800b663307246",
        "786ad0e2df456fe43dd1f91ebca22e235bc162e0bb8d53c633e8c85b2af68b7a",
    )
)
