/* Command lines and config files into settings, by one table a command.
 *
 *     static const struct option options[] = {
 *         {"rank", OPT_INT, offsetof(struct settings, rank), .min = 1, .max = 4096, .arg = "R",
 *          .help = "adapter rank"},
 *         …
 *     };
 *     struct command_line c = {.options = options, .count = n, .into = &set, .positional = {…}};
 *     if (args_parse(&c, argc, argv, f) != ST_OK) return usage_fail(f);
 *
 * Flags are --name VALUE or --name=VALUE; a boolean's value may be left out (true). A config file's
 * keys are the same names with _ for -. What is unknown or cannot be parsed is ST_USAGE (with the
 * nearest name there is), a parsed value out of range ST_RANGE. Strings are borrowed from argv or
 * from the config document, which lives as long as the program. */
#ifndef APP_ARGS_H
#define APP_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/json.h"
#include "kernels/status.h"

enum opt_kind { OPT_BOOL, OPT_INT, OPT_REAL, OPT_STRING, OPT_CHOICE };

struct option {
    const char *name;
    enum opt_kind kind;
    size_t at; /* where in the settings: a bool, int64_t, double or const char * */
    double min, max;
    const char *choices; /* "constant|linear|cosine" */
    const char *arg;     /* how --help names the value */
    const char *help;
    const char *alias;   /* a second name, or NULL */
    const char *instead; /* another option: a flag for either wins over both in a config */
};

enum { POSITIONAL_MAX = 2, OPTIONS_MAX = 64 };

struct command_line {
    const char *usage; /* "wick eval BASE.h5 --data FILE [options]" */
    const char *about; /* a paragraph for --help */
    const struct option *options;
    size_t count;
    void *into; /* the struct that the options' `at` are in; its values are the defaults */
    struct {
        const char *name; /* "BASE.h5" */
        const char **to;
        bool required;
    } positional[POSITIONAL_MAX];
    const char *passed_over; /* a config's key that is no setting, or NULL */
    bool given[OPTIONS_MAX]; /* of each option: by a flag or a config key */
    bool help;               /* --help was asked for: nothing else was checked */
};

enum status args_parse(struct command_line *c, int argc, char **argv, struct fault *f);
/* Takes the members of an object as settings that no flag gave. */
enum status args_config(struct command_line *c, const struct json *object, const char *where,
                        struct fault *f);
/* The setting that the option fills. */
void *args_value(const struct command_line *c, const struct option *o);
void args_help(const struct command_line *c);

/* The one of `count` names with the smallest edit distance, if that is small; else NULL. */
const char *args_nearest(const char *word, const char *const *names, size_t count);

#endif
