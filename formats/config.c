/* config - reading config.json as transformers 5.17 does, and refusing what we do not do */
#include "formats/config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/json.h"

enum { MAX_FILE = 1 << 20, MAX_LABELS = 65536, MAX_THETA = 1000000000 };

struct load { struct config *c; const char *path; struct json_value root; };

_Noreturn static void __attribute__((format(printf, 3, 4)))
bad(const struct load *l, const char *key, const char *fmt, ...)
{
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    die_data("%s: '%s': %s", l->path, key, why);
}

static int
present(struct json_value object, const char *key, struct json_value *v)
{
    return json_get(object, key, v) && json_type(*v) != JSON_NULL;
}

static int
whole(const struct load *l, const char *key, int missing, int lo, int hi)
{
    struct json_value v;
    int64_t i;
    if (!json_get(l->root, key, &v))
        return missing;
    if (!json_int(v, &i))
        bad(l, key, "not a whole number");
    if (i < lo || i > hi)
        bad(l, key, "%lld is outside %d..%d", (long long)i, lo, hi);
    return (int)i;
}

/* A number in (lo, hi), or in [lo, hi) when zero is allowed. */
static double
real(const struct load *l, struct json_value v, const char *key, double lo, double hi)
{
    double d;
    if (!json_number(v, &d))
        bad(l, key, "not a number");
    if (!(d >= lo && d <= hi))
        bad(l, key, "%.9g is outside %.9g..%.9g", d, lo, hi);
    return d;
}

static double
number(const struct load *l, const char *key, double missing, double lo, double hi)
{
    struct json_value v;
    return json_get(l->root, key, &v) ? real(l, v, key, lo, hi) : missing;
}

static int
flag(const struct load *l, const char *key, int missing)
{
    struct json_value v;
    int b;
    if (!json_get(l->root, key, &v))
        return missing;
    if (!json_bool(v, &b))
        bad(l, key, "not true or false");
    return b;
}

/* Index of the string at key in names[n]; `missing` when it is absent or null. */
static int
choice(const struct load *l, const char *key, struct json_value v, const char *const *names,
       int n)
{
    const char *s;
    size_t len;
    if (!json_string(v, &s, &len))
        bad(l, key, "not a string");
    for (int i = 0; i < n; i++)
        if (len == strlen(names[i]) && !memcmp(s, names[i], len))
            return i;
    bad(l, key, "'%.*s' is not supported", (int)(len < 64 ? len : 64), s);
}

static int
word(const struct load *l, const char *key, int missing, const char *const *names, int n)
{
    struct json_value v;
    return present(l->root, key, &v) ? choice(l, key, v, names, n) : missing;
}

static int
token(const struct load *l, const char *key, int missing)
{
    struct json_value v;
    if (json_get(l->root, key, &v) && json_type(v) == JSON_NULL)
        return -1;
    return whole(l, key, missing, -1, INT32_MAX);
}

static void
read_shape(const struct load *l)
{
    struct config *c = l->c;
    c->hidden = whole(l, "hidden_size", 768, 1, 8192);
    c->layers = whole(l, "num_hidden_layers", 22, 1, CONFIG_LAYERS);
    c->heads = whole(l, "num_attention_heads", 12, 1, 8192);
    c->ffn = whole(l, "intermediate_size", 1152, 1, 65536);
    c->vocab = whole(l, "vocab_size", 50368, 1, 1 << 20);
    c->positions = whole(l, "max_position_embeddings", 8192, 1, 65536);
    c->window = whole(l, "local_attention", 128, 2, 131072) / 2;
    if (c->hidden % c->heads)
        bad(l, "num_attention_heads", "%d does not divide hidden_size %d", c->heads,
            c->hidden);
    c->head_size = c->hidden / c->heads;
    if (c->head_size % 2 || c->head_size > 128)
        bad(l, "num_attention_heads",
            "%d heads of %d: a head's size must be even and at most 128", c->heads,
            c->head_size);
}

static void
read_layers(const struct load *l)
{
    static const char *const types[] = { "sliding_attention", "full_attention" };
    struct config *c = l->c;
    struct json_value list, x;
    const char *key;
    size_t n;
    if (!present(l->root, "layer_types", &list)) {
        const int every = whole(l, "global_attn_every_n_layers", 3, 1, 1 << 20);
        for (int i = 0; i < c->layers; i++)
            c->global[i] = i % every == 0;
        return;
    }
    if (json_type(list) != JSON_ARRAY || json_size(list) != (size_t)c->layers)
        bad(l, "layer_types", "not a list of num_hidden_layers = %d names", c->layers);
    struct json_iter it = json_iter(list);
    for (int i = 0; json_next(&it, &key, &n, &x); i++)
        c->global[i] = choice(l, "layer_types", x, types, 2) == 1;
}

/* rope_parameters.TYPE: the theta in it, or `missing`. */
static double
rope(const struct load *l, struct json_value all, const char *type, double missing)
{
    static const char *const plain[] = { "default" };
    struct json_value one, v;
    char key[80];
    if (!present(all, type, &one))
        return missing;
    snprintf(key, sizeof key, "rope_parameters.%s", type);
    if (json_type(one) != JSON_OBJECT)
        bad(l, key, "not an object");
    snprintf(key, sizeof key, "rope_parameters.%s.rope_type", type);
    if (present(one, "rope_type", &v) || present(one, "type", &v))
        choice(l, key, v, plain, 1);
    snprintf(key, sizeof key, "rope_parameters.%s.partial_rotary_factor", type);
    if (present(one, "partial_rotary_factor", &v) && real(l, v, key, 0, 1) < 1)
        bad(l, key, "only 1 is supported");
    snprintf(key, sizeof key, "rope_parameters.%s.rope_theta", type);
    return json_get(one, "rope_theta", &v) ? real(l, v, key, 1, MAX_THETA) : missing;
}

static void
read_rope(const struct load *l)
{
    struct config *c = l->c;
    struct json_value v, x;
    const char *key;
    size_t n;
    if (present(l->root, "rope_scaling", &v))
        bad(l, "rope_scaling", "not supported; only plain rotary embeddings are");
    c->theta_global = number(l, "global_rope_theta", 160000, 1, MAX_THETA);
    /* null means "as the global one" (v4), absent means 10000 */
    const int null = json_get(l->root, "local_rope_theta", &v) && json_type(v) == JSON_NULL;
    c->theta_local = null ? 0 : number(l, "local_rope_theta", 10000, 1, MAX_THETA);
    if (present(l->root, "rope_parameters", &v)) {
        if (json_type(v) != JSON_OBJECT)
            bad(l, "rope_parameters", "not an object");
        struct json_iter it = json_iter(v);
        while (json_next(&it, &key, &n, &x))
            if (strcmp(key, "full_attention") && strcmp(key, "sliding_attention"))
                bad(l, "rope_parameters", "'%.64s' is not a layer type", key);
        c->theta_global = rope(l, v, "full_attention", c->theta_global);
        c->theta_local = rope(l, v, "sliding_attention", c->theta_local);
    }
    if (c->theta_local == 0)
        c->theta_local = c->theta_global;
}

static void
read_kind(const struct load *l)
{
    static const char *const models[] = { "modernbert" };
    static const char *const acts[] = { "gelu", "silu", "gelu_pytorch_tanh", "relu" };
    static const char *const pools[] = { "cls", "mean" };
    static const char *const problems[] = { "single_label_classification",
                                            "multi_label_classification", "regression" };
    struct config *c = l->c;
    struct json_value v;
    if (!json_get(l->root, "model_type", &v))
        bad(l, "model_type", "missing; 'modernbert' is supported");
    choice(l, "model_type", v, models, 1);
    c->act = (enum activation)(ACT_GELU + word(l, "hidden_activation", 0, acts, 4));
    c->classifier_act = (enum activation)(ACT_GELU +
                                          word(l, "classifier_activation", 0, acts, 4));
    c->pooling = (enum pooling)word(l, "classifier_pooling", POOL_CLS, pools, 2);
    c->problem = (enum problem)(PROBLEM_SINGLE + word(l, "problem_type", -1, problems, 3));
    if (flag(l, "is_causal", 0) || flag(l, "causal_mask", 0))
        bad(l, flag(l, "is_causal", 0) ? "is_causal" : "causal_mask",
            "true is not supported");
}

static void
read_arch(const struct load *l)
{
    static const struct { const char *name; enum arch arch; } known[] = {
        { "ModernBertModel", ARCH_BARE },
        { "ModernBertForSequenceClassification", ARCH_SEQUENCE },
        { "ModernBertForTokenClassification", ARCH_TOKEN },
        { "ModernBertForMaskedLM", ARCH_MLM },
    };
    struct json_value list, x;
    const char *s, *key;
    size_t n;
    l->c->arch = ARCH_OTHER;
    if (!present(l->root, "architectures", &list))
        return;
    struct json_iter it = json_iter(list);
    if (json_type(list) != JSON_ARRAY ||
        (json_next(&it, &key, &n, &x) && !json_string(x, &s, &n)))
        bad(l, "architectures", "not a list of names");
    if (json_size(list))
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (n == strlen(known[i].name) && !memcmp(s, known[i].name, n))
                l->c->arch = known[i].arch;
}

/* id2label: {"0": name, ...}, every id from 0 to n - 1 once */
static void
read_labels(const struct load *l)
{
    struct config *c = l->c;
    struct json_value map, x;
    const char *key, *s;
    size_t n;
    c->labels = whole(l, "num_labels", 0, 0, MAX_LABELS);
    if (!present(l->root, "id2label", &map))
        return;
    if (json_type(map) != JSON_OBJECT || !json_size(map) || json_size(map) > MAX_LABELS)
        bad(l, "id2label", "not an object of 1 to %d names", MAX_LABELS);
    c->labels = (int)json_size(map);
    c->label = mem_zalloc((size_t)c->labels, sizeof *c->label);
    struct json_iter it = json_iter(map);
    while (json_next(&it, &key, &n, &x)) {
        int id = 0;
        for (size_t i = 0; i < n; i++)
            id = key[i] < '0' || key[i] > '9' || id > MAX_LABELS ? MAX_LABELS
                                                                 : id * 10 + (key[i] - '0');
        if (!n || id >= c->labels || c->label[id])
            bad(l, "id2label", "'%.64s' is not an id from 0 to %d, each once", key,
                c->labels - 1);
        if (!json_string(x, &s, &n) || memchr(s, 0, n))
            bad(l, "id2label", "the name of %d is not text", id);
        c->label[id] = mem_strndup(s, n);
    }
}

static void
read_rest(const struct load *l)
{
    struct config *c = l->c;
    struct json_value v;
    c->norm_eps = number(l, "norm_eps", 1e-5, 1e-30, 1);
    c->attention_bias = flag(l, "attention_bias", 0);
    c->mlp_bias = flag(l, "mlp_bias", 0);
    c->norm_bias = flag(l, "norm_bias", 0);
    c->classifier_bias = flag(l, "classifier_bias", 0);
    c->decoder_bias = flag(l, "decoder_bias", 1);
    c->tied = flag(l, "tie_word_embeddings", 1);
    c->attention_dropout = number(l, "attention_dropout", 0, 0, 0.999);
    c->embedding_dropout = number(l, "embedding_dropout", 0, 0, 0.999);
    c->mlp_dropout = number(l, "mlp_dropout", 0, 0, 0.999);
    c->classifier_dropout = number(l, "classifier_dropout", 0, 0, 0.999);
    c->cls = token(l, "cls_token_id", 50281);
    c->sep = token(l, "sep_token_id", 50282);
    c->pad = token(l, "pad_token_id", 50283);
    c->initializer_range = number(l, "initializer_range", 0.02, 0, 100);
    const int null = json_get(l->root, "initializer_cutoff_factor", &v) &&
                     json_type(v) == JSON_NULL;
    c->initializer_cutoff = null ? 3 : number(l, "initializer_cutoff_factor", 2, 0.01, 100);
}

static char *
read_file(const char *path, long *bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        die_sys("cannot open '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
        die_data("%s: not a file of at most %d MiB", path, MAX_FILE >> 20);
    const size_t n = (size_t)st.st_size;
    char *text = mem_zalloc(n + 1, 1);
    size_t at = 0;
    for (ssize_t got = 1; at < n && got > 0; at += (size_t)got)
        if ((got = read(fd, text + at, n - at)) < 0) {
            if (errno != EINTR)
                die_sys("cannot read '%s'", path);
            got = 0;
        }
    close(fd);
    *bytes = (long)at;
    return text;
}

void
config_load(struct config *c, const char *dir)
{
    char *path = mem_printf("%s/config.json", dir);
    struct load l = { .c = c, .path = path };
    struct json *j = json_new();
    memset(c, 0, sizeof *c);
    c->text = read_file(path, &c->text_bytes);
    const char *why = json_parse(j, c->text, (size_t)c->text_bytes, &l.root);
    if (why && json_where(j) >= 0)
        die_data("%s: byte %td: %s", path, json_where(j), why);
    if (why)
        die_data("%s: %s", path, why);
    if (json_type(l.root) != JSON_OBJECT)
        die_data("%s: not a JSON object", path);
    read_kind(&l);
    read_shape(&l);
    read_layers(&l);
    read_rope(&l);
    read_arch(&l);
    read_labels(&l);
    read_rest(&l);
    json_free(j);
    mem_free(path);
}

void
config_free(struct config *c)
{
    for (int i = 0; c->label && i < c->labels; i++)
        mem_free(c->label[i]);
    mem_free(c->label);
    mem_free(c->text);
    memset(c, 0, sizeof *c);
}
