/*
 * refresh - after adamw a weight's blob is that of its new master: the backend has renewed
 * it and says so (1), or it is packed again (0; the CPU).  Where blobs are plain BF16 rows
 * they are the masters rounded to nearest even.
 */
#include "tests/ops/rig.h"

enum { WEIGHTS = 3, TABLE = WEIGHTS + 1, VECTOR = 77 };
static const int shapes[WEIGHTS][2] = { { 96, 64 }, { 33, 65 }, { 256, 160 } };

struct job {
    struct val val[TABLE][4]; /* w, g, m, v */
    struct weight W[WEIGHTS];
    struct param table[TABLE];
    size_t bytes[WEIGHTS];
};

/* Some elements lie halfway between two of BF16, and do not move. */
static void
job_make(struct rig *r, struct job *j)
{
    for (int i = 0; i < TABLE; i++) {
        const int n = i < WEIGHTS ? shapes[i][0] * shapes[i][1] : VECTOR;
        for (int k = 0; k < 4; k++)
            j->val[i][k] = val_random(r, 1, n, k ? 0.1 : 1);
        for (int e = 0; e < n; e++) {
            j->val[i][3].p[e] = fabs(j->val[i][3].p[e]);
            for (int k = 1; e % 5 == 0 && k < 4; k++)
                j->val[i][k].p[e] = 0;
            if (e % 5 == 0)
                j->val[i][0].p[e] = (e % 2 ? 1 : -1) * (1 + (2 * e % 128 + 1) / 256.0);
        }
    }
}

/* The second weight's master is one element past where rows are aligned. */
static void
job_put(struct rig *r, struct job *j)
{
    for (int i = 0; i < TABLE; i++) {
        float *p[4];
        for (int k = 0; k < 4; k++) {
            const struct val v = j->val[i][k];
            struct mat m = box_make(r, 1, v.cols + 1, 0);
            float *host = mem_array((size_t)v.cols, sizeof *host);
            for (int e = 0; e < v.cols; e++)
                host[e] = (float)v.p[e];
            p[k] = (float *)m.p + (i == 1 && k == 0);
            r->be->upload(r->c, p[k], host, (size_t)v.cols * sizeof *host);
            mem_free(host);
        }
        j->table[i] = (struct param){ p[0], p[1], p[2], p[3], j->val[i][0].cols, 0, NULL, 1 };
        if (i == WEIGHTS)
            continue;
        j->W[i] = (struct weight){ .w = mat_of(p[0], shapes[i][0], shapes[i][1], F32) };
        j->bytes[i] = r->be->weight_size(r->c, j->W[i].w, WEIGHT_FORWARD);
        j->table[i].of = &j->W[i];
    }
}

static void *
packed(struct rig *r, const struct job *j, int i)
{
    void *blob = r->be->alloc(r->c, j->bytes[i]);
    r->be->weight_pack(r->c, blob, j->W[i].w, WEIGHT_FORWARD);
    return blob;
}

static unsigned char *
bytes_of(struct rig *r, const void *blob, size_t n)
{
    unsigned char *host = mem_alloc(n);
    r->be->download(r->c, host, blob, n);
    return host;
}

/* The blob is what packing the master gives now. */
static void
expect_fresh(struct rig *r, const struct job *j, int i)
{
    const size_t n = j->bytes[i], elements = (size_t)j->table[i].n;
    void *blob = packed(r, j, i);
    unsigned char *have = bytes_of(r, j->W[i].fwd, n), *want = bytes_of(r, blob, n);
    assert_memory_equal(have, want, n);
    if (strcmp(r->be->name, "cpu")) {
        float *w = (float *)(void *)bytes_of(r, j->table[i].w, elements * sizeof *w);
        assert_int_equal(n, elements * sizeof(uint16_t));
        half_narrow((uint16_t *)(void *)want, BF16, w, elements);
        assert_memory_equal(have, want, n);
        mem_free(w);
    }
    r->be->free(r->c, blob);
    mem_free(have);
    mem_free(want);
}

/* One step; whoever renews the blobs, they have changed. */
static void
step(struct rig *r, struct job *j, struct mat norm, int64_t t)
{
    const struct adam a = { 1e-2, 0.9, 0.999, 1e-8, 0.01, 1, t };
    unsigned char *before[WEIGHTS] = { 0 };
    for (int i = 0; i < WEIGHTS; i++)
        if (j->bytes[i])
            before[i] = bytes_of(r, j->W[i].fwd, j->bytes[i]);
    r->be->sqnorm(r->c, norm.p, j->table, TABLE);
    const int renewed = r->be->adamw(r->c, j->table, TABLE, &a, norm.p);
    assert_int_equal(renewed, strcmp(r->be->name, "cpu") != 0);
    for (int i = 0; i < WEIGHTS; i++) {
        if (!j->bytes[i])
            continue;
        if (!renewed)
            r->be->weight_pack(r->c, j->W[i].fwd, j->W[i].w, WEIGHT_FORWARD);
        expect_fresh(r, j, i);
        unsigned char *after = bytes_of(r, j->W[i].fwd, j->bytes[i]);
        assert_memory_not_equal(after, before[i], j->bytes[i]);
        mem_free(after);
        mem_free(before[i]);
    }
}

static void
blobs_follow_their_masters(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j);
    for (int k = 0; rig_turn(r, k); k++) {
        struct mat norm = box_make(r, 1, 1, 0);
        job_put(r, &j);
        for (int i = 0; i < WEIGHTS; i++)
            if (j.bytes[i])
                j.W[i].fwd = packed(r, &j, i);
        step(r, &j, norm, 1);
        /* the same table, but a blob has moved */
        if (j.bytes[0]) {
            void *old = j.W[0].fwd;
            j.W[0].fwd = packed(r, &j, 0);
            step(r, &j, norm, 2);
            r->be->free(r->c, old);
        }
        /* a step that is skipped leaves both as they were */
        const float bad = NAN;
        const struct adam a = { 1e-2, 0.9, 0.999, 1e-8, 0.01, 1, 3 };
        r->be->upload(r->c, norm.p, &bad, sizeof bad);
        r->be->adamw(r->c, j.table, TABLE, &a, norm.p);
        for (int i = 0; i < WEIGHTS; i++)
            if (j.bytes[i]) {
                expect_fresh(r, &j, i);
                r->be->free(r->c, j.W[i].fwd);
            }
    }
}

/* BF16 where the backend multiplies it; F32, where a backend may need no blob. */
static int
setup_auto(void **s)
{
    *s = rig_open_as(OP_AUTO);
    return 0;
}

static int
setup_f32(void **s)
{
    *s = rig_open_as(OP_F32);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        { "blobs_follow_their_masters", blobs_follow_their_masters, setup_auto,
          rig_teardown, NULL },
        { "blobs_follow_their_masters f32", blobs_follow_their_masters, setup_f32,
          rig_teardown, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
