/* The epoch loop: windows in, steps out, with evaluation, checkpoints and signals between steps. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/console.h"
#include "app/signals.h"
#include "app/train.h"

/* A step that was enqueued and whose numbers are not read yet. */
struct pending {
    bool on;
    int64_t step;
    double lr, epoch;
    const struct window *window;
};

struct loop {
    struct train *t;
    struct train_state *state;
    struct progress bar;
    struct pending pending;
    double report_began; /* when the last report was made, and the input tokens since */
    int64_t report_tokens;
    int64_t saved; /* the step of the last checkpoint; 0: none */
    bool stop_early;
};

static enum status enqueue(struct loop *l, int64_t step, struct window *w, struct fault *f)
{
    struct train *t = l->t;
    struct train_hyper h = {.lr = schedule_lr(&t->schedule, step),
                            .beta1 = 0.9,
                            .beta2 = 0.999,
                            .eps = 1e-8,
                            .weight_decay = t->set.weight_decay,
                            .max_grad_norm = t->set.max_grad_norm,
                            .step = (int)step};
    enum status s = ST_OK;
    for (int i = 0; s == ST_OK && i < w->micros; i++)
        s = model_train_micro(t->session.model, &w->micro[i], w->targets, (int)step, i, f);
    if (s == ST_OK)
        s = model_train_update(t->session.model, &h, f);
    l->pending = (struct pending){s == ST_OK, step, h.lr, w->epoch, w};
    return s;
}

/* Replays the window that gave a loss or norm that is not finite, to name where it began. */
static enum status explain_nonfinite(struct loop *l, const struct pending *p, struct fault *f)
{
    for (int i = 0; i < p->window->micros; i++) {
        enum status s = model_find_nonfinite(l->t->session.model, &p->window->micro[i],
                                             p->window->targets, (int)p->step, i, f);
        if (s != ST_OK) {
            struct fault why = *f;
            fault_set(f, ST_NUMERIC, "step %lld: %s", (long long)p->step, why.text);
            break;
        }
        fault_set(f, ST_NUMERIC, "step %lld: the loss or the gradient norm is not finite",
                  (long long)p->step);
    }
    return fault_remedy(f, "lower --learning-rate, or look at that row with wick tokenize --data; "
                           "the last checkpoint is kept");
}

static enum status report_step(struct loop *l, const struct pending *p,
                               const struct train_result *r, struct fault *f)
{
    struct train *t = l->t;
    char detail[96];
    snprintf(detail, sizeof detail, "loss %.4f", r->loss);
    progress_at(&l->bar, (uint64_t)p->step, detail);
    if (p->step % t->set.steps_per_report != 0 && p->step != t->steps)
        return ST_OK;
    double now = console_now(), rate = (double)l->report_tokens / (now - l->report_began);
    const struct kern_info *info = kern_info(t->session.k);
    bool cpu = strcmp(info->backend, "cpu") == 0;
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "a metrics line", 0);
    json_add_int(o, "step", p->step);
    json_add_number(o, "epoch", p->epoch);
    json_add_number(o, "loss", r->loss);
    json_add_number(o, "lr", p->lr);
    json_add_number(o, "grad_norm", r->grad_norm);
    json_add_int(o, "tokens", p->window->targets);
    json_add_int(o, "total_tokens", l->state->total_tokens);
    json_add_number(o, "tokens_per_second", round(rate * 10) / 10);
    json_add_int(o, "peak_memory_bytes",
                 (int64_t)(cpu ? console_peak_memory() : kern_memory(t->session.k).peak));
    if (!cpu)
        json_add_int(o, "host_peak_bytes", (int64_t)console_peak_memory());
    l->report_began = now;
    l->report_tokens = 0;
    return run_metric(t->run, doc, f);
}

/* Reads the numbers of the step that is pending, if one is. */
static enum status collect(struct loop *l, struct fault *f)
{
    struct pending p = l->pending;
    struct train_result r;
    if (!p.on)
        return ST_OK;
    l->pending.on = false;
    enum status s = model_train_result(l->t->session.model, &r, f);
    if (s != ST_OK)
        return s;
    if (!r.finite)
        return explain_nonfinite(l, &p, f);
    l->state->step = p.step;
    l->state->loss = r.loss;
    l->state->total_tokens += p.window->targets;
    l->state->input_tokens += p.window->tokens;
    l->report_tokens += p.window->tokens;
    return report_step(l, &p, &r, f);
}

/* ---- evaluation ------------------------------------------------------------------------------ */

static enum status evaluate(struct loop *l, double *mean, int64_t *tokens, struct fault *f)
{
    struct train *t = l->t;
    struct sampler *sampler = NULL;
    struct window w = {0};
    double sum = 0, part;
    *tokens = 0;
    enum status s = train_valid_sampler(&sampler, t, f);
    for (int64_t i = 0; s == ST_OK && (t->set.val_batches <= 0 || i < t->set.val_batches); i++) {
        s = sampler_next(sampler, &w, f);
        if (s != ST_OK || w.micros == 0)
            break;
        s = model_forward(t->session.model, &w.micro[0], NULL, &part, f);
        sum += part;
        *tokens += w.targets;
        if (signals_stop())
            break;
    }
    window_free(&w);
    sampler_free(&sampler);
    *mean = sum / (double)(*tokens > 0 ? *tokens : 1);
    return s;
}

static enum status validate(struct loop *l, struct fault *f)
{
    struct train *t = l->t;
    struct train_state *st = l->state;
    double mean;
    int64_t tokens;
    enum status s = evaluate(l, &mean, &tokens, f);
    if (s != ST_OK || signals_stop()) /* an evaluation that was cut short says nothing */
        return s;
    bool better = st->best_step == 0 || mean < st->best_loss;
    st->eval_loss = mean;
    st->eval_step = st->step;
    st->stale = better ? 0 : st->stale + 1;
    progress_clear(&l->bar);
    console_note("step %lld: validation loss %.4f, perplexity %.3f%s", (long long)st->step, mean,
                 exp(mean), better ? ", the best so far" : "");
    struct json_doc *doc = json_new_object();
    if (!doc)
        return fault_nomem(f, "a metrics line", 0);
    json_add_int(json_edit(doc), "step", st->step);
    json_add_number(json_edit(doc), "eval_loss", mean);
    json_add_number(json_edit(doc), "eval_perplexity", exp(mean));
    json_add_int(json_edit(doc), "eval_tokens", tokens);
    s = run_metric(t->run, doc, f);
    if (s == ST_OK && better) {
        st->best_loss = mean;
        st->best_step = st->step;
        s = run_save_best(t->run, t, f);
    }
    if (t->set.early_stop > 0 && st->stale >= t->set.early_stop) {
        console_note("no improvement in %lld evaluations: stopping", (long long)st->stale);
        l->stop_early = true;
    }
    /* Time spent here is not training time. */
    l->report_began = console_now();
    l->report_tokens = 0;
    return s;
}

/* ---- between two steps ----------------------------------------------------------------------- */

static bool due(int64_t every, int64_t step)
{
    return every > 0 && step % every == 0;
}

static enum status save(struct loop *l, struct fault *f)
{
    struct train *t = l->t;
    l->state->at = sampler_tell(t->sampler);
    l->state->seconds = console_now() - t->began;
    enum status s = run_save(t->run, t, l->state, f);
    if (s == ST_OK)
        l->saved = l->state->step;
    return s;
}

/* Evaluates and saves where that is due after `step`, which is then complete on disk if saved. A
 * resumed run comes here first: a signal may have come between a step and its evaluation. */
static enum status after_step(struct loop *l, int64_t step, struct fault *f)
{
    struct train *t = l->t;
    bool last = step == t->steps || l->stop_early;
    bool eval =
        t->valid && (last || due(t->set.steps_per_eval, step)) && l->state->eval_step != step;
    bool keep = last || due(t->set.save_every, step);
    enum status s = ST_OK;
    if (!eval && !keep && !signals_stop())
        return ST_OK;
    s = collect(l, f);
    if (s == ST_OK && eval && !signals_stop())
        s = validate(l, f);
    if (s != ST_OK || signals_stop())
        return s;
    l->state->finished = last || l->stop_early;
    if (keep || l->stop_early)
        s = save(l, f);
    return s;
}

static enum status interrupted(struct loop *l, struct fault *f)
{
    enum status s = collect(l, f);
    progress_clear(&l->bar);
    if (s == ST_OK && l->state->step == 0)
        return fault_set(f, ST_INTERRUPTED, "interrupted before the first step");
    if (s == ST_OK) {
        l->state->finished = false;
        s = save(l, f);
    }
    if (s != ST_OK)
        return s;
    fault_set(f, ST_INTERRUPTED, "interrupted after step %lld, which is saved",
              (long long)l->state->step);
    return fault_remedy(f, "go on with wick train --resume %s", run_path(l->t->run));
}

/* A device that fails or is lost takes the steps since the last checkpoint with it, no more. */
static enum status device_failed(const struct loop *l, struct fault *f)
{
    const char *run = run_path(l->t->run);
    if (l->saved == 0)
        return fault_remedy(
            f, "no step is saved yet: wick train --resume %s, here or with --device cpu", run);
    return fault_remedy(f,
                        "step %lld is saved: go on with wick train --resume %s, here or with "
                        "--device cpu",
                        (long long)l->saved, run);
}

enum status train_loop(struct train *t, struct train_state *state, struct fault *f)
{
    struct loop l = {.t = t, .state = state, .saved = state->step};
    l.stop_early = t->set.early_stop > 0 && state->stale >= t->set.early_stop;
    /* A GPU works on a step while the host prepares the next; on a CPU waiting costs nothing. */
    bool late = strcmp(kern_info(t->session.k)->backend, "cpu") != 0;
    enum status s = ST_OK;
    signals_defer(true);
    progress_begin(&l.bar, "train", (uint64_t)state->step, (uint64_t)t->steps, PROGRESS_STEPS);
    l.report_began = console_now();
    t->began = l.report_began - state->seconds;
    if (state->step > 0)
        s = after_step(&l, state->step, f);
    for (int64_t step = state->step + 1; s == ST_OK && step <= t->steps; step++) {
        if (l.stop_early || signals_stop())
            break;
        struct window *w = &t->window[step & 1];
        struct pending before = l.pending;
        s = sampler_next(t->sampler, w, f);
        if (s == ST_OK)
            s = enqueue(&l, step, w, f);
        if (s == ST_OK && before.on) {
            struct pending now = l.pending;
            l.pending = before;
            s = collect(&l, f);
            l.pending = now;
        }
        if (s == ST_OK && !late)
            s = collect(&l, f);
        if (s == ST_OK)
            s = after_step(&l, step, f);
    }
    if (s == ST_OK && !state->finished)
        s = interrupted(&l, f);
    if (s == ST_DEVICE)
        s = device_failed(&l, f);
    progress_end(&l.bar);
    signals_defer(false);
    return s;
}
