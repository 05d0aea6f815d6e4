#include "common/eval/gate.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"

void
gate_parse(struct gate *g, const char *text, const struct measure *m)
{
    const char *sign = NULL;
    char *end;
    *g = (struct gate){ .text = text };
    for (const char *p = text; *p; p++)
        if (*p == '<' || *p == '>')
            sign = p; /* the last: a class may be called a>b */
    if (!sign)
        die_usage("option --gate: '%s' has none of >=, >, <= and <", text);
    const int equal = sign[1] == '=';
    g->sign = *sign == '<' ? (equal ? GATE_LE : GATE_LT) : equal ? GATE_GE : GATE_GT;
    g->bound = strtod(sign + 1 + equal, &end);
    if (end == sign + 1 + equal || *end || !isfinite(g->bound))
        die_usage("option --gate: '%s' does not end in a number", text);
    if (!measure_ask(m, text, (size_t)(sign - text), &g->asked)) {
        struct buf names = { 0 };
        measure_names(m, &names);
        die_usage("option --gate: no figure '%.*s' here, but %.*s", (int)(sign - text),
                  text, (int)names.n, names.p);
    }
}

int
gate_check(struct gate *g, const struct measure *m)
{
    const double v = g->value = measure_value(m, &g->asked);
    switch (g->sign) {
    case GATE_LE: g->kept = v <= g->bound; break;
    case GATE_LT: g->kept = v < g->bound; break;
    case GATE_GE: g->kept = v >= g->bound; break;
    case GATE_GT: g->kept = v > g->bound; break;
    }
    if (!g->kept && isfinite(v))
        fprintf(stderr, "%s: gate missed '%s': %.9g\n", argv0, g->text, v);
    else if (!g->kept)
        fprintf(stderr, "%s: gate missed '%s': undefined\n", argv0, g->text);
    return g->kept;
}
