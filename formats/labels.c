/* labels - the head's `labels`, a JSON list of names. */
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/json.h"
#include "formats/jsonout.h"
#include "formats/stream.h"

static const char *
read_names(struct json_value v, char **names, int *n)
{
    struct json_iter it = json_iter(v);
    const char *s;
    size_t bytes;
    while (json_next(&it, NULL, NULL, &v)) {
        if (!json_string(v, &s, &bytes) || memchr(s, 0, bytes))
            return "not a list of names";
        names[(*n)++] = mem_strndup(s, bytes);
    }
    return NULL;
}

char **
stream_labels(const struct record *head, int *n)
{
    const char *text = record_meta(head, "labels");
    struct json *j;
    struct json_value v;
    *n = 0;
    if (!text)
        return NULL;
    j = json_new();
    const char *why = json_parse(j, text, strlen(text), &v);
    if (!why && json_type(v) != JSON_ARRAY)
        why = "not a list of names";
    char **names = why ? NULL : mem_array(json_size(v) + 1, sizeof *names);
    if (!why)
        why = read_names(v, names, n);
    if (why)
        die_data("labels in the stream's head: %s", why);
    names[*n] = NULL;
    json_free(j);
    return names;
}

void
stream_labels_set(struct image *head, char *const *names, int n)
{
    struct buf b = { 0 };
    buf_add(&b, "[", 1);
    for (int i = 0; i < n; i++) {
        if (i)
            buf_add(&b, ",", 1);
        jsonout_string(&b, names[i], strlen(names[i]));
    }
    buf_add(&b, "]", 2);
    image_meta(head, "labels", b.p);
    mem_free(b.p);
}

void
strings_free(char **names, int n)
{
    for (int i = 0; names && i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}
