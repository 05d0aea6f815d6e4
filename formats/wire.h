#ifndef FORMATS_WIRE_H
#define FORMATS_WIRE_H
/*
 * wire - the reader under stream.h, which returns what stream.h dies of.  For `tens check`
 * and the tests; everybody else wants stream.h.
 */
#include "formats/source.h"
#include "formats/stream.h"

enum { WIRE_VERSION = 1 };
enum wire_step { WIRE_BAD = -1, WIRE_END, WIRE_DATA, WIRE_HEAD };

struct stream_in {
    char *const *paths;           /* operands; NULL: standard input */
    int n, next;                  /* of them, and the next to open */
    const char *kinds;
    size_t max;                   /* bytes of a record */
    struct source *source;
    char *image;                  /* of the current record, 64-byte aligned */
    size_t cap;
    struct record r, head;
    char *head_image;
    char *head_name;              /* the file the first head is from */
    enum { WIRE_START, WIRE_BODY, WIRE_ENDED } state;
    int64_t seq, records;         /* the next seq; data records since the head */
    int64_t number;               /* data records in this file */
    uint64_t prev;                /* XXH64 of the preceding record's image */
    int shard;                    /* the head has `shard`: rows are kept as they are */
    int64_t base, rows, examples, tokens;
    int warned;                   /* a record of another kind was skipped */
    int upstream;                 /* why is the message of an error record */
    char why[1024];
    void (*before_wait)(void *arg); /* stream_before_wait's, of every file */
    void *arg;
};

/* As stream_open, but nothing is read yet.  Only a file that cannot be opened or read dies. */
struct stream_in *wire_open(int n, char *const *paths, const char *kinds, size_t max_record);
/*
 * One record on: WIRE_HEAD (the first head is s->head), WIRE_DATA (s->r), WIRE_END, for
 * good, or WIRE_BAD with s->why set; after WIRE_BAD nothing more may be read.
 */
enum wire_step wire_step(struct stream_in *s);
#endif
