#ifndef BPE_CHUNK_H
#define BPE_CHUNK_H
/*
 * chunk - the lines of several files, some hundred at a time.
 *
 * Where a chunk ends depends on the bytes alone, never on how they arrive, unless `eager`:
 * then one read that holds the end of a line is a chunk, for pipes that are read live.
 * A byte order mark at the start of a file is dropped.
 */
#include <stddef.h>
#include <stdint.h>
enum { CHUNK_BYTES = 256 << 10, CHUNK_LINE = 16 << 20, CHUNK_PAD = 64 };
enum chunk_kind {
    CHUNK_LINES,
    CHUNK_LONG,    /* one line over CHUNK_LINE bytes, dropped */
    CHUNK_DAMAGED, /* the file goes no further: why says what is wrong with it */
    CHUNK_ABSENT   /* the file cannot be opened */
};
struct chunk {
    enum chunk_kind kind;
    const char *name;    /* of the file */
    char why[160];
    int64_t lineno, row; /* of the first line: in its file from 1, of all from 0 */
    char *p;             /* n bytes, CHUNK_PAD more readable; lines end in the delimiter, the */
    size_t n, cap;       /* last of a file perhaps in none */
};
struct chunks;
struct chunks *chunks_open(int n, char *const *files, char delimiter, int eager);
int chunks_next(struct chunks *c, struct chunk *k); /* 0: no more */
int64_t chunks_rows(const struct chunks *c);        /* lines so far */
void chunks_close(struct chunks *c);
void chunk_free(struct chunk *k);
#endif
