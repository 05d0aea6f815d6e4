/*
 * tokenizer - any bytes as a tokenizer.json.
 *
 * It is refused by die_data with a message that names the file, or loaded: then every id in
 * it is a token's, merges join their halves, the templates hold what they must, a second
 * load has the same fingerprint; and it encodes (in a batch too) and decodes texts, some
 * made of its own tokens, as naive.h does.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/bpe/batch.h"
#include "common/bpe/decode.h"
#include "common/bpe/encode.h"
#include "common/bpe/template.h"
#include "formats/bytechar.h"
#include "formats/tokenizer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

enum { MAX_IDS = 1 << 20, MAX_TOKEN = 4096, SOME = 48 };

struct place { char *dir, *file; };

static const struct place *
place(void);

static void
leave(void)
{
    unlink(place()->file);
    rmdir(place()->dir);
}

/* A directory of this process, in $TMPDIR or in memory where the system has that. */
static const struct place *
place(void)
{
    static struct place p;
    const char *tmp = getenv("TMPDIR");

    if (p.dir)
        return &p;
    if (!tmp)
        tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    p.dir = mem_printf("%s/mbert-fuzz.XXXXXX", tmp);
    FUZZ_WANT(mkdtemp(p.dir));
    p.file = mem_printf("%s/tokenizer.json", p.dir);
    atexit(leave);
    return &p;
}

static int
is(const struct tokenizer *t, int id)
{
    return id >= 0 && id < t->vocabs && t->vocab[id].s;
}

static int
equal(struct piece a, struct piece b)
{
    return a.n == b.n && !memcmp(a.s, b.s, a.n);
}

static void
check_vocab(const struct tokenizer *t)
{
    FUZZ_WANT(t->vocabs > 0 && t->vocabs <= MAX_IDS);
    for (int i = 0; i < t->vocabs; i++)
        FUZZ_WANT(t->vocab[i].n <= MAX_TOKEN);
    for (int i = 0; i < t->vocabs && i < SOME; i++)
        for (int k = 0; k < i; k++)
            FUZZ_WANT(!is(t, i) || !is(t, k) || !equal(t->vocab[i], t->vocab[k]));
    for (int b = 0; b < 256; b++) {
        const uint32_t c = bytechar_of((unsigned char)b);
        const char text[2] = { (char)(c < 0x80 ? c : 0xC0 | c >> 6),
                               (char)(0x80 | (c & 63)) };
        const struct piece want = { text, c < 0x80 ? 1 : 2 };
        const int id = t->byte[b];
        FUZZ_WANT(id == -1 || (is(t, id) && equal(t->vocab[id], want)));
    }
    FUZZ_WANT(t->unk == -1 || is(t, t->unk));
}

static void
check_merges(const struct tokenizer *t)
{
    FUZZ_WANT(t->merges >= 0 && t->merges <= MAX_IDS);
    for (int i = 0; i < t->merges; i++) {
        FUZZ_WANT(is(t, t->merge[i].left) && is(t, t->merge[i].right));
        FUZZ_WANT(is(t, t->merge[i].result));
        const struct piece l = t->vocab[t->merge[i].left];
        const struct piece r = t->vocab[t->merge[i].right];
        const struct piece p = t->vocab[t->merge[i].result];
        FUZZ_WANT(p.n == l.n + r.n && !memcmp(p.s, l.s, l.n));
        FUZZ_WANT(!memcmp(p.s + l.n, r.s, r.n));
    }
}

static void
check_added(const struct tokenizer *t)
{
    FUZZ_WANT(t->addeds >= 0 && t->addeds <= t->vocabs);
    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        FUZZ_WANT(is(t, a->id) && equal(a->content, t->vocab[a->id]) && a->content.n);
        FUZZ_WANT(a->shows_normal >= a->normalized);
        FUZZ_WANT((a->special | a->normalized | a->lstrip | a->rstrip | a->single_word |
                   a->shows_normal) <= 1);
        for (int k = 0; k < i && k < SOME; k++)
            FUZZ_WANT(t->added[k].id != a->id);
    }
}

static void
check_template(const struct tokenizer *t, const struct template_part *part, int n, int b)
{
    int count[3] = { 0, 0, 0 };

    FUZZ_WANT(n >= 1 && n <= TOKENIZER_PARTS);
    for (int i = 0; i < n; i++) {
        FUZZ_WANT(part[i].kind >= 0 && part[i].kind <= 2);
        FUZZ_WANT(part[i].kind < 2 || (part[i].id >= 0 && part[i].id < t->vocabs));
        count[part[i].kind]++;
    }
    FUZZ_WANT(count[0] == 1 && count[1] == b);
    FUZZ_WANT(template_specials(t, b) == (size_t)count[2]);
}

struct uses {
    const struct tokenizer *t;
    struct bpe *bpe;
    struct encoder *encoder;
    struct batch *batch;
    struct decoder *decoder;
    struct naive *naive;
};

static void
use(const struct uses *u, const char *s, size_t n)
{
    struct ids ids = { 0 }, naive = { 0 }, full = { 0 };
    struct buf got = { 0 }, want = { 0 };

    encode_text(u->encoder, s, n, SIZE_MAX, &ids);
    naive_encode(u->naive, s, n, &naive);
    FUZZ_WANT(ids.n == naive.n);
    for (size_t i = 0; i < ids.n; i++)
        FUZZ_WANT(ids.p[i] == naive.p[i] && is(u->t, ids.p[i]));
    batch_add(u->batch, "a b", 3);
    batch_add(u->batch, s, n);
    const struct batch_ids *r = batch_run(u->batch);
    FUZZ_WANT(r->n == 2 && r->end[1] - r->from[1] == ids.n);
    for (size_t i = 0, k = r->from[1]; i < ids.n; i++, k++)
        FUZZ_WANT((r->id ? r->id[k] : r->wide[k]) == ids.p[i]);
    FUZZ_WANT(!decode_ids(u->decoder, (const uint32_t *)ids.p, ids.n, 0, &got));
    naive_decode(u->naive, ids.p, ids.n, &want);
    FUZZ_WANT(got.n == want.n && (!got.n || !memcmp(got.p, want.p, got.n)));
    ids_room(&naive, 1); /* b without ids is not b missing */
    template_add(u->t, 1, ids.p, ids.n, naive.p, naive.n, &full);
    FUZZ_WANT(full.n == 2 * ids.n + template_specials(u->t, 1));
    mem_free(ids.p);
    mem_free(naive.p);
    mem_free(full.p);
    mem_free(got.p);
    mem_free(want.p);
}

/* A text of the tokenizer's own: added tokens among blanks, then its first tokens. */
static void
use_own(const struct uses *u)
{
    static const char *const blank[] = { "", " ", "x", " \n", "  ", "\xC3\xA9", "'s " };
    struct buf text = { 0 };
    uint32_t id;
    int blanks = 0;

    for (int i = 0; i < u->t->addeds && i < SOME; i++) {
        const struct piece p = u->t->added[i].content;
        for (int k = 0; k < 2; k++) {
            buf_add(&text, p.s, p.n);
            buf_printf(&text, "%s", blank[blanks++ % 7]);
        }
    }
    use(u, text.p ? text.p : "", text.n);
    text.n = 0;
    for (id = 0; id < (uint32_t)u->t->vocabs && id < SOME; id++)
        decode_ids(u->decoder, &id, 1, 0, &text);
    use(u, text.p ? text.p : "", text.n);
    mem_free(text.p);
}

static void
use_all(const struct uses *u)
{
    static const char *const text[] = {
        "", "a", "abcabcaabbccababcabccba", " a  b\tc\n\n d ", "it's 42 \xC2\xBD",
        "e\xCC\x81 \xE2\x84\xAB \xF0\x9F\x98\x80",
        "ababcabcabababccbabcabcabcbabcbabcbabcbacbabcbabababababcccccaaaaabbbbb",
        "    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  bbbb",
        "a   x     ab      b       \xC2\xA0| |\t\t\n x",
    };

    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        use(u, text[i], strlen(text[i]));
    use(u, "a\0b", 3);
    use_own(u);
}

static void
load(void *t)
{
    tokenizer_load(t, place()->dir);
}

static void
tables(void *arg)
{
    static const char *const cpu[] = { "generic", "avx2", "avx512" };
    struct uses *u = arg;

    setenv("MBERT_CPU", cpu[u->t->fingerprint % 3], 1); /* any, and the same every time */
    u->bpe = bpe_new(u->t);
}

static void
check(const struct tokenizer *t)
{
    struct tokenizer again;
    struct uses u = { .t = t };
    const char *why;

    check_vocab(t);
    check_merges(t);
    check_added(t);
    check_template(t, t->single, t->singles, 0);
    check_template(t, t->pair, t->pairs, 1);
    FUZZ_WANT(!fuzz_refused(load, &again, &why));
    FUZZ_WANT(again.fingerprint == t->fingerprint);
    tokenizer_free(&again);
    if (fuzz_refused(tables, &u, &why)) { /* added tokens of one normal form */
        FUZZ_WANT(strstr(why, "added_tokens"));
        fuzz_forget();
        return;
    }
    u.encoder = encoder_new(u.bpe);
    u.batch = batch_new(u.bpe);
    u.decoder = decoder_new(t);
    u.naive = naive_new(t, 0);
    use_all(&u);
    naive_free(u.naive);
    decoder_free(u.decoder);
    encoder_free(u.encoder);
    batch_free(u.batch);
    bpe_free(u.bpe);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const int fd = open(place()->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct tokenizer t = { 0 };
    const char *why;

    FUZZ_WANT(fd >= 0 && write(fd, data, n) == (ssize_t)n && !close(fd));
    if (!fuzz_refused(load, &t, &why)) {
        check(&t);
        tokenizer_free(&t);
        return 0;
    }
    FUZZ_WANT(!strncmp(why, place()->file, strlen(place()->file)));
    tokenizer_free(&t);
    fuzz_forget();
    return 0;
}
