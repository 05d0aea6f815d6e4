#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H
/*
 * source - bytes in: a file or standard input, plain or zstd, read forward only.
 *
 * The first four bytes decide: zstd frames (skippable ones ignored) are decompressed on the
 * fly, anything else passes through.  Concatenated frames are one run of bytes.  zstd
 * frames without a content checksum are refused when `strict` is set (streams; plain text
 * compressed by anyone is fine without).  Window above 2^27: refused.
 * A file that cannot be opened or read: die_sys naming it.  Damaged zstd: source_read
 * returns -1 and source_error says why (decoders above add record or line and die).
 */
#include <stddef.h>
#include <stdint.h>
struct source;
struct source *source_open(const char *path, int strict); /* "-" or NULL: standard input */
const char *source_name(const struct source *s);          /* for messages: the path, or "standard input" */
/* Reads up to n bytes; 0 at the end, -1 when the bytes are damaged or cut inside a frame. */
ptrdiff_t source_read(struct source *s, void *to, size_t n);
const char *source_error(const struct source *s);
void source_close(struct source *s);
/* fn(arg) is called before every read that would wait for its writer; NULL: nothing is. */
void source_before_wait(struct source *s, void (*fn)(void *arg), void *arg);

/*
 * Lines: text up to '\n' (a final line may lack it), '\n' removed and one '\r' before it.
 * The bytes belong to the source until the next call, and 64 readable bytes follow them
 * (what the JSON parser wants).  Returns 1, 0 at the end, -1 damaged, -2 longer than
 * max (the rest of that line is skipped by the next call).  A BOM at the start of the file
 * is skipped.  line: 1-based number of the line just returned.
 */
int source_line(struct source *s, size_t max, const char **text, size_t *n);
int64_t source_lineno(const struct source *s);
#endif
