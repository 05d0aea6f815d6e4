#ifndef BPE_JOB_H
#define BPE_JOB_H
/*
 * job - what one thread makes of one chunk: records, or lines of counts, and what there is
 * to say about it; nothing of it is written here.
 */
#include "common/bpe/batch.h"
#include "common/bpe/chunk.h"
#include "common/bpe/draft.h"
#include "common/bpe/tag.h"
#include "formats/json.h"
struct waiting { /* a prompt whose text is in the batch */
    struct row row;
    int64_t lineno;
    size_t hot;            /* where its set begins in job.hots */
    size_t kept, kept_end; /* where its bytes begin, and its ends, in job.kept, job.ends */
};
struct job {
    const struct plan *plan;
    struct labels labels;    /* the plan's, with a task that may still settle */
    struct json *json;
    struct batch *batch;
    struct encoder *encoder; /* for spans and classes of tokens */
    struct chunk chunk;
    struct waiting *wait;
    size_t waits, wait_cap;
    struct buf hots, kept, ends;
    float *hot;
    struct draft **drafts;     /* records; the first `full` are ready */
    int full, made;
    struct buf spans;        /* of the text at hand, */
    struct buf words;        /* struct encode_word of the prompt's first text, */
    struct buf places;       /* struct place of the prompt, */
    struct buf classes;      /* and int32_t a token */
    struct tags tags;
    struct buf text;         /* counts */
    struct buf log;          /* warnings, a line each */
    char why[512];           /* what ends it all, "" when nothing does */
    char note[256];          /* what is wrong with a line */
    int64_t prompts, cut, skipped, specials;
};
void job_init(struct job *j, struct plan *plan); /* makes tables: not while others work */
void job_free(struct job *j);
void job_run(struct job *j);
void job_finish(struct job *j);  /* a record that is not full is ready too */
void job_forget(struct job *j);  /* what was ready has been written */
#endif
