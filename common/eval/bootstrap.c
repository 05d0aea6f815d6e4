#include "common/eval/bootstrap.h"
#include <string.h>
#include "common/base/rng.h"

void
bootstrap_draw(uint32_t *w, int64_t n, uint64_t seed, int64_t replicate)
{
    memset(w, 0, (size_t)n * sizeof *w);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t u = rng_u64(seed, (uint64_t)(replicate * n + i));
        w[(unsigned __int128)u * (uint64_t)n >> 64]++;
    }
}

void
bootstrap_intervals(struct measure *m, const struct asked *what, int count,
                    int64_t replicates, uint64_t seed, struct interval *out)
{
    uint32_t *w = mem_array((size_t)m->s->n, sizeof *w);
    double *v = mem_array(mem_mul((size_t)replicates, (size_t)count), sizeof *v);
    for (int64_t r = 0; r < replicates; r++) {
        bootstrap_draw(w, m->s->n, seed, r);
        measure_take(m, w);
        for (int k = 0; k < count; k++)
            v[k * replicates + r] = measure_value(m, &what[k]);
    }
    for (int k = 0; k < count; k++)
        out[k] = interval_percentile(v + k * replicates, replicates);
    measure_take(m, NULL);
    mem_free(v);
    mem_free(w);
}
