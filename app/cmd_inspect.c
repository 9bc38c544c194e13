#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "data/adapter.h"
#include "data/base.h"
#include "data/checkpoint.h"
#include "data/file.h"
#include "data/safetensors.h"
#include "model/config.h"

struct inspect {
    bool json, quiet, verify;
    bool checksums;  /* what was verified: bytes by their checksums, or */
    uint64_t finite; /* without those, so many values */
    const char *path;
    struct json_doc *doc;
};

static void show_progress(void *ctx, size_t done, size_t total)
{
    struct progress *p = ctx;
    p->total = total;
    progress_at(p, done, "");
}

static void add_tensor(struct json *list, const struct tensor *t)
{
    struct json *o = json_add_object(list, NULL);
    json_add_string(o, "name", t->name);
    json_add_string(o, "dtype", dtype_name(t->dtype));
    struct json *shape = json_add_array(o, "shape");
    for (int i = 0; i < t->ndim; i++)
        json_add_int(shape, NULL, t->shape[i]);
}

static void print_tensor(const struct tensor *t)
{
    char d[128];
    console_line("  %-56s %s", t->name, tensor_describe(d, sizeof d, t));
}

/* ---- base files ------------------------------------------------------------------------------ */

static void print_base(const struct inspect *in, const struct base *b, const struct model_config *c,
                       uint64_t bytes)
{
    char size[32];
    console_line("%s: a base of family %s from %s, made by %s", in->path, base_family(b),
                 base_source(b), base_created_by(b));
    console_line("%d layers of width %d, %d heads (%d for keys and values) of %d, %d tokens, %s",
                 c->layers, c->hidden, c->heads, c->kv_heads, c->head_dim, c->vocab,
                 console_bytes(size, bytes));
    printf("files:");
    for (size_t i = 0; i < base_files(b)->n; i++) {
        const char *name = base_files(b)->p[i].name;
        printf(" ");
        console_text(stdout, name, strlen(name), "");
    }
    printf("\n");
    for (size_t i = 0; i < base_count(b); i++)
        print_tensor(base_tensor(b, i));
}

static void describe_base(struct inspect *in, const struct base *b, const struct model_config *c)
{
    struct json *o = json_edit(in->doc);
    uint64_t bytes = 0;
    for (size_t i = 0; i < base_count(b); i++)
        bytes += base_tensor(b, i)->bytes;
    json_add_string(o, "kind", "base");
    json_add_string(o, "family", base_family(b));
    json_add_string(o, "source", base_source(b));
    json_add_string(o, "created_by", base_created_by(b));
    json_add_int(o, "layers", c->layers);
    json_add_int(o, "hidden_size", c->hidden);
    json_add_int(o, "vocab_size", c->vocab);
    json_add_int(o, "bytes", (int64_t)bytes);
    struct json *files = json_add_array(o, "files"), *tensors = json_add_array(o, "tensors");
    for (size_t i = 0; i < base_files(b)->n; i++)
        json_add_string(files, NULL, base_files(b)->p[i].name);
    for (size_t i = 0; i < base_count(b); i++)
        add_tensor(tensors, base_tensor(b, i));
    if (!in->json)
        print_base(in, b, c, bytes);
}

static enum status inspect_base(struct inspect *in, struct fault *f)
{
    struct base *b = NULL;
    struct model_config c;
    struct progress p;
    enum status s = base_open(&b, in->path, f);
    if (s == ST_OK)
        s = model_config_read(&c, base_files(b), f);
    if (s == ST_OK && in->verify) {
        progress_begin(&p, "verify", 0, 0, PROGRESS_BYTES);
        s = base_check_all(b, show_progress, &p, f);
        progress_end(&p);
        in->checksums = true;
    }
    if (s == ST_OK)
        describe_base(in, b, &c);
    base_close(&b);
    return s;
}

/* ---- the other kinds ------------------------------------------------------------------------- */

/* safetensors have no checksums. That they are all there is checked whenever one is opened, and what
 * else can be asked of them is that their values are numbers. */
static enum status verify_values(struct inspect *in, const struct safetensors *st, struct fault *f)
{
    struct progress p;
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < safetensors_count(st); i++)
        total += safetensors_tensor(st, i)->bytes;
    progress_begin(&p, "verify", 0, total, PROGRESS_BYTES);
    enum status s = ST_OK;
    for (size_t i = 0; s == ST_OK && i < safetensors_count(st); i++) {
        const struct tensor *t = safetensors_tensor(st, i);
        size_t count = t->bytes / dtype_size(t->dtype);
        size_t bad = tensor_first_not_finite(t, safetensors_data(st, t));
        safetensors_release(st, t);
        if (bad < count) {
            fault_set(f, ST_NUMERIC, "%.150s: value %zu of tensor %.120s is not finite", in->path,
                      bad, t->name);
            s = fault_remedy(f, "get the file anew from where it came; an adapter is to be trained "
                                "again, with a lower --learning-rate");
        }
        in->finite += count;
        progress_at(&p, done += t->bytes, "");
    }
    progress_end(&p);
    return s;
}

static enum status inspect_safetensors(struct inspect *in, struct fault *f)
{
    struct safetensors *st = NULL;
    enum status s = safetensors_open(&st, in->path, f);
    if (s == ST_OK && in->verify)
        s = verify_values(in, st, f);
    if (s != ST_OK) {
        safetensors_close(&st);
        return s;
    }
    json_add_string(json_edit(in->doc), "kind", "checkpoint");
    struct json *list = json_add_array(json_edit(in->doc), "tensors");
    if (!in->json)
        console_line("%s: %zu tensors", in->path, safetensors_count(st));
    for (size_t i = 0; i < safetensors_count(st); i++) {
        add_tensor(list, safetensors_tensor(st, i));
        if (!in->json)
            print_tensor(safetensors_tensor(st, i));
    }
    safetensors_close(&st);
    return ST_OK;
}

static enum status verify_adapter(struct inspect *in, struct fault *f)
{
    struct safetensors *st = NULL;
    struct text path = {0};
    enum status s = file_join(&path, in->path, "adapter_model.safetensors", f);
    if (s == ST_OK)
        s = safetensors_open(&st, path.p, f);
    if (s == ST_OK)
        s = verify_values(in, st, f);
    safetensors_close(&st);
    text_free(&path);
    return s;
}

static enum status inspect_adapter(struct inspect *in, struct fault *f)
{
    struct adapter *a = NULL;
    enum status s = adapter_open(&a, in->path, f);
    if (s == ST_OK && in->verify)
        s = verify_adapter(in, f);
    if (s != ST_OK) {
        adapter_close(&a);
        return s;
    }
    struct json *o = json_edit(in->doc);
    json_add_string(o, "kind", "adapter");
    json_add_string(o, "base_model_name_or_path", a->base_name);
    json_add_int(o, "rank", a->rank);
    json_add_number(o, "alpha", a->alpha);
    json_add_bool(o, "use_rslora", a->use_rslora);
    struct json *list = json_add_array(o, "modules");
    if (!in->json)
        console_line("%s: a LoRA adapter of rank %d, alpha %g for %s, %zu matrices", in->path,
                     a->rank, a->alpha, a->base_name ? a->base_name : "an unnamed base", a->n);
    for (size_t i = 0; i < a->n; i++) {
        struct json *m = json_add_object(list, NULL);
        json_add_string(m, "name", a->p[i].module);
        json_add_int(m, "rank", a->p[i].rank);
        json_add_int(m, "in", a->p[i].in);
        json_add_int(m, "out", a->p[i].out);
        json_add_number(m, "scale", (double)a->p[i].scale);
        if (!in->json)
            console_line("  %-56s %d → %d → %d, scale %g", a->p[i].module, a->p[i].in, a->p[i].rank,
                         a->p[i].out, (double)a->p[i].scale);
    }
    adapter_close(&a);
    return ST_OK;
}

static enum status inspect_checkpoint(struct inspect *in, struct fault *f)
{
    struct checkpoint *c = NULL;
    enum status s = checkpoint_open(&c, in->path, f);
    if (s != ST_OK)
        return s;
    const char *state = checkpoint_text(c, "state");
    size_t n = checkpoint_size(c, "adapter");
    json_add_string(json_edit(in->doc), "kind", "training checkpoint");
    json_add_int(json_edit(in->doc), "values", (int64_t)n);
    json_add_string(json_edit(in->doc), "state", state);
    in->checksums = true; /* opening compares them */
    if (!in->json) {
        console_line("%s: a checkpoint of %zu trained numbers", in->path, n);
        console_line("  %s", state ? state : "");
    }
    checkpoint_close(&c);
    return ST_OK;
}

static bool holds(const char *folder, const char *name)
{
    struct text t = {0};
    struct fault ignored = {0};
    bool yes = file_join(&t, folder, name, &ignored) == ST_OK && file_kind(t.p) == FILE_REGULAR;
    text_free(&t);
    return yes;
}

static enum status inspect(struct inspect *in, struct fault *f)
{
    enum file_kind kind = file_kind(in->path);
    if (kind == FILE_ABSENT) {
        fault_set(f, ST_ABSENT, "%s: there is no such file or folder", in->path);
        return fault_remedy(f, "give a base file, a checkpoint's folder, an adapter or a run");
    }
    if (kind == FILE_FOLDER)
        return holds(in->path, "adapter_config.json") ? inspect_adapter(in, f)
                                                      : inspect_safetensors(in, f);
    if (text_ends(in->path, ".safetensors") || text_ends(in->path, ".index.json"))
        return inspect_safetensors(in, f);
    enum status s = inspect_base(in, f);
    return s == ST_FORMAT && checkpoint_is(in->path) ? inspect_checkpoint(in, f) : s;
}

static void tell_verified(const struct inspect *in)
{
    if (in->checksums)
        printf("every checksum holds\n");
    else
        printf("there are no checksums to hold it against; all of it is there, and all %" PRIu64
               " values are finite\n",
               in->finite);
}

static const struct option options[] = {
    {.name = "verify",
     .kind = OPT_BOOL,
     .at = offsetof(struct inspect, verify),
     .help = "hold all bytes against their checksums; where a format has none, see that all values "
             "are finite"},
    JSON_OPTION(struct inspect, json),
    QUIET_OPTION(struct inspect, quiet),
};

int cmd_inspect(int argc, char **argv)
{
    struct fault f = {0};
    struct inspect in = {0};
    struct command_line c = {
        .usage = "wick inspect PATH [--verify]",
        .about = "Tells what a base file, a checkpoint, an adapter or a run's checkpoint holds.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &in,
        .positional = {{"PATH", &in.path, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    console_quiet(in.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    in.doc = json_new_object();
    s = in.doc ? inspect(&in, &f) : fault_nomem(&f, "the result", 0);
    if (s == ST_OK && in.verify && !in.json)
        tell_verified(&in);
    if (s == ST_OK && in.json) {
        if (in.verify)
            json_add_bool(json_edit(in.doc), "verified", in.checksums);
        if (in.verify && !in.checksums)
            json_add_bool(json_edit(in.doc), "finite", true);
        s = console_json(in.doc, &f);
        in.doc = NULL;
    } else if (s == ST_OK) {
        s = console_flush(&f);
    }
    json_close(&in.doc);
    return s == ST_OK ? 0 : console_fail(&f);
}
