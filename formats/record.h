#ifndef FORMATS_RECORD_H
#define FORMATS_RECORD_H
/*
 * record - one safetensors image: u64 little-endian header length, JSON header, data.
 * The same codec reads records on pipes and .safetensors files.  mbert-stream(5).
 *
 * Decoding is pure: bytes in, NULL or a message out; nothing of the image is copied.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
#include "common/base/mem.h"

enum { TENSOR_RANK = 8, TENSOR_MAX = 65536, RECORD_MAX_HEADER = 16 << 20 };
struct tensor {
    const char *name;   /* NUL-terminated; names with NUL are refused */
    enum dtype type;
    int rank;           /* 0..TENSOR_RANK */
    int64_t shape[TENSOR_RANK];
    const void *data;   /* inside the image; NULL in a header-only decode */
    size_t bytes;
    uint64_t offset;    /* of data from the start of the data section */
};
struct meta { const char *key, *value; };

struct record {
    struct tensor *tensor; /* in order of offset */
    int tensors;
    int foreign;           /* tensors of a dtype not known here: checked for size, then set
                              aside as tensor[tensors .. tensors + foreign), type DTYPES */
    struct meta *meta;     /* sorted by key */
    int metas;
    size_t size;           /* of the whole image in bytes */
    struct json *json;     /* private */
    struct buf *text;      /* private: names and metadata */
    struct buf *aligned;   /* private: copies of tensors whose data was not aligned */
    int tensor_cap, meta_cap;
};
void record_init(struct record *r);
void record_free(struct record *r);

/*
 * How many bytes the image starting at p has in all, from its first 8 bytes and, when n
 * reaches so far, its header: 0 = more bytes are needed; *why set = refused (too large or
 * not an image).  max_record bounds the image, header <= 16 MiB (RECORD_MAX_HEADER).
 */
size_t record_extent(const void *p, size_t n, size_t max_record, const char **why);
/*
 * Decodes the image at p[0..n).  Refuses: header not starting with '{', bad UTF-8 or JSON,
 * duplicate keys, non-string metadata, names with NUL, rank > 8, more than 65,536 tensors,
 * shape product overflow, size mismatch, holes, overlap, bytes missing or left over.
 * Returns NULL or a constant message.
 */
const char *record_decode(struct record *r, const void *p, size_t n);
/*
 * The same in two steps, for readers that get an image piece by piece: record_header needs
 * its first 8 + N bytes only (data stays NULL, r->size becomes the size of the whole image),
 * record_attach points the tensors into the whole image.  Data that is not aligned for its
 * type (images of other writers) is copied, so that it may be used as an array.
 */
const char *record_header(struct record *r, const void *p, size_t n);
void record_attach(struct record *r, const void *p);

const char *record_meta(const struct record *r, const char *key);            /* or NULL */
const struct tensor *record_tensor(const struct record *r, const char *name); /* or NULL */
/* The tensor if it has this type, rank and (where >= 0) shape; NULL with *why set otherwise. */
const struct tensor *record_need(const struct record *r, const char *name, enum dtype type,
                                 int rank, int64_t d0, int64_t d1, const char **why);

/*
 * Building.  Metadata and tensors may be added in any order; image_finish sorts them as
 * mbert-stream(5) says (__metadata__ first, keys sorted; tensors by descending element
 * size, then name; header padded so that data starts on 64 bytes).  Tensor data is not
 * copied until image_finish.  The image belongs to the builder until image_reset.
 */
struct image {
    struct record r;       /* what was added */
    char *bytes;
    size_t size, cap;
    char **owned;          /* private: copied strings */
    int owned_n, owned_cap;
};
void image_init(struct image *b);
void image_reset(struct image *b);  /* empty again, memory kept */
void image_free(struct image *b);
void image_meta(struct image *b, const char *key, const char *value);        /* copied; replaces */
void image_metaf(struct image *b, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void image_tensor(struct image *b, const char *name, enum dtype type, int rank,
                  const int64_t *shape, const void *data);                   /* name copied, data borrowed */
void image_1d(struct image *b, const char *name, enum dtype type, int64_t n, const void *data);
void image_2d(struct image *b, const char *name, enum dtype type, int64_t rows, int64_t cols, const void *data);
/* Copies the data of what was added so far to `to`, which it empties first: what was borrowed
 * may go. */
void image_keep(struct image *b, struct buf *to);
void image_finish(struct image *b); /* -> b->bytes, b->size */
/* Length and JSON header only, for a writer that sends the tensors' data itself, in r's order. */
void image_header(struct image *b);
void image_fill(struct image *b);   /* after image_header: the tensors' data behind it */
#endif
