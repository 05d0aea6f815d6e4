/* tokenizer - reading and checking tokenizer.json by the reference's rules */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/tokenparse.h"

enum { MAX_FILE = 64 << 20, JSON_PADDING = 64 };

struct memory {
    struct json *json; /* the pieces point into its strings */
    char *text;        /* while it is read */
    size_t text_room;
};

/*
 * Dies if the text is no JSON.  Large values are read without the rest's strictness about
 * equal keys, and what they hold is judged before their end is seen: so a refusal of what a
 * field says comes after this one.
 */
static void
check_syntax(const struct load *l)
{
    struct json_value root;
    const char *why = json_parse_padded(l->json, l->text, l->n, &root);

    if (why)
        die_data("%s: byte %td: %s", l->path, json_where(l->json), why);
}

void
tokenparse_bad(const struct load *l, const char *field, const char *fmt, ...)
{
    char why[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    check_syntax(l);
    die_data("%s: '%s': %s", l->path, field, why);
}

/*
 * Maps the file over pages of zeros, of which JSON_PADDING bytes at least follow it, and
 * returns its length.  It is not read: to copy 2 MB to fresh pages takes as long as to
 * parse what they hold.
 */
static size_t
map_file(const char *path, struct memory *m)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t n;

    if (fd < 0 || fstat(fd, &st))
        die_sys("cannot open '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE) {
        errno = 0;
        die_data("%s: not a file of at most %d MiB", path, MAX_FILE >> 20);
    }
    n = (size_t)st.st_size;
    m->text = mmap(NULL, n + JSON_PADDING, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->text == MAP_FAILED ||
        (n && mmap(m->text, n, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, 0) ==
                  MAP_FAILED))
        die_sys("cannot read '%s'", path);
    m->text_room = n + JSON_PADDING;
    close(fd);
    return n;
}

static void
unmap_file(struct memory *m)
{
    if (m->text_room)
        munmap(m->text, m->text_room);
    m->text_room = 0;
}

/* Nearly all vocabularies have the ids 0..n-1; one with larger ones gets room for any. */
void
tokenparse_reach(struct load *l, int id)
{
    struct piece *wide;

    if ((size_t)id < l->room)
        return;
    wide = mem_zalloc(MAX_IDS, sizeof *wide);
    memcpy(wide, l->t->vocab, l->room * sizeof *wide);
    mem_free(l->t->vocab);
    l->index.piece = l->t->vocab = wide;
    l->room = MAX_IDS;
}

/* object[key], or 0 when it is absent or null */
int
tokenparse_present(struct json_value object, const char *key, struct json_value *v)
{
    return json_get(object, key, v) && json_type(*v) != JSON_NULL;
}

int
tokenparse_is(struct json_value v, const char *text)
{
    const char *s;
    size_t n;
    return json_string(v, &s, &n) && n == strlen(text) && !memcmp(s, text, n);
}

/* Dies unless object.key is the string text; field names it. */
void
tokenparse_need(const struct load *l, struct json_value object, const char *key,
                const char *text, const char *field)
{
    struct json_value v;
    const char *s;
    size_t n;

    if (json_type(object) != JSON_OBJECT || !json_get(object, key, &v))
        tokenparse_bad(l, field, "missing; only '%s' is supported", text);
    if (tokenparse_is(v, text))
        return;
    if (json_string(v, &s, &n))
        tokenparse_bad(l, field, "'%.*s' is not supported", (int)(n < 64 ? n : 64), s);
    tokenparse_bad(l, field, "only '%s' is supported", text);
}

/* Dies unless object.key is the boolean want; absent, it is `missing`. */
void
tokenparse_flag(const struct load *l, struct json_value object, const char *key, int want,
                int missing, const char *field)
{
    struct json_value v;
    int is = missing;

    if (json_get(object, key, &v) && !json_bool(v, &is))
        tokenparse_bad(l, field, "not true or false");
    if (is != want)
        tokenparse_bad(l, field, "only %s is supported", want ? "true" : "false");
}

static void
read_normalizer(const struct load *l, struct json_value root)
{
    struct json_value v, list, one;
    struct json_iter it;
    const char *key;
    size_t n;

    if (!tokenparse_present(root, "normalizer", &v))
        return;
    if (json_get(v, "type", &one) && tokenparse_is(one, "Sequence")) {
        if (!json_get(v, "normalizers", &list) || json_size(list) != 1)
            tokenparse_bad(l, "normalizer.normalizers",
                           "only a sequence of one NFC is supported");
        it = json_iter(list);
        json_next(&it, &key, &n, &v);
    }
    tokenparse_need(l, v, "type", "NFC", "normalizer.type");
    l->t->nfc = 1;
}

/* A second pattern is one more row here and one more scanner in common/bpe/pretok.c. */
static void
byte_level(const struct load *l, struct json_value v)
{
    tokenparse_flag(l, v, "add_prefix_space", 0, 1, "pre_tokenizer.add_prefix_space");
    tokenparse_flag(l, v, "use_regex", 1, 1, "pre_tokenizer.use_regex");
}

static void
read_pre_tokenizer(const struct load *l, struct json_value root)
{
    static const struct {
        const char *type;
        void (*check)(const struct load *l, struct json_value v);
        enum pattern pattern;
    } known[] = { { "ByteLevel", byte_level, PATTERN_GPT2 } };
    struct json_value v, type;

    if (!tokenparse_present(root, "pre_tokenizer", &v) || !json_get(v, "type", &type))
        tokenparse_bad(l, "pre_tokenizer", "missing; only 'ByteLevel' is supported");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (tokenparse_is(type, known[i].type)) {
            known[i].check(l, v);
            l->t->pattern = known[i].pattern;
            return;
        }
    tokenparse_need(l, v, "type", "ByteLevel", "pre_tokenizer.type");
}

/* What is hashed is gathered first: a call of the hash for every token costs more. */
struct gather { XXH64_state_t *h; size_t n; char at[16384]; };

static void
gather_flush(struct gather *g)
{
    XXH64_update(g->h, g->at, g->n);
    g->n = 0;
}

static void
gather_piece(struct gather *g, struct piece p)
{
    if (g->n + sizeof p.n + p.n + VOCAB_PAD > sizeof g->at)
        gather_flush(g);
    memcpy(g->at + g->n, &p.n, sizeof p.n);
    g->n += sizeof p.n;
    if (p.n && p.n <= VOCAB_PAD)
        memcpy(g->at + g->n, p.s, VOCAB_PAD);
    else if (p.n)
        memcpy(g->at + g->n, p.s, p.n);
    g->n += p.n;
}

/* Everything that tells two tokenizers apart, but no position in the file. */
static uint64_t
fingerprint(const struct tokenizer *t)
{
    XXH64_state_t *h = XXH64_createState();
    const int head[] = { t->vocabs, t->merges, t->addeds, t->nfc, (int)t->pattern, t->unk };
    struct gather g;
    uint64_t sum;

    if (!h)
        die_sys("out of memory");
    g.h = h;
    g.n = 0;
    XXH64_reset(h, 0);
    XXH64_update(h, head, sizeof head);
    for (int i = 0; i < t->vocabs; i++)
        gather_piece(&g, t->vocab[i]);
    gather_flush(&g);
    XXH64_update(h, t->merge, (size_t)t->merges * sizeof *t->merge);
    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        const int flags[] = { a->id,     a->special, a->normalized,
                              a->lstrip, a->rstrip,  a->single_word };
        XXH64_update(h, flags, sizeof flags);
    }
    XXH64_update(h, &t->singles, sizeof t->singles);
    XXH64_update(h, t->single, (size_t)t->singles * sizeof *t->single);
    XXH64_update(h, t->pair, (size_t)t->pairs * sizeof *t->pair);
    sum = XXH64_digest(h);
    XXH64_freeState(h);
    return sum;
}

void
tokenizer_load(struct tokenizer *t, const char *dir)
{
    char *path = mem_printf("%s/tokenizer.json", dir);
    struct load l = { .t = t, .path = path };
    struct memory *m = mem_zalloc(1, sizeof *m);
    static const char *const large[] = { [LARGE_VOCAB] = "vocab",
                                         [LARGE_MERGES] = "merges" };
    struct json_value root, v;
    const char *why;

    *t = (struct tokenizer){ .memory = m };
    l.json = m->json = json_new();
    l.n = map_file(path, m);
    l.text = m->text;
    if ((why = json_parse_around(m->json, l.text, l.n, "model", large, &root)))
        die_data("%s: byte %td: %s", path, json_where(m->json), why);
    if (json_type(root) != JSON_OBJECT)
        die_data("%s: not a JSON object", path);
    if (json_get(root, "version", &v))
        tokenparse_need(&l, root, "version", "1.0", "version");
    if (json_get(root, "added_tokens", &v))
        l.additions = json_size(v);
    read_normalizer(&l, root);
    read_pre_tokenizer(&l, root);
    tokenparse_model(&l, root);
    tokenparse_added(&l, root);
    tokenparse_template(&l, root);
    tokenparse_decoder(&l, root);
    t->fingerprint = fingerprint(t);
    vocab_free(&l.index);
    unmap_file(m);
    mem_free(path);
}

void
tokenizer_free(struct tokenizer *t)
{
    struct memory *m = t->memory;

    if (m) {
        json_free(m->json);
        unmap_file(m);
        mem_free(m);
    }
    mem_free(t->vocab);
    mem_free(t->merge);
    mem_free(t->added);
    *t = (struct tokenizer){ 0 };
}
