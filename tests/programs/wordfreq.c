/* Word frequency: reads a text on stdin and writes each word with how often it occurs, most frequent
 * first, words of equal count in alphabetical order.
 *
 * A word is a run of ASCII letters, digits, apostrophes between them, and bytes of UTF-8 beyond
 * ASCII; ASCII letters are counted in lower case.
 *
 * Usage: wordfreq [HOW_MANY]   (all words if absent) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words are cut at this many bytes, so that any input has an output of bounded lines. */
#define WORD_BYTES_MAX 64
#define TABLE_SLOTS_MIN 1024

struct entry {
    char *word;
    uint32_t length;
    uint32_t hash;
    uint64_t count;
};

static struct entry *table;
static size_t slots;
static size_t used;

static void fail(const char *reason) {
    fprintf(stderr, "wordfreq: %s\n", reason);
    exit(1);
}

static uint32_t fnv1a(const char *bytes, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    }
    return hash;
}

/* The slot that holds the word, or the empty one where it belongs. */
static struct entry *find(struct entry *in, size_t size, const char *word, size_t length,
                          uint32_t hash) {
    size_t slot = hash & (size - 1);
    while (in[slot].word != NULL &&
           (in[slot].hash != hash || in[slot].length != length ||
            memcmp(in[slot].word, word, length) != 0)) {
        slot = (slot + 1) & (size - 1);
    }
    return &in[slot];
}

static void grow(void) {
    size_t larger = slots == 0 ? TABLE_SLOTS_MIN : slots * 2;
    struct entry *fresh = calloc(larger, sizeof *fresh);
    if (fresh == NULL) {
        fail("out of memory");
    }
    for (size_t i = 0; i < slots; i++) {
        if (table[i].word != NULL) {
            *find(fresh, larger, table[i].word, table[i].length, table[i].hash) = table[i];
        }
    }
    free(table);
    table = fresh;
    slots = larger;
}

static void count(const char *word, size_t length) {
    if (used * 2 >= slots) {
        grow();
    }
    uint32_t hash = fnv1a(word, length);
    struct entry *entry = find(table, slots, word, length, hash);
    if (entry->word == NULL) {
        entry->word = malloc(length);
        if (entry->word == NULL) {
            fail("out of memory");
        }
        memcpy(entry->word, word, length);
        entry->length = (uint32_t)length;
        entry->hash = hash;
        used++;
    }
    entry->count++;
}

static int by_count(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->word, b->word, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int is_word_byte(int byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

int main(int argc, char **argv) {
    unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    char word[WORD_BYTES_MAX];
    size_t length = 0;
    int byte;
    do {
        byte = getchar();
        if (byte >= 'A' && byte <= 'Z') {
            byte += 'a' - 'A';
        }
        if (is_word_byte(byte) || (byte == '\'' && length > 0)) {
            if (length < sizeof word) {
                word[length++] = (char)byte;
            }
            continue;
        }
        while (length > 0 && word[length - 1] == '\'') {
            length--;
        }
        if (length > 0) {
            count(word, length);
            length = 0;
        }
    } while (byte != EOF);

    size_t words = 0;
    for (size_t i = 0; i < slots; i++) {
        if (table[i].word != NULL) {
            table[words++] = table[i];
        }
    }
    if (words > 0) {
        qsort(table, words, sizeof *table, by_count);
    }
    if (wanted > 0 && wanted < words) {
        words = wanted;
    }
    for (size_t i = 0; i < words; i++) {
        printf("%llu %.*s\n", (unsigned long long)table[i].count, (int)table[i].length,
               table[i].word);
    }
    return 0;
}
