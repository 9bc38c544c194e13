/* The folder of a run: whether a new run may have it, what of it goes then, and who has it now. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/run_impl.h"
#include "data/file.h"

/* What a run writes into its folder, beside the checkpoints. train.json tells whose folder it is:
 * it comes first and goes last. */
static const char *const outputs[] = {
    "adapter_model.safetensors",      "adapter_config.json",      "report.html", "metrics.jsonl",
    "best/adapter_model.safetensors", "best/adapter_config.json", "train.json"};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

/* ---- whose it is now ------------------------------------------------------------------------- */

static enum status in_use(const struct run *r, struct fault *f)
{
    fault_set(f, ST_RANGE, "%s is in use by another process", r->dir);
    return fault_remedy(f, "wait until that run ends, or stop it");
}

enum status run_folder_lock(struct run *r, struct fault *f)
{
    struct stat now, ours;
    int fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ST_OK; /* what comes next says what is wrong with it */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(fd);
        return in_use(r, f);
    }
    /* Another process may have made the folder and taken it back in between. */
    if (stat(r->dir, &now) != 0 || fstat(fd, &ours) != 0 || now.st_dev != ours.st_dev ||
        now.st_ino != ours.st_ino) {
        close(fd);
        return in_use(r, f);
    }
    r->lock = fd;
    return ST_OK;
}

/* ---- what is in it --------------------------------------------------------------------------- */

/* Every path that a run writes or removes and that may be there, in the order of removing. */
static enum status list_ours(struct names *out, const struct run *r, struct fault *f)
{
    enum status s = run_checkpoints(out, r, f);
    for (size_t i = 0; s == ST_OK && i < OUTPUTS; i++) {
        struct text path = {0};
        void *p = realloc(out->p, (out->n + 1) * sizeof *out->p);
        if (!p) {
            s = fault_nomem(f, "a list of files", (out->n + 1) * sizeof *out->p);
            break;
        }
        out->p = p;
        s = run_path_of(&path, r, outputs[i], f);
        if (s == ST_OK)
            out->p[out->n++] = path.p;
    }
    if (s != ST_OK)
        names_free(out);
    return s;
}

static enum status is_run(bool *yes, const struct run *r, struct fault *f)
{
    struct text path = {0}, bytes = {0};
    struct json_doc *doc = NULL;
    enum status s = run_path_of(&path, r, "train.json", f);
    if (s == ST_OK)
        s = file_read(&bytes, path.p, 1 << 20, f);
    if (s == ST_OK)
        s = json_parse(&doc, bytes.p, bytes.n, path.p, f);
    *yes = s == ST_OK && json_kind(json_get(json_root(doc), "run")) == JSON_OBJECT;
    json_close(&doc);
    text_free(&path);
    text_free(&bytes);
    return s == ST_NOMEM ? s : ST_OK;
}

/* Files of the names that a run writes, which no run wrote. */
static enum status refuse_foreign(const struct run *r, const struct names *ours, struct fault *f)
{
    struct stat st;
    bool yes = false;
    enum status s = is_run(&yes, r, f);
    for (size_t i = 0; s == ST_OK && !yes && i < ours->n; i++) {
        if (lstat(ours->p[i], &st) != 0)
            continue;
        fault_set(f, ST_RANGE, "%s is in the way: a run would replace it, and no run made %s",
                  ours->p[i], r->dir);
        s = fault_remedy(f, "choose another --output, or move that file away");
    }
    return s;
}

static enum status refuse_complete(const struct run *r, struct fault *f)
{
    struct names names = {0};
    enum status s = run_checkpoints(&names, r, f);
    for (size_t i = names.n; s == ST_OK && i > 0; i--) {
        struct checkpoint *c = NULL;
        s = checkpoint_open(&c, names.p[i - 1], f);
        if (s == ST_FORMAT) { /* damaged, so nothing to go on from */
            s = ST_OK;
            continue;
        }
        if (s != ST_OK)
            break;
        checkpoint_close(&c);
        fault_set(f, ST_RANGE, "%s already holds a run", r->dir);
        s = fault_remedy(f,
                         "go on with --resume %s, replace it with --overwrite true, or choose "
                         "another --output",
                         r->dir);
    }
    names_free(&names);
    return s;
}

/* ---- what the new run reads ------------------------------------------------------------------ */

/* Refuses a file that the run reads if it is one that the run writes or removes. */
static enum status spare(const char *path, const char *option, const struct names *ours,
                         struct fault *f)
{
    struct stat a, b;
    if (stat(path, &a) != 0)
        return ST_OK; /* who reads it says that */
    for (size_t i = 0; i < ours->n; i++)
        if (stat(ours->p[i], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
            fault_set(f, ST_RANGE, "--%s reads %s, which a run in this --output would replace",
                      option, ours->p[i]);
            return fault_remedy(f, "choose another --output");
        }
    return ST_OK;
}

static enum status spare_adapter(const char *dir, const struct names *ours, struct fault *f)
{
    static const char *const files[] = {"adapter_model.safetensors", "adapter_config.json"};
    struct text path = {0};
    enum status s = ST_OK;
    for (size_t i = 0; s == ST_OK && i < 2; i++) {
        path.n = 0;
        s = file_join(&path, dir, files[i], f);
        if (s == ST_OK)
            s = spare(path.p, "adapter-init", ours, f);
    }
    text_free(&path);
    return s;
}

static enum status spare_inputs(const struct train_settings *set, const struct names *ours,
                                struct fault *f)
{
    struct dataset_list lists[2] = {{0}};
    struct fault later = {0}; /* what is wrong with --data is said when it is opened */
    enum status s = spare(set->model, "model", ours, f);
    if (s == ST_OK && set->adapter_init)
        s = spare_adapter(set->adapter_init, ours, f);
    if (s == ST_OK &&
        dataset_find(&lists[0], &lists[1], set->data, set->data_weights, &later) == ST_NOMEM) {
        *f = later;
        s = later.code;
    }
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; s == ST_OK && i < lists[k].n; i++)
            s = spare(lists[k].p[i].path, "data", ours, f);
        dataset_list_free(&lists[k]);
    }
    return s;
}

/* ---- making it ------------------------------------------------------------------------------- */

static enum status check(const struct run *r, const struct train_settings *set, struct fault *f)
{
    struct names ours = {0};
    enum status s = list_ours(&ours, r, f);
    if (s == ST_OK)
        s = spare_inputs(set, &ours, f);
    if (s == ST_OK)
        s = refuse_foreign(r, &ours, f);
    if (s == ST_OK && !set->overwrite)
        s = refuse_complete(r, f);
    names_free(&ours);
    return s;
}

enum status run_vacant(const struct train *t, struct fault *f)
{
    struct run *r = run_new(t->set.output, f);
    if (!r)
        return f->code;
    enum status s = run_folder_lock(r, f);
    if (s == ST_OK)
        s = check(r, &t->set, f);
    run_close(&r);
    return s;
}

/* Removes all that an earlier run left: an adapter in the folder is then this run's, or none, and
 * --resume does not go on with the other. */
static enum status clear_out(const struct run *r, struct fault *f)
{
    struct names ours = {0};
    struct text path = {0};
    enum status s = run_path_of(&path, r, "train.json", f);
    if (s == ST_OK && file_kind(path.p) != FILE_ABSENT)
        s = run_clear_halves(r, f);
    if (s == ST_OK)
        s = list_ours(&ours, r, f);
    for (size_t i = 0; s == ST_OK && i < ours.n; i++)
        if (unlink(ours.p[i]) != 0 && errno != ENOENT && errno != ENOTDIR)
            s = file_fault(f, "remove", ours.p[i], errno);
    if (s == ST_OK && (s = run_path_of(&path, r, "best", f)) == ST_OK)
        rmdir(path.p); /* if nothing else is in it */
    names_free(&ours);
    text_free(&path);
    return s;
}

enum status run_folder_claim(struct run *r, const struct train *t, struct fault *f)
{
    struct text path = {0};
    enum status s = run_path_of(&path, r, "checkpoints", f);
    r->made = file_kind(r->dir) == FILE_ABSENT;
    if (s == ST_OK)
        s = file_mkdirs(r->dir, f);
    if (s == ST_OK)
        s = run_folder_lock(r, f);
    if (s == ST_OK) {
        s = check(r, &t->set, f); /* again: another run may have come and gone since run_vacant */
        if (s == ST_OK)
            s = clear_out(r, f);
        r->made_checkpoints = s == ST_OK && file_kind(path.p) == FILE_ABSENT;
        if (s == ST_OK)
            s = file_mkdirs(path.p, f);
        if (s != ST_OK && r->made)
            rmdir(r->dir);
    }
    text_free(&path);
    return s;
}

void run_folder_undo(const struct run *r)
{
    static const char *const begun[] = {"metrics.jsonl", "train.json"};
    struct text path = {0};
    struct fault ignored = {0};
    for (size_t i = 0; i < 2; i++)
        if (run_path_of(&path, r, begun[i], &ignored) == ST_OK)
            unlink(path.p);
    if (r->made_checkpoints && run_path_of(&path, r, "checkpoints", &ignored) == ST_OK)
        rmdir(path.p);
    if (r->made)
        rmdir(r->dir);
    text_free(&path);
}

enum status run_clear_halves(const struct run *r, struct fault *f)
{
    struct names names = {0};
    struct text path = {0};
    enum status s = run_half_checkpoints(&names, r, f);
    for (size_t i = 0; s == ST_OK && i < names.n; i++)
        unlink(names.p[i]);
    for (size_t i = 0; s == ST_OK && i < OUTPUTS; i++) {
        path.n = 0;
        s = text_addf(&path, f, "%s/%s.tmp", r->dir, outputs[i]);
        if (s == ST_OK)
            unlink(path.p);
    }
    names_free(&names);
    text_free(&path);
    return s;
}
