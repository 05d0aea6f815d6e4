#ifndef EVAL_PAGE_H
#define EVAL_PAGE_H
/*
 * page - a sample's figures and pictures as one HTML page that needs nothing else, for a
 * model card.  Tables with 95 % intervals, pictures drawn by gnuplot inside, no script.
 *
 *     page_make(&(struct page){ "guard", &sample, &options, NULL }, &html);
 *
 * Titles and names of classes may be any text.  The same input gives the same bytes, as
 * long as gnuplot stays the same; without gnuplot: die_sys.
 */
#include "common/base/mem.h"
#include "common/base/series.h"
#include "common/eval/options.h"
#include "common/eval/sample.h"
enum { PAGE_REPLICATES = 1000 };
struct page {
    const char *title;           /* NULL: "Scores" */
    const struct sample *sample;
    const struct eval_options *options; /* threshold; bootstrap, else PAGE_REPLICATES; seed; by */
    const struct run *run;       /* of the model's training, or NULL */
};
void page_make(const struct page *p, struct buf *html);
#endif
