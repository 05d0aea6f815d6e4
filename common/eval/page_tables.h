#ifndef EVAL_PAGE_TABLES_H
#define EVAL_PAGE_TABLES_H
/* page_tables - the tables of a page (page.h). */
#include "common/eval/bootstrap.h"
#include "common/eval/page.h"
enum {
    PAGE_LINES = 40,
    PAGE_CELLS = 12 /* classes up to which page_confusion makes a table */
};
struct body {
    const struct page *p;
    struct measure *m;
    int64_t replicates;
    int drawn;
    const char *figure[PAGE_LINES]; /* those of the bootstrap, and their intervals */
    struct interval interval[PAGE_LINES];
};
int page_two(const struct sample *s); /* two classes, one of which is right */
/* Fills y->figure and y->interval; afterwards y->m is measured as it was, without a fit. */
void page_bootstrap(struct body *y);
void page_summary(const struct body *y, struct buf *b);
void page_calibration(const struct body *y, struct buf *b);
/* Classifications alone, the matrix with one class right a row, thresholds with two classes. */
void page_classes(const struct measure *m, struct buf *b);
void page_confusion(const struct measure *m, struct buf *b);
void page_thresholds(const struct quality *q, struct buf *b);
void page_bins(const struct bin *bin, struct buf *b);
void page_groups(const struct body *y, struct buf *b);
#endif
