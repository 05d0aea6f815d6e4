/* formats_config - what config.json says, what is refused and how, what is written back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/config.h"

static char dir[] = "/tmp/formats_config.XXXXXX";

static void
put(const char *text, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "%s/config.json", dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* {"model_type": "modernbert", BODY} */
static void
put_body(const char *body)
{
    char *text = mem_printf("{\"model_type\": \"modernbert\"%s%s}", *body ? ", " : "",
                            body);
    put(text, strlen(text));
    mem_free(text);
}

static struct config *
load(const char *from)
{
    struct config *c = mem_zalloc(1, sizeof *c);
    config_load(c, from);
    return c;
}

static void
unload(struct config *c)
{
    config_free(c);
    mem_free(c);
}

/* Loads in a child: the exit status, stderr in said. */
static int
attempt(char *said, size_t room)
{
    int fd[2], status;
    size_t n = 0;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        struct config c;
        dup2(fd[1], 2);
        close(fd[0]);
        argv0 = "t";
        config_load(&c, dir);
        config_free(&c);
        _exit(0);
    }
    close(fd[1]);
    for (ssize_t k; (k = read(fd[0], said + n, room - 1 - n)) > 0;)
        n += (size_t)k;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
refused(const char *body, const char *message)
{
    char said[4096], want[4096];
    put_body(body);
    const int status = attempt(said, sizeof said);
    snprintf(want, sizeof want, "t: %s/config.json: %s\n", dir, message);
    assert_string_equal(said, want);
    assert_int_equal(status, EXIT_DATA);
}

static void
defaults(void **state)
{
    (void)state;
    put_body("");
    struct config *c = load(dir);
    assert_int_equal(c->hidden, 768);
    assert_int_equal(c->layers, 22);
    assert_int_equal(c->heads, 12);
    assert_int_equal(c->head_size, 64);
    assert_int_equal(c->ffn, 1152);
    assert_int_equal(c->vocab, 50368);
    assert_int_equal(c->positions, 8192);
    assert_int_equal(c->window, 64);
    for (int i = 0; i < 22; i++)
        assert_int_equal(c->global[i], i % 3 == 0);
    assert_true(c->theta_global == 160000 && c->theta_local == 10000);
    assert_true(c->norm_eps == 1e-5 && c->initializer_range == .02 &&
                c->initializer_cutoff == 2);
    assert_false(c->attention_bias || c->mlp_bias || c->norm_bias || c->classifier_bias);
    assert_true(c->decoder_bias && c->tied);
    assert_true(c->act == ACT_GELU && c->classifier_act == ACT_GELU);
    assert_true(c->pooling == POOL_CLS && c->problem == PROBLEM_AUTO &&
                c->arch == ARCH_OTHER);
    assert_int_equal(c->labels, 0);
    assert_null(c->label);
    assert_true(c->cls == 50281 && c->sep == 50282 && c->pad == 50283);
    unload(c);
}

static void
thetas(const char *body, double global, double local)
{
    put_body(body);
    struct config *c = load(dir);
    assert_true(c->theta_global == global);
    assert_true(c->theta_local == local);
    unload(c);
}

static void
rope(void **state)
{
    (void)state;
    thetas("\"rope_theta\": 5", 160000, 10000);
    thetas("\"global_rope_theta\": 80000, \"local_rope_theta\": 160000.0", 80000, 160000);
    thetas("\"global_rope_theta\": 80000, \"local_rope_theta\": null", 80000, 80000);
    thetas("\"rope_scaling\": null, \"rope_parameters\": null", 160000, 10000);
    thetas("\"global_rope_theta\": 7, \"local_rope_theta\": 8, \"rope_parameters\": "
           "{\"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": 9}}", 9, 8);
    thetas(
        "\"local_rope_theta\": 8, \"rope_parameters\": {\"sliding_attention\": {\"rope_theta\": 3}, "
        "\"full_attention\": {\"rope_type\": \"default\"}}",
        160000, 3);
    thetas(
        "\"local_rope_theta\": null, \"rope_parameters\": {\"full_attention\": {\"rope_theta\": 9}}",
        9, 9);
}

static void
layers(const char *body, const char *global)
{
    put_body(body);
    struct config *c = load(dir);
    assert_int_equal(c->layers, strlen(global));
    for (int i = 0; i < c->layers; i++)
        assert_int_equal(c->global[i], global[i] == 'g');
    unload(c);
}

static void
layer_types(void **state)
{
    (void)state;
    layers("\"num_hidden_layers\": 5, \"global_attn_every_n_layers\": 2", "glglg");
    layers("\"num_hidden_layers\": 3, \"global_attn_every_n_layers\": 1", "ggg");
    layers("\"num_hidden_layers\": 3, \"layer_types\": null", "gll");
    layers(
        "\"num_hidden_layers\": 4, \"global_attn_every_n_layers\": 1, \"layer_types\": [\"sliding_attention\", "
        "\"full_attention\", \"full_attention\", \"sliding_attention\"]",
        "lggl");
}

static void
other_keys(void **state)
{
    (void)state;
    put_body(
        "\"local_attention\": 17, \"id2label\": {\"1\": \"b\", \"0\": \"a\"}, \"num_labels\": 9, "
        "\"hidden_activation\": \"gelu_pytorch_tanh\", \"classifier_activation\": \"relu\", "
        "\"classifier_pooling\": \"mean\", \"problem_type\": \"regression\", \"eos_token_id\": [1, 2], "
        "\"architectures\": [\"ModernBertForMaskedLM\", \"X\"], \"pad_token_id\": null, "
        "\"initializer_cutoff_factor\": null, \"attention_dropout\": 0.25");
    struct config *c = load(dir);
    assert_int_equal(c->window, 8);
    assert_int_equal(c->labels, 2);
    assert_string_equal(c->label[0], "a");
    assert_string_equal(c->label[1], "b");
    assert_true(c->act == ACT_GELU_TANH && c->classifier_act == ACT_RELU &&
                c->pooling == POOL_MEAN);
    assert_true(c->problem == PROBLEM_REGRESSION && c->arch == ARCH_MLM);
    assert_true(c->pad == -1 && c->initializer_cutoff == 3 && c->attention_dropout == .25);
    unload(c);
    put_body("\"num_labels\": 9, \"architectures\": []");
    c = load(dir);
    assert_true(c->labels == 9 && !c->label && c->arch == ARCH_OTHER);
    unload(c);
}

/* Every limit: accepted at it, refused beyond it. */
static void
limits(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "\"hidden_size\": 8192, \"num_attention_heads\": 64",
        "\"num_hidden_layers\": 128",
        "\"vocab_size\": 1048576",
        "\"max_position_embeddings\": 65536",
        "\"local_attention\": 2",
        "\"hidden_size\": 2, \"num_attention_heads\": 1",
        "\"intermediate_size\": 65536",
    };
    static const char *const beyond[][2] = {
        { "\"hidden_size\": 8193", "'hidden_size': 8193 is outside 1..8192" },
        { "\"hidden_size\": 0", "'hidden_size': 0 is outside 1..8192" },
        { "\"hidden_size\": 1.5", "'hidden_size': not a whole number" },
        { "\"hidden_size\": null", "'hidden_size': not a whole number" },
        { "\"num_hidden_layers\": 129", "'num_hidden_layers': 129 is outside 1..128" },
        { "\"num_hidden_layers\": -1", "'num_hidden_layers': -1 is outside 1..128" },
        { "\"vocab_size\": 1048577", "'vocab_size': 1048577 is outside 1..1048576" },
        { "\"vocab_size\": 9223372036854775807",
          "'vocab_size': 9223372036854775807 is outside 1..1048576" },
        { "\"max_position_embeddings\": 65537",
          "'max_position_embeddings': 65537 is outside 1..65536" },
        { "\"intermediate_size\": 65537",
          "'intermediate_size': 65537 is outside 1..65536" },
        { "\"local_attention\": 1", "'local_attention': 1 is outside 2..131072" },
        { "\"num_attention_heads\": 5",
          "'num_attention_heads': 5 does not divide hidden_size 768" },
        { "\"num_attention_heads\": 4",
          "'num_attention_heads': 4 heads of 192: a head's size must be even and at most 128" },
        { "\"num_attention_heads\": 256",
          "'num_attention_heads': 256 heads of 3: a head's size must be even and at most 128" },
        { "\"norm_eps\": 0", "'norm_eps': 0 is outside 1e-30..1" },
        { "\"norm_eps\": \"x\"", "'norm_eps': not a number" },
        { "\"mlp_dropout\": 1", "'mlp_dropout': 1 is outside 0..0.999" },
        { "\"mlp_bias\": 1", "'mlp_bias': not true or false" },
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        put_body(fine[i]);
        unload(load(dir));
    }
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        refused(beyond[i][0], beyond[i][1]);
}

static void
refusals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "\"hidden_activation\": \"swiglu\"",
          "'hidden_activation': 'swiglu' is not supported" },
        { "\"hidden_activation\": 1", "'hidden_activation': not a string" },
        { "\"classifier_activation\": \"tanh\"",
          "'classifier_activation': 'tanh' is not supported" },
        { "\"classifier_pooling\": \"max\"",
          "'classifier_pooling': 'max' is not supported" },
        { "\"problem_type\": \"ranking\"", "'problem_type': 'ranking' is not supported" },
        { "\"is_causal\": true", "'is_causal': true is not supported" },
        { "\"causal_mask\": true", "'causal_mask': true is not supported" },
        { "\"layer_types\": [\"full_attention\"]",
          "'layer_types': not a list of num_hidden_layers = 22 names" },
        { "\"num_hidden_layers\": 1, \"layer_types\": [\"linear_attention\"]",
          "'layer_types': 'linear_attention' is not supported" },
        { "\"global_attn_every_n_layers\": 0",
          "'global_attn_every_n_layers': 0 is outside 1..1048576" },
        { "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}",
          "'rope_scaling': not supported; only plain rotary embeddings are" },
        { "\"rope_parameters\": 1", "'rope_parameters': not an object" },
        { "\"rope_parameters\": {\"rope_theta\": 1}",
          "'rope_parameters': 'rope_theta' is not a layer type" },
        { "\"rope_parameters\": {\"full_attention\": []}",
          "'rope_parameters.full_attention': not an object" },
        { "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\"}}",
          "'rope_parameters.full_attention.rope_type': 'yarn' is not supported" },
        { "\"rope_parameters\": {\"sliding_attention\": {\"type\": \"linear\"}}",
          "'rope_parameters.sliding_attention.rope_type': 'linear' is not supported" },
        { "\"rope_parameters\": {\"full_attention\": {\"partial_rotary_factor\": 0.5}}",
          "'rope_parameters.full_attention.partial_rotary_factor': only 1 is supported" },
        { "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": null}}",
          "'rope_parameters.full_attention.rope_theta': not a number" },
        { "\"global_rope_theta\": 0", "'global_rope_theta': 0 is outside 1..1e+09" },
        { "\"global_rope_theta\": null", "'global_rope_theta': not a number" },
        { "\"architectures\": \"ModernBertModel\"",
          "'architectures': not a list of names" },
        { "\"architectures\": [1]", "'architectures': not a list of names" },
        { "\"id2label\": []", "'id2label': not an object of 1 to 65536 names" },
        { "\"id2label\": {}", "'id2label': not an object of 1 to 65536 names" },
        { "\"id2label\": {\"0\": \"a\", \"2\": \"b\"}",
          "'id2label': '2' is not an id from 0 to 1, each once" },
        { "\"id2label\": {\"0\": \"a\", \"00\": \"b\"}",
          "'id2label': '00' is not an id from 0 to 1, each once" },
        { "\"id2label\": {\"-1\": \"a\"}",
          "'id2label': '-1' is not an id from 0 to 0, each once" },
        { "\"id2label\": {\"99999999999999999999\": \"a\"}",
          "'id2label': '99999999999999999999' is not an id from 0 to 0, each once" },
        { "\"id2label\": {\"0\": 1}", "'id2label': the name of 0 is not text" },
        { "\"id2label\": {\"0\": \"a\\u0000b\"}", "'id2label': the name of 0 is not text" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i][0], cases[i][1]);
}

static void
whole_files(void **state)
{
    (void)state;
    static const struct { const char *text, *message; } cases[] = {
        { "{}", "'model_type': missing; 'modernbert' is supported" },
        { "{\"model_type\": \"bert\"}", "'model_type': 'bert' is not supported" },
        { "[]", "not a JSON object" },
    };
    char said[4096], want[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].text, strlen(cases[i].text));
        assert_int_equal(attempt(said, sizeof said), EXIT_DATA);
        snprintf(want, sizeof want, "t: %s/config.json: %s\n", dir, cases[i].message);
        assert_string_equal(said, want);
    }
    static const char *const broken[] = { "", "{\"model_type\": \"modernbert\"",
                                          "{\"a\": 1, \"a\": 2}" };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put(broken[i], strlen(broken[i]));
        assert_int_equal(attempt(said, sizeof said), EXIT_DATA);
    }
    enum { MIB = 1 << 20 };
    char *big = mem_zalloc(MIB + 1, 1);
    memset(big, ' ', MIB + 1);
    memcpy(big, "{\"model_type\": \"modernbert\"}", 28);
    put(big, MIB);
    assert_int_equal(attempt(said, sizeof said), 0);
    put(big, MIB + 1);
    assert_int_equal(attempt(said, sizeof said), EXIT_DATA);
    snprintf(want, sizeof want, "t: %s/config.json: not a file of at most 1 MiB\n", dir);
    assert_string_equal(said, want);
    mem_free(big);
    snprintf(want, sizeof want, "%s/config.json", dir);
    unlink(want);
    assert_int_equal(attempt(said, sizeof said), EXIT_SYS);
    snprintf(want, sizeof want,
             "t: cannot open '%s/config.json': No such file or directory\n", dir);
    assert_string_equal(said, want);
}

static void
goldens(void **state)
{
    (void)state;
    struct config *c = load("tests/golden/encoder/v5-mean");
    assert_true(c->hidden == 64 && c->heads == 2 && c->layers == 5 && c->window == 8 &&
                c->labels == 5);
    assert_true(c->theta_global == 80000 && c->theta_local == 20000);
    assert_true(c->global[0] && !c->global[1] && !c->global[2] && !c->global[3] &&
                c->global[4]);
    assert_true(c->attention_bias && c->mlp_bias && c->norm_bias && c->classifier_bias);
    assert_true(c->arch == ARCH_SEQUENCE && c->pooling == POOL_MEAN && c->cls == 383 &&
                c->sep == 384);
    unload(c);
    c = load("tests/golden/encoder/silu-hd32");
    assert_true(c->head_size == 32 && c->norm_eps == 1e-6 && c->theta_local == 160000 &&
                c->labels == 1);
    assert_true(c->act == ACT_SILU && c->classifier_act == ACT_SILU &&
                c->problem == PROBLEM_REGRESSION);
    unload(c);
    c = load("tests/golden/encoder/multilabel");
    assert_true(c->problem == PROBLEM_MULTI && c->labels == 4 && c->act == ACT_SILU);
    assert_string_equal(c->label[3], "d");
    unload(c);
    c = load("tests/golden/encoder/embed-noprefix");
    assert_true(c->arch == ARCH_BARE && c->labels == 0 && c->window == 32);
    unload(c);
}

static char *
saved(const char *body, char *const *labels, int n, enum problem problem)
{
    char path[64];
    struct buf b = { 0 };
    put_body(body);
    struct config *c = load(dir);
    snprintf(path, sizeof path, "%s/config.json", dir);
    config_save(c, path, labels, n, problem);
    unload(c);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b.n = fread(buf_room(&b, 8192), 1, 8191, f);
    b.p[b.n] = 0;
    fclose(f);
    return b.p;
}

static void
save(void **state)
{
    (void)state;
    static char safe[] = "safe", odd[] = "a \"b\"\n";
    char *const names[] = { safe, odd };
    char *text = saved(
        "\"architectures\": [\"ModernBertForMaskedLM\"], \"x\": {\"deep\": [1, 2.5, null]}, "
        "\"torch_dtype\": \"bfloat16\", \"num_labels\": 7, \"local_rope_theta\": null, "
        "\"id2label\": {\"0\": \"old\"}",
        names, 2, PROBLEM_SINGLE);
    assert_string_equal(text,
        "{\n  \"model_type\": \"modernbert\",\n"
        "  \"architectures\": [\n    \"ModernBertForSequenceClassification\"\n  ],\n"
        "  \"x\": {\"deep\":[1,2.5,null]},\n"
        "  \"local_rope_theta\": 160000,\n"
        "  \"id2label\": {\n    \"0\": \"safe\",\n    \"1\": \"a \\\"b\\\"\\n\"\n  },\n"
        "  \"label2id\": {\n    \"safe\": 0,\n    \"a \\\"b\\\"\\n\": 1\n  },\n"
        "  \"problem_type\": \"single_label_classification\",\n"
        "  \"dtype\": \"float32\"\n}\n");
    struct config *c = load(dir);
    assert_true(c->labels == 2 && c->problem == PROBLEM_SINGLE && c->arch == ARCH_SEQUENCE);
    unload(c);
    mem_free(text);
    text = saved("\"problem_type\": \"regression\", \"dtype\": \"bfloat16\"", names, 1,
                 PROBLEM_AUTO);
    assert_non_null(strstr(text, "\"problem_type\": \"regression\""));
    assert_non_null(strstr(text, "\"dtype\": \"float32\""));
    mem_free(text);
}

/* A problem_type is a sequence classifier's; a masked language model has no labels. */
static void
save_other_heads(void **state)
{
    (void)state;
    static const char old[] = "\"problem_type\": \"regression\", "
                              "\"id2label\": {\"0\": \"old\"}, \"x\": 1, "
                              "\"label2id\": {\"old\": 0}, \"architectures\": [\"x\"]";
    static char name[] = "PER";
    char *const names[] = { name };
    char *text = saved(old, names, 1, PROBLEM_TOKEN);
    assert_string_equal(text,
        "{\n  \"model_type\": \"modernbert\",\n"
        "  \"id2label\": {\n    \"0\": \"PER\"\n  },\n  \"x\": 1,\n"
        "  \"label2id\": {\n    \"PER\": 0\n  },\n"
        "  \"architectures\": [\n    \"ModernBertForTokenClassification\"\n  ],\n"
        "  \"dtype\": \"float32\"\n}\n");
    struct config *c = load(dir);
    assert_true(c->labels == 1 && c->arch == ARCH_TOKEN && c->problem == PROBLEM_AUTO);
    unload(c);
    mem_free(text);
    text = saved(old, NULL, 0, PROBLEM_MLM);
    assert_string_equal(text,
        "{\n  \"model_type\": \"modernbert\",\n  \"x\": 1,\n"
        "  \"architectures\": [\n    \"ModernBertForMaskedLM\"\n  ],\n"
        "  \"dtype\": \"float32\"\n}\n");
    mem_free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(rope), cmocka_unit_test(layer_types),
        cmocka_unit_test(other_keys), cmocka_unit_test(limits), cmocka_unit_test(refusals),
        cmocka_unit_test(whole_files), cmocka_unit_test(goldens), cmocka_unit_test(save),
        cmocka_unit_test(save_other_heads),
    };
    char path[64];
    if (!mkdtemp(dir))
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(path, sizeof path, "%s/config.json", dir);
    unlink(path);
    rmdir(dir);
    return failed;
}
