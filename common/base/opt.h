#ifndef BASE_OPT_H
#define BASE_OPT_H
/*
 * opt - one option table drives getopt_long, --help, --help-options (the tab-separated
 * listing from which completions and the page test are made) and the usage messages.
 *
 *     static const char *model;
 *     int tokens = 8192;
 *     const struct opt opts[] = {
 *         OPT_STR('m', "model", &model, "DIR", "model directory (required)"),
 *         OPT_INT(0, "tokens", &tokens, 1, INT_MAX, "N", "tokens in a batch (8192)"),
 *         OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "where to compute (cpu)"),
 *         OPT_COMMON(&out),            // -o FILE, -q; -h and -V are always there
 *         OPT_END
 *     };
 *     argc = opt_parse(argc, argv, "[-m DIR] [FILE...]", opts);
 */
#include <stdint.h>

enum opt_type { OPT_T_END, OPT_T_FLAG, OPT_T_INT, OPT_T_I64, OPT_T_F64, OPT_T_STR, OPT_T_ENUM, OPT_T_LIST };
enum { OPT_LIST_MAX = 64 };
struct opt_list { int n; const char *v[OPT_LIST_MAX]; };
struct opt {
    enum opt_type type;
    char flag;        /* short letter, or 0 */
    const char *name; /* long name, without dashes */
    void *to;         /* int for FLAG, INT, ENUM; int64_t; double; const char *; struct opt_list */
    double min, max;  /* range of INT, I64, F64, inclusive */
    const char *arg;  /* name of the argument; for ENUM the choices "a|b|c", value = index */
    const char *help; /* one line */
};
#define OPT_FLAG(f, n, to, h)           { OPT_T_FLAG, f, n, to, 0, 0, 0, h }
#define OPT_INT(f, n, to, lo, hi, a, h) { OPT_T_INT, f, n, to, lo, hi, a, h }
#define OPT_I64(f, n, to, lo, hi, a, h) { OPT_T_I64, f, n, to, lo, hi, a, h }
#define OPT_F64(f, n, to, lo, hi, a, h) { OPT_T_F64, f, n, to, lo, hi, a, h }
#define OPT_STR(f, n, to, a, h)         { OPT_T_STR, f, n, to, 0, 0, a, h }
#define OPT_ENUM(f, n, to, choices, h)  { OPT_T_ENUM, f, n, to, 0, 0, choices, h }
/* may be given again: every argument, in order */
#define OPT_LIST(f, n, to, a, h)        { OPT_T_LIST, f, n, to, 0, 0, a, h }
#define OPT_COMMON(out)                                                       \
    OPT_STR('o', "output", out, "FILE", "write FILE, complete or not at all"), \
    OPT_FLAG('q', "quiet", &quiet, "no warnings, no progress")
#define OPT_END                         { OPT_T_END, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Parses argv against the table; options may follow operands, "--" ends them, "-" is an
 * operand.  Sets argv0.  Operands are moved to argv[0..n-1], argv[n] is NULL; returns n.
 * -h/--help prints synopsis and table on stdout, -V/--version "TOOL (mbert-tools) X.Y.Z";
 * both exit 0.  Anything wrong: die_usage naming the option.
 */
int opt_parse(int argc, char **argv, const char *synopsis, const struct opt *table);
/*
 * A tool with verbs: verb is argv[1], which is left out of what is parsed, or NULL: none was
 * named.  Of all options those are known whose long names stand in `options`, each between
 * blanks; NULL: every one.  Help that is asked for without a verb lists every one as well.
 */
int opt_parse_verb(int argc, char **argv, const char *verb, const char *synopsis, const char *options,
                   const struct opt *all);
#endif
