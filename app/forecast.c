#include "app/forecast.h"

#include <limits.h>
#include <stdio.h>

#include "app/console.h"
#include "model/effort.h"

/* Bytes of layers that are loaded for a timing, the rows that it may have, and how long it goes on:
 * loading and steps together take some seconds. */
static const double LOAD_MAX = 5e8;
enum { ROWS_MAX = 4096, ROWS_FIRST = 64, TIMES_MAX = 8 };
static const double LONG_ENOUGH = 0.7, TOO_LONG = 2.5;

struct timing {
    const struct forecast_plan *plan;
    struct session *s;
    struct sampler *sampler;
    struct window window;
    int micro; /* of the window, the next to be timed */
    int step;
    double effort, seconds;
    int64_t tokens;
};

void forecast_given(struct forecast *out, double tokens_per_second, double tokens)
{
    out->tokens_per_second = tokens_per_second;
    out->seconds = tokens / tokens_per_second;
}

/* ---- how much there is ----------------------------------------------------------------------- */

/* Of all rows of a pass, each as often as its file's weight says. */
static double effort_of(const struct dataset *d, const struct forecast_plan *p,
                        const struct model_config *c, const struct adapters *a, bool training)
{
    double sum = 0;
    for (size_t i = 0; d && i < dataset_rows(d); i++) {
        struct row r = dataset_outline(d, i);
        double times = training ? dataset_part(d, (size_t)r.file).weight : 1;
        sum += times * (training ? effort_training(c, a, p->grad_checkpoint, r.n - 1, r.targets)
                                 : effort_forward(c, a, r.n - 1, r.targets));
    }
    return sum;
}

/* Of the first rows of a micro-batch, whose documents lie end to end. */
static double effort_of_batch(const struct timing *t, const struct batch *b)
{
    struct model_config c = *model_config_of(t->s->model);
    double sum = 0;
    for (int from = 0, to, label = 0; from < b->rows; from = to) {
        int targets = label;
        for (to = from + 1; to < b->rows && b->start[to] == b->start[from];)
            to++;
        while (label < b->labelled && b->index[label] < to)
            label++;
        sum += effort_training(&c, t->s->adapters, t->plan->grad_checkpoint, to - from,
                               label - targets);
    }
    return sum;
}

/* ---- timing ---------------------------------------------------------------------------------- */

/* One step with the first `rows` rows of the next micro-batch. */
static enum status time_step(struct timing *t, int rows, double *seconds, struct fault *f)
{
    if (t->micro >= t->window.micros) {
        enum status s = sampler_next(t->sampler, &t->window, f);
        if (s != ST_OK)
            return s;
        t->micro = 0;
    }
    struct batch b = t->window.micro[t->micro++];
    b.rows = rows < b.rows ? rows : b.rows;
    while (b.labelled > 0 && b.index[b.labelled - 1] >= b.rows)
        b.labelled--;
    struct train_hyper h = {.lr = 0, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = ++t->step};
    struct train_result r;
    double began = console_now();
    enum status s =
        model_train_micro(t->s->model, &b, b.labelled > 0 ? b.labelled : 1, t->step, 0, f);
    if (s == ST_OK)
        s = model_train_update(t->s->model, &h, f);
    if (s == ST_OK)
        s = model_train_result(t->s->model, &r, f);
    *seconds = console_now() - began;
    t->effort += effort_of_batch(t, &b);
    t->seconds += *seconds;
    t->tokens += b.rows;
    return s;
}

/* The first steps find out how many rows a step may have; those after them count. */
static enum status time_steps(struct timing *t, int rows_max, struct fault *f)
{
    double began = console_now(), last = 0;
    int rows = ROWS_FIRST < rows_max ? ROWS_FIRST : rows_max;
    enum status s = time_step(t, rows, &last, f); /* warms caches up */
    for (;;) {
        t->effort = t->seconds = 0;
        t->tokens = 0;
        if (s == ST_OK)
            s = time_step(t, rows, &last, f);
        if (s != ST_OK || rows == rows_max || console_now() - began + 2 * last > TOO_LONG)
            break;
        rows = rows < rows_max / 2 ? 2 * rows : rows_max;
    }
    for (int i = 1; s == ST_OK && i < TIMES_MAX && t->seconds < LONG_ENOUGH &&
                    console_now() - began + last < TOO_LONG;
         i++)
        s = time_step(t, rows, &last, f);
    return s;
}

/* How many layers to load: all, if that is quick. */
static int layers_to_load(const struct session *s)
{
    double bytes = 0, head = 0;
    for (size_t i = 0; i < base_count(s->base); i++) {
        const struct tensor *t = base_tensor(s->base, i);
        bytes += (double)t->bytes;
        head += t->ndim == 2 && t->shape[0] == s->config.vocab ? (double)t->bytes : 0;
    }
    double layer = (bytes - head) / s->config.layers;
    int n = layer > 0 ? (int)(LOAD_MAX / layer) : s->config.layers;
    return n < 1 ? 1 : n < s->config.layers ? n : s->config.layers;
}

/* Rows of a timed step may be fewer than a micro-batch has. */
static struct model_shape shape_of(const struct timing *t, int rows_max, int layers)
{
    int rows = sampler_rows_max(t->sampler);
    return (struct model_shape){.rows_max = rows < rows_max ? rows : rows_max,
                                .backward = true,
                                .grad_checkpoint = t->plan->grad_checkpoint,
                                .layers = layers};
}

static enum status open_model(struct timing *t, int layers, struct fault *f)
{
    struct session *s = t->s;
    struct model_config c = s->config;
    struct adapter_spec spec = t->plan->adapters;
    struct model_shape shape = shape_of(t, ROWS_MAX, layers);
    c.layers = layers;
    spec.num_layers = spec.num_layers < layers ? spec.num_layers : 0;
    enum status st = adapters_new(&s->adapters, &c, &spec, 0, f);
    if (st == ST_OK)
        st = session_model(s, &shape, f);
    if (st == ST_OK)
        st = model_train_begin(s->model, 0, f);
    return st == ST_OK ? time_steps(t, shape.rows_max, f) : st;
}

/* Whether all layers fit, with buffers for all rows of a micro-batch; a: the adapters of all. */
static enum status check_fit(const struct timing *t, struct adapters *a, struct fault *f)
{
    const struct kern_info *info = kern_info(t->s->k);
    struct model_shape shape = shape_of(t, INT_MAX, 0);
    uint64_t need;
    char x[32], y[32];
    enum status st = model_measure(&need, t->s->k, t->s->base, &t->s->config, a, &shape, f);
    if (st != ST_OK || info->memory_bytes == 0 || need <= info->memory_bytes)
        return st;
    return fault_set(f, ST_NOMEM, "training needs %s of memory, and %s has %s",
                     console_bytes(x, need), info->name, console_bytes(y, info->memory_bytes));
}

/* ---- the forecast ---------------------------------------------------------------------------- */

static void reckon(struct forecast *out, const struct timing *t, const struct adapters *a,
                   const struct dataset *train, const struct dataset *valid)
{
    const struct forecast_plan *p = t->plan;
    const struct model_config *c = &t->s->config;
    double rate = t->effort / t->seconds;
    double training = p->passes * effort_of(train, p, c, a, true) / rate;
    int64_t evals = (p->steps + p->steps_per_eval - 1) / p->steps_per_eval;
    out->seconds = training + (double)evals * effort_of(valid, p, c, a, false) / rate;
    out->tokens_per_second = p->passes * dataset_pass_tokens(train) / training;
    out->tokens = t->tokens;
}

void forecast_make(struct forecast *out, const struct forecast_plan *plan, struct session *s,
                   const struct dataset *train, const struct dataset *valid)
{
    struct timing t = {.plan = plan, .s = s};
    struct adapters *all = NULL;
    struct fault f = {0};
    double began = console_now();
    struct sampler_options o = plan->sampler;
    o.epochs = 0; /* as many micro-batches as are timed */
    out->layers = s->config.layers;
    out->layers_timed = layers_to_load(s);
    enum status st = sampler_new(&t.sampler, train, &o, &f);
    if (st == ST_OK)
        st = adapters_new(&all, &s->config, &plan->adapters, 0, &f);
    if (st == ST_OK)
        st = session_device(s, plan->common, &f);
    if (st == ST_OK)
        st = check_fit(&t, all, &f);
    if (st == ST_OK)
        st = open_model(&t, out->layers_timed, &f);
    if (st == ST_OK)
        reckon(out, &t, all, train, valid);
    if (s->k)
        snprintf(out->device, sizeof out->device, "%s", kern_info(s->k)->name);
    if (st != ST_OK)
        snprintf(out->why, sizeof out->why, "%s", f.text);
    out->spent = console_now() - began;
    adapters_free(&all);
    window_free(&t.window);
    sampler_free(&t.sampler);
}
