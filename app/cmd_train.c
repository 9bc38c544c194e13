#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/train.h"
#include "data/file.h"

/* ---- setting up ------------------------------------------------------------------------------ */

static enum status plan_steps(struct train *t, struct fault *f)
{
    struct train_settings *set = &t->set;
    if (set->iters == 0 && set->epochs == 0)
        set->epochs = 1;
    struct sampler_options o = {.batch = (int)set->batch_size,
                                .accumulate = (int)set->accumulate,
                                .shuffle = set->shuffle,
                                .packing = set->packing,
                                .epochs = set->epochs,
                                .seq_max = (int)set->max_seq_length,
                                .seed = (uint64_t)set->seed};
    enum status s = sampler_new(&t->sampler, t->data, &o, f);
    t->steps = set->iters;
    if (s == ST_OK && set->iters == 0)
        s = sampler_windows(&t->steps, t->sampler, f);
    if (s == ST_OK && t->steps > INT_MAX)
        s = fault_set(f, ST_RANGE, "%lld steps are too many", (long long)t->steps);
    if (set->decay == 0)
        set->decay = (t->steps + 9) / 10;
    static const char *const kinds[] = {"constant", "linear", "cosine", "wsd"};
    int kind = 0;
    while (strcmp(kinds[kind], set->lr_schedule) != 0)
        kind++;
    t->schedule = (struct schedule){(enum schedule_kind)kind, set->learning_rate, set->warmup,
                                    set->decay, t->steps};
    return s;
}

static enum status plan_adapters(struct train *t, struct fault *f)
{
    struct train_settings *set = &t->set;
    struct adapter_spec spec = {.rank = (int)set->rank,
                                .alpha = set->alpha,
                                .dropout = set->dropout,
                                .use_rslora = set->use_rslora,
                                .target_modules = set->target_modules,
                                .num_layers = set->num_layers > 0 ? (int)set->num_layers : 0};
    enum status s =
        adapters_new(&t->session.adapters, &t->session.config, &spec, (uint64_t)set->seed, f);
    if (s == ST_OK && set->adapter_init)
        s = adapters_init_from(t->session.adapters, set->adapter_init, f);
    return s;
}

static enum status open_model(struct train *t, struct fault *f)
{
    struct model_shape shape = {.rows_max = sampler_rows_max(t->sampler),
                                .backward = true,
                                .grad_checkpoint = t->set.grad_checkpoint};
    if (t->valid) {
        struct sampler *v;
        enum status s = train_valid_sampler(&v, t, f);
        if (s != ST_OK)
            return s;
        if (sampler_rows_max(v) > shape.rows_max)
            shape.rows_max = sampler_rows_max(v);
        sampler_free(&v);
    }
    enum status s = session_device(&t->session, &t->set.common, f);
    if (s == ST_UNSUPPORTED && t->run && strcmp(t->set.common.precision, "auto") != 0)
        return fault_remedy(f,
                            "%s was begun with --precision %s: go on where it was made, with "
                            "--device",
                            run_path(t->run), t->set.common.precision);
    if (s == ST_OK)
        s = session_model(&t->session, &shape, f);
    if (s == ST_OK)
        s = model_train_begin(t->session.model, (uint64_t)t->set.seed, f);
    return s;
}

static void tell_plan(const struct train *t)
{
    const struct adapters *a = t->session.adapters;
    const struct kern_info *info = kern_info(t->session.k);
    char need[32], have[32];
    console_note("%s on %s (%s), %d thread%s; %s of its %s for weights and buffers",
                 t->session.config.family, info->name, info->tier, info->threads,
                 info->threads == 1 ? "" : "s", console_bytes(need, kern_memory(t->session.k).now),
                 console_bytes(have, info->memory_bytes));
    console_note("%zu trainable numbers in %d adapters, scale %g; %lld steps of %lld rows",
                 adapters_values(a), adapters_count(a), adapters_scale(a), (long long)t->steps,
                 (long long)(t->set.batch_size * t->set.accumulate));
}

static enum status set_up(struct train *t, struct train_state *state, bool *found, struct fault *f)
{
    enum status s = session_base(&t->session, t->set.model, f);
    if (s == ST_OK)
        s = train_data_open(t, f);
    if (s == ST_OK)
        s = plan_steps(t, f);
    if (s == ST_OK && t->run)
        s = run_check(t->run, t, f);
    if (s == ST_OK)
        s = plan_adapters(t, f);
    if (s == ST_OK && t->run)
        s = run_find(t->run, t, state, found, f);
    if (s != ST_OK || (*found && state->finished))
        return s;
    return open_model(t, f);
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status tell_result(const struct train *t, const struct train_state *st, struct fault *f)
{
    const struct kern_info *info = t->session.k ? kern_info(t->session.k) : NULL;
    bool cpu = !info || strcmp(info->backend, "cpu") == 0;
    if (!t->set.common.json) {
        console_note("done: %lld steps, loss %.4f; the adapter is in %s, the curves in "
                     "%s/report.html",
                     (long long)st->step, st->loss, run_path(t->run), run_path(t->run));
        return ST_OK;
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_int(o, "steps", st->step);
    json_add_number(o, "loss", st->loss);
    json_add_number(o, "eval_loss", st->best_step > 0 ? st->eval_loss : NAN);
    if (st->best_step > 0)
        json_add_int(o, "best_step", st->best_step);
    else
        json_add_null(o, "best_step");
    json_add_int(o, "tokens", st->total_tokens);
    json_add_number(o, "seconds", st->seconds);
    json_add_number(o, "tokens_per_second",
                    st->seconds > 0 ? (double)st->input_tokens / st->seconds : 0);
    json_add_int(o, "peak_memory_bytes",
                 (int64_t)(cpu ? console_peak_memory() : kern_memory(t->session.k).peak));
    json_add_string(o, "adapter", run_path(t->run));
    json_add_string(o, "device", info ? info->id : NULL);
    return console_json(doc, f);
}

static enum status train_run(struct train *t, struct fault *f)
{
    struct train_state state = {0};
    bool found = false;
    enum status s = t->set.resume ? run_resume(&t->run, t, f) : run_vacant(t, f);
    if (s == ST_OK)
        s = set_up(t, &state, &found, f);
    if (s != ST_OK)
        return s;
    if (found && state.finished) {
        console_note("%s is finished: nothing to do", run_path(t->run));
        return tell_result(t, &state, f);
    }
    s = t->run ? run_restore(t->run, t, &state, f) : run_create(&t->run, t, f);
    if (s != ST_OK)
        return s;
    tell_plan(t);
    if (found)
        console_note("going on after step %lld", (long long)state.step);
    s = train_loop(t, &state, f);
    return s == ST_OK ? tell_result(t, &state, f) : s;
}

static void train_close(struct train *t)
{
    run_close(&t->run);
    window_free(&t->window[0]);
    window_free(&t->window[1]);
    sampler_free(&t->sampler);
    train_data_close(t);
    session_close(&t->session);
}

static enum status check_new(const struct train_settings *set, const struct command_line *c,
                             struct fault *f)
{
    if (!set->model || !set->data) {
        fault_set(f, ST_USAGE, "%s is missing", set->model ? "--data" : "--model");
        return fault_remedy(f, "usage: %s", c->usage);
    }
    return options_check_length(set->iters, set->epochs, f);
}

/* The flags that may go with --resume. */
static enum status check_resume(const struct command_line *c, struct fault *f)
{
    static const char *const with[] = {"resume", "device", "threads", "json", "quiet"};
    for (size_t i = 0; i < c->count; i++) {
        bool allowed = !c->given[i];
        for (size_t j = 0; j < sizeof with / sizeof *with; j++)
            allowed = allowed || strcmp(c->options[i].name, with[j]) == 0;
        if (!allowed) {
            fault_set(f, ST_RANGE, "--%s cannot be changed by --resume", c->options[i].name);
            return fault_remedy(f, "only --device, --threads, --json and --quiet go with --resume");
        }
    }
    return ST_OK;
}

int cmd_train(int argc, char **argv)
{
    struct fault f = {0};
    struct train t = {.set = train_defaults, .now = time(NULL)};
    struct text bytes = {0};
    struct json_doc *config = NULL;
    struct command_line c = train_options(&t.set);
    c.usage = "wick train [CONFIG.json] [--model BASE.h5 --data DIR] [options]";
    c.about = "Trains a LoRA adapter. Flags win over the config file, which wins over the\n"
              "defaults in parentheses. The run's folder then holds a PEFT adapter, best/,\n"
              "checkpoints/, metrics.jsonl, report.html and train.json. A line that cannot be\n"
              "read or has nothing to predict stops it before the first step; of what else\n"
              "wick audit would find it warns, or stops there too with --strict.";
    c.passed_over = "run"; /* the train.json of another run may be the config */
    c.positional[0].name = "CONFIG.json";
    c.positional[0].to = &t.set.config;
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && t.set.config) {
        s = file_read(&bytes, t.set.config, 1 << 20, &f);
        if (s == ST_OK)
            s = json_parse(&config, bytes.p, bytes.n, t.set.config, &f);
        if (s == ST_OK)
            s = args_config(&c, json_root(config), t.set.config, &f);
    }
    if (s == ST_OK)
        s = t.set.resume ? check_resume(&c, &f) : check_new(&t.set, &c, &f);
    console_quiet(t.set.common.quiet);
    int code = s == ST_OK ? 0 : console_fail_usage(&f);
    if (s == ST_OK && (s = train_run(&t, &f)) != ST_OK) {
        console_fail(&f);
        code = s == ST_INTERRUPTED ? 130 : 1;
    }
    train_close(&t);
    json_close(&config);
    text_free(&bytes);
    return code;
}
