#ifndef FORMATS_STREAM_H
#define FORMATS_STREAM_H
/*
 * stream - records in, records out: the wire format of every pipe in the suite.
 * Layout, rules and reasons: mbert-stream(5).
 *
 *     struct stream_in *in = stream_open(n, paths, "tokens", &limits);
 *     const struct record *head = stream_head(in);
 *     struct stream_out *out = stream_create(path, "batch", head, "pack-batch", "--tokens 8192", 1);
 *     image_meta(stream_header(out), ...);          // before the first stream_put
 *     while ((r = stream_next(in))) { image_reset(&b); image_2d(&b, ...); stream_put(out, &b, rows, tokens); }
 *     stream_end(out, stream_rows(in));
 *     stream_close(in);
 *
 * Everything wrong with the bytes is die_data naming file and record; the writer's hook then
 * writes an `error` record downstream (never an `end`).
 */
#include <stddef.h>
#include <stdint.h>
#include "formats/record.h"

enum { STREAM_MAX_RECORD = 256 << 20 };
struct stream_in;
struct stream_out;

/*
 * Reader.  paths: n operands read one after the other (n == 0: standard input; "-" too); the
 * heads must agree in kind, fingerprints, labels and dtype, and rows number on, unless the
 * head has `shard`.  kinds: what the caller can use, e.g. "pooled|logits", or NULL for any;
 * another kind is die_data naming both.  max_record 0: the default.  Reads the first head.
 */
struct stream_in *stream_open(int n, char *const *paths, const char *kinds, size_t max_record);
const struct record *stream_head(const struct stream_in *s);
const char *stream_kind(const struct stream_in *s);
const char *stream_name(const struct stream_in *s);      /* the file being read, for messages */
/* The next data record, owned by the stream until the next call; NULL at the end. */
const struct record *stream_next(struct stream_in *s);
int64_t stream_record(const struct stream_in *s);        /* its number (1 = first data record) in the file */
int64_t stream_base(const struct stream_in *s);          /* what to add to its `row` tensor (concatenation) */
int64_t stream_rows(const struct stream_in *s);          /* input lines consumed upstream, known after the end */
int64_t stream_examples(const struct stream_in *s);      /* sums over the ends seen so far */
int64_t stream_tokens(const struct stream_in *s);
void stream_close(struct stream_in *s);
/* fn(arg) is called before every read that would wait for the writer upstream: what is held
 * back is written then. */
void stream_before_wait(struct stream_in *s, void (*fn)(void *arg), void *arg);
/* die_data("'FILE', record N: MESSAGE") for callers that find a record unusable. */
_Noreturn void stream_bad(const struct stream_in *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* record_need on the current record, or stream_bad. */
const struct tensor *stream_need(const struct stream_in *s, const struct record *r, const char *name,
                                 enum dtype type, int rank, int64_t d0, int64_t d1);

/*
 * Writer.  path NULL or "-": standard output; a terminal is refused (die_usage, hint: tens).
 * from: the head to inherit (every metadata key but stz, kind, seq, shard), or NULL.
 * tool and options extend the provenance chain.  level: 0 = the default for floats or
 * integers (MBERT_LEVEL overrides), else a zstd level -7..9.
 */
struct stream_out *stream_create(const char *path, const char *kind, const struct record *from,
                                 const char *tool, const char *options, int level);
struct image *stream_header(struct stream_out *s);       /* head metadata, until the first put or end */
/* Adds stz, kind, seq, prev to b, writes it as one frame and flushes.  examples, tokens: for the totals. */
void stream_put(struct stream_out *s, struct image *b, int64_t examples, int64_t tokens);
/*
 * The same in three steps, for several threads: records are staged and written one at a time,
 * in one order; in between each may be compressed at the same time as others.  The first
 * stage writes the head.
 *     struct frame f = {0};                          // one for each record under way
 *     stream_stage(out, &b, rows, tokens, &f);       // in turn
 *     stream_compress(out, &b, &f);                  // at any time
 *     stream_write(out, &f);                         // in turn
 */
struct frame { char *p; size_t n, cap; void *zstd; uint64_t hash; };
void stream_stage(struct stream_out *s, struct image *b, int64_t examples, int64_t tokens,
                  struct frame *f);
void stream_compress(const struct stream_out *s, struct image *b, struct frame *f);
void stream_write(struct stream_out *s, const struct frame *f);
void frame_free(struct frame *f);
void stream_end(struct stream_out *s, int64_t rows);     /* the end record, then commit */

/* head `labels` (a JSON list) as names: fresh array of n fresh strings; NULL and n = 0 when absent. */
char **stream_labels(const struct record *head, int *n);
void stream_labels_set(struct image *head, char *const *names, int n);
void strings_free(char **names, int n);
#endif
