#include "common/eval/picture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "common/base/child.h"
#include "common/base/die.h"
#include "common/eval/canvas.h"
#include "common/eval/measure.h"

static int
named(const char *name)
{
    static const char *const names[PICTURES] = {
        "roc", "pr", "reliability", "confusion", "hist", "training"
    };
    for (int i = 0; i < PICTURES; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static int
ends_in(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n > m && !strcmp(s + n - m, end);
}

/* A variable's size, else the terminal's, else `otherwise`; between least and most. */
static int
size_of(const char *variable, int terminal, int otherwise, int least, int most)
{
    const char *said = getenv(variable);
    const long n = said ? strtol(said, NULL, 10) : 0;
    const long size = n > 0 ? n : terminal > 0 ? terminal : otherwise;
    return (int)(size < least ? least : size > most ? most : size);
}

static struct plot
form(const char *path)
{
    struct winsize w = { 0 };
    if (path && strcmp(path, "-") != 0) {
        if (!ends_in(path, ".svg") && !ends_in(path, ".png"))
            die_usage("option --output: '%s' ends neither in .svg nor in .png", path);
        return (struct plot){ .form = ends_in(path, ".svg") ? PLOT_SVG : PLOT_PNG };
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w))
        w = (struct winsize){ 0 };
    return (struct plot){ .form = PLOT_TEXT,
                          .columns = size_of("COLUMNS", w.ws_col, 80, 40, 500),
                          .lines = size_of("LINES", w.ws_row - 1, 24, 16, 200) };
}

void
picture_ask(struct drawing *d, int n, char *const *word, const char *path,
            const char *title)
{
    const int kind = n ? named(word[0]) : -1;
    if (kind < 0 || n > 2)
        die_usage("plot: wants one of " PICTURE_NAMES ", then at most one file");
    *d = (struct drawing){ (enum picture)kind, form(path), n > 1 ? word[1] : "-" };
    d->plot.title = title;
}

/* ---- curves -------------------------------------------------------------------------- */
static int
truth_of(const struct sample *s, int64_t i, int k)
{
    return s->task == SAMPLE_MULTI ? s->truth[i * s->classes + k] : s->label[i] == k;
}

static int64_t
positives(const struct sample *s, int k)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++)
        n += truth_of(s, i, k);
    return n;
}

static void
one_curve(struct plot_curve *c, const struct sample *s, int k, char text[16])
{
    double *score = mem_array((size_t)s->n, sizeof *score);
    unsigned char *truth = mem_array((size_t)s->n, 1);
    for (int64_t i = 0; i < s->n; i++) {
        score[i] = s->p[i * s->classes + k];
        truth[i] = (unsigned char)truth_of(s, i, k);
    }
    c->name = canvas_name(s->name, k, text);
    curve_make(&c->curve, score, truth, s->n);
    mem_free(score);
    mem_free(truth);
}

static const char *
curves(enum picture kind, const struct sample *s, double threshold, const struct plot *p,
       struct buf *b)
{
    const int binary = s->task == SAMPLE_SINGLE && s->classes == 2;
    struct plot_curve c[PLOT_CURVES];
    char text[PLOT_CURVES][16];
    int n = 0, of = 0;
    for (int k = binary; k < s->classes; k++) {
        const int64_t rows = positives(s, k);
        if (rows == 0 || rows == s->n)
            continue;
        if (n < PLOT_CURVES) {
            one_curve(&c[n], s, k, text[n]);
            n++;
        }
        of++;
    }
    if (!n)
        return "no class has both positive and negative rows: there is no curve";
    (kind == PICTURE_ROC ? plot_roc : plot_pr)(p, c, n, of, binary ? threshold : NAN, b);
    for (int k = 0; k < n; k++)
        curve_free(&c[k].curve);
    return NULL;
}

/* ---- histograms ---------------------------------------------------------------------- */
struct confidences { double *conf; unsigned char *hit; int64_t n; };

static const char *
what_of(const struct sample *s)
{
    return s->task == SAMPLE_MULTI ? "score of each class"
           : s->classes == 2       ? "score"
                                   : "score of the predicted class";
}

static int
top(const double *p, int classes)
{
    int best = 0;
    for (int k = 1; k < classes; k++)
        if (p[k] > p[best])
            best = k;
    return best;
}

/*
 * Two classes: the score and the label; more: the predicted class's and whether it is right;
 * several labels a row: all scores and their labels.
 */
static struct confidences
confidences(const struct sample *s)
{
    const int multi = s->task == SAMPLE_MULTI, classes = s->classes;
    struct confidences c = { .n = multi ? s->n * classes : s->n };
    c.conf = mem_array((size_t)c.n, sizeof *c.conf);
    c.hit = mem_array((size_t)c.n, 1);
    for (int64_t i = 0; i < c.n; i++) {
        const double *r = s->p + i * (multi ? 1 : classes);
        const int k = multi ? 0 : classes == 2 ? 1 : top(r, classes);
        c.conf[i] = r[k];
        c.hit[i] = multi ? s->truth[i] : s->label[i] == k;
    }
    return c;
}

static void
histogram(const struct sample *s, double threshold, const struct plot *p, struct buf *b)
{
    struct confidences c = confidences(s);
    const int binary = s->task == SAMPLE_SINGLE && s->classes == 2;
    double *of[2] = { mem_array((size_t)c.n, sizeof **of),
                      mem_array((size_t)c.n, sizeof **of) };
    int64_t n[2] = { 0 };
    char text[2][16];
    for (int64_t i = 0; i < c.n; i++) {
        const int hit = c.hit[i];
        of[hit][n[hit]++] = c.conf[i];
    }
    const char *const other[2] = { s->task == SAMPLE_MULTI ? "not a label" : "wrong",
                                   s->task == SAMPLE_MULTI ? "a label" : "right" };
    struct plot_group g[2];
    for (int k = 0; k < 2; k++)
        g[k] = (struct plot_group){ binary ? canvas_name(s->name, k, text[k]) : other[k],
                                    of[k], n[k] };
    plot_hist(p, g, 2, what_of(s), binary ? threshold : NAN, b);
    mem_free(of[0]);
    mem_free(of[1]);
    mem_free(c.conf);
    mem_free(c.hit);
}

/* ---- what was measured --------------------------------------------------------------- */
static const char *
reliability(const struct sample *s, double threshold, const struct plot *p, struct buf *b)
{
    struct measure *m = measure_new(s, threshold);
    const struct quality *q = &m->quality;
    if (s->task == SAMPLE_MULTI)
        plot_reliability(p, m->multilabel.width, CALIBRATION_BINS, what_of(s),
                         m->multilabel.ece_mass, b);
    else
        plot_reliability(p, q->width, CALIBRATION_BINS, what_of(s),
                         s->classes == 2 ? q->ece_mass : q->ece_top_mass, b);
    measure_free(m);
    return NULL;
}

static const char *
confusion(const struct sample *s, double threshold, const struct plot *p, struct buf *b)
{
    if (s->task == SAMPLE_MULTI)
        return "rows with several labels have no confusion matrix";
    if (s->classes > PLOT_CLASSES)
        return "a picture of the confusion has room for 200 classes";
    struct measure *m = measure_new(s, threshold);
    plot_confusion(p, &m->quality.counts, s->name, b);
    measure_free(m);
    return NULL;
}

const char *
picture_script(enum picture kind, const struct sample *s, double threshold,
               const struct plot *p, struct buf *b)
{
    if (s->task == SAMPLE_REGRESSION)
        return "values of a regression have no such picture";
    switch (kind) {
    case PICTURE_ROC:
    case PICTURE_PR: return curves(kind, s, threshold, p, b);
    case PICTURE_RELIABILITY: return reliability(s, threshold, p, b);
    case PICTURE_CONFUSION: return confusion(s, threshold, p, b);
    case PICTURE_HIST: histogram(s, threshold, p, b); return NULL;
    case PICTURE_TRAINING:
    case PICTURES: break;
    }
    return "a sample has no such picture";
}

/* From `from` on: no blanks at the ends of lines, no empty lines first and last. */
static void
tidy(struct buf *b, size_t from)
{
    size_t n = from, lines = from; /* what is kept; its last line that is not empty */
    for (size_t i = from; i < b->n;) {
        const char *const end = memchr(b->p + i, '\n', b->n - i);
        const size_t stop = end ? (size_t)(end - b->p) : b->n;
        size_t used = stop;
        while (used > i && b->p[used - 1] == ' ')
            used--;
        memmove(b->p + n, b->p + i, used - i);
        n += used - i;
        lines = used > i ? n : lines;
        if (end && n > from)
            b->p[n++] = '\n';
        i = stop + 1;
    }
    b->n = lines;
    buf_add(b, "\n", 1);
}

void
picture_draw(const struct plot *p, const struct buf *script, struct buf *out)
{
    static const char *const gnuplot[] = { "gnuplot", "-d", "-", NULL };
    const size_t before = out->n;
    child_run(gnuplot, script->p, script->n, out,
              "it is not installed (Debian: gnuplot-nox)");
    if (out->n == before)
        die_sys("'gnuplot' drew nothing");
    if (p->form == PLOT_TEXT)
        tidy(out, before);
}

void
picture_make(const struct drawing *d, const struct sample *s, const struct run *run,
             double threshold, struct buf *out)
{
    struct buf script = { 0 };
    const char *why = NULL;
    if (d->kind == PICTURE_TRAINING)
        plot_training(&d->plot, run, &script);
    else
        why = picture_script(d->kind, s, threshold < 0 ? .5 : threshold, &d->plot, &script);
    if (why)
        die_data("'%s': %s", d->from, why);
    picture_draw(&d->plot, &script, out);
    mem_free(script.p);
}
