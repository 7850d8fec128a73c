/* Proof of work: searches the smallest nonce for which SHA-256(data ++ nonce as 8 bytes, little
 * endian) begins with so many zero bits. The data come on stdin.
 *
 * Usage: pownonce [BITS]   (16 if absent)
 *
 * Writes `nonce NONCE` and `hash HEX`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITS_MAX 64

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
};

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

static void compress(struct sha256 *sha) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = sha->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, sha->state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + ROUND[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        sha->state[i] += v[i];
    }
}

static void start(struct sha256 *sha) {
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, initial, sizeof initial);
    sha->length = 0;
}

static void update(struct sha256 *sha, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        size_t used = sha->length % 64, now = 64 - used < count ? 64 - used : count;
        memcpy(sha->block + used, bytes, now);
        sha->length += now;
        bytes += now;
        count -= now;
        if (sha->length % 64 == 0) {
            compress(sha);
        }
    }
}

static void finish(struct sha256 *sha, uint8_t hash[32]) {
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = sha->length * 8;
    uint8_t length[8];
    update(sha, padding, 1 + (119 - sha->length % 64) % 64);
    for (int i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    update(sha, length, sizeof length);
    for (int i = 0; i < 32; i++) {
        hash[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

static int zero_bits(const uint8_t hash[32]) {
    int bits = 0;
    while (bits < 256 && !(hash[bits / 8] >> (7 - bits % 8) & 1)) {
        bits++;
    }
    return bits;
}

int main(int argc, char **argv) {
    char *end = "";
    long wanted = argc > 1 ? strtol(argv[1], &end, 10) : 16;
    if (*end != '\0' || wanted < 0 || wanted > BITS_MAX) {
        fprintf(stderr, "pownonce: BITS is `%s`, but must be from 0 to %d\n", argv[1], BITS_MAX);
        return 2;
    }
    struct sha256 prefix;
    uint8_t buffer[4096], hash[32];
    size_t count;
    start(&prefix);
    while ((count = fread(buffer, 1, sizeof buffer, stdin)) > 0) {
        update(&prefix, buffer, count);
    }
    for (uint64_t nonce = 0;; nonce++) {
        struct sha256 sha = prefix;
        uint8_t bytes[8];
        for (int i = 0; i < 8; i++) {
            bytes[i] = (uint8_t)(nonce >> (8 * i));
        }
        update(&sha, bytes, sizeof bytes);
        finish(&sha, hash);
        if (zero_bits(hash) >= wanted) {
            printf("nonce %llu\nhash ", (unsigned long long)nonce);
            for (int i = 0; i < 32; i++) {
                printf("%02x", hash[i]);
            }
            printf("\n");
            return 0;
        }
    }
}
