#include <string.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "formats/check.h"
#include "formats/compare.h"
#include "formats/cut.h"
#include "formats/dump.h"
#include "formats/list.h"
#include "formats/union.h"
#include "formats/split.h"
#include "formats/stat.h"
#include "formats/wrap.h"

struct args {
    const char *path, *name;
    struct sink *out; /* of the verbs that print */
    int json, npy, safetensors, kind, n;
    char **file;
    int64_t first;
    struct compare_options compare;
    struct split_options split;
};

enum id { LS, HEAD, STAT, CAT, CHECK, CMP, COUNT, WRAP, SPLIT };

/* options: the long names that the verb takes, each between blanks */
static const struct verb { enum id id; const char *name, *synopsis, *options; int prints; } verbs[] = {
    { LS, "ls", "ls [--json] [FILE...]", " json output quiet ", 1 },
    { HEAD, "head", "head [-n N] [FILE...]", " sequences output quiet ", 0 },
    { STAT, "stat", "stat [--name TENSOR] [--json] [FILE...]", " name json output quiet ", 1 },
    { CAT, "cat", "cat --json|--npy|--safetensors [--name TENSOR] [FILE...]", " name json npy safetensors output quiet ", 1 },
    { CHECK, "check", "check [FILE...]", " quiet ", 0 },
    { CMP, "cmp", "cmp [--atol X] [--rtol Y] [--name TENSOR] A B", " atol rtol name output quiet ", 1 },
    { COUNT, "count", "count [--json] [FILE...]", " json output quiet ", 1 },
    { WRAP, "wrap", "wrap --kind K FILE", " kind output quiet ", 0 },
    { SPLIT, "split", "split --test S [--seed N] [--force] IN TRAIN TEST", " test seed force quiet ", 0 },
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void
need(const struct args *a, int n, const char *what)
{
    if (a->n != n)
        die_usage("%s", what);
}

static void
cat(const struct args *a)
{
    if (a->json + a->npy + a->safetensors != 1)
        die_usage("cat needs one of --json, --npy and --safetensors");
    (a->json ? dump_run : a->npy ? union_npy : union_safetensors)(a->n, a->file, a->name, a->out);
}

static int
run(enum id verb, struct args *a)
{
    char **f = a->file;
    switch (verb) {
    case LS: list_run(a->n, f, a->json, a->out); break;
    case HEAD: cut_run(a->n, f, a->first, a->path, argv0); break;
    case STAT: stat_run(a->n, f, a->name, a->json, a->out); break;
    case CAT: cat(a); break;
    case CHECK: check_run(a->n, f); break;
    case CMP:
        need(a, 2, "cmp needs two operands, A and B");
        a->compare.name = a->name;
        return compare_run(f[0], f[1], &a->compare, a->out) ? EXIT_OK : EXIT_NO;
    case COUNT: list_count(a->n, f, a->json, a->out); break;
    case WRAP:
        if (a->kind < 0)
            die_usage("wrap needs --kind K, one of " WRAP_KINDS);
        need(a, 1, "wrap needs one operand, a .safetensors file");
        wrap_run(a->kind, f[0], a->path, argv0);
        break;
    case SPLIT:
        need(a, 3, "split needs three operands, IN, TRAIN and TEST");
        split_run(&a->split, f[0], f[1], f[2], argv0);
        break;
    }
    return EXIT_OK;
}

static const struct verb *
find(const char *name)
{
    for (int i = 0; name && i < VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

int
main(int argc, char **argv)
{
    struct args a = { .kind = -1, .first = 10, .split.seed = 42 };
    const struct opt all[] = {
        OPT_FLAG(0, "json", &a.json, "ls, stat, cat, count: JSON lines"),
        OPT_FLAG(0, "npy", &a.npy, "cat: one tensor as a NumPy file"),
        OPT_FLAG(0, "safetensors", &a.safetensors, "cat: everything as one .safetensors file"),
        OPT_STR(0, "name", &a.name, "TENSOR", "stat, cat, cmp: this tensor alone"),
        OPT_I64('n', "sequences", &a.first, 0, 9e18, "N", "head: sequences to write (10)"),
        OPT_F64(0, "atol", &a.compare.atol, 0, 1e300, "X", "cmp: absolute tolerance (0)"),
        OPT_F64(0, "rtol", &a.compare.rtol, 0, 1e300, "Y", "cmp: tolerance relative to B (0)"),
        OPT_ENUM(0, "kind", &a.kind, WRAP_KINDS, "wrap: what the stream carries"),
        OPT_F64(0, "test", &a.split.share, 0, 1e15, "S", "split: share of TEST, or number of examples"),
        OPT_I64(0, "seed", &a.split.seed, 0, 9e18, "N", "split: seed of the hash (42)"),
        OPT_FLAG(0, "force", &a.split.force, "split: write over files that are there"),
        OPT_COMMON(&a.path),
        OPT_END
    };
    const struct verb *v = find(argc > 1 ? argv[1] : NULL);
    a.n = opt_parse_verb(argc, argv, v ? v->name : NULL, v ? v->synopsis :
                         "ls|head|stat|cat|check|cmp|count|wrap|split [OPTION...] [FILE...]", v ? v->options : NULL, all);
    a.file = argv + (v != NULL);
    if (!v)
        die_usage(a.n ? "no such verb '%s'" : "a verb is needed%s", a.n ? argv[0] : "");
    if (v->prints)
        a.out = sink_open(a.path);
    const int status = run(v->id, &a);
    if (v->prints)
        sink_commit(a.out);
    return status;
}
