#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/proof.h"
#include "app/session.h"
#include "app/signals.h"
#include "data/file_set.h"
#include "data/safetensors.h"
#include "model/merge.h"

struct merging {
    struct common common;
    const char *base, *adapter, *output, *format, *data;
    struct session session;
    struct merge *merge;
    struct safetensors_out *files; /* --format hf */
    struct base_out *h5;           /* --format h5 */
    struct progress bar;
    uint64_t done;
    struct proof proof;
    bool made; /* the output was not there before */
};

static const size_t SHARD_BYTES = (size_t)5 << 30;

/* ---- writing --------------------------------------------------------------------------------- */

static enum status to_files(void *ctx, const void *bytes, size_t n, struct fault *f)
{
    struct merging *m = ctx;
    progress_at(&m->bar, m->done += n, "");
    return safetensors_write(m->files, bytes, n, f);
}

static enum status to_h5(void *ctx, const void *bytes, size_t n, struct fault *f)
{
    struct merging *m = ctx;
    progress_at(&m->bar, m->done += n, "");
    return base_append(m->h5, bytes, n, f);
}

static enum status stopped(struct fault *f)
{
    return signals_stop() ? fault_set(f, ST_INTERRUPTED, "interrupted: nothing was written")
                          : ST_OK;
}

/* Adds a file of the base's to those beside the weights; chat templates have a folder of their
 * own. */
static enum status add_file(const struct merging *m, struct file_set *to, const struct blob *file,
                            struct fault *f)
{
    struct text path = {0};
    enum status s = ST_OK;
    if (strchr(file->name, '/')) {
        s = file_join(&path, m->output, CHAT_FOLDER, f);
        if (s == ST_OK)
            s = file_mkdirs(path.p, f);
        path.n = 0;
    }
    if (s == ST_OK)
        s = file_join(&path, m->output, file->name, f);
    if (s == ST_OK)
        s = file_set_write(to, path.p, file->data, file->size, f);
    text_free(&path);
    return s;
}

/* config.json comes last: a folder without it is no model, so a merge that is killed while its files
 * take their names leaves none that is half an earlier one (data/file_set.h). */
static enum status add_files(const struct merging *m, struct fault *f)
{
    const struct blobs *files = base_files(m->session.base);
    struct file_set *to = NULL;
    enum status s = safetensors_seal(m->files, &to, f);
    for (int config = 0; config < 2; config++)
        for (size_t i = 0; s == ST_OK && i < files->n; i++)
            if ((strcmp(files->p[i].name, "config.json") == 0) == config)
                s = add_file(m, to, &files->p[i], f);
    return s;
}

static enum status write_hf(struct merging *m, struct fault *f)
{
    const struct base *b = m->session.base;
    struct text path = {0};
    enum status s = file_mkdirs(m->output, f);
    if (s == ST_OK)
        s = file_join(&path, m->output, "model.safetensors", f);
    if (s == ST_OK)
        s = safetensors_create(&m->files, path.p, SHARD_BYTES, f);
    for (size_t i = 0; s == ST_OK && i < base_count(b); i++)
        s = safetensors_declare(m->files, base_tensor(b, i), f);
    for (const struct tensor *t; s == ST_OK && (t = safetensors_next(m->files)) != NULL;) {
        s = merge_tensor(m->merge, t, to_files, m, f);
        if (s == ST_OK)
            s = stopped(f);
    }
    if (s == ST_OK)
        s = merge_check(m->merge, f);
    if (s == ST_OK)
        s = add_files(m, f);
    if (s == ST_OK)
        s = safetensors_commit(m->files, f);
    text_free(&path);
    return s;
}

static enum status write_h5(struct merging *m, struct fault *f)
{
    const struct base *b = m->session.base;
    const struct blobs *files = base_files(b);
    enum status s = base_create(&m->h5, m->output, base_family(b), base_source(b), f);
    for (size_t i = 0; s == ST_OK && i < base_count(b); i++) {
        s = base_begin(m->h5, base_tensor(b, i), f);
        if (s == ST_OK)
            s = merge_tensor(m->merge, base_tensor(b, i), to_h5, m, f);
        if (s == ST_OK)
            s = stopped(f);
    }
    if (s == ST_OK)
        s = merge_check(m->merge, f);
    for (size_t i = 0; s == ST_OK && i < files->n; i++)
        s = base_add_file(m->h5, files->p[i].name, files->p[i].data, files->p[i].size, f);
    return s == ST_OK ? base_commit(m->h5, f) : s;
}

static uint64_t total_bytes(const struct base *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < base_count(b); i++)
        n += base_tensor(b, i)->bytes;
    return n;
}

/* Takes back what a failed merge began, with the folders that it made. */
static void undo(struct merging *m)
{
    bool hf = m->files != NULL && m->made;
    struct text path = {0};
    struct fault ignored = {0};
    safetensors_out_close(&m->files);
    base_out_close(&m->h5);
    if (hf && file_join(&path, m->output, CHAT_FOLDER, &ignored) == ST_OK)
        rmdir(path.p);
    if (hf)
        rmdir(m->output); /* only if nothing else is in it */
    text_free(&path);
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status check_output(struct merging *m, struct fault *f)
{
    enum file_kind kind = file_kind(m->output);
    bool hf = strcmp(m->format, "hf") == 0;
    m->made = kind == FILE_ABSENT;
    if (hf && kind != FILE_ABSENT && kind != FILE_FOLDER) {
        fault_set(f, ST_RANGE, "%s is not a folder", m->output);
        return fault_remedy(f, "--format hf writes a folder; choose another -o");
    }
    if (!hf && kind == FILE_FOLDER) {
        fault_set(f, ST_RANGE, "%s is a folder", m->output);
        return fault_remedy(f, "--format h5 writes one file; choose another -o");
    }
    return ST_OK;
}

static enum status run(struct merging *m, struct fault *f)
{
    enum status s = check_output(m, f);
    if (s == ST_OK)
        s = session_base(&m->session, m->base, f);
    if (s == ST_OK)
        s = session_adapter(&m->session, m->adapter, f);
    if (s == ST_OK)
        s = proof_choose(&m->proof, &m->session, m->data, f);
    if (s == ST_OK)
        s = merge_open(&m->merge, m->session.base, &m->session.config, m->session.adapters, f);
    if (s != ST_OK)
        return s;
    signals_defer(true);
    progress_begin(&m->bar, "merge", 0, total_bytes(m->session.base), PROGRESS_BYTES);
    s = strcmp(m->format, "hf") == 0 ? write_hf(m, f) : write_h5(m, f);
    progress_end(&m->bar);
    if (s != ST_OK)
        undo(m);
    signals_defer(false);
    if (s != ST_OK)
        return s;
    s = proof_open(&m->proof, m->output, f); /* before there is a device: app/session.h */
    if (s == ST_OK)
        s = session_device(&m->session, &m->common, f);
    if (s == ST_OK)
        s = proof_run(&m->proof, &m->session, f);
    if (s != ST_OK) { /* a model that is larger than this machine's memory can still be written */
        struct fault why = *f;
        fault_set(f, why.code, "%.120s is written whole, but not proven: %.220s", m->output,
                  why.text);
        fault_remedy(f, "%s", why.remedy);
    }
    return s;
}

static enum status tell(const struct merging *m, struct fault *f)
{
    struct merge_stats st = merge_stats(m->merge);
    if (!m->common.json) {
        printf("%s: %d tensors merged; largest difference of a logit to base + adapter %.3g; "
               "%.2f%% of the adapter lost to rounding\n",
               m->output, st.tensors_merged, m->proof.max_logit_diff, 100 * st.delta_lost);
        if (st.delta_lost > 0.5) {
            console_warn("rounding took %.0f%% of the adapter (most in %s): the merged weights say "
                         "little of what was learned",
                         100 * st.delta_lost, st.worst);
            console_note("      import the base with --dtype f32 and merge again");
        }
        return console_flush(f);
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_int(o, "tensors_merged", st.tensors_merged);
    json_add_number(o, "max_logit_diff", m->proof.max_logit_diff);
    json_add_number(o, "delta_lost_fraction", st.delta_lost);
    json_add_string(o, "output", m->output);
    return console_json(doc, f);
}

static const struct option options[] = {
    {.name = "output",
     .kind = OPT_STRING,
     .at = offsetof(struct merging, output),
     .arg = "OUT",
     .help = "the folder or file to make (also -o)"},
    {.name = "adapter",
     .kind = OPT_STRING,
     .at = offsetof(struct merging, adapter),
     .arg = "DIR",
     .help = "a PEFT adapter or a run; without it the base is written unchanged"},
    {.name = "format",
     .kind = OPT_CHOICE,
     .at = offsetof(struct merging, format),
     .choices = "hf|h5",
     .help = "a Hugging Face folder, or a base file"},
    {.name = "data",
     .kind = OPT_STRING,
     .at = offsetof(struct merging, data),
     .arg = "FILE",
     .help = "prove the merge over its first row, not over 64 fixed ids"},
    COMMON_OPTIONS(struct merging),
};

int cmd_merge(int argc, char **argv)
{
    struct fault f = {0};
    struct merging m = {.common = COMMON_DEFAULTS, .format = "hf"};
    struct command_line c = {
        .usage = "wick merge BASE.h5 [--adapter DIR] -o OUT [--format hf|h5] [options]",
        .about = "Adds an adapter to the weights: in f32, rounded once to the weights' type. Then "
                 "holds\n"
                 "the logits of what was written against those of base and adapter.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &m,
        .positional = {{"BASE.h5", &m.base, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !m.output) {
        fault_set(&f, ST_USAGE, "-o OUT is missing");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    console_quiet(m.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = run(&m, &f);
    if (s == ST_OK)
        s = tell(&m, &f);
    safetensors_out_close(&m.files);
    base_out_close(&m.h5);
    proof_close(&m.proof);
    merge_close(&m.merge);
    session_close(&m.session);
    if (s != ST_OK)
        console_fail(&f);
    return s == ST_OK ? 0 : s == ST_INTERRUPTED ? 130 : 1;
}
