#include "formats/sniff.h"
#include <string.h>
#include <sys/stat.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/json.h"
#include "formats/source.h"

enum { HEADER_BYTES = 16 << 20 };

static size_t
read_full(struct source *s, char *to, size_t n)
{
    size_t got = 0;
    ptrdiff_t k = 1;
    while (got < n && (k = source_read(s, to + got, n - got)) > 0)
        got += (size_t)k;
    return got;
}

/* Is the JSON header that of a record, whose metadata says `stz`? */
static int
says_stz(const char *text, size_t n)
{
    struct json *j = json_new();
    struct json_value root, meta, stz;
    const int yes = !json_parse(j, text, n, &root) &&
                    json_get(root, "__metadata__", &meta) && json_get(meta, "stz", &stz);
    json_free(j);
    return yes;
}

enum content
sniff(const char *path)
{
    struct stat st;
    unsigned char first[8] = { 0 };
    uint64_t size = 0;
    if (!strcmp(path, "-") || (!stat(path, &st) && !S_ISREG(st.st_mode)))
        return CONTENT_STREAM;
    struct source *s = source_open(path, 0);
    const size_t n = read_full(s, (char *)first, sizeof first);
    for (size_t i = 0; i < sizeof first; i++)
        size |= (uint64_t)first[i] << 8 * i;
    enum content what = !n                                   ? CONTENT_EMPTY
                        : n == sizeof first && !(size >> 32) ? CONTENT_STREAM
                                                             : CONTENT_TEXT;
    if (source_error(s)[0]) {
        what = CONTENT_STREAM; /* its reader says what is wrong */
    } else if (what == CONTENT_STREAM && size <= HEADER_BYTES) {
        char *header = mem_alloc((size_t)size);
        if (read_full(s, header, (size_t)size) == size && !says_stz(header, (size_t)size))
            what = CONTENT_SAFETENSORS;
        mem_free(header);
    }
    source_close(s);
    return what;
}
