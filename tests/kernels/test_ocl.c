/* What is the OpenCL device's own: its table, its queue, its compiler and the cache of programs. */
#include "tests/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/cpu.h"
#include "kernels/ocl.h"
#include "kernels/sha256.h"

static kern *open_ocl(void)
{
    return check_open("opencl", 0);
}

static void sync_ok(kern *k)
{
    struct fault f = {0};
    if (kern_sync(k, &f) != ST_OK)
        fail_msg("%s", f.text);
}

static kbuf *buffer(kern *k, enum dtype dtype, size_t count)
{
    kbuf *b = NULL;
    struct fault f = {0};
    if (kbuf_new(&b, k, dtype, count, "a test", &f) != ST_OK)
        fail_msg("%s", f.text);
    return b;
}

/* ---- the table and the list ---------------------------------------------------------------------- */

static void no_row_is_the_hosts(void **state)
{
    kern *k = open_ocl();
    (void)state;
    for (int i = -1; i <= CPU_AVX512 + 1; i++) { /* the reference, each set, and with OpenBLAS */
        struct kern_ops cpu;
        bool blas = i > CPU_AVX512;
        cpu_table_fill(&cpu, i < 0, i < 0 || blas ? CPU_BASE : (enum cpu_isa)i, blas);
#define OP(name)                 \
    assert_non_null(k->op.name); \
    assert_true(k->op.name != cpu.name);
#define BLOCK(name) assert_non_null(k->op.name); /* written with the rows of its own table */
#include "kernels/ops.def"
#undef OP
    }
    kern_close(&k);
}

static void devices_open_by_their_name(void **state)
{
    kern *k = open_ocl();
    struct kern_info *list = NULL;
    struct ocl_device *dev = NULL;
    struct fault f = {0};
    size_t n = 0, devices = 0;
    bool gpu = false;
    (void)state;
    kern_close(&k);
    assert_int_equal(kern_list(&list, &n, &f), ST_OK);
    assert_int_equal(ocl_devices(&dev, &devices, &f), ST_OK);
    assert_int_equal(n, devices + 1);
    for (size_t i = 0; i < devices; i++) {
        char id[32];
        snprintf(id, sizeof id, "opencl:%zu", i);
        assert_string_equal(list[i + 1].id, id);
        assert_string_equal(list[i + 1].backend, "opencl");
        assert_true(list[i + 1].limits[0] && list[i + 1].name[0] && list[i + 1].memory_bytes > 0 &&
                    list[i + 1].threads > 0);
        gpu = gpu || (dev[i].usable && !ocl_is_cpu(&dev[i]));
        if (!dev[i].usable)
            continue;
        assert_int_equal(kern_open(&k, id, &(struct kern_options){0}, &f), ST_OK);
        assert_string_equal(kern_info(k)->id, id);
        kern_close(&k);
    }
    /* "auto" takes a GPU where there is one, and never a device of type CPU. */
    assert_int_equal(kern_open(&k, "auto", &(struct kern_options){0}, &f), ST_OK);
    assert_string_equal(kern_info(k)->backend, gpu ? "opencl" : "cpu");
    assert_true(gpu || strstr(kern_info(k)->note, "GPU"));
    kern_close(&k);
    free(list);
    free(dev);
}

static void what_it_cannot_do_is_refused(void **state)
{
    kern *k = open_ocl();
    struct fault f = {0};
    kbuf *b = NULL;
    (void)state;
    assert_int_equal(kbuf_new(&b, k, DT_F32, (size_t)1 << 50, "all the world", &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "all the world"));
    assert_non_null(strstr(f.text, "at most"));
    assert_null(b);
    b = buffer(k, DT_F64, 4);
    k->op.scale(k, kref(b, 0, 4), kref(b, 0, 4), 1, 4, 2.0f);
    assert_int_equal(kern_sync(k, &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "scale on opencl"));
    ocl_run(k, "no_such_kernel", ocl_flat(k, 1, 1, 1), NULL, 0);
    assert_int_equal(kern_sync(k, &f), ST_RANGE);
    assert_non_null(strstr(f.text, "no_such_kernel"));
    int surplus = 1;
    OCL_RUN(k, "clip_coef", ocl_flat(k, 1, 1, 1), VEC(KREF_NONE), VEC(KREF_NONE), VEC(KREF_NONE),
            ARG(surplus), ARG(surplus));
    assert_int_equal(kern_sync(k, &f), ST_DEVICE);
    assert_non_null(strstr(f.text, "clip_coef"));
    assert_non_null(strstr(f.text, "CL_INVALID_ARG"));
    kbuf_free(&b);
    kern_close(&k);
    const struct kern_options half = {.precision = KERN_BF16};
    assert_int_equal(kern_open(&k, "opencl", &half, &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "bf16"));
}

/* ---- the queue ----------------------------------------------------------------------------------- */

/* A step as training makes it: data in, work, two numbers out, one wait. */
static void a_step_waits_once(void **state)
{
    enum { N = 5000 };
    kern *k = open_ocl();
    const struct ocl_counts *c = ocl_counts(k);
    kbuf *b = buffer(k, DT_F32, N);
    float *host = malloc(N * sizeof *host), got[2] = {0};
    struct fault f = {0};
    (void)state;
    sync_ok(k);
    struct ocl_counts before = *c;
    for (int step = 0; step < 10; step++) {
        for (int i = 0; i < N; i++)
            host[i] = (float)(i + step);
        kern_write(k, kref(b, 0, N), host, N);
        memset(host, 0, N * sizeof *host); /* src may be reused at once */
        for (int i = 0; i < 100; i++)
            k->op.scale(k, kref(b, 0, N), kref(b, 0, N), 1, N, i % 2 ? 0.5f : 2.0f);
        kern_read(k, &got[0], kref(b, 7, 1), 1);
        kern_read(k, &got[1], kref(b, N - 1, 1), 1);
        uint64_t mark = kern_mark(k);
        assert_int_equal(c->waits, before.waits + (uint64_t)step);
        assert_int_equal(kern_wait(k, mark, &f), ST_OK);
        assert_true(got[0] == (float)(7 + step) && got[1] == (float)(N - 1 + step));
    }
    assert_int_equal(c->waits - before.waits, 10);
    assert_int_equal(c->launches - before.launches, 1000);
    assert_int_equal(c->writes - before.writes, 10);
    assert_int_equal(c->write_bytes - before.write_bytes, 10 * N * 4);
    assert_int_equal(c->reads - before.reads, 20);
    assert_int_equal(c->read_bytes - before.read_bytes, 80);
    free(host);
    kbuf_free(&b);
    kern_close(&k);
}

/* More than the staging ring holds, both ways, and more pieces than it counts. */
static void transfers_of_any_size(void **state)
{
    enum { N = 13 * 1000 * 1000, SMALL = 1000 };
    kern *k = open_ocl();
    kbuf *b = buffer(k, DT_I32, N);
    int32_t *host = malloc(N * sizeof *host), *back = calloc(N, sizeof *back);
    (void)state;
    for (int i = 0; i < N; i++)
        host[i] = i * 7 + 1;
    kern_write(k, kref(b, 0, 0), host, N);
    kern_read(k, back, kref(b, 0, 0), N);
    sync_ok(k);
    assert_memory_equal(back, host, N * sizeof *host);
    for (int i = 0; i < SMALL; i++) {
        int32_t v = -i;
        kern_write(k, kref(b, (size_t)i * 3, 0), &v, 1);
        kern_read(k, &back[i], kref(b, (size_t)i * 3, 0), 1);
    }
    sync_ok(k);
    for (int i = 0; i < SMALL; i++)
        assert_int_equal(back[i], -i);
    free(host);
    free(back);
    kbuf_free(&b);
    kern_close(&k);
}

/* Ops that sum over lanes, in place, so often and over so many groups that memory shared by two of
 * them would show: two runs must give the same bytes. */
static void equal_runs_give_equal_bytes(void **state)
{
    enum { ROWS = 1500, COLS = 33, N = ROWS * COLS, OPS = 6, RUNS = 50 };
    kern *k = open_ocl();
    kbuf *x = buffer(k, DT_F32, N), *dy = buffer(k, DT_F32, N), *v = buffer(k, DT_F32, 4 * ROWS);
    float *host = malloc(N * sizeof *host), *got = malloc(N * sizeof *got);
    float *first = malloc(OPS * N * sizeof *first);
    const struct kref at = kref(x, 0, COLS), d = kref(dy, 0, COLS), w = kref(v, 0, 1);
    const struct kref mean = kref(v, ROWS, 1), rstd = kref(v, 2 * ROWS, 1);
    (void)state;
    for (int i = 0; i < N; i++)
        host[i] = (float)(i * 7919 % 1009) / 1009;
    kern_write(k, d, host, N);
    kern_write(k, w, host, 4 * ROWS);
    for (int run = 0; run < RUNS * OPS; run++) {
        kern_write(k, at, host, N);
        switch (run % OPS) {
        case 0: k->op.layernorm_fwd(k, at, KREF_NONE, KREF_NONE, at, w, w, ROWS, COLS, 0.1f); break;
        case 1: k->op.layernorm_bwd(k, at, d, d, mean, rstd, w, ROWS, COLS, K_ADD); break;
        case 2: k->op.rmsnorm_fwd(k, at, KREF_NONE, at, w, ROWS, 1, COLS, 0.1f, 0.0f); break;
        case 3: k->op.rmsnorm_bwd(k, at, d, d, rstd, w, ROWS, 1, COLS, 0.0f, K_ADD); break;
        case 4: k->op.softmax_fwd(k, at, at, ROWS, COLS); break;
        default: k->op.sumsq(k, at, d, N); break;
        }
        kern_read(k, run < OPS ? first + run * N : got, at, N);
        sync_ok(k);
        if (run >= OPS)
            assert_memory_equal(got, first + run % OPS * N, N * sizeof *got);
    }
    free(host);
    free(got);
    free(first);
    kbuf_free(&x);
    kbuf_free(&dy);
    kbuf_free(&v);
    kern_close(&k);
}

/* A mark far behind is still waited for; one that never was is no reason to hang. */
static void old_marks(void **state)
{
    kern *k = open_ocl();
    kbuf *b = buffer(k, DT_F32, 4);
    struct fault f = {0};
    float got = 0;
    (void)state;
    k->op.fill(k, kref(b, 0, 4), 4, 3.0f);
    kern_read(k, &got, kref(b, 0, 4), 1);
    uint64_t first = kern_mark(k);
    for (int i = 0; i < 3 * OCL_MARKS; i++)
        kern_mark(k);
    assert_int_equal(kern_wait(k, first, &f), ST_OK);
    assert_true(got == 3.0f);
    assert_int_equal(kern_wait(k, first + 100000, &f), ST_OK);
    assert_int_equal(kern_wait(k, 0, &f), ST_OK);
    kbuf_free(&b);
    kern_close(&k);
}

/* PoCL 3.1 aborts where a command fails, so this begins at what the driver would say at a wait. */
static void a_lost_device_is_told(void **state)
{
    static const cl_int errors[] = {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE,
                                    CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, -9999};
    kern *k = open_ocl();
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        ocl_stick_lost(k, errors[i]);
        assert_int_equal(kern_sync(k, &f), ST_DEVICE);
        assert_non_null(strstr(f.text, "failed or was lost"));
        assert_non_null(strstr(f.text, ocl_error(errors[i])));
        assert_true(f.remedy[0]);
    }
    ocl_stick_lost(k, CL_SUCCESS);
    assert_int_equal(kern_sync(k, &f), ST_OK);
    kern_close(&k);
}

/* ---- frozen matrices ----------------------------------------------------------------------------- */

static enum status read_pattern(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    const struct kweight_spec *s = ctx;
    float *out = dst;
    int above = part > 0 ? s->part_rows[0] : 0;
    (void)f;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < s->cols; c++)
            *out++ = (float)((above + row + r) % 1000) + (float)c / 8192;
    }
    return ST_OK;
}

/* Several pieces, rows that are padded, two parts. */
static void a_large_weight(void **state)
{
    enum { ROWS = 5001, COLS = 4001, PICKED = 3 };
    static const int32_t ids[PICKED] = {0, 2500, ROWS - 1};
    kern *k = open_ocl();
    struct kweight_spec s = {.rows = ROWS,
                             .cols = COLS,
                             .dtype = DT_F32,
                             .parts = 2,
                             .part_rows = {ROWS - 700, 700},
                             .read = read_pattern,
                             .name = "W"};
    struct kweight *w = NULL;
    struct fault f = {0};
    kbuf *y = buffer(k, DT_F32, PICKED * COLS), *at = buffer(k, DT_I32, PICKED);
    float *got = malloc(sizeof *got * PICKED * COLS);
    (void)state;
    s.ctx = &s;
    assert_int_equal(kweight_load(&w, k, &s, &f), ST_OK);
    assert_int_equal(ocl_counts(k)->uploads, 1);
    assert_int_equal(ocl_counts(k)->upload_bytes, (size_t)ROWS * COLS * 4);
    assert_int_equal(ocl_weight(w)->ld % OCL_PAD_COLS, 0);
    kern_write(k, kref(at, 0, 0), ids, PICKED);
    k->op.embedding_fwd(k, kref(y, 0, COLS), kref(at, 0, 0), w, PICKED, 1.0f);
    kern_read(k, got, kref(y, 0, 0), PICKED * COLS);
    sync_ok(k);
    for (int r = 0; r < PICKED; r++) {
        for (int c = 0; c < COLS; c++)
            assert_true(got[r * COLS + c] == (float)(ids[r] % 1000) + (float)c / 8192);
    }
    free(got);
    kbuf_free(&y);
    kbuf_free(&at);
    kweight_free(&w);
    kern_close(&k);
}

/* ---- the compiler -------------------------------------------------------------------------------- */

static void a_failed_build_names_the_line(void **state)
{
    static const struct ocl_source planted = {
        "kernels/planted/planted.cl",
        "kernel void fine(global float *x)\n{\n    x[0] = undeclared_name;\n}\n", NULL, NULL};
    kern *k = open_ocl();
    struct fault f = {0};
    cl_program p = NULL;
    (void)state;
    assert_int_equal(ocl_program_build(&p, k, &planted, "-cl-std=CL1.2", &f), ST_DEVICE);
    assert_null(p);
    assert_non_null(strstr(f.text, "kernels/planted/planted.cl:3"));
    assert_non_null(strstr(f.text, "undeclared_name"));
    assert_true(f.remedy[0]);
    kern_close(&k);
}

/* FIPS 180-4's examples, and one that crosses blocks. */
static void hash(void **state)
{
    static const struct {
        const char *text;
        int times;
        const char *want;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sha256 h = sha256_begin();
        unsigned char digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        for (int n = 0; n < cases[i].times; n++)
            sha256_add(&h, cases[i].text, strlen(cases[i].text));
        sha256_end(&h, digest);
        for (int b = 0; b < SHA256_SIZE; b++)
            snprintf(hex + 2 * b, 3, "%02x", digest[b]);
        assert_string_equal(hex, cases[i].want);
    }
}

/* ---- the cache ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/wick-test-ocl-XXXXXX";
static char cache[sizeof folder + 16];

/* Opens with the cache, prepares, computes; how many programs came from where. */
static struct ocl_counts use_cache(const char *dir)
{
    kern *k = NULL;
    struct fault f = {0};
    if (kern_open(&k, "opencl", &(struct kern_options){.cache_dir = dir}, &f) != ST_OK ||
        kern_prepare(k, &(struct kern_specs){0}, &f) != ST_OK)
        fail_msg("%s", f.text);
    kbuf *b = buffer(k, DT_F32, 8);
    float got[8] = {0};
    k->op.fill(k, kref(b, 0, 8), 8, 1.5f);
    k->op.add(k, kref(b, 0, 8), kref(b, 0, 8), kref(b, 0, 8), 1, 8);
    kern_read(k, got, kref(b, 0, 8), 8);
    sync_ok(k);
    assert_true(got[0] == 3.0f && got[7] == 3.0f);
    struct ocl_counts c = *ocl_counts(k);
    kbuf_free(&b);
    kern_close(&k);
    return c;
}

/* Calls fn with each file of the cache; their number. */
static int each_file(void (*fn)(const char *path, int n))
{
    DIR *d = opendir(cache);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        if (fn)
            fn(path, n);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void damage_byte(const char *path, int n)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    unsigned char c;
    assert_int_equal(fstat(fd, &st), 0);
    off_t at = n % 2 ? st.st_size - 1 : st.st_size / 2; /* all of it is payload */
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x20;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void damage_length(const char *path, int n)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, n == 0 ? 0 : n == 1 ? 50 : st.st_size - n), 0);
}

/* Whole and sound, but another program's. */
static char stranger[512];
static void damage_name(const char *path, int n)
{
    char command[1100];
    if (n == 0) {
        snprintf(stranger, sizeof stranger, "%s", path);
        return;
    }
    snprintf(command, sizeof command, "cp '%s' '%s'", stranger, path);
    assert_int_equal(system(command), 0);
}

static void damage_kind(const char *path, int n)
{
    char command[1100];
    snprintf(command, sizeof command,
             n % 2 ? "rm '%s' && mkdir '%s'" : "rm '%s' && ln -s /etc/passwd '%s'", path, path);
    assert_int_equal(system(command), 0);
}

static void remove_file(const char *path, int n)
{
    (void)n;
    if (remove(path) != 0)
        fail_msg("%s cannot be removed", path);
}

static void no_temporary(const char *path, int n)
{
    (void)n;
    assert_null(strstr(path, ".tmp"));
}

static void cache_is_never_trusted(void **state)
{
    void (*const damage[])(const char *, int) = {damage_byte, damage_length, damage_name,
                                                 remove_file};
    kern *k = open_ocl(); /* skips where there is no device */
    (void)state;
    kern_close(&k);
    struct ocl_counts c = use_cache(cache);
    uint64_t programs = c.built;
    assert_true(programs > 5 && c.loaded == 0);
    assert_int_equal(each_file(no_temporary), programs);
    struct kern_cache held = kern_cache_state(cache);
    assert_true((uint64_t)held.programs == programs && held.bytes > programs * 100);
    assert_int_equal(kern_cache_state("/nowhere").programs, 0);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        uint64_t kept = damage[i] == damage_name; /* the stranger itself is sound */
        c = use_cache(cache);
        assert_true(c.built == 0 && c.loaded == programs);
        each_file(damage[i]);
        c = use_cache(cache);
        assert_int_equal(c.built, programs - kept);
        assert_int_equal(c.loaded, kept);
    }
    each_file(damage_kind); /* links are not followed; a folder in the way stays */
    assert_int_equal(use_cache(cache).built, programs);
    assert_int_equal(use_cache("/dev/null/nowhere").built, programs);
    assert_int_equal(use_cache(NULL).built, programs);
}

/* Another program image, so that nothing is shared but the folder. */
static pid_t start_builder(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_ocl", "build", cache, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int builder(const char *dir)
{
    kern *k = NULL;
    struct fault f = {0};
    bool ok = kern_open(&k, "opencl", &(struct kern_options){.cache_dir = dir}, &f) == ST_OK &&
              kern_prepare(k, &(struct kern_specs){0}, &f) == ST_OK;
    kern_close(&k);
    return ok ? 0 : 1;
}

static void two_processes_at_once(void **state)
{
    enum { BOTH = 2 };
    kern *k = open_ocl();
    pid_t pid[BOTH];
    (void)state;
    kern_close(&k);
    for (int i = 0; i < BOTH; i++)
        pid[i] = start_builder();
    for (int i = 0; i < BOTH; i++) {
        int status = -1;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    struct ocl_counts c = use_cache(cache);
    assert_true(c.built == 0 && c.loaded > 5);
    each_file(no_temporary);
}

static int fresh_cache(void **state)
{
    static int number;
    (void)state;
    snprintf(cache, sizeof cache, "%s/deep/%d", folder, number++);
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[sizeof folder + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "build") == 0)
        return builder(argv[2]);
    cmocka_set_test_filter(getenv("FILTER"));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_row_is_the_hosts),
        cmocka_unit_test(devices_open_by_their_name),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(a_step_waits_once),
        cmocka_unit_test(transfers_of_any_size),
        cmocka_unit_test(equal_runs_give_equal_bytes),
        cmocka_unit_test(old_marks),
        cmocka_unit_test(a_lost_device_is_told),
        cmocka_unit_test(a_large_weight),
        cmocka_unit_test(a_failed_build_names_the_line),
        cmocka_unit_test(hash),
        cmocka_unit_test_setup(cache_is_never_trusted, fresh_cache),
        cmocka_unit_test_setup(two_processes_at_once, fresh_cache),
    };
    return cmocka_run_group_tests_name("ocl", tests, make_folder, drop_folder);
}
