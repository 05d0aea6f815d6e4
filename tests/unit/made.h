#ifndef UNIT_MADE_H
#define UNIT_MADE_H
/*
 * made - tokenizers made for a test, and a text through both encoders.  cmocka.h goes before.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/bpe/batch.h"
#include "common/bpe/encode.h"
#include "formats/tokenizer.h"
#include "tests/unit/folder.h"

#define NFC "{\"type\":\"NFC\"}"
/* Writes and loads a tokenizer.json of these parts. */
static inline void
load(struct tokenizer *t, const char *vocab, const char *merges, const char *added,
     const char *unk)
{
    char *path = mem_printf("%s/tokenizer.json", folder());
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fprintf(
        f,
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[%s],"
        "\"normalizer\":" NFC ",\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":%s,\"fuse_unk\":false,"
        "\"byte_fallback\":false,\"vocab\":%s,\"merges\":[%s]}}",
        added, unk, vocab, merges);
    assert_int_equal(fclose(f), 0);
    tokenizer_load(t, folder());
    unlink(path);
    mem_free(path);
}

/* An entry of added_tokens: content and flags out of "lrwns" (normalized, special). */
static inline char *
entry(const char *content, const char *flags)
{
#define FLAG(c) (strchr(flags, c) ? "true" : "false")
    return mem_printf(
        "{\"id\":0,\"content\":\"%s\",\"lstrip\":%s,\"rstrip\":%s,\"single_word\":%s,"
        "\"normalized\":%s,\"special\":%s}",
        content, FLAG('l'), FLAG('r'), FLAG('w'), FLAG('n'), FLAG('s'));
}

/* "content/flags|content/flags" as the list of entries */
static inline char *
entries(const char *list)
{
    struct buf b = {0};
    char *copy = mem_strdup(list), *save = NULL;

    for (char *one = strtok_r(copy, "|", &save); one; one = strtok_r(NULL, "|", &save)) {
        char *flags = strrchr(one, '/'), *json;
        *flags++ = 0;
        json = entry(one, flags);
        buf_printf(&b, "%s%s", b.n ? "," : "", json);
        mem_free(json);
    }
    mem_free(copy);
    buf_add(&b, "", 1);
    return b.p;
}

/* What text by text gives, texts in a batch give too, others before and behind. */
static inline void
same_in_batch(struct bpe *b, const char *s, size_t n, const struct ids *want)
{
    struct batch *t = batch_new(b);
    const struct batch_ids *r;

    batch_add(t, "h  g", 4);
    batch_add(t, s, n);
    batch_add(t, " f", 2);
    r = batch_run(t);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->end[1] - r->from[1], want->n);
    for (size_t i = 0; i < want->n; i++)
        assert_int_equal(r->id ? r->id[r->from[1] + i] : r->wide[r->from[1] + i], want->p[i]);
    batch_free(t);
}
#endif
