#include "common/mbert/examples.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/feed.h"

enum { BUDGET = 65536, IGNORED = -100, UNIQUE = 10000 }; /* beyond, n^2 is too much */

static int64_t *
starts(const struct examples *e)
{
    return (int64_t *)(void *)e->start.p;
}

int
examples_length(const struct examples *e, int64_t i)
{
    return (int)(starts(e)[i + 1] - starts(e)[i]);
}

static const struct tensor *
find(const struct image *b, const char *name)
{
    for (int i = 0; i < b->r.tensors; i++)
        if (!strcmp(b->r.tensor[i].name, name))
            return &b->r.tensor[i];
    return NULL;
}

/* Classes of sequences or of tokens? */
static enum problem
classes_of(const struct examples *e, const struct feed *f, const struct tensor *t)
{
    const char *task = record_meta(stream_head(f->in), "task");
    if (f->seqs != f->rows)
        return t->shape[0] == f->rows ? PROBLEM_TOKEN : PROBLEM_SINGLE;
    if (e->problem != PROBLEM_AUTO)
        return e->problem == PROBLEM_TOKEN ? PROBLEM_TOKEN : PROBLEM_SINGLE;
    return task && !strcmp(task, "token") ? PROBLEM_TOKEN : PROBLEM_SINGLE;
}

/* What the labels are, told by their type and shape; it must stay the same. */
static void
settle(struct examples *e, const struct feed *f, const struct tensor *t)
{
    const int classes = t->type == I32 && t->rank == 1,
              numbers = t->type == F32 && (t->rank == 1 || t->rank == 2);
    if ((!classes && !numbers) ||
        (t->shape[0] != f->seqs && !(classes && t->shape[0] == f->rows)))
        stream_bad(f->in, "tensor 'labels' is %s of rank %d: I32 [B], F32 [B] or F32 [B,N] "
                   "(one a sequence) or I32 [T] (one a token) is wanted",
                   dtype_name(t->type), t->rank);
    const enum problem p = classes        ? classes_of(e, f, t)
                           : t->rank == 1 ? PROBLEM_REGRESSION
                                          : PROBLEM_MULTI;
    const int width = p == PROBLEM_TOKEN ? 0 : t->rank == 2 ? (int)t->shape[1] : 1;
    if (e->problem == PROBLEM_AUTO) {
        e->problem = p;
        e->width = width;
    }
    if (e->problem != p || e->width != width)
        stream_bad(f->in, "tensor 'labels' is of another kind than in the records before");
}

/* A class; 0 when it says that there is none. */
static int
check_class(struct examples *e, const struct feed *f, int32_t class, int b)
{
    if (class == IGNORED)
        return 0;
    if (class < 0)
        stream_bad(f->in, "row %" PRId64 ": label %d is negative", f->row[b], class);
    if (class > e->highest)
        e->highest = class;
    e->scored++;
    return 1;
}

/* The classes of a row's tokens; 0 when none has one. */
static int
take_classes(struct examples *e, const struct feed *f, const struct tensor *t, int b)
{
    const int from = f->cu[b], n = f->cu[b + 1] - from;
    const char *at = (const char *)t->data + (size_t)from * sizeof(int32_t);
    int some = 0;
    for (int i = 0; i < n; i++) {
        int32_t class;
        memcpy(&class, at + (size_t)i * sizeof class, sizeof class);
        some += check_class(e, f, class, b);
    }
    if (some)
        buf_add(&e->labels, at, (size_t)n * sizeof(int32_t));
    return some > 0;
}

/* What the row has of labels; 0 when it has none. */
static int
take_label(struct examples *e, const struct feed *f, const struct tensor *t, int b)
{
    if (e->problem == PROBLEM_MLM)
        return 1;
    if (!t)
        return 0;
    if (e->problem == PROBLEM_TOKEN)
        return take_classes(e, f, t, b);
    const char *at = (const char *)t->data + (size_t)b * (size_t)e->width * 4;
    if (e->problem == PROBLEM_SINGLE) {
        int32_t k;
        memcpy(&k, at, 4);
        if (!check_class(e, f, k, b))
            return 0;
    } else {
        e->scored++;
        for (int i = 0; i < e->width; i++) {
            float v;
            memcpy(&v, at + 4 * i, 4);
            if (!isfinite(v))
                stream_bad(f->in, "row %" PRId64 ": its label is not finite", f->row[b]);
        }
    }
    buf_add(&e->labels, at, (size_t)e->width * 4);
    return 1;
}

static void
take_batch(struct examples *e, struct feed *f, struct image *b)
{
    image_reset(b);
    feed_travel(f, b);
    const struct tensor *t = find(b, "labels"), *cut = find(b, "truncated");
    if (!t) /* of the record, then, it is neither of its sequences nor of its tokens */
        t = record_tensor(f->record, "labels");
    if (t && e->problem != PROBLEM_MLM)
        settle(e, f, t);
    if (cut && (cut->type != U8 || cut->rank != 1 || cut->shape[0] != f->seqs))
        cut = NULL;
    for (int i = 0; i < f->seqs; i++) {
        const int n = f->cu[i + 1] - f->cu[i];
        if (!take_label(e, f, t, i)) {
            e->unlabelled++;
            continue;
        }
        buf_add(&e->ids, f->ids + f->cu[i], (size_t)n * sizeof *f->ids);
        e->tokens += n;
        buf_add(&e->start, &e->tokens, sizeof e->tokens);
        e->n++;
        e->truncated += cut && ((const unsigned char *)cut->data)[i];
        e->longest = n > e->longest ? n : e->longest;
    }
}

void
examples_some(const struct examples *e)
{
    if (!e->n && e->unlabelled)
        die_data("'%s': no row has a label: nothing to learn from", e->name);
    if (!e->n)
        die_data("'%s': no rows: nothing to learn from", e->name);
    if (e->unlabelled)
        warn("'%s': %" PRId64 " rows without a label left out", e->name, e->unlabelled);
}

void
examples_read(struct examples *e, const char *path, const struct config *c, const char *dir,
              enum problem want)
{
    char *paths[] = { (char *)(uintptr_t)path };
    struct image b;
    assert(want == PROBLEM_AUTO || want == PROBLEM_MLM);
    *e = (struct examples){ .highest = -1, .problem = want };
    buf_add(&e->start, &e->tokens, sizeof e->tokens);
    struct stream_in *in = stream_open(1, paths, "tokens|batch", 0);
    e->name = mem_strdup(stream_name(in));
    feed_check(in, c, dir);
    struct feed f = {
        .in = in, .budget = BUDGET, .vocab = c->vocab, .positions = c->positions, .dir = dir
    };
    image_init(&b);
    while (feed_next(&f))
        take_batch(e, &f, &b);
    const char *specials = record_meta(stream_head(in), "specials"),
               *vocab = record_meta(stream_head(in), "vocab");
    e->specials = specials ? mem_strdup(specials) : NULL;
    e->vocab = vocab && atoi(vocab) > 0 && atoi(vocab) < c->vocab ? atoi(vocab) : c->vocab;
    if (want != PROBLEM_MLM)
        e->label = stream_labels(stream_head(in), &e->label_n);
    image_free(&b);
    feed_free(&f);
    stream_close(in);
    examples_some(e);
}

void
examples_free(struct examples *e)
{
    mem_free(e->name);
    mem_free(e->ids.p);
    mem_free(e->start.p);
    mem_free(e->labels.p);
    mem_free(e->specials);
    strings_free(e->label, e->label_n);
    *e = (struct examples){ 0 };
}

void
examples_first(struct examples *e, int64_t n)
{
    const int64_t *start = starts(e);
    if (n >= e->n)
        return;
    e->n = n;
    e->tokens = start[n];
    e->ids.n = (size_t)e->tokens * sizeof(int);
    e->labels.n = e->problem == PROBLEM_MLM ? 0
                  : (size_t)(e->problem == PROBLEM_TOKEN ? e->tokens : n * e->width) * 4;
    e->start.n = (size_t)(n + 1) * sizeof *start;
    e->longest = 0;
    for (int64_t i = 0; i < n; i++)
        if (examples_length(e, i) > e->longest)
            e->longest = examples_length(e, i);
}

static char *
joined(char *const *name, int n)
{
    struct buf b = { 0 };
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", name[i]);
    buf_add(&b, "", 1);
    return b.p;
}

static void
names_from(struct examples *e, const char *list)
{
    for (const char *p = list;; p++) {
        const size_t n = strcspn(p, ",");
        if (!n)
            die_usage("option --labels: an empty name in '%s'", list);
        e->label = mem_realloc(e->label, (size_t)e->label_n + 1, sizeof *e->label);
        e->label[e->label_n++] = mem_strndup(p, n);
        p += n;
        if (!*p)
            return;
    }
}

void
examples_names(struct examples *e, const char *list)
{
    const int classes = e->problem == PROBLEM_SINGLE || e->problem == PROBLEM_TOKEN;
    const int want = classes ? (e->highest < 1 ? 2 : e->highest + 1) : e->width;
    if (e->problem == PROBLEM_MLM)
        return;
    if (e->label && list) {
        char *have = joined(e->label, e->label_n);
        if (strcmp(have, list))
            die_data("'%s' has the labels %s, but --labels says %s", e->name, have, list);
        mem_free(have);
    }
    if (!e->label && list)
        names_from(e, list);
    if (!e->label) {
        e->label = mem_array((size_t)want, sizeof *e->label);
        for (; e->label_n < want; e->label_n++)
            e->label[e->label_n] = mem_printf("LABEL_%d", e->label_n);
        warn("'%s' names no labels: LABEL_0 to LABEL_%d (use --labels)", e->name, want - 1);
    }
    /* label2id could not tell them apart */
    for (int i = 1; i < e->label_n; i++)
        for (int k = 0; k < i && e->label_n <= UNIQUE; k++)
            if (!strcmp(e->label[i], e->label[k]))
                die_data("'%s': two classes are named '%s' (use --labels)", e->name,
                         e->label[i]);
    if (classes ? e->label_n < want : e->label_n != want)
        die_data("'%s' has labels for %d classes, but there are %d names (use --labels)",
                 e->name, want, e->label_n);
}

void
examples_same(const struct examples *a, struct examples *b)
{
    if (a->problem != b->problem || a->width != b->width)
        die_data("'%s' has labels of another kind than '%s'", b->name, a->name);
    if ((b->problem == PROBLEM_SINGLE || b->problem == PROBLEM_TOKEN) &&
        b->highest >= a->label_n)
        die_data("'%s' has class %d, but '%s' has %d classes", b->name, b->highest, a->name,
                 a->label_n);
    if (!b->label)
        return;
    char *x = joined(a->label, a->label_n), *y = joined(b->label, b->label_n);
    if (strcmp(x, y))
        die_data("'%s' has the labels %s, but '%s' has %s", b->name, y, a->name, x);
    mem_free(x);
    mem_free(y);
}
