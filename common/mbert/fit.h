#ifndef MBERT_FIT_H
#define MBERT_FIT_H
/*
 * fit - a head on pooled vectors of a frozen encoder: what clf-head --train does.
 *
 * FIT_CLASSIFIER keeps head.dense and head.norm of the model in dir, computes their output
 * once and fits classifier.weight and bias on it (glm.h): a softmax, of two classes
 * logistic regression w with rows -w/2 and w/2, so that the penalty is on w; a logistic
 * regression a class for sets; least squares for numbers.  FIT_HEAD trains the whole head
 * by AdamW. The same options and input give the same bytes, for any number of threads.
 */
#include <stdint.h>
#include "formats/stream.h"
enum { FIT_CLASSIFIER, FIT_HEAD };
struct fit_options {
    const char *dir, *out;
    int what;                /* FIT_CLASSIFIER, FIT_HEAD */
    double l2;               /* FIT_CLASSIFIER; negative: chosen by `folds` folds */
    int folds;
    const char *weights;     /* of classes: NULL, "balanced" or "a,b,..." */
    const char *labels;      /* "a,b", names when the stream has none, or NULL */
    int epochs, batch;       /* FIT_HEAD */
    double lr;
    int64_t seed;
    int force, threads;
};
/*
 * Reads a labelled pooled stream, made by the encoder in o->dir as its config says, to its
 * end, and writes the model directory o->out.  Dies of a wrong stream, model or option.
 */
void fit_run(const struct fit_options *o, struct stream_in *in);
#endif
