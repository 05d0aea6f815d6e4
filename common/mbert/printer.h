#ifndef MBERT_PRINTER_H
#define MBERT_PRINTER_H
/*
 * printer - verdicts as JSON lines, in input order, windows brought together if asked.
 *
 *     struct printer p = { .in = in, .style = &style, .how = WINDOWS_MAX };
 *     printer_open(&p, path);
 *     for each record: printer_put(&p, &sequences, record, z, probabilities);
 *     printer_close(&p);        // what was held back; the file is complete
 *
 * A stream that was shuffled, or is a part of one, is held in memory and put in order at
 * the end.  Else lines go out with their record, but a prompt's windows when the next
 * prompt begins; of an aggregated stream rows that go back are die_data.
 */
#include "common/mbert/entities.h"
#include "common/mbert/shelf.h"
#include "common/mbert/windows.h"
#include "formats/stream.h"
struct printer {
    struct stream_in *in;
    const struct line_style *style;
    int how;                    /* WINDOWS_ALL, WINDOWS_MAX, WINDOWS_MEAN */
    /* private */
    struct sink *sink;
    int held;
    struct line line;
    struct buf text;
    struct shelf shelf;
    struct windows windows;
    struct entities entities;   /* style->problem PROBLEM_TOKEN */
    double *row;                /* [C] */
    float *logits, *scores;
};
void printer_open(struct printer *p, const char *path);
/* z, scores: [B,C], or of a model that classifies tokens [T,C]. */
void printer_put(struct printer *p, const struct sequences *s, const struct record *r,
                 const float *z, const float *scores);
void printer_close(struct printer *p);
#endif
