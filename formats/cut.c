#include "formats/cut.h"
#include <string.h>
#include "formats/gather.h"
#include "formats/stream.h"

/* Sequences [0, n) of the record, as a record. */
static void
put(const struct stream_in *in, struct stream_out *out, const struct sequences *s,
    int64_t n, int continues)
{
    struct gather g = { 0 };
    struct image b;
    image_init(&b);
    const char *why = gather_add(&g, s, 0, n, 0);
    why = why ? why : gather_image(&g, &b);
    if (why)
        stream_bad(in, "%s", why);
    stream_put(out, &b, continues ? 0 : n, continues ? 0 : g.tokens);
    image_free(&b);
    gather_free(&g);
}

void
cut_run(int n_paths, char *const *paths, int64_t n, const char *to, const char *tool)
{
    struct sequences s = { 0 };
    struct group group = { 0 };
    struct stream_in *in = stream_open(n_paths, paths, NULL, 0);
    char *options = mem_printf("head -n %lld", (long long)n);
    struct stream_out *out =
        stream_create(to, stream_kind(in), stream_head(in), tool, options, 0);
    const int layers = !strcmp(stream_kind(in), "hidden");
    const struct record *r;
    int64_t left = n, now = 0, rows = 0;
    while ((r = stream_next(in))) {
        const char *why = sequences_read(&s, r, stream_base(in));
        if (why || s.n < 0)
            stream_bad(in, "%s", why ? why : "no sequences: neither cu_seqlens nor row");
        const int continues = group_continues(&group, &s);
        if (!continues) {
            if (!left)
                break;
            now = s.n < left ? s.n : left;
            left -= now;
            for (int64_t i = 0; i < now; i++)
                rows = s.row && s.row[i] >= rows ? s.row[i] + 1 : rows;
        }
        if (now)
            put(in, out, &s, now, continues);
        if (!left && !layers) /* layers: more about these sequences may follow */
            break;
    }
    stream_end(out, r ? rows : stream_rows(in));
    stream_close(in);
    sequences_free(&s);
    group_free(&group);
    mem_free(options);
}
