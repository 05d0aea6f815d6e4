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

/* The slot that holds these bytes, or the empty one where they would go. */
static uint32_t
place(const struct vocab *v, const char *s, size_t n)
{
    uint32_t i = (uint32_t)XXH3_64bits(s, n) & v->mask;

    for (; v->slot[i]; i = (i + 1) & v->mask) {
        const struct piece *p = &v->piece[v->slot[i] - 1];
        if (p->n == n && !memcmp(p->s, s, n))
            break;
    }
    return i;
}

int
vocab_find(const struct vocab *v, const char *s, size_t n)
{
    return (int)v->slot[place(v, s, n)] - 1;
}

int
vocab_add(struct vocab *v, int id)
{
    uint32_t i = place(v, v->piece[id].s, v->piece[id].n);

    if (v->slot[i])
        return 0;
    v->slot[i] = (uint32_t)id + 1;
    return 1;
}
