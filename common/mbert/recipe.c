#include "common/mbert/recipe.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/mbert/schedule.h"
#include "formats/jsonout.h"

void
recipe_check(const struct train_options *o)
{
    if ((o->best || o->patience || o->eval_every) && !o->eval)
        die_usage("--best, --patience and --eval-every need --eval FILE");
    if (o->patience && !o->best)
        die_usage("option --patience: say which figure by --best");
    if (o->warmup > 0 && o->warmup_steps)
        die_usage("--warmup-ratio and --warmup-steps: one of them");
    if (o->focal > 0 && o->smoothing > 0)
        die_usage("--focal and --label-smoothing: one of them");
    if (o->task == TASK_MLM && (o->class_weights || o->smoothing > 0 || o->focal > 0 || o->labels))
        die_usage("--task mlm: not with --labels, --class-weights, --label-smoothing or --focal");
    if (o->task == TASK_MLM && o->best && o->best != BEST_LOSS)
        die_usage("--task mlm: its only figure is --best loss");
    if (o->overfit && (o->resume || o->eval || o->out))
        die_usage("--overfit writes nothing: not with -o, --eval or --resume");
    if (o->overfit && o->dry_run)
        die_usage("--overfit and --dry-run: one of them");
}

static int
layers_of(const struct train_options *o, int layers)
{
    char *end;
    if (!o->freeze)
        return FREEZE_NONE;
    if (!strcmp(o->freeze, "encoder"))
        return FREEZE_ENCODER;
    const long n = strtol(o->freeze, &end, 10);
    if (*end || end == o->freeze || n < 0)
        die_usage("option --freeze: '%s' is not a number of layers or 'encoder'", o->freeze);
    if (n > layers)
        die_usage("option --freeze: %ld layers, but the model has %d", n, layers);
    return (int)n;
}

/* n / (classes n_k), scikit-learn's: every class weighs the same in all. */
static void
balance(float *weight, const struct examples *e, int classes)
{
    const int *label = (const int *)(const void *)e->labels.p;
    const int64_t n = (int64_t)(e->labels.n / sizeof *label);
    int64_t *count = mem_zalloc((size_t)classes, sizeof *count), all = 0;
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= 0) {
            count[label[i]]++;
            all++;
        }
    for (int k = 0; k < classes; k++) {
        if (!count[k])
            warn("'%s': class '%s' has no rows: it weighs 1", e->name, e->label[k]);
        weight[k] = count[k] ? (float)((double)all / ((double)classes * (double)count[k])) : 1;
    }
    mem_free(count);
}

static void
listed(float *weight, const char *list, int classes)
{
    int n = 0;
    for (const char *p = list;; p++) {
        char *end;
        const double w = strtod(p, &end);
        if (end == p || (*end && *end != ',') || !(w > 0 && w <= 1e6))
            die_usage("option --class-weights: '%s' is not 'balanced' or numbers above 0", list);
        if (n < classes)
            weight[n] = (float)w;
        n++;
        if (!*end)
            break;
        p = end;
    }
    if (n != classes)
        die_usage("option --class-weights: %d of them for %d classes", n, classes);
}

float *
recipe_weights(const char *text, const struct examples *e, int classes)
{
    if (!text)
        return NULL;
    float *weight = mem_array((size_t)classes, sizeof *weight);
    const int balanced = !strcmp(text, "balanced");
    if (e->problem == PROBLEM_REGRESSION)
        die_usage("--class-weights: '%s' has no classes (regression)", e->name);
    if (balanced && e->problem == PROBLEM_MULTI)
        die_usage("--class-weights balanced: '%s' has sets of classes: give numbers", e->name);
    if (balanced)
        balance(weight, e, classes);
    else
        listed(weight, text, classes);
    return weight;
}

static uint64_t
fingerprint(const struct examples *e)
{
    XXH64_state_t *x = XXH64_createState();
    XXH64_reset(x, 0);
    XXH64_update(x, e->start.p, e->start.n);
    XXH64_update(x, e->ids.p, e->ids.n);
    XXH64_update(x, e->labels.p ? e->labels.p : "", e->labels.n);
    const uint64_t h = XXH64_digest(x);
    XXH64_freeState(x);
    return h;
}

/* Blanks part the options: those in a value become underscores. */
static void
add(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "%s--%s=", b->n ? " " : "", name);
    for (const char *p = value ? value : ""; *p; p++)
        buf_add(b, *p == ' ' ? "_" : p, 1);
}

static const char *const schedule_name[] = { "linear", "cosine", "constant", "wsd" },
                  *const task_name[] = { "auto", "mlm" },
                  *const best_name[] = { "none", "f1", "accuracy", "auroc", "loss" },
                  *const dtype_option[] = { "auto", "f32", "bf16" };

static char *
text_of(const struct train_options *o, const struct examples *train, const struct examples *eval)
{
    const struct { const char *name; int64_t n; } whole[] = {
        { "epochs", o->epochs }, { "batch-size", o->batch }, { "tokens", o->tokens },
        { "eval-every", o->eval_every }, { "patience", o->patience },
        { "warmup-steps", o->warmup_steps }, { "seed", o->seed },
        { "skip-nonfinite", o->skip },
    };
    const struct { const char *name, *value; } word[] = {
        { "schedule", schedule_name[o->schedule] }, { "task", task_name[o->task] },
        { "best", best_name[o->best] }, { "dtype", dtype_option[o->dtype] },
        { "freeze", o->freeze }, { "class-weights", o->class_weights },
        { "device", o->device },
    };
    const struct { const char *name; double x; } real[] = {
        { "lr", o->lr }, { "weight-decay", o->decay }, { "warmup-ratio", o->warmup },
        { "max-grad-norm", o->max_norm }, { "beta1", o->beta1 }, { "beta2", o->beta2 },
        { "eps", o->eps }, { "llrd", o->llrd }, { "decay-ratio", o->decay_share },
        { "label-smoothing", o->smoothing }, { "focal", o->focal }, { "mask", o->mask },
    };
    struct buf b = { 0 };
    char value[32];
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        snprintf(value, sizeof value, "%" PRId64, whole[i].n);
        add(&b, whole[i].name, value);
    }
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        struct buf x = { 0 };
        jsonout_f64(&x, real[i].x);
        buf_add(&x, "", 1);
        add(&b, real[i].name, x.p);
        mem_free(x.p);
    }
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        add(&b, word[i].name, word[i].value);
    snprintf(value, sizeof value, "%016" PRIx64, fingerprint(train));
    add(&b, "train", value);
    if (o->eval) {
        snprintf(value, sizeof value, "%016" PRIx64, fingerprint(eval));
        add(&b, "eval", value);
    }
    buf_add(&b, "", 1);
    return b.p;
}

void
recipe_make(struct recipe *r, const struct train_options *o, const struct examples *train,
            const struct examples *eval, int classes, int layers)
{
    *r = (struct recipe){ .freeze = layers_of(o, layers) };
    if (train->problem == PROBLEM_REGRESSION && (o->smoothing > 0 || o->focal > 0))
        die_usage("--label-smoothing and --focal: '%s' has no classes (regression)", train->name);
    if (train->problem == PROBLEM_MULTI && (o->smoothing > 0 || o->focal > 0))
        die_usage("--label-smoothing and --focal: '%s' has sets of classes", train->name);
    if (train->problem == PROBLEM_REGRESSION && o->best && o->best != BEST_LOSS)
        die_usage("--best: the only figure of regression is loss");
    if (train->problem == PROBLEM_TOKEN && o->best == BEST_AUROC)
        die_usage("--best auroc: there is none of labels a token");
    r->weight = recipe_weights(o->class_weights, train, classes);
    r->text = text_of(o, train, eval);
    r->batches = (train->n + o->batch - 1) / o->batch;
    r->steps = r->batches * o->epochs;
    r->warmup = o->warmup_steps ? o->warmup_steps : (int64_t)ceil(o->warmup * (double)r->steps);
    if (r->warmup > r->steps)
        die_usage("option --warmup-steps: %" PRId64 ", but the run has %" PRId64 " steps",
                  r->warmup, r->steps);
}

void
recipe_free(struct recipe *r)
{
    mem_free(r->weight);
    mem_free(r->text);
}
