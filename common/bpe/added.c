/* added - a trie of the tokens, entered only where the first two bytes of one stand */
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/bpe/added.h"
#include "common/bpe/chars.h"
#include "formats/tokenizer.h"

struct edge { uint32_t key, to; }; /* key: node << 8 | byte; to: node, 0 in an empty slot */
struct added_set {
    unsigned char first[256]; /* 0: no token begins so; 1: some does; 2: one is this byte */
    unsigned char two[65536 / 8];  /* bit first << 8 | second: some token begins so */
    struct edge *edge;             /* open addressing */
    uint32_t mask, nodes;
    int literal;
    const struct added_token **at; /* by node: the token that ends there */
};

static uint32_t
edge_slot(const struct added_set *set, uint32_t key)
{
    uint32_t i = (key * 0x9E3779B1u >> 7) & set->mask;

    while (set->edge[i].to && set->edge[i].key != key)
        i = (i + 1) & set->mask;
    return i;
}

static void
insert(struct added_set *set, const struct added_entry *e)
{
    const unsigned char *s = (const unsigned char *)e->s;
    uint32_t node = 0;

    for (size_t i = 0; i < e->n; i++) {
        struct edge *edge = &set->edge[edge_slot(set, node << 8 | s[i])];
        if (!edge->to)
            *edge = (struct edge){ node << 8 | s[i], set->nodes++ };
        node = edge->to;
    }
    if (set->at[node])
        die_data("tokenizer.json: 'added_tokens': %d and %d have the same normal form",
                 set->at[node]->id, e->token->id);
    set->at[node] = e->token;
    if (e->n == 1)
        set->first[s[0]] = 2;
    else {
        if (!set->first[s[0]])
            set->first[s[0]] = 1;
        set->two[s[0] << 5 | s[1] >> 3] |= (unsigned char)(1 << (s[1] & 7));
    }
}

struct added_set *
added_new(const struct added_entry *entry, int n, int literal)
{
    struct added_set *set = mem_zalloc(1, sizeof *set);
    size_t bytes = 1, slots = 16;

    for (int i = 0; i < n; i++)
        bytes = mem_add(bytes, entry[i].n);
    while (slots < mem_mul(bytes, 2))
        slots = mem_mul(slots, 2);
    set->edge = mem_zalloc(slots, sizeof *set->edge);
    set->mask = (uint32_t)(slots - 1);
    set->at = mem_zalloc(bytes, sizeof *set->at);
    set->nodes = 1;
    set->literal = literal;
    for (int i = 0; i < n; i++)
        insert(set, &entry[i]);
    return set;
}

void
added_free(struct added_set *set)
{
    if (!set)
        return;
    mem_free(set->edge);
    mem_free(set->at);
    mem_free(set);
}

struct added_scan
added_scan(const struct added_set *set, const char *s, size_t n)
{
    return (struct added_scan){ .set = set, .s = s, .n = n, .held = { .id = -1 } };
}

int
added_begins(const struct added_set *set, const unsigned char *s, size_t n)
{
    const unsigned first = n ? set->first[s[0]] : 0;

    return first == 2 ||
           (first == 1 && n > 1 && set->two[s[0] << 5 | s[1] >> 3] >> (s[1] & 7) & 1);
}

int
added_is_literal(const struct added_set *set, const struct added_token *token)
{
    return set->literal && token->special;
}

const struct added_token *
added_longest(const struct added_set *set, const unsigned char *s, size_t n, size_t *length)
{
    const struct added_token *best = NULL;
    uint32_t node = 0;

    for (size_t i = 0; i < n; i++) {
        node = set->edge[edge_slot(set, node << 8 | s[i])].to;
        if (!node)
            break;
        if (set->at[node]) {
            best = set->at[node];
            *length = i + 1;
        }
    }
    return best;
}

static const struct added_token *
find(const struct added_set *set, const char *text, size_t n, size_t *at, size_t *length)
{
    const unsigned char *s = (const unsigned char *)text;
    const struct added_token *token;

    for (size_t i = *at; i < n; i++) {
        if (!added_begins(set, s + i, n - i))
            continue;
        if ((token = added_longest(set, s + i, n - i, length))) {
            *at = i;
            return token;
        }
    }
    return NULL;
}

static unsigned
flags_before(const char *s, size_t n, uint32_t *length)
{
    uint32_t k;

    *length = char_back(s, n);
    return char_flags(char_read(s + n - *length, &k));
}

static int
alone(const struct added_scan *scan, size_t from, size_t to)
{
    uint32_t length;

    if (from && flags_before(scan->s, from, &length) & CHAR_WORD)
        return 0;
    return to == scan->n || !(char_flags(char_read(scan->s + to, &length)) & CHAR_WORD);
}

static size_t
strip_left(const struct added_scan *scan, size_t from)
{
    uint32_t length;

    while (from > scan->start &&
           (flags_before(scan->s, from, &length) & CHAR_CLASS) == CHAR_WHITE)
        from -= length;
    return from > scan->start ? from : scan->start;
}

static size_t
strip_right(struct added_scan *scan, size_t to)
{
    uint32_t length;

    if (to < scan->white_from || to > scan->white_to) {
        scan->white_from = scan->white_to = to;
        while (scan->white_to < scan->n &&
               (char_flags(char_read(scan->s + scan->white_to, &length)) & CHAR_CLASS) ==
                   CHAR_WHITE)
            scan->white_to += length;
    }
    return scan->white_to;
}

/* The next token from the search's place on, widened; start moves behind it.  0: none. */
static int
next_token(struct added_scan *scan, struct added_part *part)
{
    const struct added_token *token;
    size_t from = scan->at, to, length = 0;

    while ((token = find(scan->set, scan->s, scan->n, &from, &length))) {
        to = scan->at = from + length;
        scan->specials += token->special;
        if (added_is_literal(scan->set, token) ||
            (token->single_word && !alone(scan, from, to))) {
            from = to;
            continue;
        }
        if (token->lstrip)
            from = strip_left(scan, from);
        if (token->rstrip)
            to = strip_right(scan, to);
        *part = (struct added_part){ from, to, token->id };
        return 1;
    }
    scan->at = scan->n;
    return 0;
}

int
added_next(struct added_scan *scan, struct added_part *part)
{
    size_t before;

    if (scan->held.id >= 0) {
        *part = scan->held;
        scan->held.id = -1;
        return 1;
    }
    while (before = scan->start, next_token(scan, part)) {
        scan->start = part->to;
        if (part->from >= part->to) /* in blanks that a token took: nothing is left */
            continue;
        if (before < part->from) { /* the text before it goes first */
            scan->held = *part;
            *part = (struct added_part){ before, part->from, -1 };
        }
        return 1;
    }
    scan->start = scan->n;
    *part = (struct added_part){ before, scan->n, -1 };
    return before < scan->n;
}
