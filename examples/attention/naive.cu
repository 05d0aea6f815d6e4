/*
 * naive - the formula as it stands: three kernels, and the scores of every query and key in
 * memory between them.
 *
 *     scores     s_ij = q_i . k_j / sqrt K                  a thread a score
 *     softmax    p_ij = exp(s_ij - max_j) / sum_j           a thread a row
 *     output     o_ic = sum_j p_ij v_jc                     a thread an element of o
 *
 * It is right, and all its arithmetic is needed.  What it wastes is memory: a score fetches
 * two vectors of K numbers for K multiplications, and s is written three times and read
 * four.
 */
#include "examples/attention/ladder.h"

enum { THREADS = 128 };

/* The sequence that a row belongs to. */
DEV int
sequence_of(const int *cu, int row)
{
    int b = 0;
    while (cu[b + 1] <= row)
        b++;
    return b;
}

/* s: [rows][heads][longest], of which a row uses as many as its sequence has keys. */
KERNEL(THREADS, 1)
scores(float *s, struct batch<float> b)
{
    const int64_t i = (int64_t)dev_block() * THREADS + dev_thread();
    const int j = (int)(i % b.longest), head = (int)(i / b.longest % b.heads);
    const int64_t row = i / b.longest / b.heads;
    if (row >= b.rows)
        return;
    const int seq = sequence_of(b.cu, (int)row), key = b.cu[seq] + j;
    if (key >= b.cu[seq + 1])
        return;
    const float *q = b.q + at_row((int)row, head, b.heads);
    const float *k = b.k + at_row(key, head, b.heads);
    float dot = 0;
    for (int c = 0; c < K; c++)
        dot += q[c] * k[c];
    s[i] = dot * SCALE;
}

/* The maximum changes nothing in the quotient, but keeps exp from overflowing. */
KERNEL(THREADS, 1)
softmax(float *s, struct batch<float> b)
{
    const int i = dev_block() * THREADS + dev_thread(); /* row and head */
    if (i >= b.rows * b.heads)
        return;
    const int seq = sequence_of(b.cu, i / b.heads), len = b.cu[seq + 1] - b.cu[seq];
    float max = -INFINITY, sum = 0;
    s += (ptrdiff_t)i * b.longest;
    for (int j = 0; j < len; j++)
        max = fmaxf(max, s[j]);
    for (int j = 0; j < len; j++) {
        s[j] = expf(s[j] - max);
        sum += s[j];
    }
    for (int j = 0; j < len; j++)
        s[j] /= sum;
}

KERNEL(THREADS, 1)
output(const float *p, struct batch<float> b)
{
    const int64_t i = (int64_t)dev_block() * THREADS + dev_thread(); /* row, head, column */
    const int c = (int)(i % K), head = (int)(i / K % b.heads);
    const int64_t row = i / K / b.heads;
    if (row >= b.rows)
        return;
    const int seq = sequence_of(b.cu, (int)row), first = b.cu[seq];
    const int len = b.cu[seq + 1] - first;
    float sum = 0;
    p += i / K * b.longest;
    for (int j = 0; j < len; j++)
        sum += p[j] * b.v[at_row(first + j, head, b.heads) + c];
    b.o[i] = sum;
}

static void
attend(struct batch<float> b, const int *, cudaStream_t stream)
{
    const int64_t pairs = (int64_t)b.rows * b.heads;
    float *s = NULL;
    must(cudaMalloc(&s, pairs * b.longest * sizeof *s), "cudaMalloc of the scores");
    LAUNCH(stream, scores, blocks_of(pairs * b.longest, THREADS), THREADS, 0, s, b);
    LAUNCH(stream, softmax, blocks_of(pairs, THREADS), THREADS, 0, s, b);
    LAUNCH(stream, output, blocks_of(pairs * K, THREADS), THREADS, 0, s, b);
    must(cudaStreamSynchronize(stream), "naive");
    must(cudaFree(s), "cudaFree");
}

int
main(int argc, char **argv)
{
    return ladder<float>(argc, argv, { "naive", attend, false, false, 1e-10 });
}
