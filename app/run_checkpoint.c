/* Checkpoints of a run: found, read, written, thinned out. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/console.h"
#include "app/run_impl.h"
#include "data/checkpoint.h"
#include "data/file.h"

void names_free(struct names *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->p[i]);
    free(n->p);
    *n = (struct names){0};
}

/* By step, for the digits of a larger one are more or greater. */
static int by_step(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n > m) - (n < m) : strcmp(x, y);
}

static enum status add_name(struct names *out, const char *folder, const char *name,
                            struct fault *f)
{
    struct text t = {0};
    void *p = realloc(out->p, (out->n + 1) * sizeof *out->p);
    if (!p)
        return fault_nomem(f, "a list of checkpoints", (out->n + 1) * sizeof *out->p);
    out->p = p;
    enum status s = file_join(&t, folder, name, f);
    if (s == ST_OK)
        out->p[out->n++] = t.p;
    return s;
}

static enum status name_of(struct text *to, int64_t step, struct fault *f)
{
    return text_addf(to, f, "%08lld.h5", (long long)step);
}

/* Whether it is what name_of gives for some step, and `end`. */
static bool is_ours(const char *name, const char *end)
{
    char again[64];
    long long step = strtoll(name, NULL, 10);
    snprintf(again, sizeof again, "%08lld.h5%s", step, end);
    return step > 0 && strcmp(name, again) == 0;
}

static enum status list(struct names *out, const struct run *r, const char *end, struct fault *f)
{
    struct text path = {0};
    enum status s = run_path_of(&path, r, "checkpoints", f);
    DIR *d = s == ST_OK ? opendir(path.p) : NULL;
    if (s == ST_OK && !d && errno != ENOENT && errno != ENOTDIR)
        s = file_fault(f, "read", path.p, errno);
    for (struct dirent *e; s == ST_OK && d && (e = readdir(d));)
        if (is_ours(e->d_name, end))
            s = add_name(out, path.p, e->d_name, f);
    if (d)
        closedir(d);
    if (s == ST_OK && out->n > 1)
        qsort(out->p, out->n, sizeof *out->p, by_step);
    if (s != ST_OK)
        names_free(out);
    text_free(&path);
    return s;
}

enum status run_checkpoints(struct names *out, const struct run *r, struct fault *f)
{
    return list(out, r, "", f);
}

enum status run_half_checkpoints(struct names *out, const struct run *r, struct fault *f)
{
    return list(out, r, ".tmp", f);
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum status state_text(struct text *to, const struct train *t, const struct train_state *st,
                              struct fault *f)
{
    const struct kern_info *info = kern_info(t->session.k);
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "a checkpoint", 0);
    json_add_int(o, "step", st->step);
    json_add_int(o, "total_tokens", st->total_tokens);
    json_add_int(o, "input_tokens", st->input_tokens);
    json_add_int(o, "eval_step", st->eval_step);
    json_add_int(o, "stale", st->stale);
    json_add_int(o, "best_step", st->best_step);
    json_add_number(o, "loss", st->loss);
    json_add_number(o, "eval_loss", st->eval_loss);
    json_add_number(o, "best_loss", st->best_loss);
    json_add_number(o, "seconds", st->seconds);
    json_add_int(o, "epoch", (int64_t)st->at.epoch);
    json_add_int(o, "cursor", (int64_t)st->at.cursor);
    json_add_bool(o, "finished", st->finished);
    json_add_string(o, "device", info->name);
    json_add_string(o, "tier", info->tier);
    enum status s = json_print(to, doc, false, f);
    json_close(&doc);
    return s;
}

static enum status write_checkpoint(const char *path, struct train *t, const struct train_state *st,
                                    const float *values, size_t n, struct fault *f)
{
    struct checkpoint_out *w = NULL;
    struct text state = {0};
    enum status s = state_text(&state, t, st, f);
    if (s == ST_OK)
        s = checkpoint_create(&w, path, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "adapter", DT_F32, values, n, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "m", DT_F32, values + n, n, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "v", DT_F32, values + 2 * n, n, f);
    if (s == ST_OK)
        s = checkpoint_add_text(w, "state", state.p, f);
    if (s == ST_OK)
        s = checkpoint_commit(w, f);
    checkpoint_out_close(&w);
    text_free(&state);
    return s;
}

/* All but the newest two, the one just written and the one before it. */
static enum status thin_out(const struct run *r, struct fault *f)
{
    struct names names = {0};
    enum status s = run_checkpoints(&names, r, f);
    for (size_t i = 0; i + 2 < names.n; i++)
        unlink(names.p[i]);
    names_free(&names);
    return s;
}

enum status run_save(struct run *r, struct train *t, const struct train_state *st, struct fault *f)
{
    size_t n = adapters_values(t->session.adapters);
    float *values = malloc(3 * n * sizeof *values);
    struct text path = {0};
    if (!values)
        return fault_nomem(f, "a checkpoint", 3 * n * sizeof *values);
    enum status s = model_state_read(t->session.model, values, values + n, values + 2 * n, f);
    if (s == ST_OK) {
        memcpy(adapters_data(t->session.adapters), values, n * sizeof *values);
        s = adapters_save(t->session.adapters, r->dir, base_source(t->session.base), f);
    }
    if (s == ST_OK) /* before the checkpoint: once that says "finished", nothing is done again */
        s = run_report(r, t, f);
    if (s == ST_OK)
        s = text_addf(&path, f, "%s/checkpoints/", r->dir);
    if (s == ST_OK)
        s = name_of(&path, st->step, f);
    if (s == ST_OK)
        s = write_checkpoint(path.p, t, st, values, n, f);
    if (s == ST_OK)
        s = thin_out(r, f);
    free(values);
    text_free(&path);
    return s;
}

enum status run_save_best(struct run *r, struct train *t, struct fault *f)
{
    struct text path = {0};
    enum status s = run_path_of(&path, r, "best", f);
    if (s == ST_OK)
        s = model_state_read(t->session.model, adapters_data(t->session.adapters), NULL, NULL, f);
    if (s == ST_OK)
        s = adapters_save(t->session.adapters, path.p, base_source(t->session.base), f);
    text_free(&path);
    return s;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_state(struct train_state *st, const struct json *o)
{
    int64_t epoch, cursor;
    if (!json_int(json_get(o, "step"), &st->step) ||
        !json_int(json_get(o, "total_tokens"), &st->total_tokens) ||
        !json_int(json_get(o, "input_tokens"), &st->input_tokens) ||
        !json_int(json_get(o, "eval_step"), &st->eval_step) ||
        !json_int(json_get(o, "stale"), &st->stale) ||
        !json_int(json_get(o, "best_step"), &st->best_step) ||
        !json_int(json_get(o, "epoch"), &epoch) || !json_int(json_get(o, "cursor"), &cursor) ||
        st->step < 0 || epoch < 0 || cursor < 0)
        return false;
    st->at.epoch = (uint64_t)epoch;
    st->at.cursor = (uint64_t)cursor;
    st->loss = json_number(json_get(o, "loss"), 0);
    st->eval_loss = json_number(json_get(o, "eval_loss"), 0);
    st->best_loss = json_number(json_get(o, "best_loss"), 0);
    st->seconds = json_number(json_get(o, "seconds"), 0);
    st->finished = json_bool(json_get(o, "finished"), false);
    return true;
}

static void warn_if_elsewhere(const struct train *t, const struct json *o)
{
    const struct kern_info *info = kern_info(t->session.k);
    const char *device = json_string(json_get(o, "device"));
    const char *tier = json_string(json_get(o, "tier"));
    if (device && tier && (strcmp(device, info->name) != 0 || strcmp(tier, info->tier) != 0))
        console_warn("this run was made on %s (%s) and goes on with %s (%s): its last bits will "
                     "differ from those of an uninterrupted run",
                     device, tier, info->name, info->tier);
}

static enum status load(struct checkpoint **out, const char *path, const struct train *t,
                        struct train_state *st, struct fault *f)
{
    struct checkpoint *c = NULL;
    struct json_doc *doc = NULL;
    size_t n = adapters_values(t->session.adapters);
    enum status s = checkpoint_open(&c, path, f);
    if (s != ST_OK)
        return s;
    const char *text = checkpoint_text(c, "state");
    bool whole = text && checkpoint_get(c, "adapter", DT_F32, n) &&
                 checkpoint_get(c, "m", DT_F32, n) && checkpoint_get(c, "v", DT_F32, n);
    if (whole)
        s = json_parse(&doc, text, strlen(text), path, f);
    if (s == ST_OK && (!whole || !read_state(st, json_root(doc)))) {
        fault_set(f, ST_FORMAT, "%s is not a checkpoint of this run", path);
        s = fault_remedy(f, "begin a new run in another folder");
    }
    json_close(&doc);
    if (s == ST_OK)
        *out = c;
    else
        checkpoint_close(&c);
    return s;
}

enum status run_find(struct run *r, struct train *t, struct train_state *st, bool *found,
                     struct fault *f)
{
    struct names names = {0};
    *found = false;
    enum status s = run_checkpoints(&names, r, f);
    for (size_t i = names.n; s == ST_OK && i > 0 && !*found; i--) {
        struct fault why = {0};
        struct train_state read = *st;
        enum status tried = load(&r->found, names.p[i - 1], t, &read, &why);
        if (tried == ST_OK) {
            *st = read;
            *found = true;
        } else if (i > 1 && tried == ST_FORMAT) { /* not where memory is short */
            console_warn("%s; going back to the checkpoint before it", why.text);
        } else {
            *f = why;
            s = tried;
        }
    }
    names_free(&names);
    return s;
}

enum status run_restore(struct run *r, struct train *t, const struct train_state *st,
                        struct fault *f)
{
    size_t n = adapters_values(t->session.adapters);
    struct json_doc *doc = NULL;
    struct text path = {0};
    enum status s = run_path_of(&path, r, "checkpoints", f);
    if (s == ST_OK)
        s = file_mkdirs(path.p, f);
    if (s == ST_OK)
        s = run_clear_halves(r, f);
    text_free(&path);
    if (s != ST_OK || !r->found)
        return s == ST_OK ? run_cut_metrics(r, 0, f) : s;
    const char *text = checkpoint_text(r->found, "state");
    s = json_parse(&doc, text, strlen(text), r->dir, f);
    if (s == ST_OK)
        warn_if_elsewhere(t, json_root(doc));
    json_close(&doc);
    if (s == ST_OK && !st->finished)
        s = sampler_seek(t->sampler, st->at, f);
    if (s == ST_OK)
        s = model_state_write(t->session.model, checkpoint_get(r->found, "adapter", DT_F32, n),
                              checkpoint_get(r->found, "m", DT_F32, n),
                              checkpoint_get(r->found, "v", DT_F32, n), f);
    checkpoint_close(&r->found);
    return s == ST_OK && !st->finished ? run_cut_metrics(r, st->step, f) : s;
}
