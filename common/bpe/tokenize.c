#include "common/bpe/tokenize.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/bpe/encode.h"
#include "common/bpe/label.h"
#include "common/bpe/lines.h"
#include "common/bpe/template.h"
#include "formats/config.h"
#include "formats/jsonout.h"
#include "formats/stream.h"
#include "formats/tokenizer.h"

enum { RECORD_SEQUENCES = 1024, RECORD_TOKENS = 65536, KEEPS = 32, TEXT_MAX = 4 << 20 };

struct kept { char name[128]; struct buf bytes, offsets; };

struct tokenize {
    const struct tokenize_options *o;
    struct tokenizer tokenizer;
    struct config config;
    int has_config, vocab, wide;      /* wide: ids I32, else U16 */
    size_t limit;                     /* ids of a prompt at most, special tokens included */
    struct labels labels;
    struct bpe *bpe;
    struct encoder *encoder;
    struct ids ids, whole;
    float *hot;
    /* the record being filled */
    struct buf id, cu, row, label, truncated;
    int n, labelled, any_truncated;
    size_t tokens;
    struct kept keep[KEEPS];
    int keeps;
    struct image image;
    struct stream_out *out;
    int64_t prompts, cut, skipped;
    char why[256];
};

static void
open_model(struct tokenize *z)
{
    const struct tokenize_options *o = z->o;
    char *path = mem_printf("%s/config.json", o->dir);
    tokenizer_load(&z->tokenizer, o->dir);
    z->has_config = !access(path, F_OK);
    z->vocab = z->tokenizer.vocabs;
    z->limit = SIZE_MAX;
    if (z->has_config) {
        config_load(&z->config, o->dir);
        if (z->config.vocab < z->vocab)
            die_data("'%s': vocab_size %d is less than the %d tokens of tokenizer.json", path, z->config.vocab, z->vocab);
        z->vocab = z->config.vocab;
        z->limit = (size_t)z->config.positions;
    }
    if (o->max_length && (size_t)o->max_length < z->limit)
        z->limit = (size_t)o->max_length;
    if (!o->no_special && z->limit < template_specials(&z->tokenizer, 0))
        die_usage("option --max-length: %zu leaves no room beside %zu special tokens", z->limit,
                  template_specials(&z->tokenizer, 0));
    z->wide = z->vocab > 65536;
    z->bpe = bpe_new(&z->tokenizer);
    z->encoder = encoder_new(z->bpe);
    mem_free(path);
}

static void
open_labels(struct tokenize *z)
{
    static const enum task of_problem[] = { TASK_AUTO, TASK_SINGLE, TASK_MULTI, TASK_REGRESSION };
    const struct config *c = &z->config;
    if (z->o->labels)
        labels_parse(&z->labels, z->o->labels);
    else if (z->has_config && c->label) {
        z->labels.name = mem_array((size_t)c->labels + 1, sizeof *z->labels.name);
        for (; z->labels.n < c->labels; z->labels.n++)
            z->labels.name[z->labels.n] = mem_strdup(c->label[z->labels.n]);
    }
    z->labels.task = (enum task)z->o->task;
    if (z->labels.task == TASK_AUTO && z->has_config && !z->o->labels)
        z->labels.task = c->problem != PROBLEM_AUTO ? of_problem[c->problem] : c->labels == 1 ? TASK_REGRESSION : TASK_AUTO;
    z->hot = mem_zalloc((size_t)z->labels.n + 1, sizeof *z->hot);
}

static void
open_keeps(struct tokenize *z)
{
    for (const char *p = z->o->keep; p && *p; p += *p == ',') {
        const size_t n = strcspn(p, ",");
        if (z->keeps == KEEPS || !n || n > sizeof z->keep[0].name - 8)
            die_usage("option --keep: too many, empty or too long field names in '%s'", z->o->keep);
        snprintf(z->keep[z->keeps].name, sizeof z->keep[0].name, "keep.%.*s", (int)n, p);
        for (int k = 0; k < z->keeps; k++)
            if (!strcmp(z->keep[k].name, z->keep[z->keeps].name))
                die_usage("option --keep: '%.*s' is there twice", (int)n, p);
        z->keeps++;
        p += n;
    }
}

/* The special tokens and their ids, so that a stream can be read without the model. */
static void
put_specials(struct image *head, const struct tokenizer *t)
{
    struct buf b = { 0 };
    const char *comma = "{";
    for (int i = 0; i < t->addeds; i++)
        if (t->added[i].special) {
            buf_add(&b, comma, 1);
            jsonout_string(&b, t->added[i].content.s, t->added[i].content.n);
            buf_printf(&b, ":%d", t->added[i].id);
            comma = ",";
        }
    buf_add(&b, b.n ? "}" : "{}", b.n ? 2 : 3);
    image_meta(head, "specials", b.p);
    mem_free(b.p);
}

static void
open_stream(struct tokenize *z, const char *path)
{
    struct buf options = { 0 };
    if (z->o->no_special)
        buf_printf(&options, "--no-special ");
    if (z->o->max_length)
        buf_printf(&options, "--max-length %d ", z->o->max_length);
    buf_add(&options, "", 1);
    if (options.n > 1)
        options.p[options.n - 2] = 0;
    z->out = stream_create(path, "tokens", NULL, argv0, options.p, 0);
    struct image *head = stream_header(z->out);
    image_metaf(head, "tokenizer", "%016" PRIx64, z->tokenizer.fingerprint);
    image_metaf(head, "vocab", "%d", z->vocab);
    if (z->limit != SIZE_MAX)
        image_metaf(head, "max_length", "%zu", z->limit);
    put_specials(head, &z->tokenizer);
    if (z->labels.n)
        stream_labels_set(head, z->labels.name, z->labels.n);
    mem_free(options.p);
}

/* ---- the record ------------------------------------------------------------------------ */
static void
put_labels(struct tokenize *z)
{
    if (!z->labelled)
        return;
    if (z->labels.task == TASK_MULTI)
        image_2d(&z->image, "labels", F32, z->n, z->labels.n, z->label.p);
    else
        image_1d(&z->image, "labels", z->labels.task == TASK_REGRESSION ? F32 : I32, z->n, z->label.p);
}

static void
flush(struct tokenize *z)
{
    if (!z->n)
        return;
    if (!z->prompts && z->labels.task == TASK_AUTO)
        z->labels.task = TASK_SINGLE; /* the head is about to be written: it is settled */
    if (!z->prompts)
        image_meta(stream_header(z->out), "task", task_name(z->labels.task));
    image_reset(&z->image);
    image_1d(&z->image, "input_ids", z->wide ? I32 : U16, (int64_t)z->tokens, z->id.p ? z->id.p : "");
    image_1d(&z->image, "cu_seqlens", I32, z->n + 1, z->cu.p);
    image_1d(&z->image, "row", I64, z->n, z->row.p);
    put_labels(z);
    if (z->any_truncated)
        image_1d(&z->image, "truncated", U8, z->n, z->truncated.p);
    for (int k = 0; k < z->keeps; k++) {
        struct kept *f = &z->keep[k];
        char name[160];
        snprintf(name, sizeof name, "%s.offsets", f->name);
        image_1d(&z->image, f->name, U8, (int64_t)f->bytes.n, f->bytes.p ? f->bytes.p : "");
        image_1d(&z->image, name, I32, z->n + 1, f->offsets.p);
        f->bytes.n = f->offsets.n = 0;
    }
    stream_put(z->out, &z->image, z->n, (int64_t)z->tokens);
    z->prompts += z->n;
    z->n = z->labelled = z->any_truncated = 0;
    z->tokens = z->id.n = z->cu.n = z->row.n = z->label.n = z->truncated.n = 0;
}

static void
add_label(struct tokenize *z, int given, int id, float value)
{
    if (z->labels.task == TASK_MULTI)
        buf_add(&z->label, z->hot, (size_t)z->labels.n * sizeof *z->hot);
    else if (z->labels.task == TASK_REGRESSION)
        buf_add(&z->label, &value, sizeof value);
    else {
        const int32_t class = given ? id : LABEL_NONE;
        buf_add(&z->label, &class, sizeof class);
    }
    z->labelled |= given;
}

static void
add_ids(struct tokenize *z, const struct ids *ids)
{
    if (z->wide)
        buf_add(&z->id, ids->p, ids->n * sizeof *ids->p);
    else
        for (size_t i = 0; i < ids->n; i++) {
            const uint16_t id = (uint16_t)ids->p[i];
            buf_add(&z->id, &id, sizeof id);
        }
    z->tokens += ids->n;
}

static void
add_keeps(struct tokenize *z, const struct line *line)
{
    struct json_value v;
    for (int k = 0; k < z->keeps; k++) {
        struct kept *f = &z->keep[k];
        if (line->object && json_get(line->value, f->name + 5, &v))
            json_text(v, &f->bytes);
        const int32_t end = (int32_t)f->bytes.n;
        buf_add(&f->offsets, &end, sizeof end);
    }
}

/* Starts a record when there is none: the leading zeros of offsets. */
static void
begin(struct tokenize *z)
{
    const int32_t zero = 0;
    if (z->n)
        return;
    buf_add(&z->cu, &zero, sizeof zero);
    for (int k = 0; k < z->keeps; k++)
        buf_add(&z->keep[k].offsets, &zero, sizeof zero);
}

/* One prompt.  NULL, or what is wrong with the line. */
static const char *
add(struct tokenize *z, const struct line *line)
{
    const struct tokenizer *t = &z->tokenizer;
    const size_t extra = z->o->no_special ? 0 : template_specials(t, 0);
    const size_t most = z->limit == SIZE_MAX ? SIZE_MAX : z->limit - extra;
    int given = 0, id = 0;
    float value = 0;
    const char *why;
    if (line->n > TEXT_MAX)
        return "text longer than 4 MiB";
    if (line->labelled && (why = label_read(&z->labels, line->label, &given, &id, &value, z->hot, z->why)))
        return why;
    /* only classes have a value that means "none": sets and numbers are all there or none is */
    if (z->labels.task != TASK_SINGLE && z->n && given != z->labelled)
        return given ? "a label, but the lines before have none" : "no label, but the lines before have one";
    z->ids.n = z->whole.n = 0;
    encode_text(z->encoder, line->text, line->n, most, &z->ids);
    const unsigned char cut = z->ids.n > most;
    template_add(t, !z->o->no_special, z->ids.p, cut ? most : z->ids.n, NULL, 0, &z->whole);
    if (z->n && z->tokens + z->whole.n > RECORD_TOKENS)
        flush(z);
    begin(z);
    add_ids(z, &z->whole);
    const int32_t end = (int32_t)z->tokens;
    buf_add(&z->cu, &end, sizeof end);
    buf_add(&z->row, &line->row, sizeof line->row);
    buf_add(&z->truncated, &cut, 1);
    z->any_truncated |= cut;
    z->cut += cut;
    add_label(z, given, id, value);
    add_keeps(z, line);
    if (++z->n == (z->o->flush_every ? z->o->flush_every : RECORD_SEQUENCES))
        flush(z);
    return NULL;
}

static void
close_all(struct tokenize *z)
{
    for (int k = 0; k < z->keeps; k++) {
        mem_free(z->keep[k].bytes.p);
        mem_free(z->keep[k].offsets.p);
    }
    mem_free(z->id.p);
    mem_free(z->cu.p);
    mem_free(z->row.p);
    mem_free(z->label.p);
    mem_free(z->truncated.p);
    mem_free(z->hot);
    mem_free(z->ids.p);
    mem_free(z->whole.p);
    image_free(&z->image);
    labels_free(&z->labels);
    encoder_free(z->encoder);
    bpe_free(z->bpe);
    tokenizer_free(&z->tokenizer);
    if (z->has_config)
        config_free(&z->config);
    mem_free(z);
}

void
tokenize_run(const struct tokenize_options *o, int n, char *const *files, const char *path)
{
    struct tokenize *z = mem_zalloc(1, sizeof *z);
    struct lines in;
    struct line line;
    const char *why;
    z->o = o;
    open_model(z);
    open_labels(z);
    open_keeps(z);
    image_init(&z->image);
    lines_open(&in, o, n, files);
    open_stream(z, path);
    for (int got; (got = lines_next(&in, &line, &why)) != 0;) {
        if (got > 0)
            why = add(z, &line);
        if (!why)
            continue;
        if (o->on_error == ON_ERROR_FAIL || got == -2)
            die_data("%s:%" PRId64 ": %s", lines_name(&in), in.lineno, why);
        warn("%s:%" PRId64 ": %s (skipped)", lines_name(&in), in.lineno, why);
        z->skipped++;
    }
    flush(z);
    if (z->skipped)
        warn("%" PRId64 " of %" PRId64 " lines skipped", z->skipped, in.rows);
    if (z->cut)
        warn("%" PRId64 " of %" PRId64 " prompts cut at %zu tokens", z->cut, z->prompts, z->limit);
    stream_end(z->out, in.rows);
    lines_close(&in);
    close_all(z);
}
