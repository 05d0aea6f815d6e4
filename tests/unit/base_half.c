/* base_half - 16-bit floats against a definition by arithmetic, all 65,536 of each kind. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "common/base/half.h"

static double
f16_value(unsigned h)
{
    const double sign = h & 0x8000 ? -1 : 1;
    const int e = h >> 10 & 31, f = h & 1023;
    if (e == 31)
        return f ? NAN : sign * INFINITY;
    return sign * (e ? ldexp(1024 + f, e - 25) : ldexp(f, -24));
}

static void
f16_widens_exactly(void **s)
{
    (void)s;
    for (unsigned h = 0; h < 65536; h++) {
        const double want = f16_value(h), got = half_from_f16((uint16_t)h);
        assert_true(isnan(want) ? isnan(got) : got == want && signbit(got) == signbit(want));
    }
}

static void
f16_rounds_to_nearest_even(void **s)
{
    (void)s;
    for (unsigned h = 0; h < 0x7c00; h++) {
        const double a = f16_value(h), b = h == 0x7bff ? 65536 : f16_value(h + 1), mid = (a + b) / 2;
        const unsigned even = h & 1 ? h + 1 : h;
        assert_int_equal(half_to_f16((float)a), h);
        assert_int_equal(half_to_f16((float)mid), even);
        assert_int_equal(half_to_f16(nextafterf((float)mid, 0)), h);
        assert_int_equal(half_to_f16(nextafterf((float)mid, INFINITY)), h + 1);
        assert_int_equal(half_to_f16((float)-mid), 0x8000 | even);
    }
    assert_int_equal(half_to_f16(INFINITY), 0x7c00);
    assert_true(isnan(half_from_f16(half_to_f16(NAN))));
}

static void
bf16_is_the_upper_half(void **s)
{
    (void)s;
    for (unsigned h = 0; h < 65536; h++) {
        const float f = half_from_bf16((uint16_t)h);
        if (isnan(f))
            assert_true(isnan(half_from_bf16(half_to_bf16(f))));
        else
            assert_int_equal(half_to_bf16(f), h);
    }
    assert_int_equal(half_to_bf16(1.00390625f), 0x3f80); /* a tie goes to even */
    assert_int_equal(half_to_bf16(1.01171875f), 0x3f82);
    assert_int_equal(half_to_bf16(3.4e38f), 0x7f80);     /* overflow becomes infinity */
}

static void
arrays_agree_with_single_values(void **s)
{
    (void)s;
    const float in[5] = { 0, -1.5f, 65504, 1e-7f, 3.14159274f };
    const enum dtype types[] = { F32, BF16, F16, F64 };
    for (int t = 0; t < 4; t++) {
        double raw[5];
        float out[5];
        half_narrow(raw, types[t], in, 5);
        half_widen(out, raw, types[t], 5);
        for (int i = 0; i < 5; i++) {
            const float want = types[t] == BF16 ? half_from_bf16(half_to_bf16(in[i]))
                             : types[t] == F16  ? half_from_f16(half_to_f16(in[i])) : in[i];
            assert_true(out[i] == want);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_widens_exactly),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(bf16_is_the_upper_half),
        cmocka_unit_test(arrays_agree_with_single_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
