#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"
#include "app/signals.h"
#include "data/chat.h"
#include "data/file.h"
#include "data/safetensors.h"
#include "model/weights.h"

struct import {
    struct common common;
    const char *source, *output, *dtype, *name;
    struct text folder; /* where the checkpoint is */
    struct blobs files;
    struct model_config config;
    struct safetensors *in;
    struct base_out *out;
    uint64_t bytes;
    size_t tensors;
};

/* ---- finding the checkpoint ------------------------------------------------------------------ */

/* Org/Name with exactly one slash, and nothing that walks about. */
static bool is_hub_id(const char *s)
{
    const char *slash = strchr(s, '/');
    return slash && slash != s && slash[1] && !strchr(slash + 1, '/') && s[0] != '.' &&
           !strstr(s, "..");
}

static enum status hub_folder(struct text *t, struct fault *f)
{
    const char *hub = getenv("HF_HUB_CACHE"), *old = getenv("HUGGINGFACE_HUB_CACHE");
    const char *home = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME"), *user = getenv("HOME");
    if (hub && *hub)
        return text_adds(t, hub, f);
    if (old && *old)
        return text_adds(t, old, f);
    if (home && *home)
        return text_addf(t, f, "%s/hub", home);
    if (xdg && *xdg)
        return text_addf(t, f, "%s/huggingface/hub", xdg);
    return text_addf(t, f, "%s/.cache/huggingface/hub", user ? user : "");
}

/* The snapshot that refs/main names in the local Hugging Face cache. */
static enum status find_snapshot(struct text *out, const char *id, struct fault *f)
{
    struct text repo = {0}, ref = {0}, hash = {0};
    const char *slash = strchr(id, '/');
    enum status s = hub_folder(&repo, f);
    if (s == ST_OK)
        s = text_addf(&repo, f, "/models--%.*s--%s", (int)(slash - id), id, slash + 1);
    if (s == ST_OK)
        s = text_addf(&ref, f, "%s/refs/main", repo.p);
    if (s == ST_OK && file_kind(ref.p) != FILE_REGULAR) {
        fault_set(f, ST_ABSENT, "%s is neither a folder nor in the local Hugging Face cache", id);
        s = fault_remedy(f, "download it first (hf download %s), or give a checkpoint's folder",
                         id);
    }
    if (s == ST_OK)
        s = file_read(&hash, ref.p, 4096, f);
    while (s == ST_OK && hash.n > 0 && (unsigned char)hash.p[hash.n - 1] <= ' ')
        hash.p[--hash.n] = '\0';
    if (s == ST_OK && (hash.n == 0 || strchr(hash.p, '/') || hash.p[0] == '.'))
        s = fault_set(f, ST_FORMAT, "%s does not name a snapshot", ref.p);
    if (s == ST_OK)
        s = text_addf(out, f, "%s/snapshots/%s", repo.p, hash.p);
    text_free(&repo);
    text_free(&ref);
    text_free(&hash);
    return s;
}

static enum status find_checkpoint(struct import *m, struct fault *f)
{
    enum file_kind kind = file_kind(m->source);
    if (kind == FILE_ABSENT && is_hub_id(m->source))
        return find_snapshot(&m->folder, m->source, f);
    if (kind == FILE_FOLDER)
        return text_adds(&m->folder, m->source, f);
    if (kind == FILE_ABSENT)
        fault_set(f, ST_ABSENT, "%s: there is no such folder", m->source);
    else
        fault_set(f, ST_FORMAT, "%s is not a folder", m->source);
    return fault_remedy(f, "give the folder of a Hugging Face checkpoint: config.json, "
                           "*.safetensors and the tokenizer");
}

/* ---- reading and checking -------------------------------------------------------------------- */

static int is_template(const struct dirent *e)
{
    char name[sizeof CHAT_FOLDER + sizeof e->d_name];
    snprintf(name, sizeof name, "%s/%s", CHAT_FOLDER, e->d_name);
    return chat_template_name(NULL, SIZE_MAX, name);
}

/* The templates beside "default"; a folder that is not there has none. */
static enum status read_templates(struct import *m, struct fault *f)
{
    struct text folder = {0};
    struct dirent **list = NULL;
    enum status s = file_join(&folder, m->folder.p, CHAT_FOLDER, f);
    int n = s == ST_OK && file_kind(folder.p) == FILE_FOLDER
                ? scandir(folder.p, &list, is_template, alphasort)
                : 0;
    if (n < 0)
        s = file_fault(f, "read", folder.p, errno);
    for (int i = 0; i < n; i++) {
        struct text path = {0}, name = {0};
        if (s == ST_OK)
            s = file_join(&name, CHAT_FOLDER, list[i]->d_name, f);
        if (s == ST_OK)
            s = file_join(&path, m->folder.p, name.p, f);
        if (s == ST_OK && file_kind(path.p) == FILE_REGULAR)
            s = file_read_blob(&m->files, path.p, name.p, (size_t)1 << 28, f);
        text_free(&path);
        text_free(&name);
        free(list[i]);
    }
    free(list);
    text_free(&folder);
    return s;
}

static enum status read_files(struct import *m, struct fault *f)
{
    static const char *const names[] = {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "tokenizer.model",
        "chat_template.jinja",
        "chat_template.json",
        "preprocessor_config.json",
        "processor_config.json",
    };
    enum status s = ST_OK;
    for (size_t i = 0; s == ST_OK && i < sizeof names / sizeof *names; i++) {
        struct text path = {0};
        s = file_join(&path, m->folder.p, names[i], f);
        if (s == ST_OK && file_kind(path.p) == FILE_REGULAR)
            s = file_read_blob(&m->files, path.p, names[i], (size_t)1 << 28, f);
        text_free(&path);
    }
    if (s == ST_OK)
        s = read_templates(m, f);
    if (s == ST_OK && !blobs_find(&m->files, "config.json")) {
        fault_set(f, ST_ABSENT, "%s holds no config.json", m->folder.p);
        s = fault_remedy(f, "give the folder of a Hugging Face checkpoint");
    }
    return s;
}

/* The ids that the model's configuration names must be ones that the tokenizer knows. */
static enum status check_ids(const struct import *m, const struct tokenizer *t, struct fault *f)
{
    for (int i = 0; i < m->config.eos_count; i++)
        if (m->config.eos[i] >= m->config.vocab || !tokenizer_piece(t, m->config.eos[i])) {
            fault_set(f, ST_FORMAT, "%s: the tokenizer has no token %d, the model's eos_token_id",
                      m->folder.p, m->config.eos[i]);
            return fault_remedy(f, "put the model's own tokenizer files into the folder");
        }
    return ST_OK;
}

static enum status check_all(struct import *m, struct fault *f)
{
    struct tokenizer *t = NULL;
    struct chat *chat = NULL;
    struct fault why = {0};
    enum status s = model_config_read(&m->config, &m->files, f);
    if (s == ST_OK)
        s = tokenizer_open(&t, &m->files, f);
    if (s == ST_OK)
        s = check_ids(m, t, f);
    if (s == ST_OK)
        s = session_template(&chat, &why, &m->files, f);
    if (s == ST_OK && chat && chat_lacks(chat))
        console_warn("%s; conversations that come to it will fail", chat_lacks(chat));
    if (s == ST_OK)
        s = safetensors_open(&m->in, m->folder.p, f);
    if (s == ST_OK) {
        struct tensor_source source = weights_of_safetensors(m->in, m->folder.p);
        s = weights_check(&source, &m->config, f);
    }
    chat_close(&chat);
    tokenizer_close(&t);
    return s;
}

/* ---- writing --------------------------------------------------------------------------------- */

static float get(const void *p, enum dtype t, size_t i)
{
    const unsigned char *b = p;
    uint16_t h;
    float x;
    if (t == DT_F32) {
        memcpy(&x, b + 4 * i, 4);
        return x;
    }
    memcpy(&h, b + 2 * i, 2);
    return t == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

static bool is_float(enum dtype t)
{
    return t == DT_F32 || t == DT_F16 || t == DT_BF16;
}

enum { PIECE = 1 << 16 }; /* elements converted at a time */

static enum status convert(struct import *m, const struct tensor *t, enum dtype to, struct fault *f)
{
    struct tensor u = *t;
    const void *p = safetensors_data(m->in, t);
    size_t n = t->bytes / dtype_size(t->dtype);
    u.dtype = to;
    unsigned char *piece = malloc(PIECE * 4);
    if (!piece)
        return fault_nomem(f, "a conversion", PIECE * 4);
    enum status s = base_begin(m->out, &u, f);
    for (size_t at = 0; s == ST_OK && at < n; at += PIECE) {
        size_t some = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < some; i++) {
            float x = get(p, t->dtype, at + i);
            uint16_t h = to == DT_BF16 ? f32_to_bf16(x) : to == DT_F16 ? f32_to_f16(x) : 0;
            if (to == DT_F16 && isfinite(x) && !isfinite(f16_to_f32(h))) {
                fault_set(f, ST_RANGE, "tensor %s holds %g, which f16 cannot", t->name, (double)x);
                s = fault_remedy(f, "import with --dtype bf16 or keep");
                break;
            }
            if (to == DT_F32)
                memcpy(piece + 4 * i, &x, 4);
            else
                memcpy(piece + 2 * i, &h, 2);
        }
        if (s == ST_OK)
            s = base_append(m->out, piece, some * dtype_size(to), f);
    }
    free(piece);
    return s;
}

static enum status write_tensors(struct import *m, struct progress *p, struct fault *f)
{
    bool keep = strcmp(m->dtype, "keep") == 0;
    enum dtype to = strcmp(m->dtype, "f32") == 0    ? DT_F32
                    : strcmp(m->dtype, "bf16") == 0 ? DT_BF16
                                                    : DT_F16;
    enum status s = ST_OK;
    for (size_t i = 0; s == ST_OK && i < safetensors_count(m->in); i++) {
        const struct tensor *t = safetensors_tensor(m->in, i);
        if (keep || !is_float(t->dtype) || t->dtype == to)
            s = base_add_tensor(m->out, t, safetensors_data(m->in, t), f);
        else
            s = convert(m, t, to, f);
        safetensors_release(m->in, t);
        m->bytes += t->bytes;
        m->tensors++;
        progress_at(p, m->bytes, t->name);
        if (s == ST_OK && signals_stop())
            s = fault_set(f, ST_INTERRUPTED, "interrupted: nothing was written");
    }
    return s;
}

static uint64_t total_bytes(const struct safetensors *in)
{
    uint64_t n = 0;
    for (size_t i = 0; i < safetensors_count(in); i++)
        n += safetensors_tensor(in, i)->bytes;
    return n;
}

static enum status run(struct import *m, struct fault *f)
{
    struct progress p;
    enum status s = find_checkpoint(m, f);
    if (s == ST_OK)
        s = read_files(m, f);
    if (s == ST_OK)
        s = check_all(m, f);
    if (s != ST_OK)
        return s;
    signals_defer(true);
    progress_begin(&p, "import", 0, total_bytes(m->in), PROGRESS_BYTES);
    s = base_create(&m->out, m->output, m->config.family, m->name ? m->name : m->source, f);
    if (s == ST_OK)
        s = write_tensors(m, &p, f);
    for (size_t i = 0; s == ST_OK && i < m->files.n; i++)
        s = base_add_file(m->out, m->files.p[i].name, m->files.p[i].data, m->files.p[i].size, f);
    if (s == ST_OK)
        s = base_commit(m->out, f);
    progress_end(&p);
    return s;
}

static enum status tell(const struct import *m, struct fault *f)
{
    char size[32];
    if (!m->common.json) {
        printf("%s: %s, %zu tensors, %s, %d layers of width %d, %d tokens\n", m->output,
               m->config.family, m->tensors, console_bytes(size, m->bytes), m->config.layers,
               m->config.hidden, m->config.vocab);
        return console_flush(f);
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_string(o, "output", m->output);
    json_add_string(o, "family", m->config.family);
    json_add_int(o, "tensors", (int64_t)m->tensors);
    json_add_int(o, "bytes", (int64_t)m->bytes);
    json_add_string(o, "dtype", m->dtype);
    return console_json(doc, f);
}

static const struct option options[] = {
    {.name = "output",
     .kind = OPT_STRING,
     .at = offsetof(struct import, output),
     .arg = "BASE.h5",
     .help = "the base file to make (also -o)"},
    {.name = "dtype",
     .kind = OPT_CHOICE,
     .at = offsetof(struct import, dtype),
     .choices = "keep|f32|bf16|f16",
     .help = "of the weights in the base file"},
    {.name = "name",
     .kind = OPT_STRING,
     .at = offsetof(struct import, name),
     .arg = "ORG/NAME",
     .help = "what adapters name as their base model (SRC)"},
    COMMON_OPTIONS(struct import),
};

int cmd_import(int argc, char **argv)
{
    struct fault f = {0};
    struct import m = {.common = COMMON_DEFAULTS, .dtype = "keep"};
    struct command_line c = {
        .usage = "wick import SRC -o BASE.h5 [options]",
        .about =
            "Makes one self-contained base file of a Hugging Face checkpoint: SRC is its folder,\n"
            "or Org/Name when it is in the local Hugging Face cache.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &m,
        .positional = {{"SRC", &m.source, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !m.output) {
        fault_set(&f, ST_USAGE, "-o BASE.h5 is missing");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    console_quiet(m.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = run(&m, &f);
    base_out_close(&m.out);
    if (s == ST_OK)
        s = tell(&m, &f);
    safetensors_close(&m.in);
    blobs_free(&m.files);
    text_free(&m.folder);
    if (s != ST_OK)
        console_fail(&f);
    return s == ST_OK ? 0 : s == ST_INTERRUPTED ? 130 : 1;
}
