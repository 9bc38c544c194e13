/* The run directory: train.json, metrics.jsonl, checkpoints/, best/, and the adapter itself. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/console.h"
#include "app/run_impl.h"
#include "data/file.h"

enum status run_path_of(struct text *t, const struct run *r, const char *name, struct fault *f)
{
    t->n = 0;
    return text_addf(t, f, "%s/%s", r->dir, name);
}

struct run *run_new(const char *dir, struct fault *f)
{
    struct run *r = calloc(1, sizeof *r);
    if (r) {
        r->lock = -1;
        r->dir = strdup(dir);
    }
    if (r && r->dir)
        return r;
    free(r);
    fault_nomem(f, "a run", sizeof *r);
    return NULL;
}

void run_close(struct run **r)
{
    if (!*r)
        return;
    if ((*r)->metrics)
        fclose((*r)->metrics);
    checkpoint_close(&(*r)->found);
    json_close(&(*r)->doc);
    json_close(&(*r)->settings);
    if ((*r)->lock >= 0)
        close((*r)->lock);
    free((*r)->dir);
    free(*r);
    *r = NULL;
}

const char *run_path(const struct run *r)
{
    return r->dir;
}

/* ---- train.json ------------------------------------------------------------------------------ */

/* Settings that are not the run's: where it computes, how it talks, how it was asked for. */
static bool is_passing(const char *name)
{
    static const char *const passing[] = {"device", "threads",   "json",  "quiet",
                                          "resume", "overwrite", "config"};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strcmp(name, passing[i]) == 0)
            return true;
    return false;
}

static void add_setting(struct json *to, const struct option *o, const void *value,
                        const char *text)
{
    char key[64];
    snprintf(key, sizeof key, "%s", o->name);
    for (char *p = key; *p; p++)
        *p = *p == '-' ? '_' : *p;
    switch (o->kind) {
    case OPT_BOOL: json_add_bool(to, key, *(const bool *)value); break;
    case OPT_INT: json_add_int(to, key, *(const int64_t *)value); break;
    case OPT_REAL: json_add_number(to, key, *(const double *)value); break;
    default: json_add_string(to, key, text); break;
    }
}

static enum status write_settings(struct run *r, struct train *t, struct fault *f)
{
    struct command_line c = train_options(&t->set);
    struct text path = {0}, bytes = {0};
    char absolute[PATH_MAX];
    struct json_doc *doc = json_new_object();
    if (!doc)
        return fault_nomem(f, "train.json", 0);
    for (size_t i = 0; i < c.count; i++) {
        const struct option *o = &c.options[i];
        const void *value = args_value(&c, o);
        const char *text =
            o->kind == OPT_STRING || o->kind == OPT_CHOICE ? *(const char *const *)value : NULL;
        bool is_path = text && (!strcmp(o->name, "model") || !strcmp(o->name, "data") ||
                                !strcmp(o->name, "output") || !strcmp(o->name, "adapter-init"));
        if (is_passing(o->name))
            continue;
        /* Of --iters and --epochs one was given: writing the other's 0 would read as a setting. */
        if (o->kind == OPT_INT && o->min > 0 && *(const int64_t *)value == 0)
            continue;
        if (is_path && strcmp(o->name, "data") == 0 && t->data_absolute.p)
            text = t->data_absolute.p;
        else if (is_path && realpath(text, absolute))
            text = absolute;
        add_setting(json_edit(doc), o, value, text);
    }
    struct json *about = json_add_object(json_edit(doc), "run");
    json_add_int(about, "base_identity", base_identity(t->session.base));
    json_add_int(about, "data_identity", dataset_identity(t->data));
    json_add_int(about, "valid_identity", t->valid ? dataset_identity(t->valid) : 0);
    json_add_int(about, "now", (int64_t)t->now);
    json_add_int(about, "steps", t->steps);
    enum status s = json_print(&bytes, doc, true, f);
    if (s == ST_OK)
        s = text_adds(&bytes, "\n", f);
    if (s == ST_OK)
        s = run_path_of(&path, r, "train.json", f);
    if (s == ST_OK)
        s = file_write(path.p, bytes.p, bytes.n, f);
    json_close(&doc);
    text_free(&path);
    text_free(&bytes);
    return s;
}

static enum status read_settings(struct run *r, struct train *t, struct fault *f)
{
    struct text path = {0}, bytes = {0};
    enum status s = run_path_of(&path, r, "train.json", f);
    if (s == ST_OK && file_kind(path.p) == FILE_ABSENT) {
        fault_set(f, ST_ABSENT, "%s is not a run: it has no train.json", r->dir);
        s = fault_remedy(f, "--resume takes a folder that wick train has made");
    }
    if (s == ST_OK)
        s = file_read(&bytes, path.p, 1 << 20, f);
    if (s == ST_OK)
        s = json_parse(&r->doc, bytes.p, bytes.n, path.p, f);
    if (s == ST_OK && !(r->settings = json_new_object()))
        s = fault_nomem(f, "train.json", 0);
    if (s == ST_OK) {
        struct common common = t->set.common;
        struct command_line c = train_options(&t->set);
        t->set = train_defaults;
        t->set.common = common;
        for (const struct json *v = json_first(json_root(r->doc)); v; v = json_next(v))
            if (strcmp(json_key(v), "run") != 0)
                json_add_copy(json_edit(r->settings), json_key(v), v);
        s = args_config(&c, json_root(r->settings), path.p, f);
        if (s == ST_USAGE)
            f->code = s = ST_FORMAT;
        if (s == ST_OK && (!t->set.model || !t->set.data)) {
            fault_set(f, ST_FORMAT, "%s does not say what %s to go on with", path.p,
                      t->set.model ? "data" : "model");
            s = fault_remedy(f, "begin a new run: this one's settings are lost");
        }
    }
    text_free(&path);
    text_free(&bytes);
    return s;
}

enum status run_check(const struct run *r, const struct train *t, struct fault *f)
{
    const struct json *about = json_get(json_root(r->doc), "run");
    const struct {
        const char *key, *what;
        uint32_t now;
    } want[] = {
        {"base_identity", t->set.model, base_identity(t->session.base)},
        {"data_identity", t->train_path.p, dataset_identity(t->data)},
        {"valid_identity", t->valid_path.p, t->valid ? dataset_identity(t->valid) : 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int64_t then = -1;
        if (json_int(json_get(about, want[i].key), &then) && then == (int64_t)want[i].now)
            continue;
        fault_set(f, ST_FORMAT, "%s is not what run %s began with: its contents have changed",
                  want[i].what ? want[i].what : "the validation data", r->dir);
        return fault_remedy(f, "put the file back as it was, or begin a new run");
    }
    return ST_OK;
}

time_t run_now(const struct run *r)
{
    int64_t now = 0;
    json_int(json_get(json_get(json_root(r->doc), "run"), "now"), &now);
    return (time_t)now;
}

/* ---- making and opening ---------------------------------------------------------------------- */

static enum status open_metrics(struct run *r, const char *mode, struct fault *f)
{
    struct text path = {0};
    enum status s = run_path_of(&path, r, "metrics.jsonl", f);
    if (s == ST_OK && !(r->metrics = fopen(path.p, mode)))
        s = file_fault(f, "write", path.p, errno);
    text_free(&path);
    return s;
}

enum status run_create(struct run **out, struct train *t, struct fault *f)
{
    struct run *r = run_new(t->set.output, f);
    if (!r)
        return f->code;
    enum status s = run_folder_claim(r, t, f);
    if (s == ST_OK) {
        /* The settings first: a folder that a kill leaves is then known for a run's. */
        s = write_settings(r, t, f);
        if (s == ST_OK)
            s = open_metrics(r, "w", f);
        if (s != ST_OK)
            run_folder_undo(r);
    }
    if (s == ST_OK)
        *out = r;
    else
        run_close(&r);
    return s;
}

enum status run_resume(struct run **out, struct train *t, struct fault *f)
{
    struct run *r = run_new(t->set.resume, f);
    if (!r)
        return f->code;
    enum status s = run_folder_lock(r, f);
    if (s == ST_OK)
        s = read_settings(r, t, f);
    if (s != ST_OK) {
        run_close(&r);
        return s;
    }
    t->now = run_now(r);
    *out = r;
    return ST_OK;
}

/* ---- metrics.jsonl --------------------------------------------------------------------------- */

enum status run_metric(struct run *r, struct json_doc *doc, struct fault *f)
{
    struct text t = {0};
    if (!doc)
        return fault_nomem(f, "a metrics line", 0);
    enum status s = json_print(&t, doc, false, f);
    json_close(&doc);
    if (s == ST_OK)
        s = text_adds(&t, "\n", f);
    if (s == ST_OK && (fwrite(t.p, 1, t.n, r->metrics) != t.n || fflush(r->metrics) != 0)) {
        fault_set(f, ST_IO, "%s/metrics.jsonl could not be written: %s", r->dir, strerror(errno));
        s = fault_remedy(f, "make room on the disk, then go on with --resume %s", r->dir);
    }
    text_free(&t);
    return s;
}

/* Keeps the lines up to a step; a last line that a kill left half-written goes too. */
enum status run_cut_metrics(struct run *r, int64_t step, struct fault *f)
{
    struct text path = {0}, bytes = {0}, kept = {0};
    enum status s = run_path_of(&path, r, "metrics.jsonl", f);
    if (s == ST_OK && file_kind(path.p) == FILE_REGULAR)
        s = file_read(&bytes, path.p, SIZE_MAX, f);
    for (size_t at = 0; s == ST_OK && at < bytes.n;) {
        const char *nl = memchr(bytes.p + at, '\n', bytes.n - at);
        size_t n = nl ? (size_t)(nl - bytes.p) - at : bytes.n - at;
        struct json_doc *doc = NULL;
        struct fault ignored = {0};
        int64_t line = INT64_MAX;
        if (nl && json_parse(&doc, bytes.p + at, n, path.p, &ignored) == ST_OK)
            json_int(json_get(json_root(doc), "step"), &line);
        json_close(&doc);
        if (line <= step)
            s = text_add(&kept, bytes.p + at, n + 1, f);
        at += n + 1;
    }
    if (s == ST_OK)
        s = file_write(path.p, kept.p ? kept.p : "", kept.n, f);
    text_free(&path);
    text_free(&bytes);
    text_free(&kept);
    return s == ST_OK ? open_metrics(r, "a", f) : s;
}
