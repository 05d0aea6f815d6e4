/* tokenizer - reading and checking tokenizer.json by the reference's rules */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/tokenparse.h"

enum { MAX_FILE = 64 << 20, JSON_PADDING = 64 };

struct memory {
    struct json *json; /* the pieces point into its strings */
    char *text;
};

void
tokenparse_bad(const struct load *l, const char *field, const char *fmt, ...)
{
    char why[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    die_data("%s: '%s': %s", l->path, field, why);
}

static char *
read_file(const char *path, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t got = 1;
    char *text;

    if (fd < 0 || fstat(fd, &st))
        die_sys("cannot open '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE) {
        errno = 0;
        die_data("%s: not a file of at most %d MiB", path, MAX_FILE >> 20);
    }
    text = mem_zalloc((size_t)st.st_size + JSON_PADDING, 1);
    for (*n = 0; *n < (size_t)st.st_size && got > 0; *n += (size_t)got)
        if ((got = read(fd, text + *n, (size_t)st.st_size - *n)) < 0)
            die_sys("cannot read '%s'", path);
    close(fd);
    return text;
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

/* Everything that tells two tokenizers apart, but no position in the file. */
static uint64_t
fingerprint(const struct tokenizer *t)
{
    XXH64_state_t *h = XXH64_createState();
    const int head[] = { t->vocabs, t->merges, t->addeds, t->nfc, (int)t->pattern, t->unk };
    uint64_t sum;

    if (!h)
        die_sys("out of memory");
    XXH64_reset(h, 0);
    XXH64_update(h, head, sizeof head);
    for (int i = 0; i < t->vocabs; i++) {
        XXH64_update(h, &t->vocab[i].n, sizeof t->vocab[i].n);
        XXH64_update(h, t->vocab[i].s ? t->vocab[i].s : "", t->vocab[i].n);
    }
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
    struct json_value root, v;
    const char *why;
    size_t n;

    *t = (struct tokenizer){ .memory = m };
    m->json = json_new();
    m->text = read_file(path, &n);
    if ((why = json_parse_padded(m->json, m->text, n, &root)))
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
    mem_free(m->text);
    m->text = NULL;
    vocab_free(&l.index);
    mem_free(path);
}

void
tokenizer_free(struct tokenizer *t)
{
    struct memory *m = t->memory;

    if (m) {
        json_free(m->json);
        mem_free(m->text);
        mem_free(m);
    }
    mem_free(t->vocab);
    mem_free(t->merge);
    mem_free(t->added);
    *t = (struct tokenizer){ 0 };
}
