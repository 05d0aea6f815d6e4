#ifndef FORMATS_JSON_H
#define FORMATS_JSON_H
/*
 * json - all JSON reading, a C face on simdjson's DOM.
 *
 *     struct json *j = json_new();
 *     struct json_value v, x;
 *     const char *why = json_parse(j, text, n, &v);   // NULL, or what is wrong
 *     if (!why && json_get(v, "prompt", &x) && json_string(x, &s, &len)) ...
 *
 * Accepted: RFC 8259 in UTF-8, depth <= 64.  Refused: invalid UTF-8, raw control
 * characters, lone surrogates, NaN, infinities, numbers beyond double or over 64
 * characters, integers beyond 64 bits, anything after the value, and an object with the
 * same key twice (found in n log n whatever the keys are).
 * Values are valid until the next json_parse on the same struct json, or json_free.
 * A decoder: allocates only in json_new/json_parse's own parser, never dies except of memory.
 */
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
struct json;
struct json_value { uint64_t word[2]; }; /* opaque */
enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_FLOAT, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json *json_new(void);
void json_free(struct json *j);
/* text need not be padded or terminated.  Returns NULL or a constant message. */
const char *json_parse(struct json *j, const char *text, size_t n, struct json_value *root);
/* As json_parse, but the caller promises 64 readable bytes after text[n-1]: no copy. */
const char *json_parse_padded(struct json *j, const char *text, size_t n, struct json_value *root);
/* Byte offset in text of the last failure, or -1 when the parser cannot say. */
ptrdiff_t json_where(const struct json *j);

enum json_type json_type(struct json_value v);
int json_string(struct json_value v, const char **s, size_t *n); /* 1 when v is a string; may hold NUL */
int json_int(struct json_value v, int64_t *i);                   /* 1 when an integer in int64 */
int json_uint(struct json_value v, uint64_t *i);                 /* 1 when an integer in uint64 */
int json_number(struct json_value v, double *d);                 /* 1 when a number of either kind */
int json_bool(struct json_value v, int *b);
size_t json_size(struct json_value v);                           /* members of an array or object, else 0 */
int json_get(struct json_value object, const char *key, struct json_value *v); /* 1 when present */

/* Iteration: struct json_iter it = json_iter(v); while (json_next(&it, &key, &nkey, &x)) ... (key NULL in arrays) */
struct json_iter { uint64_t word[4]; };
struct json_iter json_iter(struct json_value v);
int json_next(struct json_iter *it, const char **key, size_t *nkey, struct json_value *v);

/*
 * Large values, without a tree: when text is an object whose member `object` is an object,
 * its members key[i] that are arrays or objects are left out of the tree (they are empty
 * there) and read in one pass each, one after the other:
 *
 *     why = json_parse_around(j, text, n, "model", (const char *[]){ "vocab", "merges" }, &root);
 *     while ((n = json_large_next(j, 0, item, 64)) > 0) ...       // then key[1]
 *
 * Outside of them json_parse_around refuses what json_parse refuses.  Inside,
 * json_large_next ends with -1 at the first member that has not the shape of a json_item;
 * equal keys are the caller's to find; the caller then has json_parse say what is wrong
 * with the whole text, if anything.  Keys stand until the next parse, strings as long as
 * the text as well; after both 16 bytes are readable, and no NUL is promised.
 */
enum { JSON_LARGE = 2 };
struct json_item {  /* "key": integer, or the array's "string", or its ["string", "string"] */
    const char *s[2];
    uint32_t n[2];
    int64_t value;
    int strings;    /* how many of s and n count */
};
/* Needs 64 readable bytes after text[n-1]. */
const char *json_parse_around(struct json *j, const char *text, size_t n, const char *object,
                              const char *const key[JSON_LARGE], struct json_value *root);
size_t json_large_size(const struct json *j, int i);   /* members of key[i]'s value */
/* The next `most` members, or as many as are left. */
int json_large_next(struct json *j, int i, struct json_item *item, int most);
/* After -1: the key whose value is no integer, or "". */
const char *json_large_bad(const struct json *j, int i, size_t *n);

/* v as minimal JSON text: keys in file order, numbers and strings in shortest exact form. */
struct buf;
void json_text(struct json_value v, struct buf *out);
#ifdef __cplusplus
}
#endif
#endif
