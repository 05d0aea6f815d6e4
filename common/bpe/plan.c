#include "common/bpe/plan.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/bpe/template.h"
#include "formats/jsonout.h"
#include "formats/stream.h"

static void
open_model(struct plan *p)
{
    char *path = mem_printf("%s/config.json", p->o->dir);

    tokenizer_load(&p->tokenizer, p->o->dir);
    p->has_config = !access(path, F_OK);
    p->vocab = p->tokenizer.vocabs;
    p->limit = SIZE_MAX;
    if (p->has_config) {
        config_load(&p->config, p->o->dir);
        if (p->config.vocab < p->vocab)
            die_data("'%s': vocab_size %d is less than the %d tokens of tokenizer.json",
                     path, p->config.vocab, p->vocab);
        p->vocab = p->config.vocab;
        p->limit = (size_t)p->config.positions;
    }
    p->wide = p->vocab > 65536;
    p->bpe = p->o->special == SPECIAL_LITERAL ? bpe_new_literal(&p->tokenizer)
                                              : bpe_new(&p->tokenizer);
    mem_free(path);
}

static void
set_limits(struct plan *p)
{
    const struct tokenize_options *o = p->o;

    if (o->pair_field && !p->tokenizer.pairs)
        die_data("'%s/tokenizer.json' has no template for pairs", o->dir);
    p->specials =
        o->no_special ? 0 : template_specials(&p->tokenizer, o->pair_field != NULL);
    if (o->window && (size_t)o->window > p->limit)
        die_usage("option --window: %d is over the model's %zu positions", o->window,
                  p->limit);
    if (o->max_length && (size_t)o->max_length < p->limit)
        p->limit = (size_t)o->max_length;
    if (o->window)
        p->limit = (size_t)o->window;
    if (p->limit <= p->specials && (o->window || p->limit < p->specials))
        die_usage("option --%s: %zu leaves no room beside %zu special tokens",
                  o->window ? "window" : "max-length", p->limit, p->specials);
    if (o->window && (size_t)o->stride >= p->limit - p->specials)
        die_usage("option --stride: %d is not less than the %zu tokens of text in a window",
                  o->stride, p->limit - p->specials);
}

static void
open_labels(struct plan *p)
{
    static const enum task of_problem[] = {TASK_AUTO, TASK_SINGLE, TASK_MULTI,
                                           TASK_REGRESSION};
    const struct config *c = &p->config;
    struct labels *l = &p->labels;

    if (p->o->labels)
        labels_parse(l, p->o->labels);
    else if (p->has_config && c->label) {
        l->name = mem_array((size_t)c->labels + 1, sizeof *l->name);
        for (; l->n < c->labels; l->n++)
            l->name[l->n] = mem_strdup(c->label[l->n]);
    }
    l->task = (enum task)p->o->task;
    if (l->task == TASK_AUTO && p->has_config && !p->o->labels)
        l->task = c->arch == ARCH_TOKEN        ? TASK_TOKEN
                  : c->problem != PROBLEM_AUTO ? of_problem[c->problem]
                  : c->labels == 1           ? TASK_REGRESSION
                                             : TASK_AUTO;
    if (l->task == TASK_TOKEN && p->o->pair_field)
        die_usage("option --pair-field: not with classes of tokens (--task token)");
    p->label_field = p->o->label_field       ? p->o->label_field
                     : l->task == TASK_TOKEN ? "labels"
                                             : "label";
}

static void
add_keep(struct plan *p, const char *name, size_t n, const char *option)
{
    if (p->keeps == PLAN_KEEPS || !n || n > sizeof p->keep[0] - 8)
        die_usage("option --%s: too many, empty or too long field names in '%s'", option,
                  name);
    snprintf(p->keep[p->keeps], sizeof p->keep[0], "%.*s", (int)n, name);
    for (int k = 0; k < p->keeps; k++)
        if (!strcmp(p->keep[k], p->keep[p->keeps]))
            die_usage("option --%s: '%.*s' is there twice", option, (int)n, name);
    p->keeps++;
}

static void
word_messages(struct plan *p)
{
    const struct tokenize_options *o = p->o;
    const struct {
        const char *field, *text;
    } say[MESSAGES] = {
        [MESSAGE_NO_TEXT] = {o->text_field, "no field '%s' (use --text-field)"},
        [MESSAGE_TEXT] = {o->text_field, "field '%s' is not a string"},
        [MESSAGE_NO_PAIR] = {o->pair_field, "no field '%s' (see --pair-field)"},
        [MESSAGE_PAIR] = {o->pair_field, "field '%s' is not a string"},
        [MESSAGE_NO_ID] = {o->id_field, "no field '%s' (see --id-field)"},
    };

    for (int i = 0; i < MESSAGES; i++)
        if (say[i].field)
            p->message[i] = mem_printf(say[i].text, say[i].field);
}

void
plan_open(struct plan *p, const struct tokenize_options *o)
{
    memset(p, 0, sizeof *p);
    p->o = o;
    open_model(p);
    set_limits(p);
    open_labels(p);
    word_messages(p);
    if (o->id_field) {
        p->has_id = 1;
        add_keep(p, o->id_field, strlen(o->id_field), "id-field");
    }
    for (const char *s = o->keep; s && *s; s += *s == ',') {
        const size_t n = strcspn(s, ",");
        add_keep(p, s, n, "keep");
        s += n;
    }
}

void
plan_close(struct plan *p)
{
    for (int i = 0; i < MESSAGES; i++)
        mem_free(p->message[i]);
    labels_free(&p->labels);
    bpe_free(p->bpe);
    tokenizer_free(&p->tokenizer);
    if (p->has_config)
        config_free(&p->config);
}

/* The special tokens and their ids, so that a stream can be read without the model. */
static void
put_specials(struct image *head, const struct tokenizer *t)
{
    struct buf b = {0};
    const char *comma = "{";

    for (int i = 0; i < t->addeds; i++)
        if (t->added[i].special) {
            buf_add(&b, comma, 1);
            jsonout_string(&b, t->added[i].content.s, t->added[i].content.n);
            buf_printf(&b, ":%d", t->added[i].id);
            comma = ",";
        }
    buf_add(&b, b.n ? "}" : "{}", b.n ? 2 : 3);
    image_meta(head, "specials", b.p);
    mem_free(b.p);
}

void
plan_head(const struct plan *p, struct image *head)
{
    image_metaf(head, "tokenizer", "%016" PRIx64, p->tokenizer.fingerprint);
    image_metaf(head, "vocab", "%d", p->vocab);
    if (p->limit != SIZE_MAX)
        image_metaf(head, "max_length", "%zu", p->limit);
    put_specials(head, &p->tokenizer);
    if (p->labels.n)
        stream_labels_set(head, p->labels.name, p->labels.n);
    image_meta(head, "task", task_name(p->labels.task));
}

char *
plan_options(const struct plan *p)
{
    static const char *const truncate[] = {"right", "left", "error"};
    const struct tokenize_options *o = p->o;
    struct buf b = {0};

    if (o->no_special)
        buf_printf(&b, "--no-special ");
    if (o->special == SPECIAL_LITERAL)
        buf_printf(&b, "--special literal ");
    if (o->pair_field)
        buf_printf(&b, "--pair-field %s ", o->pair_field);
    if (o->max_length)
        buf_printf(&b, "--max-length %d ", o->max_length);
    if (o->truncate)
        buf_printf(&b, "--truncate %s ", truncate[o->truncate]);
    if (o->window)
        buf_printf(&b, "--window %d --stride %d ", o->window, o->stride);
    buf_add(&b, "", 1);
    if (b.n > 1)
        b.p[b.n - 2] = 0;
    return b.p;
}
