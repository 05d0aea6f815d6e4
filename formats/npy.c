#include "formats/npy.h"
#include <string.h>
#include "common/base/half.h"
#include "common/base/mem.h"
#include "formats/sink.h"

enum { BLOCK = 4096 };

static const char *const descr[DTYPES] = {
    [F32] = "<f4", [BF16] = "<f4", [F16] = "<f2", [F64] = "<f8", [I64] = "<i8",
    [I32] = "<i4", [I16] = "<i2",  [I8] = "|i1",  [U64] = "<u8", [U32] = "<u4",
    [U16] = "<u2", [U8] = "|u1",   [BOOL] = "|b1",
};

static void
widen(struct sink *out, const struct tensor *t)
{
    const uint16_t *h = t->data;
    float f[BLOCK];
    for (size_t n = t->bytes / 2, k; n; n -= k, h += k) {
        k = n < BLOCK ? n : BLOCK;
        half_widen(f, h, BF16, k);
        sink_write(out, f, k * sizeof *f);
    }
}

void
npy_write(struct sink *out, const struct tensor *t)
{
    static const char magic[] = "\x93NUMPY\x01"; /* and the minor version, its NUL */
    struct buf h = { 0 };
    buf_printf(&h, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[t->type]);
    for (int i = 0; i < t->rank; i++)
        buf_printf(&h, "%s%lld%s", i ? " " : "", (long long)t->shape[i],
                   i + 1 < t->rank || t->rank == 1 ? "," : "");
    buf_printf(&h, "), }");
    while ((sizeof magic + 2 + h.n + 1) % 64)
        buf_add(&h, " ", 1);
    buf_add(&h, "\n", 1);
    sink_write(out, magic, sizeof magic);
    sink_write(out, (unsigned char[]){ h.n & 255, h.n >> 8 & 255 }, 2);
    sink_write(out, h.p, h.n);
    if (t->type == BF16)
        widen(out, t);
    else
        sink_write(out, t->data, t->bytes);
    mem_free(h.p);
}
