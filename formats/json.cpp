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
#define NDEBUG /* simdjson's own assertions stand in its innermost loops */
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

/* An array or object that is read on demand, without a tape. */
struct part {
    simdjson::ondemand::object object;
    simdjson::ondemand::array array;
    simdjson::ondemand::object_iterator field;
    simdjson::ondemand::array_iterator element;
    const char *from, *to; /* its place in the text, nothing when there is none */
    size_t members;
    bool keyed, begun, failed;
    std::string_view bad; /* the key at which it failed */
};
struct large {
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    part parts[JSON_LARGE];
};
} // namespace

struct json {
    simdjson::dom::parser parser;
    struct large *large = nullptr;
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

/*
 * Where the first number of more than NUMBER characters starts, or n.  The first stage has
 * found where everything starts that stands outside of strings: only what is that far from
 * the next start needs a look.
 */
size_t
find_long_number(const struct json *j, const char *s, size_t n)
{
    const auto &stage = *j->parser.implementation;
    const uint32_t *at = stage.structural_indexes.get();
    for (uint32_t i = 0; i < stage.n_structural_indexes; i++) {
        const size_t end = i + 1 < stage.n_structural_indexes ? at[i + 1] : n;
        size_t k = at[i];
        if (end - k <= NUMBER)
            continue;
        while (k < end && in_number(s[k]))
            k++;
        if (k - at[i] > NUMBER)
            return at[i];
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
    j->where = -1;
    if (!n)
        return message(simdjson::EMPTY);
    if (!room(j, n))
        return "out of memory for JSON";
    auto &stage = *j->parser.implementation;
    auto error = stage.stage1((const uint8_t *)text, n, simdjson::stage1_mode::regular);
    if (error)
        return message(error);
    const size_t bad = find_long_number(j, text, n);
    if (bad < n) {
        j->where = (ptrdiff_t)bad;
        return "JSON number longer than 64 characters";
    }
    if ((error = stage.stage2(j->parser.doc)))
        return message(error);
    *root = value_at(j, 1);
    return check_tape(j);
}

/* Counts the members of a container just met, which leaves the reader behind it. */
bool
measure(simdjson::ondemand::document &doc, simdjson::ondemand::value v, part *p)
{
    p->from = v.raw_json_token().data();
    p->keyed = *p->from == '{';
    p->members = 0;
    if (p->keyed) {
        if (v.get_object().get(p->object))
            return false;
        for (auto f : p->object) {
            if (f.error())
                return false;
            p->members++;
        }
    } else {
        if (v.get_array().get(p->array))
            return false;
        for (auto e : p->array) {
            if (e.error())
                return false;
            p->members++;
        }
    }
    return !doc.current_location().get(p->to);
}

/* Finds the large values; false when the text is not what it should be. */
bool
find_parts(struct large *l, const char *text, size_t n, const char *object,
           const char *const key[JSON_LARGE])
{
    simdjson::ondemand::object root, in;
    simdjson::ondemand::value v;
    std::string_view name;
    const simdjson::padded_string_view whole(text, n, n + simdjson::SIMDJSON_PADDING);
    if (l->parser.iterate(whole).get(l->document) || l->document.get_object().get(root))
        return false;
    for (auto f : root) {
        if (f.unescaped_key().get(name))
            return false;
        if (name != object)
            continue;
        if (f.value().get_object().get(in))
            return false;
        for (auto g : in) {
            if (g.unescaped_key().get(name) || g.value().get(v))
                return false;
            const char c = *v.raw_json_token().data();
            for (int i = 0; i < JSON_LARGE; i++)
                if (name == key[i] && (c == '{' || c == '[')) {
                    if (l->parts[i].to || !measure(l->document, v, &l->parts[i]))
                        return false;
                    break;
                }
        }
        return true;
    }
    return false;
}

/* The text with its large values empty, in j->padded; returns its length. */
size_t
skeleton(struct json *j, const char *text, size_t n)
{
    const part *a = &j->large->parts[0], *b = &j->large->parts[1];
    char *out = j->padded;
    if (b->from < a->from)
        std::swap(a, b);
    for (const part *p : { a, b }) {
        if (!p->from)
            continue;
        memcpy(out, text, (size_t)(p->from - text));
        out += p->from - text;
        memcpy(out, p->keyed ? "{}" : "[]", 2);
        out += 2;
        n -= (size_t)(p->to - text);
        text = p->to;
    }
    memcpy(out, text, n);
    memset(out + n, 0, simdjson::SIMDJSON_PADDING);
    return (size_t)(out - j->padded) + n;
}

/* Is a backslash in s[0..n), or perhaps in the sixteen bytes after it? */
bool
escaped(const char *s, size_t n)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t w[2], hit = 0;
    for (size_t i = 0; i < n; i += 16) { /* once, nearly always */
        memcpy(w, s + i, 16);
        for (uint64_t x : w) {
            x ^= ones * '\\';
            hit |= (x - ones) & ~x;
        }
    }
    return hit & ones << 7;
}

/* A string without escapes stays where it is in the text. */
bool
read_string(simdjson::ondemand::value v, struct json_item *item)
{
    std::string_view s = v.raw_json_token();
    size_t n = s.size();
    while (n > 1 && s[n - 1] != '"') /* blanks up to the next token */
        n--;
    if (n > 1 && !escaped(s.data() + 1, n - 2)) {
        if (v.get_raw_json_string().error())
            return false;
        s = s.substr(1, n - 2);
    } else if (v.get_string().get(s)) {
        return false;
    }
    item->s[item->strings] = s.data();
    item->n[item->strings++] = (uint32_t)s.size();
    return true;
}

/* "key": integer; *bad is the key when only the integer is wrong. */
bool
read_field(simdjson::simdjson_result<simdjson::ondemand::field> f, struct json_item *item,
           std::string_view *bad)
{
    std::string_view s;
    if (f.unescaped_key().get(s))
        return false;
    if (f.value().get_int64().get(item->value)) {
        *bad = s;
        return false;
    }
    item->s[0] = s.data();
    item->n[0] = (uint32_t)s.size();
    item->strings = 1;
    return true;
}

/* "string" or ["string", "string"] */
bool
read_element(simdjson::simdjson_result<simdjson::ondemand::value> e, struct json_item *item)
{
    simdjson::ondemand::value v;
    simdjson::ondemand::array pair;
    item->strings = 0;
    if (e.get(v))
        return false;
    if (read_string(v, item))
        return true;
    if (v.get_array().get(pair))
        return false;
    for (auto half : pair)
        if (item->strings == 2 || half.get(v) || !read_string(v, item))
            return false;
    return item->strings == 2;
}

/* Room for a padded copy of n bytes. */
void
copy_room(struct json *j, size_t n)
{
    const size_t need = mem_add(n, simdjson::SIMDJSON_PADDING);
    if (need <= j->cap)
        return;
    mem_free(j->padded);
    j->padded = (char *)mem_alloc(need);
    j->cap = need;
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
    delete j->large;
    j->~json();
    mem_free(j);
}

const char *
json_parse(struct json *j, const char *text, size_t n, struct json_value *root)
{
    copy_room(j, n);
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

const char *
json_large_bad(const struct json *j, int i, size_t *n)
{
    const std::string_view bad = j->large ? j->large->parts[i].bad : std::string_view();
    *n = bad.size();
    return bad.empty() ? "" : bad.data();
}

const char *
json_parse_around(struct json *j, const char *text, size_t n, const char *object,
                  const char *const key[JSON_LARGE], struct json_value *root)
{
    delete j->large;
    j->large = new (std::nothrow) struct large();
    if (!j->large || !find_parts(j->large, text, n, object, key)) {
        delete j->large;
        j->large = nullptr;
        return parse(j, text, n, root);
    }
    copy_room(j, n);
    if (!parse(j, j->padded, skeleton(j, text, n), root))
        return nullptr;
    return parse(j, text, n, root); /* for where it is */
}

size_t
json_large_size(const struct json *j, int i)
{
    return j->large ? j->large->parts[i].members : 0;
}

int
json_large_next(struct json *j, int i, struct json_item *item, int most)
{
    int n = 0;
    if (!j->large || !j->large->parts[i].to)
        return -1;
    part &p = j->large->parts[i];
    if (!p.begun)
        p.failed = p.keyed ? p.object.reset().error() || p.object.begin().get(p.field)
                           : p.array.reset().error() || p.array.begin().get(p.element);
    p.begun = true;
    if (p.keyed && !p.failed)
        for (; n < most && p.field != p.field; ++p.field, n++)
            if ((p.failed = !read_field(*p.field, &item[n], &p.bad)))
                break;
    if (!p.keyed && !p.failed)
        for (; n < most && p.element != p.element; ++p.element, n++)
            if ((p.failed = !read_element(*p.element, &item[n])))
                break;
    return p.failed && !n ? -1 : n;
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
