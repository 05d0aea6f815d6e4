/*
 * The C face on simdjson's DOM.  Values are positions on the parser's tape (simdjson's
 * doc/tape.md): a word is a type byte and 56 bits of payload; containers know their end, so
 * everything below walks forward and nothing recurses.
 */
/* struct json_iter and the function that makes one share a name, as C lets them */
#pragma GCC diagnostic ignored "-Wshadow"
#include "formats/json.h"
#include <algorithm>
#include <cstring>
#include <new>
#include <simdjson.h>
extern "C" {
#include "common/base/mem.h"
}

namespace {
enum { DEPTH = 64, NUMBER = 64, FEW = 12 };
constexpr uint64_t COUNT_FULL = 0xFFFFFF; /* simdjson stops counting members here */

/* The first bytes stand beside the pointer so that most comparisons touch no string. */
struct name {
    uint64_t first;
    const char *s;
    uint32_t n;
};
} // namespace

struct json {
    simdjson::dom::parser parser;
    char *padded = nullptr; /* json_parse's copy */
    size_t cap = 0;
    name *names = nullptr;  /* room for the keys of one object */
    size_t names_cap = 0;
    ptrdiff_t where = -1;
};

namespace {
const uint64_t *
tape(const struct json *j)
{
    return j->parser.doc.tape.get();
}

int
kind(uint64_t word)
{
    return (int)(word >> 56);
}

uint64_t
payload(uint64_t word)
{
    return word & (UINT64_MAX >> 8);
}

const char *
text_at(const struct json *j, uint64_t word, uint32_t *n)
{
    const uint8_t *p = j->parser.doc.string_buf.get() + payload(word);
    memcpy(n, p, 4);
    return (const char *)p + 4;
}

/* The position after the value at i. */
uint64_t
after(const uint64_t *t, uint64_t i)
{
    switch (kind(t[i])) {
    case '{':
    case '[': return t[i] & UINT32_MAX;
    case 'l':
    case 'u':
    case 'd': return i + 2;
    default: return i + 1;
    }
}

struct json_value
value_at(const struct json *j, uint64_t i)
{
    return { { (uint64_t)(uintptr_t)j, i } };
}

const struct json *
owner(struct json_value v)
{
    return (const struct json *)(uintptr_t)v.word[0];
}

uint64_t
word_of(struct json_value v)
{
    return tape(owner(v))[v.word[1]];
}

bool
in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

/* Where the first number longer than NUMBER starts, strings skipped; n when none. */
size_t
long_number(const char *s, size_t n)
{
    bool string = false;
    for (size_t i = 0, run = 0; i < n; i++) {
        if (string) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                string = false;
        } else if (s[i] == '"') {
            string = true;
            run = 0;
        } else if (!in_number(s[i])) {
            run = 0;
        } else if (++run > NUMBER) {
            return i + 1 - run;
        }
    }
    return n;
}

/*
 * A run of more than NUMBER characters covers one of every NUMBER + 1 positions, so few
 * bytes need a look before the slow scan, which runs at most once.
 */
size_t
find_long_number(const char *s, size_t n)
{
    for (size_t i = NUMBER; i < n; i += NUMBER + 1) {
        size_t a = i, b = i;
        while (a > i - NUMBER && in_number(s[i]) && in_number(s[a - 1]))
            a--;
        while (b < n && b - a <= NUMBER && in_number(s[b]))
            b++;
        if (b - a > NUMBER)
            return long_number(s, n);
    }
    return n;
}

bool
name_less(const name &a, const name &b)
{
    if (a.first != b.first)
        return a.first < b.first;
    if (a.n != b.n)
        return a.n < b.n;
    return memcmp(a.s, b.s, a.n) < 0;
}

bool
name_same(const name &a, const name &b)
{
    return a.first == b.first && a.n == b.n && !memcmp(a.s, b.s, a.n);
}

/*
 * Is a key twice in the object at i?  Small objects by pairs; large ones sorted, never
 * hashed: n log n whatever keys an attacker picks.
 */
bool
twice(struct json *j, uint64_t i)
{
    const uint64_t *t = tape(j), end = t[i] & UINT32_MAX;
    size_t n = 0;
    for (uint64_t k = i + 1; k < end - 1; k = after(t, k + 1)) {
        if (n == j->names_cap) {
            j->names_cap = n ? 2 * n : 64;
            j->names = (name *)mem_realloc(j->names, j->names_cap, sizeof *j->names);
        }
        name *x = &j->names[n++];
        x->s = text_at(j, t[k], &x->n);
        x->first = 0;
        memcpy(&x->first, x->s, x->n < 8 ? x->n : 8);
    }
    if (n > FEW) {
        std::sort(j->names, j->names + n, name_less);
        return std::adjacent_find(j->names, j->names + n, name_same) != j->names + n;
    }
    for (size_t a = 1; a < n; a++)
        for (size_t b = 0; b < a; b++)
            if (name_same(j->names[a], j->names[b]))
                return true;
    return false;
}

const char *
message(simdjson::error_code e)
{
    switch (e) {
    case simdjson::EMPTY: return "no JSON value";
    case simdjson::UTF8_ERROR: return "invalid UTF-8";
    case simdjson::DEPTH_ERROR: return "JSON nested deeper than 64";
    case simdjson::NUMBER_ERROR: return "invalid JSON number";
    case simdjson::STRING_ERROR: return "invalid JSON string or escape";
    case simdjson::UNESCAPED_CHARS: return "unescaped control character in a JSON string";
    case simdjson::UNCLOSED_STRING: return "unclosed JSON string";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR: return "invalid JSON literal";
    case simdjson::CAPACITY: return "JSON text too large";
    case simdjson::MEMALLOC: return "out of memory for JSON";
    default: return "invalid JSON";
    }
}

/* What simdjson lets pass and we do not, in one walk over the tape. */
const char *
check_tape(struct json *j)
{
    const uint64_t *t = tape(j), end = payload(t[0]);
    int depth = 0;
    for (uint64_t i = 1; i < end; i++)
        switch (kind(t[i])) {
        case 'l':
        case 'u':
        case 'd': i++; break;
        case '}':
        case ']': depth--; break;
        case '{':
            if (twice(j, i))
                return "duplicate JSON key";
            /* fall through */
        case '[':
            if (++depth > DEPTH) /* simdjson does not count an innermost empty one */
                return message(simdjson::DEPTH_ERROR);
        }
    return nullptr;
}

/* Half as much again: lines that grow byte by byte must not reallocate each time. */
bool
room(struct json *j, size_t n)
{
    const size_t want = n + n / 2 + 1024;
    if (j->parser.capacity() >= n && j->parser.capacity())
        return true;
    return j->parser.allocate(want, DEPTH + 1) == simdjson::SUCCESS &&
           j->parser.doc.allocate(want) == simdjson::SUCCESS;
}

const char *
parse(struct json *j, const char *text, size_t n, struct json_value *root)
{
    const size_t bad = find_long_number(text, n);
    j->where = -1;
    if (bad < n) {
        j->where = (ptrdiff_t)bad;
        return "JSON number longer than 64 characters";
    }
    if (!room(j, n))
        return "out of memory for JSON";
    simdjson::dom::element e;
    const auto error = j->parser.parse((const uint8_t *)text, n, false).get(e);
    if (error)
        return message(error);
    *root = value_at(j, 1);
    return check_tape(j);
}

} // namespace

struct json *
json_new(void)
{
    struct json *j = new (mem_alloc(sizeof(struct json))) struct json;
    return j;
}

void
json_free(struct json *j)
{
    if (!j)
        return;
    mem_free(j->padded);
    mem_free(j->names);
    j->~json();
    mem_free(j);
}

const char *
json_parse(struct json *j, const char *text, size_t n, struct json_value *root)
{
    const size_t need = mem_add(n, simdjson::SIMDJSON_PADDING);
    if (need > j->cap) {
        mem_free(j->padded);
        j->padded = (char *)mem_alloc(need);
        j->cap = need;
    }
    if (n)
        memcpy(j->padded, text, n);
    memset(j->padded + n, 0, simdjson::SIMDJSON_PADDING);
    return parse(j, j->padded, n, root);
}

const char *
json_parse_padded(struct json *j, const char *text, size_t n, struct json_value *root)
{
    return parse(j, text, n, root);
}

ptrdiff_t
json_where(const struct json *j)
{
    return j->where;
}

enum json_type
json_type(struct json_value v)
{
    switch (kind(word_of(v))) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 'l':
    case 'u': return JSON_INT;
    case 'd': return JSON_FLOAT;
    case 't':
    case 'f': return JSON_BOOL;
    default: return JSON_NULL;
    }
}

int
json_string(struct json_value v, const char **s, size_t *n)
{
    uint32_t bytes;
    if (kind(word_of(v)) != '"')
        return 0;
    *s = text_at(owner(v), word_of(v), &bytes);
    *n = bytes;
    return 1;
}

int
json_int(struct json_value v, int64_t *i)
{
    if (kind(word_of(v)) != 'l')
        return 0;
    memcpy(i, &tape(owner(v))[v.word[1] + 1], 8);
    return 1;
}

int
json_number(struct json_value v, double *d)
{
    const uint64_t *next = &tape(owner(v))[v.word[1] + 1];
    switch (kind(word_of(v))) {
    case 'l': *d = (double)(int64_t)*next; return 1;
    case 'u': *d = (double)*next; return 1;
    case 'd': memcpy(d, next, 8); return 1;
    default: return 0;
    }
}

int
json_uint(struct json_value v, uint64_t *i)
{
    const int k = kind(word_of(v));
    if (k != 'u' && k != 'l')
        return 0;
    *i = tape(owner(v))[v.word[1] + 1];
    return k == 'u' || (int64_t)*i >= 0;
}

int
json_bool(struct json_value v, int *b)
{
    const int k = kind(word_of(v));
    *b = k == 't';
    return k == 't' || k == 'f';
}

size_t
json_size(struct json_value v)
{
    const uint64_t *t = tape(owner(v)), w = word_of(v), count = w >> 32 & COUNT_FULL;
    const int k = kind(w);
    if (k != '{' && k != '[')
        return 0;
    if (count < COUNT_FULL)
        return count;
    size_t n = 0;
    for (uint64_t i = v.word[1] + 1; i < (w & UINT32_MAX) - 1; n++)
        i = after(t, k == '{' ? i + 1 : i);
    return n;
}

int
json_get(struct json_value object, const char *key, struct json_value *v)
{
    struct json_iter it = json_iter(object);
    const size_t want = strlen(key);
    const char *s;
    size_t n;
    if (kind(word_of(object)) != '{')
        return 0;
    while (json_next(&it, &s, &n, v))
        if (n == want && !memcmp(s, key, n))
            return 1;
    return 0;
}

struct json_iter
json_iter(struct json_value v)
{
    const uint64_t w = word_of(v);
    const bool object = kind(w) == '{', array = kind(w) == '[';
    const uint64_t end = object || array ? (w & UINT32_MAX) - 1 : 0;
    return { { v.word[0], v.word[1] + 1, end, object } };
}

int
json_next(struct json_iter *it, const char **key, size_t *nkey, struct json_value *v)
{
    const struct json *j = (const struct json *)(uintptr_t)it->word[0];
    uint64_t i = it->word[1];
    uint32_t n = 0;
    const char *s = nullptr;
    if (i >= it->word[2])
        return 0;
    if (it->word[3])
        s = text_at(j, tape(j)[i++], &n);
    if (key)
        *key = s;
    if (nkey)
        *nkey = n;
    *v = value_at(j, i);
    it->word[1] = after(tape(j), i);
    return 1;
}
