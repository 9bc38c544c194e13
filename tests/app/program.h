/* Runs the built program as a user would, and looks at all that a user sees: exit code, standard
 * output, standard error, files.
 *
 *     static void test_x(void **state)
 *     {
 *         WICK("import", "configs/wickling", "-o", program_file("b.h5"));   // a plain run
 *         program_done();                                                   // exit 0
 *         program_next.file_limit = 1 << 20;                                // for the next run
 *         WICK("merge", ...);
 *         program_refused(1, "cannot write", "free some space");            // sentence, remedy
 *     }
 *     int main(void) { return program_run("x", tests); }
 *
 * The program is $WICK, or build/release/wick. Each test program has a scratch folder with an
 * imported base of configs/wickling in it: program_base(). --quiet only where a test says so. */
#ifndef TESTS_APP_PROGRAM_H
#define TESTS_APP_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "data/json.h"
#include "data/text.h"
#include "tests/app/program_files.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { PROGRAM_SANITIZED = 1 }; /* limits on address space mean nothing then */
#else
enum { PROGRAM_SANITIZED = 0 };
#endif

enum { PROGRAM_ARGS = 64, PROGRAM_ENV = 4 };

/* How the next run differs from a plain one; zeroed after it. */
struct program_how {
    rlim_t memory_limit, file_limit, open_limit; /* RLIMIT_AS, _FSIZE, _NOFILE; 0: none */
    const char *output;                          /* standard output goes to this file, not to us */
    const char *input;                           /* what it reads from standard input */
    bool closed_output; /* standard output is closed; broken_output: a pipe that nobody reads */
    bool broken_output, as_nobody;
    const char *env[PROGRAM_ENV]; /* "NAME=value" */
    int signal; /* sent when `after` appears in standard error (or file `when` exists) */
    const char *after, *when;
    int again;    /* and a second one, so many milliseconds later */
    int delay_ms; /* signal after so much time instead */
};
static struct program_how program_next;

/* What the last run said. */
static struct {
    int code; /* exit code; 128 + signal if it was killed */
    struct text out, err;
    char command[4096];
} program_said;

static inline const char *program_path(void)
{
    const char *p = getenv("WICK");
    return p && *p ? p : "build/release/wick";
}

static inline double program_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the child ------------------------------------------------------------------------------- */

static inline void program_become(const struct program_how *how, char **argv, int out, int err,
                                  int in)
{
    struct rlimit memory = {how->memory_limit, how->memory_limit};
    struct rlimit file = {how->file_limit, how->file_limit}, core = {0, 0};
    struct rlimit files = {how->open_limit, how->open_limit};
    dup2(in, 0);
    dup2(err, 2);
    if (how->output)
        out = open(how->output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(out, 1);
    if (how->closed_output)
        close(1);
    for (int i = 0; i < PROGRAM_ENV && how->env[i]; i++)
        putenv((char *)(uintptr_t)how->env[i]);
    setrlimit(RLIMIT_CORE, &core);
    if (how->file_limit)
        setrlimit(RLIMIT_FSIZE, &file);
    if (how->open_limit)
        setrlimit(RLIMIT_NOFILE, &files);
    if (how->memory_limit)
        setrlimit(RLIMIT_AS, &memory);
    if (how->as_nobody && geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(126);
    execv(argv[0], argv);
    _exit(errno == EACCES ? 126 : 127);
}

/* Sends the signal when its moment has come; returns what is left to send. */
static inline int program_signal(const struct program_how *how, pid_t pid, double began, int left,
                                 double *sent)
{
    double now = program_clock();
    bool due = left == 2 ? (how->delay_ms && now - began > 1e-3 * how->delay_ms) ||
                               (how->after && program_said.err.p &&
                                strstr(program_said.err.p, how->after)) ||
                               (how->when && access(how->when, F_OK) == 0)
                         : now - *sent > 1e-3 * how->again;
    if (!due)
        return left;
    kill(pid, how->signal);
    *sent = now;
    return left == 2 && how->again ? 1 : 0;
}

static inline bool program_read(int *fd, struct text *to)
{
    char buf[65536];
    struct fault f = {0};
    ssize_t n = read(*fd, buf, sizeof buf);
    if (n > 0)
        assert_int_equal(text_add(to, buf, (size_t)n, &f), 0);
    else if (n == 0 || errno != EINTR) {
        close(*fd);
        *fd = -1;
    }
    return *fd >= 0;
}

/* Reads both pipes until they end, sends signals, and kills what takes longer than a test may. */
static inline void program_watch(const struct program_how *how, pid_t pid, int out, int err)
{
    double began = program_clock(), sent = 0;
    int left = how->signal ? 2 : 0, status;
    while (out >= 0 || err >= 0) {
        struct pollfd p[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
        poll(p, 2, left ? 1 : 1000);
        if (out >= 0 && p[0].revents)
            program_read(&out, &program_said.out);
        if (err >= 0 && p[1].revents)
            program_read(&err, &program_said.err);
        if (left)
            left = program_signal(how, pid, began, left, &sent);
        if (program_clock() - began > 300)
            kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    program_said.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void program_go(const char *const *args)
{
    struct program_how how = program_next;
    char *argv[PROGRAM_ARGS] = {(char *)(uintptr_t)program_path()};
    int out[2], err[2], in[2], n = 1;
    size_t at = 0;
    struct fault f = {0};
    memset(&program_next, 0, sizeof program_next);
    program_said.command[0] = '\0';
    for (; args[n - 1] && n < PROGRAM_ARGS - 1; n++) {
        argv[n] = (char *)(uintptr_t)args[n - 1];
        int put =
            snprintf(program_said.command + at, sizeof program_said.command - at, " %s", argv[n]);
        at += put > 0 && at + (size_t)put < sizeof program_said.command ? (size_t)put : 0;
    }
    program_said.out.n = program_said.err.n = 0;
    assert_int_equal(text_add(&program_said.out, "", 0, &f), 0);
    assert_int_equal(text_add(&program_said.err, "", 0, &f), 0);
    program_said.out.p[0] = program_said.err.p[0] = '\0';
    assert_int_equal(pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC) | pipe2(in, O_CLOEXEC), 0);
    if (how.input)
        assert_true(write(in[1], how.input, strlen(how.input)) == (ssize_t)strlen(how.input));
    if (how.broken_output)
        close(out[0]);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        program_become(&how, argv, out[1], err[1], in[0]);
    close(in[0]);
    close(in[1]);
    close(out[1]);
    close(err[1]);
    program_watch(&how, pid, how.broken_output ? -1 : out[0], err[0]);
}
#define WICK(...) program_go((const char *const[]){__VA_ARGS__, NULL})

/* ---- what is asked of it --------------------------------------------------------------------- */

static inline void program_fail(const char *what, const char *detail)
{
    fail_msg(
        "%s %s\nwick%s\nexit code %d\n--- standard output\n%.2000s\n--- standard error\n%.2000s",
        what, detail, program_said.command, program_said.code, program_said.out.p,
        program_said.err.p);
}

static inline void program_code(int code)
{
    char want[16];
    snprintf(want, sizeof want, "%d", code);
    if (program_said.code != code)
        program_fail("the exit code is not", want);
}

static inline void program_done(void)
{
    program_code(0);
}

static inline void program_says(const char *part)
{
    if (!strstr(program_said.out.p, part))
        program_fail("standard output lacks", part);
}

static inline void program_notes(const char *part)
{
    if (!strstr(program_said.err.p, part))
        program_fail("standard error lacks", part);
}

static inline void program_silent(void)
{
    if (program_said.err.n > 0)
        program_fail("standard error is not empty", "");
}

/* Its last two lines on standard error are the sentence and the remedy, nothing is on standard
 * output. */
static inline void program_failed(int code, const char *sentence, const char *remedy)
{
    program_code(code);
    const char *said = strstr(program_said.err.p, "wick: ");
    const char *second = said ? strchr(said, '\n') : NULL;
    const char *end = second ? strchr(second + 1, '\n') : NULL;
    if (program_said.out.n > 0)
        program_fail("a failure writes", "to standard output");
    if (!end || end[1] != '\0' || strncmp(second, "\n      ", 7) != 0 || second[7] == ' ' ||
        end - second < 9)
        program_fail("the end of standard error is not", "a sentence and a remedy");
    if (strstr(program_said.err.p, "HDF5") && strstr(program_said.err.p, "DIAG"))
        program_fail("standard error has", "a library's noise");
    const char *s = strstr(said, sentence), *r = strstr(second, remedy);
    if (!s || s >= second)
        program_fail("the sentence lacks", sentence);
    if (!r)
        program_fail("the remedy lacks", remedy);
}

/* The same for a run with --quiet: those two lines are all that was said. */
static inline void program_refused(int code, const char *sentence, const char *remedy)
{
    program_failed(code, sentence, remedy);
    if (strncmp(program_said.err.p, "wick: ", 6) != 0)
        program_fail("standard error has more than", "a sentence and a remedy");
}

/* Standard output is exactly one JSON value and a newline; the caller closes it. */
static inline struct json_doc *program_json(void)
{
    struct json_doc *doc = NULL;
    struct fault f = {0};
    size_t n = program_said.out.n;
    program_done();
    if (n == 0 || program_said.out.p[n - 1] != '\n' || memchr(program_said.out.p, '\n', n - 1) ||
        json_parse(&doc, program_said.out.p, n - 1, "standard output", &f) != ST_OK)
        program_fail("standard output is not one JSON value:", f.text);
    return doc;
}

static inline double program_number(const struct json_doc *doc, const char *key)
{
    double v = json_number(json_get(json_root(doc), key), NAN);
    if (isnan(v))
        program_fail("the result has no number", key);
    return v;
}

/* ---- the frame ------------------------------------------------------------------------------- */

static inline int program_begin(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    setenv("WICK_CACHE", scratch_path("cache"), 1);
    chmod(scratch_folder, 0755);
    WICK("import", "configs/wickling", "-o", program_base(), "--quiet");
    if (program_said.code != 0)
        fprintf(stderr, "%s", program_said.err.p);
    return program_said.code;
}

static inline int program_end(void **state)
{
    text_free(&program_said.out);
    text_free(&program_said.err);
    return scratch_remove(state);
}

#define program_run(name, tests) \
    cmocka_run_group_tests_name(name, tests, program_begin, program_end)

#endif
