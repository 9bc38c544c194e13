#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"
#include "kernels/verify/verify.h"

enum { OPS = 64 };

struct op_worst {
    const char *op;
    char output[32], shape[64];
    double error;
};

struct selftest {
    struct common common;
    kern *ref, *k;
    struct json_doc *doc;
    struct op_worst ops[OPS];
    int count;
};

/* Two adapters' gradients of a small model may differ by what single ops may, summed over
 * layers. */
#define MODEL_BOUND 1e-4

/* Keeps the worst of each op's outputs and shapes. */
static void collect(void *ctx, const struct verify_result *r)
{
    struct selftest *t = ctx;
    int i = 0;
    while (i < t->count && strcmp(t->ops[i].op, r->op) != 0)
        i++;
    if (i == OPS || (i < t->count && !verify_worse(r->error, t->ops[i].error)))
        return;
    t->count = i == t->count ? i + 1 : t->count;
    t->ops[i].op = r->op;
    t->ops[i].error = r->error;
    snprintf(t->ops[i].output, sizeof t->ops[i].output, "%s", r->output);
    snprintf(t->ops[i].shape, sizeof t->ops[i].shape, "%s", r->shape);
}

static void tell_op(struct selftest *t, struct json *list, const struct op_worst *w, double bound)
{
    struct json *o = json_add_object(list, NULL);
    json_add_string(o, "op", w->op);
    json_add_string(o, "output", w->output);
    json_add_string(o, "shape", w->shape);
    json_add_number(o, "error", w->error);
    json_add_bool(o, "ok", w->error <= bound);
    if (!t->common.json)
        printf("%-4s %-22s %.1e  (%s, %s)\n", w->error <= bound ? "ok" : "FAIL", w->op, w->error,
               w->output, w->shape);
}

/* ---- a small model on both ------------------------------------------------------------------- */

static const char small[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 96, \"intermediate_size\": 160,"
    " \"num_hidden_layers\": 3, \"num_attention_heads\": 6, \"num_key_value_heads\": 2,"
    " \"vocab_size\": 515, \"max_position_embeddings\": 128, \"rope_theta\": 10000,"
    " \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true, \"hidden_act\": \"silu\"}";

static void fill_batch(struct batch *b, int32_t *space, int rows)
{
    *b = (struct batch){.rows = rows,
                        .ids = space,
                        .pos = space + rows,
                        .start = space + 2 * rows,
                        .labelled = rows,
                        .index = space + 3 * rows,
                        .labels = space + 4 * rows};
    for (int i = 0; i < rows; i++) {
        b->ids[i] = (i * 37 + 11) % 515;
        b->labels[i] = (i * 53 + 5) % 515;
        b->pos[i] = i % 40;
        b->start[i] = i - i % 40;
        b->index[i] = i;
    }
}

static enum status gradients(kern *k, const struct model_config *c, struct adapters *a,
                             float *grads, double *loss, struct fault *f)
{
    int32_t space[5 * 80];
    struct batch b;
    struct model *m = NULL;
    struct train_hyper h = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
    struct train_result r = {0};
    fill_batch(&b, space, 80);
    enum status s = model_open_random(
        &m, k, c, DT_BF16, a, &(struct model_shape){.rows_max = 80, .backward = true}, 5, f);
    if (s == ST_OK)
        s = model_train_begin(m, 3, f);
    if (s == ST_OK)
        s = model_train_micro(m, &b, b.labelled, 1, 0, f);
    if (s == ST_OK)
        s = model_grads_read(m, grads, f);
    if (s == ST_OK)
        s = model_train_update(m, &h, f);
    if (s == ST_OK)
        s = model_train_result(m, &r, f);
    *loss = r.loss;
    model_close(&m);
    return s;
}

static enum status compare_model(struct selftest *t, double *error, struct fault *f)
{
    struct blobs files = {0};
    struct model_config c;
    struct adapters *a = NULL;
    struct adapter_spec spec = {
        .rank = 8, .alpha = 16, .dropout = 0.1, .target_modules = "all-linear"};
    double loss[2] = {0}, diff = 0, norm = 0;
    enum status s = blobs_add(&files, "config.json", small, sizeof small - 1, f);
    if (s == ST_OK)
        s = model_config_read(&c, &files, f);
    if (s == ST_OK)
        s = adapters_new(&a, &c, &spec, 1, f);
    size_t n = s == ST_OK ? adapters_values(a) : 1;
    float *g = malloc(2 * n * sizeof *g);
    if (s == ST_OK && !g)
        s = fault_nomem(f, "gradients", 2 * n * sizeof *g);
    for (size_t i = 0; s == ST_OK && i < n; i++) /* B is 0 at first, and so would be A's gradient */
        adapters_data(a)[i] += 0.02f * (float)sin((double)i);
    if (s == ST_OK)
        s = gradients(t->ref, &c, a, g, &loss[0], f);
    if (s == ST_OK)
        s = gradients(t->k, &c, a, g + n, &loss[1], f);
    for (size_t i = 0; s == ST_OK && i < n; i++) {
        double d = (double)g[i] - (double)g[n + i];
        diff += d * d;
        norm += (double)g[i] * (double)g[i];
    }
    *error = sqrt(diff / (norm > 0 ? norm : 1)) + fabs(loss[0] - loss[1]) / fabs(loss[0] + 1e-30);
    free(g);
    adapters_free(&a);
    blobs_free(&files);
    return s;
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status run(struct selftest *t, bool *good, struct fault *f)
{
    double worst = 0, model = 0;
    const struct kern_options o = {.precision = KERN_F32};
    enum status s = kern_open(&t->ref, "cpu:ref", &o, f);
    if (s == ST_OK)
        s = device_open(&t->k, &t->common, f);
    if (s != ST_OK)
        return s;
    const struct kern_info *info = kern_info(t->k);
    if (!t->common.json)
        printf("%s, %s\n", info->name, info->tier);
    s = kern_verify(t->ref, t->k, collect, t, &worst, f);
    if (s == ST_OK)
        s = compare_model(t, &model, f);
    if (s != ST_OK)
        return s;
    struct json *list = json_add_array(json_edit(t->doc), "ops");
    struct op_worst all = {"model", "gradients", "3 layers of width 96, rank 8, dropout", model};
    for (int i = 0; i < t->count; i++)
        tell_op(t, list, &t->ops[i], VERIFY_BOUND);
    tell_op(t, list, &all, MODEL_BOUND);
    *good = worst <= VERIFY_BOUND && model <= MODEL_BOUND;
    json_add_string(json_edit(t->doc), "device", info->id);
    json_add_string(json_edit(t->doc), "tier", info->tier);
    json_add_number(json_edit(t->doc), "bound", VERIFY_BOUND);
    json_add_number(json_edit(t->doc), "worst", worst);
    json_add_number(json_edit(t->doc), "model_error", model);
    json_add_bool(json_edit(t->doc), "ok", *good);
    return ST_OK;
}

static const struct option options[] = {COMMON_OPTIONS(struct selftest)};

int cmd_selftest(int argc, char **argv)
{
    struct fault f = {0};
    struct selftest t = {.common = COMMON_DEFAULTS};
    bool good = false;
    struct command_line c = {
        .usage = "wick selftest [--device X]",
        .about =
            "Runs every op of a device against the scalar reference, and the gradients of a small\n"
            "model; prints the largest errors, max|got - ref| / max|ref|, and fails above 1e-5 "
            "(the\n"
            "model's gradients: 1e-4).",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &t,
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    console_quiet(t.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    t.doc = json_new_object();
    s = t.doc ? run(&t, &good, &f) : fault_nomem(&f, "the result", 0);
    if (s == ST_OK && t.common.json) {
        s = console_json(t.doc, &f);
        t.doc = NULL;
    } else if (s == ST_OK) {
        s = console_flush(&f);
    }
    if (s == ST_OK && !good) {
        fault_set(&f, ST_DEVICE, "%s computes an op with too large an error", kern_info(t.k)->name);
        fault_remedy(&f, "use --device cpu, and report the lines that failed with your driver");
    }
    kern_close(&t.k);
    kern_close(&t.ref);
    json_close(&t.doc);
    return s == ST_OK && good ? 0 : console_fail(&f);
}
