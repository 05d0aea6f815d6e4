#ifndef BPE_CACHE_H
#define BPE_CACHE_H
/*
 * cache - the ids of pieces met before: up to 15 bytes and 4 ids an entry, 4 MiB in all,
 * direct-mapped (a newer piece takes the place of an older one).  It never changes the ids.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "common/base/words.h"
enum { CACHE_BYTES = 15, CACHE_IDS = 4, CACHE_BITS = 17 };
struct cache_entry {
    struct words key;
    uint32_t id[CACHE_IDS]; /* id[0] carries the count << 24 */
};

/* The key of s[0..n), 0 < n <= CACHE_BYTES, of which `readable` bytes may be read. */
static inline struct words
cache_key(const char *s, size_t n, size_t readable)
{
    struct words k = {0, 0};

    if (readable >= sizeof k)
        k = words_of(s, n);
    else
        memcpy(&k, s, n);
    k.high |= (uint64_t)n << 56;
    return k;
}

static inline struct cache_entry *
cache_at(struct cache_entry *cache, struct words k)
{
    uint64_t h = (k.low * 0x9E3779B97F4A7C15u) ^ (k.high * 0xC2B2AE3D27D4EB4Fu);
    h ^= h >> 32;
    return &cache[h * 0x9E3779B97F4A7C15u >> (64 - CACHE_BITS)];
}

static inline int
cache_holds(const struct cache_entry *e, struct words k)
{
    return !((e->key.low ^ k.low) | (e->key.high ^ k.high));
}
#endif
