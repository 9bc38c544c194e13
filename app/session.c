#include "app/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/console.h"

enum status session_base(struct session *s, const char *path, struct fault *f)
{
    enum status st = base_open(&s->base, path, f);
    if (st == ST_OK)
        st = model_config_read(&s->config, base_files(s->base), f);
    if (st == ST_OK)
        st = tokenizer_open(&s->tokenizer, base_files(s->base), f);
    return st == ST_OK ? session_template(&s->chat, &s->no_chat, base_files(s->base), f) : st;
}

enum status session_template(struct chat **out, struct fault *why, const struct blobs *files,
                             struct fault *f)
{
    enum status st = chat_open(out, files, why);
    if (st == ST_NOMEM) {
        *f = *why;
        return st;
    }
    if (st != ST_OK && st != ST_ABSENT)
        console_warn("%s; chat will not work", why->text);
    return ST_OK;
}

enum status session_need_chat(const struct session *s, const char *path, struct fault *f)
{
    const struct fault *why = &s->no_chat;
    if (s->chat)
        return ST_OK;
    if (why->code == ST_ABSENT) {
        fault_set(f, ST_ABSENT, "%s has no chat template", path);
        return fault_remedy(f, "leave --chat out");
    }
    fault_set(f, why->code, "%s has no chat template that can be read: %s", path, why->text);
    return fault_remedy(f, "%s", why->remedy);
}

void device_folder(char *to, size_t size)
{
    const char *own = getenv("WICK_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    to[0] = '\0';
    if (own && *own)
        snprintf(to, size, "%s", own);
    else if (xdg && *xdg == '/')
        snprintf(to, size, "%s/wick", xdg);
    else if (home && *home == '/')
        snprintf(to, size, "%s/.cache/wick", home);
}

enum status device_open_at(kern **k, const struct common *c, const char *folder, struct fault *f)
{
    struct kern_options o = {.threads = (int)c->threads, .cache_dir = folder};
    o.precision = strcmp(c->precision, "f32") == 0    ? KERN_F32
                  : strcmp(c->precision, "bf16") == 0 ? KERN_BF16
                                                      : KERN_AUTO;
    enum status st = kern_open(k, c->device, &o, f);
    if (st == ST_OK && kern_info(*k)->note[0])
        console_note("%s", kern_info(*k)->note);
    return st;
}

enum status device_open(kern **k, const struct common *c, struct fault *f)
{
    char folder[1024];
    device_folder(folder, sizeof folder);
    return device_open_at(k, c, folder[0] ? folder : NULL, f);
}

enum status session_device(struct session *s, const struct common *c, struct fault *f)
{
    s->common = *c;
    return device_open(&s->k, c, f);
}

enum status session_adapter(struct session *s, const char *dir, struct fault *f)
{
    return dir ? adapters_load(&s->adapters, &s->config, dir, f) : ST_OK;
}

static void show_load(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;
    p->total = total;
    progress_at(p, done, "");
}

static enum status load(struct session *s, const struct model_shape *shape, struct fault *f)
{
    struct progress p;
    struct model_progress mp = {show_load, &p};
    progress_begin(&p, "load", 0, 0, PROGRESS_BYTES);
    enum status st = model_open(&s->model, s->k, s->base, &s->config, s->adapters, shape, &mp, f);
    progress_end(&p);
    return st;
}

/* Whether the device is to blame, and the CPU may yet do it. */
static bool may_leave_device(const struct session *s, enum status st)
{
    bool device = st == ST_NOMEM || st == ST_DEVICE || st == ST_NODEVICE || st == ST_UNSUPPORTED;
    return device && strcmp(s->common.device, "auto") == 0 &&
           strcmp(kern_info(s->k)->backend, "cpu") != 0;
}

enum status session_model(struct session *s, const struct model_shape *shape, struct fault *f)
{
    enum status st = load(s, shape, f);
    if (st == ST_OK || !may_leave_device(s, st))
        return st;
    console_note("%s: the CPU is used instead", f->text);
    *f = (struct fault){0};
    kern_close(&s->k);
    s->common.device = "cpu";
    st = device_open(&s->k, &s->common, f);
    return st == ST_OK ? load(s, shape, f) : st;
}

void session_close(struct session *s)
{
    model_close(&s->model);
    adapters_free(&s->adapters);
    kern_close(&s->k);
    chat_close(&s->chat);
    tokenizer_close(&s->tokenizer);
    base_close(&s->base);
}
