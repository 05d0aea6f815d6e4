#ifndef FORMATS_CONFIG_H
#define FORMATS_CONFIG_H
/*
 * config - a ModernBERT config.json, v4 and v5 keys, with transformers 5.17's precedence:
 * layer_types, else global_attn_every_n_layers (default 3); rope_parameters.X.rope_theta,
 * else global_rope_theta / local_rope_theta (null: the global one), else 160000 / 10000;
 * a bare rope_theta is ignored.  Any rope_type but "default", rope_scaling not null, an
 * unknown model_type, activation, pooling or problem_type: die_data naming the key.
 * What a file does not say is transformers' default.
 * Limits: file <= 1 MiB, hidden <= 8192, layers <= 128, heads divide hidden, head size even
 * and <= 128, vocabulary <= 2^20, positions <= 65536, window >= 1, all > 0.
 */
#include <stdint.h>
enum { CONFIG_LAYERS = 128 };
enum activation { ACT_NONE, ACT_GELU, ACT_SILU, ACT_GELU_TANH, ACT_RELU };
enum pooling { POOL_CLS, POOL_MEAN };
enum problem {
    PROBLEM_AUTO, PROBLEM_SINGLE, PROBLEM_MULTI, PROBLEM_REGRESSION,
    PROBLEM_TOKEN, PROBLEM_MLM            /* never config_load's: of a run of training */
};
enum arch { ARCH_BARE, ARCH_SEQUENCE, ARCH_TOKEN, ARCH_MLM, ARCH_OTHER };
struct config {
    int hidden, layers, heads, head_size, ffn, vocab, positions;
    int window;                       /* half-width, local_attention / 2: |i-j| <= window */
    unsigned char global[CONFIG_LAYERS]; /* layer i is global */
    double theta_global, theta_local;
    double norm_eps;
    int attention_bias, mlp_bias, norm_bias, classifier_bias, decoder_bias, tied;
    double attention_dropout, embedding_dropout, mlp_dropout, classifier_dropout;
    enum activation act, classifier_act;
    enum pooling pooling;
    enum problem problem;
    enum arch arch;                   /* from architectures[0] */
    int labels;                       /* len(id2label), else num_labels, else 0: not said */
    char **label;                     /* id2label names by id, or NULL */
    int cls, sep, pad;                /* token ids, -1 when not said */
    double initializer_range, initializer_cutoff;
    char *text;                       /* the file's bytes, for config_save */
    long text_bytes;
};
void config_load(struct config *c, const char *dir);   /* DIR/config.json, or dies */
void config_free(struct config *c);
/*
 * Writes the file path: every key of the file that was read, with architectures
 * [ModernBertForSequenceClassification], id2label, label2id, problem_type and dtype
 * "float32" (torch_dtype, num_labels removed) replaced, and local_rope_theta null as the
 * number it stands for.  problem PROBLEM_AUTO leaves problem_type as it was; PROBLEM_TOKEN
 * is [ModernBertForTokenClassification] and has none; PROBLEM_MLM is
 * [ModernBertForMaskedLM] and has neither problem_type nor names (labels may be NULL).
 */
void config_save(const struct config *c, const char *path, char *const *labels, int n,
                 enum problem problem);
#endif
