#include "common/eval/page.h"
#include <inttypes.h>
#include "common/base/version.h"
#include "common/eval/canvas.h"
#include "common/eval/html.h"
#include "common/eval/page_tables.h"
#include "common/eval/picture.h"

/* ---- pictures ------------------------------------------------------------------------ */
static void
figure(const struct body *y, enum picture kind, const char *label, const char *caption,
       struct buf *b)
{
    const struct page *p = y->p;
    static const char *const id[PICTURES] = {
        "roc", "pr", "reliability", "confusion", "hist", "training"
    };
    const struct plot plot = { .form = PLOT_INLINE };
    struct buf script = { 0 }, svg = { 0 };
    const char *why = NULL;
    if (kind == PICTURE_TRAINING)
        plot_training(&plot, p->run, &script);
    else
        why = picture_script(kind, p->sample, y->m->threshold, &plot, &script);
    if (!why) {
        picture_draw(&plot, &script, &svg);
        buf_printf(b, "<figure>\n");
        html_svg(b, id[kind], label, svg.p, svg.n);
        buf_printf(b, "<figcaption>%s</figcaption>\n</figure>\n", caption);
    } else {
        buf_printf(b, "<p class=\"soft\">No picture: %s.</p>\n", why);
    }
    mem_free(script.p);
    mem_free(svg.p);
}

/* ---- the page ------------------------------------------------------------------------ */
static void
introduction(const struct body *y, struct buf *b)
{
    const struct page *p = y->p;
    const struct sample *s = p->sample;
    char text[16];
    buf_printf(b, "<h1>");
    html_text(b, p->title ? p->title : "Scores");
    buf_printf(b, "</h1>\n<p class=\"soft\">%" PRId64 " labelled rows", s->n);
    if (s->task == SAMPLE_REGRESSION)
        buf_printf(b, " of numbers");
    else if (page_two(s)) {
        buf_printf(b, "; positive class <b>");
        html_text(b, canvas_name(s->name, 1, text));
        buf_printf(b, "</b>, from a score of %.9g on", y->m->threshold);
    } else {
        buf_printf(b, ", %d classes", s->classes);
        if (s->task == SAMPLE_MULTI)
            buf_printf(b, ", several a row; a class counts from a score of %.9g on",
                       y->m->threshold);
    }
    buf_printf(b, ".</p>\n");
}

static void
classification(const struct body *y, struct buf *b)
{
    const struct sample *s = y->p->sample;
    buf_printf(b, "<h2>Classes</h2>\n");
    page_classes(y->m, b);
    if (s->task == SAMPLE_SINGLE) {
        buf_printf(b, "<h2>Confusion</h2>\n");
        if (s->classes <= PAGE_CELLS)
            page_confusion(y->m, b);
        else
            figure(y, PICTURE_CONFUSION, "Confusion matrix",
                   "The share of each true class that was predicted as each.", b);
    }
    buf_printf(b, "<h2>Ranking</h2>\n");
    figure(y, PICTURE_ROC, "ROC curve",
           "Receiver operating characteristic; on the right over a logarithmic false "
           "positive rate.",
           b);
    figure(y, PICTURE_PR, "Precision-recall curve", "Precision over recall.", b);
    if (page_two(s)) {
        buf_printf(b, "<h2>Thresholds</h2>\n");
        page_thresholds(&y->m->quality, b);
        buf_printf(b, "<p class=\"soft\">Each threshold was chosen on these same rows, so "
                      "that the rates here flatter it; choose it on "
                      "other rows before it is used.</p>\n");
    }
    figure(y, PICTURE_HIST, "Histogram of scores",
           page_two(s) ? "Scores of the rows of each class; the dashed line is the threshold."
                  : "Scores of right and of wrong answers.",
           b);
    buf_printf(b, "<h2>Calibration</h2>\n");
    page_calibration(y, b);
    figure(y, PICTURE_RELIABILITY, "Reliability diagram",
           "Where scores are probabilities the points lie on the dashed line.", b);
    page_bins(s->task == SAMPLE_MULTI ? y->m->multilabel.width : y->m->quality.width, b);
}

static void
method(const struct body *y, struct buf *b)
{
    buf_printf(b,
               "<h2>Method</h2>\n<p class=\"soft\">Intervals of shares of rows are "
               "Wilson’s; the others are percentiles of a "
               "bootstrap with %" PRId64 " replicates and seed %" PRId64
               ". Undefined figures are –. Formulas: "
               "metrics(1) of mbert-tools " MBERT_VERSION ", which made this page.</p>\n",
               y->replicates, y->p->options->seed);
}

void
page_make(const struct page *p, struct buf *b)
{
    const double threshold = p->options->threshold;
    struct body y = { .p = p,
                      .m = measure_new(p->sample, threshold >= 0 ? threshold : .5),
                      .replicates = p->options->bootstrap > 0 ? p->options->bootstrap
                                                              : PAGE_REPLICATES };
    page_bootstrap(&y);
    measure_fit(y.m);
    html_start(b, p->title ? p->title : "Scores");
    introduction(&y, b);
    page_summary(&y, b);
    if (p->sample->task != SAMPLE_REGRESSION)
        classification(&y, b);
    if (p->options->by) {
        buf_printf(b, "<h2>Groups</h2>\n");
        page_groups(&y, b);
    }
    if (p->run) {
        buf_printf(b, "<h2>Training</h2>\n");
        figure(&y, PICTURE_TRAINING, "Training run",
               "Losses, evaluations, learning rate and gradient norm over the steps of the "
               "training.",
               b);
    }
    method(&y, b);
    html_end(b);
    measure_free(y.m);
}
