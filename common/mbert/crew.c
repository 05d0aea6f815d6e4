#include "common/mbert/crew.h"
#include <string.h>
#include <xxhash.h>
#include "common/base/mem.h"

/* Measured with 22 layers of 768: from 256 to 512 rows a chunk costs the same to 5 %. */
enum { CHUNK_ROWS = 384, ALONE_ROWS = 1024 };
/* Of what a device may start again: two hundred launches cost the host some 3 us each. */
enum { REPLAY_ROWS = 4096 };

struct member { struct model m; struct acts acts; struct buf cu; };
struct chunk { int first, n; }; /* sequences */
struct crew {
    struct model *m;
    struct member team, *alone; /* alone[threads]: NULL on other devices than cpu */
    int threads;
    struct buf chunks;
};

struct crew *
crew_open(struct model *m)
{
    struct crew *w = mem_zalloc(1, sizeof *w);
    const int threads = m->be->threads(m->c);
    w->m = m;
    w->threads = threads;
    w->team.m = *m;
    if (threads < 2 || strcmp(m->be->name, "cpu"))
        return w;
    w->alone = mem_zalloc((size_t)threads, sizeof *w->alone);
    for (int i = 0; i < threads; i++) {
        w->alone[i].m = *m;
        w->alone[i].m.c = m->be->open(1, m->be->precision(m->c));
    }
    return w;
}

static void
release(struct member *r)
{
    acts_free(&r->acts, &r->m);
    mem_free(r->cu.p);
}

void
crew_close(struct crew *w)
{
    for (int i = 0; w->alone && i < w->threads; i++) {
        release(&w->alone[i]);
        w->m->be->close(w->alone[i].m.c);
    }
    release(&w->team);
    mem_free(w->alone);
    mem_free(w->chunks.p);
    mem_free(w);
}

int
crew_by_token(const struct crew *w, const struct crew_job *j)
{
    const enum head_kind head = w->m->head;
    return j->output == CREW_HIDDEN ||
           (j->output == CREW_LOGITS && (head == HEAD_TOKEN || head == HEAD_MLM));
}

int
crew_rows(const struct crew *w, const struct crew_job *j)
{
    return crew_by_token(w, j) ? j->cu[j->n] : j->n;
}

int
crew_cols(const struct crew *w, const struct crew_job *j)
{
    if (j->output != CREW_LOGITS)
        return w->m->cfg.hidden;
    return w->m->head == HEAD_MLM ? w->m->cfg.vocab : w->m->classes;
}

/* Where a chunk's result is once computed. */
static struct mat
result_of(const struct crew *w, const struct acts *s, const struct crew_job *j)
{
    if (j->output == CREW_LOGITS)
        return s->logits;
    return crew_by_token(w, j) ? s->final : s->pooled;
}

static void
compute(const struct crew *w, struct member *r, struct acts *s, const struct seqs *q,
        const struct crew_job *j)
{
    const int by_token = crew_by_token(w, j);
    mbert_encode(&r->m, s, q, j->window_off, j->each, j->arg);
    if (!by_token && !s->firsts)
        mbert_pool(&r->m, s, q, j->pooling);
    if (j->output == CREW_LOGITS)
        head_forward(&r->m, s, by_token ? s->final : s->pooled);
}

/* All that compute() passes to the ops: equal keys are the same calls. */
static uint64_t
key_of(const struct acts *s, const struct seqs *q, const struct crew_job *j)
{
    const uint64_t what[] = { (uint64_t)j->output, (uint64_t)j->pooling,
                              (uint64_t)j->window_off, (uint64_t)s->firsts,
                              (uint64_t)(uintptr_t)s->memory, (uint64_t)(uintptr_t)q->plan };
    return XXH64(q->cu, ((size_t)q->n + 1) * sizeof *q->cu, XXH64(what, sizeof what, 0));
}

/* compute(), or the same started again; what is long keeps a device busy either way. */
static void
compute_or_replay(const struct crew *w, struct member *r, struct acts *s,
                  const struct seqs *q, const struct crew_job *j)
{
    const struct ops *be = r->m.be;
    const int brief = q->rows <= REPLAY_ROWS && !j->each;
    if (brief && be->replay(r->m.c, key_of(s, q, j)))
        return;
    compute(w, r, s, q, j);
    if (brief)
        be->recorded(r->m.c);
}

/* Sequences [first, first + n) of the job, by one member; take: download or fetch. */
static void
run_chunk_to(const struct crew *w, struct member *r, const struct crew_job *j, struct chunk k,
             op_download_fn *take, float *out)
{
    const struct ops *be = r->m.be;
    const int start = j->cu[k.first], T = j->cu[k.first + k.n] - start;
    struct seqs q;
    r->cu.n = 0;
    int *cu = buf_room(&r->cu, ((size_t)k.n + 1) * sizeof *cu);
    for (int i = 0; i <= k.n; i++)
        cu[i] = j->cu[k.first + i] - start;
    memcpy(r->m.rope, w->m->rope, sizeof r->m.rope);
    r->m.positions = w->m->positions;
    acts_fit(&r->acts, &r->m, ACTS_INFER, be->type(r->m.c), T, k.n);
    struct acts s = acts_cut(&r->acts, T, k.n);
    be->seqs_make(r->m.c, &q, k.n, cu);
    int empty = 0; /* pools to zero, which only pooling knows */
    for (int i = 0; i < k.n; i++)
        empty |= cu[i] == cu[i + 1];
    s.firsts = !crew_by_token(w, j) && j->pooling == OP_CLS && !j->each && !empty;
    be->upload(r->m.c, s.ids, j->ids + start, (size_t)T * sizeof *s.ids);
    compute_or_replay(w, r, &s, &q, j);
    const struct mat from = result_of(w, &s, j);
    const size_t row = crew_by_token(w, j) ? (size_t)start : (size_t)k.first;
    take(r->m.c, out + row * (size_t)from.cols, from.p,
         (size_t)from.rows * (size_t)from.cols * sizeof *out);
    be->seqs_free(r->m.c, &q);
}

static void
run_chunk(const struct crew *w, struct member *r, const struct crew_job *j, struct chunk k,
          float *out)
{
    run_chunk_to(w, r, j, k, r->m.be->download, out);
}

static int
rows_of(const struct crew_job *j, struct chunk k)
{
    return j->cu[k.first + k.n] - j->cu[k.first];
}

/* Cuts the job into chunks; *small: those that one thread takes alone. */
static int
cut(struct crew *w, const struct crew_job *j, int *small)
{
    int n = 0;
    w->chunks.n = 0;
    *small = 0;
    for (int first = 0; first < j->n; n++) {
        struct chunk k = { first, 1 };
        while (first + k.n < j->n && j->cu[first + k.n + 1] - j->cu[first] <= CHUNK_ROWS)
            k.n++;
        buf_add(&w->chunks, &k, sizeof k);
        *small += rows_of(j, k) <= ALONE_ROWS;
        first += k.n;
    }
    return n;
}

static void
prepare(struct crew *w, const struct crew_job *j)
{
    int longest = 0;
    for (int i = 0; i < j->n; i++)
        longest = j->cu[i + 1] - j->cu[i] > longest ? j->cu[i + 1] - j->cu[i] : longest;
    model_positions(w->m, longest);
}

/* The small chunks, each by the thread that is free. */
static void
alone(const struct crew *w, const struct crew_job *j, const struct chunk *k, int n, float *out)
{
    int next = 0;
#pragma omp parallel num_threads(w->threads)
    {
        int own;
#pragma omp atomic capture
        own = next++;
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < n; i++)
            if (rows_of(j, k[i]) <= ALONE_ROWS)
                run_chunk(w, &w->alone[own], j, k[i], out);
    }
}

void
crew_run(struct crew *w, const struct crew_job *j, float *out)
{
    int small;
    prepare(w, j);
    if (j->each || strcmp(w->m->be->name, "cpu")) {
        run_chunk(w, &w->team, j, (struct chunk){ 0, j->n }, out);
        return;
    }
    const int n = cut(w, j, &small), apart = w->alone && small >= w->threads;
    const struct chunk *k = (const struct chunk *)(const void *)w->chunks.p;
    if (apart)
        alone(w, j, k, n, out);
    for (int i = 0; i < n; i++)
        if (!apart || rows_of(j, k[i]) > ALONE_ROWS)
            run_chunk(w, &w->team, j, k[i], out);
}

void
crew_start(struct crew *w, const struct crew_job *j, float *out)
{
    prepare(w, j);
    run_chunk_to(w, &w->team, j, (struct chunk){ 0, j->n }, w->m->be->fetch, out);
}

void
crew_finish(struct crew *w, int later)
{
    w->m->be->fetched(w->m->c, later);
}
