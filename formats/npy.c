#include "formats/npy.h"
#include <stdio.h>
#include <string.h>
#include "common/base/half.h"
#include "common/base/mem.h"
#include "formats/sink.h"

static const char *const descr[DTYPES] = {
    [F32] = "<f4", [BF16] = "<f4", [F16] = "<f2", [F64] = "<f8", [I64] = "<i8", [I32] = "<i4", [I16] = "<i2",
    [I8] = "|i1", [U64] = "<u8", [U32] = "<u4", [U16] = "<u2", [U8] = "|u1", [BOOL] = "|b1",
};

void
npy_write(struct sink *out, const struct tensor *t)
{
    struct buf h = { 0 };
    buf_printf(&h, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[t->type]);
    for (int i = 0; i < t->rank; i++)
        buf_printf(&h, "%lld,%s", (long long)t->shape[i], i + 1 < t->rank ? " " : "");
    buf_printf(&h, "), }");
    while ((10 + h.n + 1) % 64)
        buf_add(&h, " ", 1);
    buf_add(&h, "\n", 1);
    const unsigned char start[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(h.n & 255),
                                      (unsigned char)(h.n >> 8) };
    sink_write(out, start, sizeof start);
    sink_write(out, h.p, h.n);
    if (t->type == BF16) {
        float wide[1024];
        const size_t n = t->bytes / 2;
        for (size_t i = 0; i < n; i += 1024) {
            const size_t k = n - i < 1024 ? n - i : 1024;
            half_widen(wide, (const uint16_t *)t->data + i, BF16, k);
            sink_write(out, wide, k * sizeof *wide);
        }
    } else
        sink_write(out, t->data, t->bytes);
    mem_free(h.p);
}
