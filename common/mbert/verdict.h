#ifndef MBERT_VERDICT_H
#define MBERT_VERDICT_H
/*
 * verdict - pooled vectors or logits to scores: what clf-head does.
 *
 * Single label: softmax; multi-label: a sigmoid each; regression: the plain value; as
 * problem_type says, else one class is regression, else the stream's task, else single.
 * A model that classifies tokens: stretches of the text (entities.h).
 * A logit that is not finite is die_data naming the row: never a verdict from NaN.
 */
#include "formats/stream.h"
struct verdict_options {
    const char *dir;
    const char *calibration; /* a file of scaling.h, or NULL */
    int aggregate;           /* WINDOWS_ALL: a line a window, WINDOWS_MAX, WINDOWS_MEAN */
    int logits;              /* add the logits, in id order */
    int stream;              /* a scores stream instead of JSON lines */
    int threads;
};
/* Reads a pooled or logits stream to its end, writes path (NULL: standard output). */
void verdict_run(const struct verdict_options *o, struct stream_in *in, const char *path);
#endif
