/* config.json with keys left out or switched, against what transformers builds of it
 * (scripts/make_config_fixtures.py). Another file may be named (scripts/random_configs.py): what either
 * side refuses is then counted. */
#include "tests/model/fixture.h"

static const char committed[] = "tests/fixtures/config.json", *path;
static int wrong, refused, accepted;

static void differ(const char *text, const char *key, double got, double want)
{
    print_error("%s\n  %s is %.17g, transformers has %.17g\n", text, key, got, want);
    wrong++;
}

static void same(const char *text, const struct json *want, const char *key, double got)
{
    const struct json *v = json_get(want, key);
    double w = json_kind(v) == JSON_BOOL ? (json_bool(v, false) ? 1 : 0) : json_number(v, NAN);
    if (!(fabs(got - w) <= 1e-7 * fabs(w)))
        differ(text, key, got, w);
}

static void same_layers(const char *text, const struct json *want, const struct model_config *c)
{
    static const char *const kinds[] = {
        [ROPE_NONE] = "none",        [ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear",
        [ROPE_DYNAMIC] = "dynamic",  [ROPE_LLAMA3] = "llama3",   [ROPE_YARN] = "yarn",
        [ROPE_LONGROPE] = "longrope"};
    const struct json *layer = json_first(json_get(want, "layer"));
    for (int i = 0; i < c->layers; i++, layer = json_next(layer)) {
        const struct json *window = json_first(layer), *theta = json_next(window);
        int which = c->layer[i].rope;
        enum rope_kind kind = which < 0 ? ROPE_NONE : c->rope[which].kind;
        double got = which < 0 ? 0 : c->rope[which].theta;
        if (c->layer[i].window != json_number(window, NAN))
            differ(text, "a layer's window", c->layer[i].window, json_number(window, NAN));
        if (got != json_number(theta, NAN))
            differ(text, "a layer's theta", got, json_number(theta, NAN));
        if (strcmp(kinds[kind], json_string(json_next(theta))) != 0)
            differ(text, json_string(json_next(theta)), kind, -1);
    }
}

static void same_config(const char *text, const struct json *want, const struct model_config *c)
{
    const struct {
        const char *key;
        double got;
    } values[] = {
        {"hidden", c->hidden},
        {"vocab", c->vocab},
        {"layers", c->layers},
        {"heads", c->heads},
        {"kv_heads", c->kv_heads},
        {"head_dim", c->head_dim},
        {"rot_dim", c->rot_dim},
        {"inter", c->inter},
        {"norm_eps", c->norm_eps},
        {"tied", c->tied},
        {"embed_scale", c->embed_scale},
        {"attn_scale", c->attn_scale},
        {"attn_softcap", c->attn_softcap},
        {"logit_softcap", c->logit_softcap},
        {"qkv_bias", c->qkv_bias},
        {"o_bias", c->o_bias},
        {"mlp_bias", c->mlp_bias},
        {"qk_norm", c->qk_norm},
        {"bos", c->bos},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        same(text, want, values[i].key, values[i].got);
    bool reaches = c->rope[0].kind == ROPE_YARN || c->rope[0].kind == ROPE_DYNAMIC;
    if (!reaches) /* ours go as far as their factor does */
        same(text, want, "max_positions", c->max_positions);
    if (json_number(json_get(want, "original_max"), 0) > 0)
        same(text, want, "original_max", c->rope[0].original_max);
    const struct json *eos = json_get(want, "eos");
    if ((size_t)c->eos_count != json_count(eos))
        differ(text, "eos", c->eos_count, (double)json_count(eos));
    int i = 0;
    for (const struct json *v = json_first(eos); v && i < c->eos_count; v = json_next(v), i++)
        if (c->eos[i] != json_number(v, NAN))
            differ(text, "eos", c->eos[i], json_number(v, NAN));
    same_layers(text, want, c);
}

static void defaults(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct json_doc *doc = NULL;
    int count = 0;
    OK(file_read(&bytes, path, 1 << 28, &f));
    OK(json_parse(&doc, bytes.p, bytes.n, path, &f));
    for (const struct json *row = json_first(json_root(doc)); row; row = json_next(row), count++) {
        struct model_config c;
        struct blobs files = {0};
        struct text text = {0};
        OK(json_print_value(&text, json_get(row, "config"), false, &f));
        OK(blobs_add(&files, "config.json", text.p, text.n, &f));
        struct fault said = {0};
        bool ours = model_config_read(&c, &files, &said) == ST_OK;
        bool theirs = json_kind(json_get(row, "want")) == JSON_OBJECT;
        if (!ours)
            print_message("%s\n  is refused: %s\n", text.p, said.text);
        if (ours && theirs)
            same_config(text.p, json_get(row, "want"), &c);
        refused += !ours;
        accepted += ours && !theirs;
        blobs_free(&files);
        text_free(&text);
    }
    print_message("%d configs: %d refused here, %d by transformers alone, %d differ\n", count,
                  refused, accepted, wrong);
    assert_true(count > 40);
    assert_int_equal(wrong, 0);
    if (path == committed) /* which are all good */
        assert_int_equal(refused + accepted, 0);
    json_close(&doc);
    text_free(&bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults)};
    path = argc > 1 ? argv[1] : committed;
    return cmocka_run_group_tests_name("config defaults", tests, NULL, NULL);
}
