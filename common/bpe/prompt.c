#include "common/bpe/prompt.h"
#include "common/bpe/chars.h"
#include "formats/jsonl.h"

/* NULL, or what is wrong with a field that must be a string. */
static const char *
string_of(const struct prompt *p, const char *field, const char **s, size_t *n,
          const char *absent, const char *other)
{
    struct json_value v;

    if (!json_get(p->value, field, &v))
        return absent;
    return json_string(v, s, n) ? NULL : other;
}

/* NULL, or which limit of fields the object breaks. */
static const char *
too_many(struct json_value object)
{
    struct json_iter it = json_iter(object);
    struct json_value v;
    const char *key;
    size_t n;

    if (json_size(object) > PROMPT_FIELDS)
        return "more than 1024 fields";
    while (json_next(&it, &key, &n, &v))
        if (n > PROMPT_NAME)
            return "a field name longer than 256 bytes";
    return NULL;
}

static const char *
read_object(struct prompt *p, const struct plan *plan)
{
    const struct tokenize_options *o = plan->o;
    struct json_value id;
    const char *why;

    p->object = 1;
    if (json_type(p->value) != JSON_OBJECT)
        return "not a JSON object";
    if ((why = too_many(p->value)))
        return why;
    if (o->text_field)
        why = string_of(p, o->text_field, &p->text, &p->n, plan->message[MESSAGE_NO_TEXT],
                        plan->message[MESSAGE_TEXT]);
    else if (json_get(p->value, "prompt", &id))
        why =
            string_of(p, "prompt", &p->text, &p->n, NULL, "field 'prompt' is not a string");
    else
        why = string_of(p, "text", &p->text, &p->n,
                        "no field 'prompt' or 'text' (use --text-field)",
                        "field 'text' is not a string");
    if (!why && o->pair_field)
        why = string_of(p, o->pair_field, &p->pair, &p->pair_n,
                        plan->message[MESSAGE_NO_PAIR], plan->message[MESSAGE_PAIR]);
    if (!why && plan->has_id && !json_get(p->value, o->id_field, &id))
        why = plan->message[MESSAGE_NO_ID];
    p->labelled = json_get(p->value, plan->label_field, &p->label);
    return why;
}

int
prompt_read(struct prompt *p, const struct plan *plan, struct json *json, const char *s,
            size_t n, const char **why)
{
    *p = (struct prompt){0};
    *why = NULL;
    if (plan->o->format == INPUT_TEXT) {
        p->text = s;
        p->n = n;
        if (char_valid(s, n, NULL) < n)
            *why = "invalid UTF-8";
    } else {
        if (jsonl_blank(s, n))
            return 0;
        *why = json_parse_padded(json, s, n, &p->value);
        if (!*why)
            *why = read_object(p, plan);
    }
    if (!*why && (p->n > PROMPT_TEXT || p->pair_n > PROMPT_TEXT))
        *why = "text longer than 4 MiB";
    return 1;
}
