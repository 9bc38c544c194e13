#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench_ops.h"
#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"
#include "data/file.h"

struct bench {
    struct common common;
    const char *what, *shape, *dtype, *only, *output;
    double seconds_max;
    int64_t batch, seq, rank, iters;
    bool grad_checkpoint;
    struct model_config config;
    double first_step, *step; /* seconds of each step */
};

static const struct {
    const char *name, *config;
} shapes[] = {
    {"smollm2-135m",
     "{\"model_type\": \"llama\", \"hidden_size\": 576, \"intermediate_size\": 1536,"
     " \"num_hidden_layers\": 30, \"num_attention_heads\": 9, \"num_key_value_heads\": 3,"
     " \"vocab_size\": 49152, \"max_position_embeddings\": 8192, \"rope_theta\": 100000,"
     " \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true, \"hidden_act\": \"silu\"}"},
    {"llama-1b",
     "{\"model_type\": \"llama\", \"hidden_size\": 2048, \"intermediate_size\": 8192,"
     " \"num_hidden_layers\": 16, \"num_attention_heads\": 32, \"num_key_value_heads\": 8,"
     " \"vocab_size\": 128256, \"max_position_embeddings\": 131072, \"rope_theta\": 500000,"
     " \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true, \"hidden_act\": \"silu\"}"},
    {"llama-8b",
     "{\"model_type\": \"llama\", \"hidden_size\": 4096, \"intermediate_size\": 14336,"
     " \"num_hidden_layers\": 32, \"num_attention_heads\": 32, \"num_key_value_heads\": 8,"
     " \"vocab_size\": 128256, \"max_position_embeddings\": 131072, \"rope_theta\": 500000,"
     " \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": false, \"hidden_act\": \"silu\"}"},
};

static enum status read_shape(struct bench *b, struct fault *f)
{
    struct blobs files = {0};
    enum status s = ST_ABSENT;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(b->shape, shapes[i].name) == 0)
            s = blobs_add(&files, "config.json", shapes[i].config, strlen(shapes[i].config), f);
    if (s == ST_ABSENT && file_kind(b->shape) != FILE_REGULAR) {
        fault_set(f, ST_ABSENT, "%s is neither a known shape nor a config.json", b->shape);
        return fault_remedy(f, "the shapes are smollm2-135m, llama-1b and llama-8b");
    }
    if (s == ST_ABSENT)
        s = file_read_blob(&files, b->shape, "config.json", 1 << 20, f);
    if (s == ST_OK)
        s = model_config_read(&b->config, &files, f);
    blobs_free(&files);
    if (s == ST_OK && b->seq > b->config.max_positions) {
        fault_set(f, ST_RANGE, "--seq %lld is more than the shape's %d positions",
                  (long long)b->seq, b->config.max_positions);
        s = fault_remedy(f, "use shorter rows");
    }
    return s;
}

/* `batch` rows of `seq` random tokens, each predicting another random token. */
static enum status make_batch(struct batch *out, const struct bench *b, int32_t **space,
                              struct fault *f)
{
    size_t rows = (size_t)(b->batch * b->seq);
    int32_t *p = malloc(5 * rows * sizeof *p);
    if (!p)
        return fault_nomem(f, "a batch", 5 * rows * sizeof *p);
    *space = p;
    *out = (struct batch){.rows = (int)rows,
                          .ids = p,
                          .pos = p + rows,
                          .start = p + 2 * rows,
                          .labelled = (int)rows,
                          .index = p + 3 * rows,
                          .labels = p + 4 * rows};
    uint64_t x = 0x9E3779B97F4A7C15ull;
    for (size_t i = 0; i < rows; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        out->ids[i] = (int32_t)((x >> 33) % (uint64_t)b->config.vocab);
        out->labels[i] = (int32_t)((x >> 20) % (uint64_t)b->config.vocab);
        out->pos[i] = (int32_t)(i % (size_t)b->seq);
        out->start[i] = (int32_t)(i - i % (size_t)b->seq);
        out->index[i] = (int32_t)i;
    }
    return ST_OK;
}

static enum status step(struct model *m, const struct batch *batch, int number, struct fault *f)
{
    struct train_hyper h = {.lr = 1e-4,
                            .beta1 = 0.9,
                            .beta2 = 0.999,
                            .eps = 1e-8,
                            .weight_decay = 0.01,
                            .max_grad_norm = 1.0,
                            .step = number};
    struct train_result r;
    enum status s = model_train_micro(m, batch, batch->labelled, number, 0, f);
    if (s == ST_OK)
        s = model_train_update(m, &h, f);
    if (s == ST_OK)
        s = model_train_result(m, &r, f);
    if (s == ST_OK && !r.finite)
        s = fault_set(f, ST_NUMERIC, "step %d gave a loss or norm that is not finite", number);
    return s;
}

static enum status run_steps(struct bench *b, struct model *m, struct fault *f)
{
    struct batch batch;
    struct progress p;
    int32_t *space = NULL;
    enum status s = make_batch(&batch, b, &space, f);
    if (s == ST_OK)
        s = model_train_begin(m, 0, f);
    progress_begin(&p, "bench train", 0, (uint64_t)b->iters, PROGRESS_STEPS);
    for (int i = 0; s == ST_OK && i < b->iters; i++) {
        double began = console_now();
        s = step(m, &batch, i + 1, f);
        b->step[i] = console_now() - began;
        if (i == 0)
            b->first_step = console_since_start();
        progress_at(&p, (uint64_t)i + 1, "");
    }
    progress_end(&p);
    free(space);
    return s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static enum status tell(struct bench *b, kern *k, struct fault *f)
{
    const struct kern_info *info = kern_info(k);
    bool cpu = strcmp(info->backend, "cpu") == 0;
    uint64_t peak = cpu ? console_peak_memory() : kern_memory(k).peak;
    size_t skip = b->iters > 1; /* the first step warms caches up */
    qsort(b->step + skip, (size_t)b->iters - skip, sizeof *b->step, by_value);
    double median = b->step[skip + ((size_t)b->iters - skip) / 2];
    double rate = (double)(b->batch * b->seq) / median;
    char size[32];
    if (!b->common.json) {
        printf("%s, %lld × %lld, rank %lld on %s (%s): %.1f tokens/s, first step after %.2f s, "
               "%s\n",
               b->shape, (long long)b->batch, (long long)b->seq, (long long)b->rank, info->name,
               info->tier, rate, b->first_step, console_bytes(size, peak));
        return console_flush(f);
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_string(o, "shape", b->shape);
    json_add_number(o, "tokens_per_second", rate);
    json_add_number(o, "first_step_seconds", b->first_step);
    json_add_number(o, "step_seconds", median);
    json_add_int(o, "peak_memory_bytes", (int64_t)peak);
    if (!cpu)
        json_add_int(o, "host_peak_bytes", (int64_t)console_peak_memory());
    json_add_string(o, "device", info->id);
    json_add_string(o, "device_name", info->name);
    json_add_string(o, "tier", info->tier);
    return console_json(doc, f);
}

static enum status bench_train(struct bench *b, struct fault *f)
{
    kern *k = NULL;
    struct model *m = NULL;
    struct adapters *a = NULL;
    struct adapter_spec spec = {
        .rank = (int)b->rank, .alpha = 2.0 * (double)b->rank, .target_modules = "all-linear"};
    struct model_shape shape = {.rows_max = (int)(b->batch * b->seq),
                                .backward = true,
                                .grad_checkpoint = b->grad_checkpoint};
    enum dtype dtype = strcmp(b->dtype, "bf16") == 0  ? DT_BF16
                       : strcmp(b->dtype, "f16") == 0 ? DT_F16
                                                      : DT_F32;
    enum status s = read_shape(b, f);
    if (s == ST_OK && !(b->step = calloc((size_t)b->iters, sizeof *b->step)))
        s = fault_nomem(f, "timings", (size_t)b->iters * sizeof *b->step);
    if (s == ST_OK)
        s = adapters_new(&a, &b->config, &spec, 0, f);
    if (s == ST_OK)
        s = device_open(&k, &b->common, f);
    if (s == ST_OK)
        s = model_open_random(&m, k, &b->config, dtype, a, &shape, 1, f);
    if (s == ST_OK)
        s = run_steps(b, m, f);
    if (s == ST_OK)
        s = tell(b, k, f);
    model_close(&m);
    adapters_free(&a);
    kern_close(&k);
    free(b->step);
    return s;
}

static const struct option options[] = {
    {.name = "shape",
     .kind = OPT_STRING,
     .at = offsetof(struct bench, shape),
     .arg = "NAME|CONFIG.json",
     .help = "smollm2-135m, llama-1b, llama-8b, or a model's config.json"},
    {.name = "batch-size",
     .kind = OPT_INT,
     .at = offsetof(struct bench, batch),
     .min = 1,
     .max = 65536,
     .arg = "B",
     .help = "rows of a step"},
    {.name = "seq",
     .kind = OPT_INT,
     .at = offsetof(struct bench, seq),
     .min = 1,
     .max = 1 << 20,
     .arg = "T",
     .help = "tokens of a row"},
    {.name = "rank",
     .kind = OPT_INT,
     .at = offsetof(struct bench, rank),
     .min = 1,
     .max = 4096,
     .arg = "R",
     .help = "of the adapters, on every linear layer"},
    {.name = "iters",
     .kind = OPT_INT,
     .at = offsetof(struct bench, iters),
     .min = 1,
     .max = 100000,
     .arg = "N",
     .help = "steps; the median of those after the first is told"},
    {.name = "dtype",
     .kind = OPT_CHOICE,
     .at = offsetof(struct bench, dtype),
     .choices = "f32|bf16|f16",
     .help = "of the base weights"},
    {.name = "grad-checkpoint",
     .kind = OPT_BOOL,
     .at = offsetof(struct bench, grad_checkpoint),
     .help = "as in train"},
    {.name = "only",
     .kind = OPT_STRING,
     .at = offsetof(struct bench, only),
     .arg = "TEXT",
     .help = "ops: those with this in their name"},
    {.name = "max-seconds",
     .kind = OPT_REAL,
     .at = offsetof(struct bench, seconds_max),
     .min = 1e-6,
     .max = 1e6,
     .arg = "S",
     .help = "ops: calls that would take longer are skipped"},
    {.name = "output",
     .kind = OPT_STRING,
     .at = offsetof(struct bench, output),
     .arg = "FILE.html",
     .help = "ops: also a page with a picture (also -o)"},
    COMMON_OPTIONS(struct bench),
};

int cmd_bench(int argc, char **argv)
{
    struct fault f = {0};
    struct bench b = {.common = COMMON_DEFAULTS,
                      .shape = "smollm2-135m",
                      .dtype = "f32",
                      .batch = 1,
                      .seconds_max = 1,
                      .seq = 512,
                      .rank = 16,
                      .iters = 5};
    struct command_line c = {
        .usage = "wick bench train|ops [options]",
        .about =
            "train: trains a random base of a shape, made in memory: how fast will this be here?\n"
            "ops: times each op, adapted linears against separate products.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &b,
        .positional = {{"train|ops", &b.what, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    bool ops = s == ST_OK && strcmp(b.what, "ops") == 0;
    if (s == ST_OK && !ops && strcmp(b.what, "train") != 0) {
        fault_set(&f, ST_USAGE, "unknown benchmark %.60s", b.what);
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    if (s == ST_OK && b.batch * b.seq > INT32_MAX / 4) {
        fault_set(&f, ST_RANGE, "%lld × %lld tokens are too many for a step", (long long)b.batch,
                  (long long)b.seq);
        s = fault_remedy(&f, "use fewer or shorter rows");
    }
    console_quiet(b.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    struct bench_ops o = {&b.common, b.dtype, b.only, b.output, b.seconds_max};
    s = ops ? bench_ops(&o, &f) : bench_train(&b, &f);
    return s == ST_OK ? 0 : console_fail(&f);
}
