#include <stdio.h>
#include <stdlib.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"

static enum status show(const struct common *common, struct fault *f)
{
    struct kern_info *list = NULL;
    size_t n;
    char size[32];
    enum status s = kern_list(&list, &n, f);
    if (s != ST_OK)
        return s;
    if (common->json) {
        struct json_doc *doc = json_new_array();
        for (size_t i = 0; doc && i < n; i++) {
            struct json *o = json_add_object(json_edit(doc), NULL);
            json_add_string(o, "id", list[i].id);
            json_add_string(o, "name", list[i].name);
            json_add_string(o, "backend", list[i].backend);
            json_add_string(o, "version", list[i].version);
            json_add_int(o, "memory_bytes", (int64_t)list[i].memory_bytes);
            json_add_string(o, "tier", list[i].tier);
            if (list[i].note[0])
                json_add_string(o, "note", list[i].note);
        }
        s = console_json(doc, f);
    } else {
        for (size_t i = 0; i < n; i++) {
            printf("%-10s %s\n           %s, %s\n           %s\n", list[i].id, list[i].name,
                   console_bytes(size, list[i].memory_bytes), list[i].tier, list[i].version);
            if (list[i].note[0])
                printf("           %s\n", list[i].note);
        }
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
