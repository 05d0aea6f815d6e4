/* template - truncation and special tokens */
#include <string.h>
#include "common/bpe/template.h"
#include "formats/tokenizer.h"

const struct template_part *
template_parts(const struct tokenizer *t, int pair, int *n)
{
    *n = pair ? t->pairs : t->singles;
    return pair ? t->pair : t->single;
}

size_t
template_specials(const struct tokenizer *t, int pair)
{
    int n;
    const struct template_part *part = template_parts(t, pair, &n);
    size_t specials = 0;

    for (int i = 0; i < n; i++)
        specials += part[i].kind == 2;
    return specials;
}

/* Lengths *a <= *b to most in all. */
static void
longest_first(size_t most, size_t *a, size_t *b)
{
    if (*a > most)
        *b = *a;
    else
        *b = most - *a > *a ? most - *a : *a;
    if (*a + *b > most) {
        *a = most / 2;
        *b = *a + most % 2;
    }
}

int
template_truncate(enum truncation how, size_t most, size_t *a, size_t *b)
{
    const size_t total = *a + (b ? *b : 0);
    size_t *cut = how == TRUNCATE_ONLY_FIRST || !b ? a : b;

    if (total <= most)
        return 1;
    if (how == TRUNCATE_LONGEST_FIRST && b) {
        if (*a > *b)
            longest_first(most, b, a);
        else
            longest_first(most, a, b);
        return 1;
    }
    if (how != TRUNCATE_LONGEST_FIRST && *cut <= total - most)
        return 0;
    *cut -= total - most;
    return 1;
}

void
template_add(const struct tokenizer *t, int special, const int *a, size_t na, const int *b,
             size_t nb, struct ids *out)
{
    int n;
    const struct template_part *part = template_parts(t, b != NULL, &n);
    int *to = ids_room(out, na + nb + TOKENIZER_PARTS);

    for (int i = 0; i < n; i++) {
        const int *from = part[i].kind == 0 ? a : part[i].kind == 1 ? b : &part[i].id;
        const size_t counts[] = { na, nb, special ? 1 : 0 };
        const size_t count = counts[part[i].kind];
        if (count)
            memcpy(to, from, count * sizeof *to);
        to += count;
    }
    out->n = (size_t)(to - out->p);
}
