/* vocab - token bytes to ids */
#include <string.h>
#include <xxhash.h>
#include "common/base/mem.h"
#include "formats/vocab.h"

void
vocab_init(struct vocab *v, const struct piece *piece, size_t room)
{
    size_t slots = 16;

    while (slots < mem_mul(room, 2))
        slots = mem_mul(slots, 2);
    v->piece = piece;
    v->slot = mem_zalloc(slots, sizeof *v->slot);
    v->mask = (uint32_t)(slots - 1);
}

void
vocab_free(struct vocab *v)
{
    mem_free(v->slot);
    *v = (struct vocab){ 0 };
}

int
vocab_is(const struct vocab *v, int id, const char *s, size_t n)
{
    const struct piece *p = &v->piece[id];
    return p->n == n && p->s && !memcmp(p->s, s, n);
}

/*
 * The slot that holds these bytes, or the empty one where they would go.  Half of the hash
 * stands in the slot, so that other tokens' bytes are rarely looked at.
 */
static uint32_t
place(const struct vocab *v, const char *s, size_t n, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & v->mask;

    for (; v->slot[i]; i = (i + 1) & v->mask)
        if (v->slot[i] >> 32 == hash >> 32 &&
            vocab_is(v, (int)(uint32_t)v->slot[i] - 1, s, n))
            break;
    return i;
}

int
vocab_find(const struct vocab *v, const char *s, size_t n)
{
    return (int)(uint32_t)v->slot[place(v, s, n, XXH3_64bits(s, n))] - 1;
}

int
vocab_add(struct vocab *v, int id)
{
    const struct piece p = v->piece[id];
    const uint64_t hash = XXH3_64bits(p.s, p.n);
    uint32_t i = place(v, p.s, p.n, hash);

    if (v->slot[i])
        return 0;
    v->slot[i] = hash >> 32 << 32 | ((uint32_t)id + 1);
    return 1;
}
