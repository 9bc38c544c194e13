#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"

/* What is kept of compiled programs serves all OpenCL devices. */
static void add_kept(struct json *o, const char *folder)
{
    struct kern_cache kept = kern_cache_state(folder);
    struct json *c = json_add_object(o, "program_cache");
    json_add_string(c, "folder", folder);
    json_add_int(c, "programs", kept.programs);
    json_add_int(c, "bytes", (int64_t)kept.bytes);
}

static void add_device(struct json *list, const struct kern_info *d, const char *folder)
{
    struct json *o = json_add_object(list, NULL);
    json_add_string(o, "id", d->id);
    json_add_string(o, "name", d->name);
    json_add_string(o, "backend", d->backend);
    json_add_string(o, "version", d->version);
    json_add_int(o, "memory_bytes", (int64_t)d->memory_bytes);
    json_add_string(o, "tier", d->tier);
    if (d->note[0])
        json_add_string(o, "note", d->note);
    if (strcmp(d->backend, "opencl") != 0)
        return;
    json_add_string(o, "platform", d->platform);
    json_add_string(o, "limits", d->limits);
    add_kept(o, folder);
}

static enum status show_json(const struct kern_info *list, size_t n, const char *folder,
                             struct fault *f)
{
    struct json_doc *doc = json_new_array();
    for (size_t i = 0; doc && i < n; i++)
        add_device(json_edit(doc), &list[i], folder);
    return console_json(doc, f);
}

static void print_device(const struct kern_info *d)
{
    char size[32];
    printf("%-10s %s\n           %s, %s\n           %s%s%s\n", d->id, d->name,
           console_bytes(size, d->memory_bytes), d->tier, d->platform, d->platform[0] ? ": " : "",
           d->version);
    if (d->limits[0])
        printf("           %s\n", d->limits);
    if (d->note[0])
        printf("           %s\n", d->note);
}

static enum status show(const struct common *common, struct fault *f)
{
    struct kern_info *list = NULL;
    char folder[1024], size[32];
    size_t n;
    enum status s = kern_list(&list, &n, f);
    if (s != ST_OK)
        return s;
    device_folder(folder, sizeof folder);
    if (common->json) {
        s = show_json(list, n, folder, f);
    } else {
        struct kern_cache kept = kern_cache_state(folder);
        for (size_t i = 0; i < n; i++)
            print_device(&list[i]);
        if (n > 1)
            printf("%d compiled OpenCL programs are kept in %s (%s)\n", kept.programs,
                   folder[0] ? folder : "no folder", console_bytes(size, kept.bytes));
        s = console_flush(f);
    }
    free(list);
    return s;
}

struct devices {
    struct common common;
};

static const struct option options[] = {COMMON_OPTIONS(struct devices)};

int cmd_devices(int argc, char **argv)
{
    struct fault f = {0};
    struct devices d = {.common = COMMON_DEFAULTS};
    struct command_line c = {
        .usage = "wick devices [--json]",
        .about = "Lists what this machine can compute on; --device takes the names.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &d,
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    console_quiet(d.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = show(&d.common, &f);
    return s == ST_OK ? 0 : console_fail(&f);
}
