#include <inttypes.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/bpe/decode.h"
#include "common/bpe/tokenize.h"
#include "formats/jsonl.h"
#include "formats/jsonout.h"
#include "formats/sequences.h"
#include "formats/sink.h"
#include "formats/sniff.h"
#include "formats/stream.h"
#include "formats/tokenizer.h"

struct detokenize {
    const struct tokenize_options *o;
    struct tokenizer tokenizer;
    struct decoder *decoder;
    struct sink *out;
    struct buf text, line, ids;
    size_t unknown;
};

static void
put(struct detokenize *z, int64_t row, const uint32_t *id, size_t n)
{
    z->text.n = z->line.n = 0;
    z->unknown += decode_ids(z->decoder, id, n, z->o->skip_special, &z->text);
    buf_printf(&z->line, "{\"row\":%" PRId64 ",\"text\":", row);
    jsonout_string(&z->line, z->text.p ? z->text.p : "", z->text.n);
    buf_add(&z->line, "}\n", 2);
    sink_write(z->out, z->line.p, z->line.n);
}

static void
widen(struct detokenize *z, const struct tensor *t)
{
    const size_t n = t->bytes / dtype_size(t->type);
    z->ids.n = 0;
    uint32_t *id = buf_room(&z->ids, n * sizeof *id);
    for (size_t i = 0; i < n; i++)
        id[i] = t->type == U16 ? ((const uint16_t *)t->data)[i] : ((const uint32_t *)t->data)[i];
}

static void
from_stream(struct detokenize *z, int n, char *const *files)
{
    struct stream_in *in = stream_open(n, files, "tokens|batch", 0);
    struct sequences s = { 0 };
    const struct record *r;
    while ((r = stream_next(in))) {
        const struct tensor *t = record_tensor(r, "input_ids");
        const char *why = sequences_read(&s, r, stream_base(in));
        if (why)
            stream_bad(in, "%s", why);
        if (!t || (t->type != U16 && t->type != I32) || !s.cu)
            stream_bad(in, "no input_ids with cu_seqlens");
        widen(z, t);
        for (int64_t i = 0; i < s.n; i++)
            put(z, s.row ? s.row[i] : i, (const uint32_t *)(void *)z->ids.p + s.cu[i], (size_t)(s.cu[i + 1] - s.cu[i]));
    }
    sequences_free(&s);
    stream_close(in);
}

static void
from_line(struct detokenize *z, const struct jsonl *j, struct json_value v)
{
    struct json_value list = v, x;
    int64_t row = j->row, id;
    if (json_type(v) == JSON_OBJECT) {
        if (json_get(v, "row", &x))
            json_int(x, &row);
        if (!json_get(v, "input_ids", &list))
            jsonl_bad(j, "no field 'input_ids'");
    }
    if (json_type(list) != JSON_ARRAY)
        jsonl_bad(j, "neither a list of ids nor an object with 'input_ids'");
    z->ids.n = 0;
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &x);) {
        if (!json_int(x, &id) || id < 0 || id > UINT32_MAX)
            jsonl_bad(j, "an id is not a whole number from 0");
        const uint32_t u = (uint32_t)id;
        buf_add(&z->ids, &u, sizeof u);
    }
    put(z, row, (const uint32_t *)(void *)z->ids.p, z->ids.n / sizeof(uint32_t));
}

static void
from_lines(struct detokenize *z, const char *file)
{
    struct jsonl j;
    struct json_value v;
    const char *why;
    int got;
    jsonl_open(&j, file);
    while ((got = jsonl_next(&j, &v, &why))) {
        if (got < 0)
            jsonl_bad(&j, "%s", why);
        from_line(z, &j, v);
    }
    jsonl_close(&j);
}

void
detokenize_run(const struct tokenize_options *o, int n, char *const *files, const char *path)
{
    struct detokenize z = { .o = o };
    tokenizer_load(&z.tokenizer, o->dir);
    z.decoder = decoder_new(&z.tokenizer);
    z.out = sink_open(path);
    if (o->format == INPUT_TEXT || (n && sniff(files[0]) == CONTENT_TEXT))
        for (int i = 0; i < (n ? n : 1); i++)
            from_lines(&z, n ? files[i] : "-");
    else
        from_stream(&z, n, files);
    if (z.unknown)
        warn("%zu ids are no token's and have no text", z.unknown);
    sink_commit(z.out);
    decoder_free(z.decoder);
    tokenizer_free(&z.tokenizer);
    mem_free(z.text.p);
    mem_free(z.line.p);
    mem_free(z.ids.p);
}
