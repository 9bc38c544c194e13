/* Files for the program's tests: checkpoints to spoil, comparisons, what must not be left
 * behind. */
#ifndef TESTS_APP_PROGRAM_FILES_H
#define TESTS_APP_PROGRAM_FILES_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/text.h"
#include "tests/data/scratch.h"

/* A path in the scratch folder, as scratch_path, but it stays: equal names give the same
 * pointer. */
static inline const char *program_file(const char *name)
{
    enum { NAMES = 128 };
    static struct {
        char name[64], path[256];
    } known[NAMES];
    int i = 0;
    assert_true(strlen(name) < sizeof known[0].name);
    while (i < NAMES && known[i].name[0] && strcmp(known[i].name, name) != 0)
        i++;
    assert_true(i < NAMES);
    if (!known[i].name[0]) {
        memcpy(known[i].name, name, strlen(name) + 1); /* it fits: asserted above */
        snprintf(known[i].path, sizeof known[i].path, "%s/%s", scratch_folder, name);
    }
    return known[i].path;
}

static inline bool program_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline bool program_same(const char *a, const char *b)
{
    size_t n, m;
    unsigned char *x = scratch_read(a, &n), *y = scratch_read(b, &m);
    bool same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

static int program_temps;
static inline int program_count_temp(const char *path, const struct stat *st, int kind,
                                     struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    size_t n = strlen(path);
    program_temps += n > 4 && strcmp(path + n - 4, ".tmp") == 0;
    return 0;
}

static inline int program_count_temps(void)
{
    program_temps = 0;
    nftw(scratch_folder, program_count_temp, 16, FTW_PHYS);
    return program_temps;
}

/* No temporary file stands anywhere in the scratch folder. */
static inline void program_no_temps(void)
{
    assert_int_equal(program_count_temps(), 0);
}

static inline void program_remove(const char *path)
{
    nftw(path, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void program_text(const char *path, const char *text)
{
    scratch_write(path, text, strlen(text));
}

/* The repository's folder: tests run from there. */
static inline const char *program_repository(const char *name)
{
    static char paths[4][2 * PATH_MAX];
    static int turn;
    char *p = paths[turn++ % 4], here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(p, sizeof paths[0], "%s/%s", here, name);
    return p;
}

static inline const char *program_base(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/base.h5", scratch_folder);
    return path;
}

/* A copy of configs/wickling in the scratch folder, of links; files of it are then replaced. */
static inline const char *program_checkpoint(const char *name)
{
    static const char *const files[] = {"config.json", "generation_config.json",
                                        "model.safetensors", "tokenizer.json",
                                        "tokenizer_config.json"};
    static char folder[256];
    char from[128], to[512];
    snprintf(folder, sizeof folder, "%s/%s", scratch_folder, name);
    program_remove(folder);
    assert_int_equal(mkdir(folder, 0777), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(from, sizeof from, "configs/wickling/%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(program_repository(from), to), 0);
    }
    return folder;
}

/* Sets a top-level key of folder/name to a piece of JSON text. */
static inline void program_edit(const char *folder, const char *name, const char *key,
                                const char *value)
{
    char path[512], quoted[128];
    struct text t = {0};
    struct fault f = {0};
    size_t n;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    unsigned char *bytes = scratch_read(path, &n);
    bytes[n] = '\0';
    char *text = (char *)bytes, *at = strstr(text, quoted);
    if (at) {
        size_t skip = strcspn(at, ",\n}");
        assert_int_equal(text_add(&t, text, (size_t)(at - text), &f), 0);
        assert_int_equal(text_addf(&t, &f, "%s %s%s", quoted, value, at + skip), 0);
    } else {
        at = strchr(text, '{');
        assert_int_equal(text_addf(&t, &f, "{%s %s,%s", quoted, value, at + 1), 0);
    }
    unlink(path);
    scratch_write(path, t.p, t.n);
    text_free(&t);
    free(bytes);
}

static inline void program_replace(const char *folder, const char *name, const void *bytes,
                                   size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    scratch_write(path, bytes, n);
}

#endif
