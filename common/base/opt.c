#include "common/base/opt.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/version.h"

enum { OPTS = 64, LONG_BASE = 1000 };
enum { O_HELP = LONG_BASE + OPTS, O_VERSION, O_LIST };

static const struct { char flag; const char *name, *help; } always[] = {
    { 'h', "help", "print this help" },
    { 'V', "version", "print the version" },
};

static void
help_line(char flag, const char *name, const char *arg, const char *help)
{
    char left[128], letter[8] = "    ";
    if (flag)
        snprintf(letter, sizeof letter, "-%c, ", flag);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, name, arg ? " " : "", arg ? arg : "");
    if (strlen(left) > 30)
        printf("  %s\n%34s%s\n", left, "", help);
    else
        printf("  %-31s %s\n", left, help);
}

static _Noreturn void
help(const char *synopsis, const struct opt *t)
{
    printf("usage: %s %s\n", argv0, synopsis);
    for (; t->type; t++)
        help_line(t->flag, t->name, t->arg, t->help);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        help_line(always[i].flag, always[i].name, NULL, always[i].help);
    stdout_close();
    exit(EXIT_OK);
}

/* name, letter, argument or choices, help; tabs between: completions and tests read this */
static _Noreturn void
list(const struct opt *t)
{
    for (; t->type; t++)
        printf("%s\t%.1s\t%s\t%s\n", t->name, t->flag ? (char[]){ t->flag, 0 } : "", t->arg ? t->arg : "", t->help);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        printf("%s\t%c\t\t%s\n", always[i].name, always[i].flag, always[i].help);
    stdout_close();
    exit(EXIT_OK);
}

static int
choice(const struct opt *o, const char *v)
{
    const char *p = o->arg;
    for (int i = 0; *p; i++) {
        const size_t n = strcspn(p, "|");
        if (strlen(v) == n && !memcmp(p, v, n))
            return i;
        p += n + (p[n] == '|');
    }
    die_usage("option --%s: '%s' is not one of %s", o->name, v, o->arg);
}

static double
number(const struct opt *o, const char *v, int whole)
{
    char *end;
    errno = 0;
    const double d = whole ? (double)strtoll(v, &end, 10) : strtod(v, &end);
    if (errno || end == v || *end || !isfinite(d))
        die_usage("option --%s: '%s' is not %s", o->name, v, whole ? "a whole number" : "a number");
    if (!(d >= o->min && d <= o->max))
        die_usage("option --%s: %s is outside %.10g..%.10g", o->name, v, o->min, o->max);
    return d;
}

static void
append(const struct opt *o, const char *v)
{
    struct opt_list *l = o->to;
    if (l->n == OPT_LIST_MAX)
        die_usage("option --%s: given more than %d times", o->name, OPT_LIST_MAX);
    l->v[l->n++] = v;
}

static void
store(const struct opt *o, const char *v)
{
    switch (o->type) {
    case OPT_T_FLAG: *(int *)o->to = 1; break;
    case OPT_T_INT: *(int *)o->to = (int)number(o, v, 1); break;
    case OPT_T_I64: number(o, v, 1); *(int64_t *)o->to = strtoll(v, NULL, 10); break;
    case OPT_T_F64: *(double *)o->to = number(o, v, 0); break;
    case OPT_T_ENUM: *(int *)o->to = choice(o, v); break;
    case OPT_T_LIST: append(o, v); break;
    case OPT_T_STR: *(const char **)o->to = v; break;
    case OPT_T_END: assert(0);
    }
}

/* getopt's tables from ours */
static void
tables(const struct opt *t, char *shorts, struct option *longs)
{
    int n = 0;
    *shorts++ = ':';
    for (; t->type; t++, n++) {
        assert(n < OPTS);
        longs[n] = (struct option){ t->name, t->type == OPT_T_FLAG ? no_argument : required_argument, NULL, LONG_BASE + n };
        if (t->flag) {
            *shorts++ = t->flag;
            if (t->type != OPT_T_FLAG)
                *shorts++ = ':';
        }
    }
    longs[n++] = (struct option){ "help", no_argument, NULL, O_HELP };
    longs[n++] = (struct option){ "version", no_argument, NULL, O_VERSION };
    longs[n++] = (struct option){ "help-options", no_argument, NULL, O_LIST };
    longs[n] = (struct option){ NULL, 0, NULL, 0 };
    strcpy(shorts, "hV");
}

static const struct opt *
letter(const struct opt *t, int c)
{
    while (t->type && t->flag != c)
        t++;
    return t;
}

int
opt_parse(int argc, char **argv, const char *synopsis, const struct opt *table)
{
    char shorts[2 * OPTS + 8];
    struct option longs[OPTS + 4];
    int c;
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    argv0 = slash ? slash + 1 : argc > 0 ? argv[0] : "?";
    tables(table, shorts, longs);
    opterr = 0;
    optind = 0;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const char *word = argv[optind - 1];
        if (c == 'h' || c == O_HELP)
            help(synopsis, table);
        if (c == O_LIST)
            list(table);
        if (c == 'V' || c == O_VERSION) {
            printf("%s (mbert-tools) %s\n", argv0, MBERT_VERSION);
            stdout_close();
            exit(EXIT_OK);
        }
        if (c == ':')
            die_usage("option '%s' needs an argument", word);
        if (c == '?' && optopt >= LONG_BASE)
            die_usage("option '%s' takes no argument", word);
        if (c == '?' && optopt)
            die_usage("unknown option '-%c'", optopt);
        if (c == '?')
            die_usage("unknown or ambiguous option '%s'", word);
        store(c >= LONG_BASE ? table + (c - LONG_BASE) : letter(table, c), optarg);
    }
    const int n = argc - optind;
    for (int i = 0; i < n; i++)
        argv[i] = argv[optind + i];
    argv[n > 0 ? n : 0] = NULL;
    return n > 0 ? n : 0;
}

int
opt_parse_verb(int argc, char **argv, const char *verb, const char *synopsis, const char *options,
               const struct opt *all)
{
    struct opt table[OPTS];
    char key[64];
    int n = 0;
    if (!verb && argc > 1 && (!strncmp(argv[1], "--help", 6) || !strcmp(argv[1], "-h")))
        options = NULL;
    for (; all->type; all++) {
        snprintf(key, sizeof key, " %s ", all->name);
        assert(n < OPTS - 1);
        if (!options || strstr(options, key))
            table[n++] = *all;
    }
    table[n] = *all;
    if (verb)
        argv[1] = argv[0];
    return opt_parse(argc - (verb != NULL), argv + (verb != NULL), synopsis, table);
}
