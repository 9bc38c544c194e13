/* wick generate --chat: a conversation through a pipe, and at a terminal of its own. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/app/program.h"

#define BASE program_base()

/* Answer number i, of those that --json wrote a line each; the caller closes it. */
static struct json_doc *answer(int i)
{
    struct json_doc *doc = NULL;
    struct fault f = {0};
    const char *p = program_said.out.p;
    for (; i > 0 && p; i--)
        p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
    const char *end = p ? strchr(p, '\n') : NULL;
    if (!end || json_parse(&doc, p, (size_t)(end - p), "an answer", &f) != ST_OK)
        program_fail("an answer is not JSON:", f.text);
    return doc;
}

/* What was said before is read again, and every answer is a line of JSON. */
static void test_turns(void **state)
{
    double read[3], said[3];
    (void)state;
    program_next.input = "Who are you?\r\nAnd who am I?\nAnd who is Ned?\n\nnot read";
    WICK("generate", BASE, "--chat", "--max-tokens", "8", "--temperature", "0", "--json",
         "--quiet");
    program_done();
    program_silent();
    for (int i = 0; i < 3; i++) {
        struct json_doc *doc = answer(i);
        read[i] = program_number(doc, "prompt_tokens");
        said[i] = (double)json_count(json_get(json_root(doc), "ids"));
        assert_true(said[i] > 0 && said[i] <= 8);
        assert_true(i == 0 || read[i] >= read[i - 1] + said[i - 1]);
        json_close(&doc);
    }
    assert_null(strstr(strstr(strstr(program_said.out.p, "\n") + 1, "\n") + 1, "not read"));
    program_next.input = "Who are you?\nAnd who am I?\n";
    WICK("generate", BASE, "--chat", "--max-tokens", "8", "--temperature", "0", "--quiet");
    program_done();
    char *second = strchr(program_said.out.p, '\n');
    assert_true(second && second > program_said.out.p && strlen(second) > 2);
}

static void line_of(struct text *t, const char *words, int times)
{
    struct fault f = {0};
    for (int i = 0; i < times; i++)
        assert_int_equal(text_adds(t, words, &f), 0);
    assert_int_equal(text_adds(t, "\n", &f), 0);
}

/* The model takes 512 tokens: what was said first goes, and the conversation goes on. */
static void test_forgets(void **state)
{
    struct text lines = {0};
    (void)state;
    for (int i = 0; i < 6; i++)
        line_of(&lines, "Who is it, and why? ", 12);
    program_next.input = lines.p;
    WICK("generate", BASE, "--chat", "--max-tokens", "30", "--temperature", "0", "--json");
    program_done();
    program_notes("no more than 512 tokens fit: what was said first is forgotten");
    for (int i = 0; i < 6; i++) {
        struct json_doc *doc = answer(i);
        assert_true(program_number(doc, "prompt_tokens") + 30 <= 512);
        json_close(&doc);
    }
    text_free(&lines);
}

static void test_refuses(void **state)
{
    struct text lines = {0};
    (void)state;
    line_of(&lines, "lamp ", 700);
    program_next.input = lines.p;
    WICK("generate", BASE, "--chat", "--quiet");
    program_refused(1, "the message makes", "shorter");
    program_next.input = "\xC3(\n";
    WICK("generate", BASE, "--chat", "--quiet");
    program_refused(1, "the message is not UTF-8 at byte 0", "UTF-8");
    text_free(&lines);
}

/* ---- at a terminal --------------------------------------------------------------------------- */

struct terminal {
    int fd;
    pid_t pid;
    struct text said;
    size_t seen;
};

static void terminal_open(struct terminal *t, const char *const *args)
{
    char *argv[PROGRAM_ARGS] = {(char *)(uintptr_t)program_path()};
    for (int n = 1; args[n - 1] && n < PROGRAM_ARGS - 1; n++)
        argv[n] = (char *)(uintptr_t)args[n - 1];
    t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(t->fd >= 0 && grantpt(t->fd) == 0 && unlockpt(t->fd) == 0);
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid > 0)
        return;
    setsid();
    int in = open(ptsname(t->fd), O_RDWR);
    if (in < 0 || ioctl(in, TIOCSCTTY, 0) != 0)
        _exit(125);
    dup2(in, 0);
    dup2(in, 1);
    dup2(in, 2);
    execv(argv[0], argv);
    _exit(127);
}

/* Reads on until `part` comes, after what was waited for before. */
static void terminal_wait(struct terminal *t, const char *part)
{
    struct fault f = {0};
    double began = program_clock();
    while (!t->said.p || !strstr(t->said.p + t->seen, part)) {
        char bytes[512];
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        ssize_t n = poll(&p, 1, 1000) == 1 ? read(t->fd, bytes, sizeof bytes) : 0;
        if (n > 0)
            assert_int_equal(text_add(&t->said, bytes, (size_t)n, &f), 0);
        if (n < 0 || program_clock() - began > 120)
            fail_msg("\"%s\" does not come: %s", part, t->said.p ? t->said.p : "");
    }
    t->seen = (size_t)(strstr(t->said.p + t->seen, part) - t->said.p) + strlen(part);
}

static void terminal_type(const struct terminal *t, const char *keys)
{
    assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

static int terminal_close(struct terminal *t)
{
    int status = 0;
    double began = program_clock();
    char bytes[512];
    while (waitpid(t->pid, &status, WNOHANG) == 0) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        if (poll(&p, 1, 100) == 1 && read(t->fd, bytes, sizeof bytes) < 0)
            usleep(10000);
        if (program_clock() - began > 60)
            kill(t->pid, SIGKILL);
    }
    close(t->fd);
    text_free(&t->said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Temperature 60 says what comes, and seldom comes to an end: thousands of tokens with this seed. */
static void open_babbler(struct terminal *t, const char *flag)
{
    const char *base = program_file("long.h5");
    if (!program_there(base)) {
        const char *folder = program_checkpoint("long");
        program_edit(folder, "config.json", "max_position_embeddings", "8192");
        WICK("import", folder, "-o", base, "--quiet");
        program_done();
    }
    terminal_open(t, (const char *const[]){"generate", base, "--chat", "--temperature", "60",
                                           "--top-p", "1", "--seed", "3", "--max-tokens", "4000",
                                           flag, NULL});
    terminal_wait(t, "> ");
}

static void test_interrupted(void **state)
{
    struct terminal t = {0};
    (void)state;
    open_babbler(&t, NULL);
    for (int i = 0; i < 2; i++) { /* Ctrl-C ends an answer ... */
        terminal_type(&t, "Go on\n");
        terminal_wait(&t, "Go on\r\n");
        terminal_wait(&t, " ");
        terminal_type(&t, "\003");
        terminal_wait(&t, "\r\n> ");
    }
    terminal_type(&t, "\003"); /* ... and between answers the conversation */
    assert_int_equal(terminal_close(&t), 130);
    t = (struct terminal){0};
    open_babbler(&t, NULL);
    terminal_type(&t, "Go on\n");
    terminal_wait(&t, "Go on\r\n");
    terminal_wait(&t, " ");
    kill(t.pid, SIGTERM); /* is no Ctrl-C */
    assert_int_equal(terminal_close(&t), 130);
}

/* What was said until Ctrl-C is the answer, in JSON too. */
static void test_interrupted_json(void **state)
{
    struct terminal t = {0};
    (void)state;
    open_babbler(&t, "--json");
    terminal_type(&t, "Go on\n");
    terminal_wait(&t, "Go on\r\n");
    usleep(700000);
    terminal_type(&t, "\003");
    terminal_wait(&t, "{\"text\": \"");
    size_t from = t.seen;
    terminal_wait(&t, "\", \"ids\": [");
    assert_true(t.seen - from > 30);
    terminal_wait(&t, "> ");
    terminal_type(&t, "\004");
    assert_int_equal(terminal_close(&t), 0);
}

static void test_goes_on(void **state)
{
    struct terminal t = {0};
    (void)state;
    terminal_open(&t, (const char *const[]){"generate", BASE, "--chat", "--max-tokens", "4", NULL});
    terminal_wait(&t, "> ");
    terminal_type(&t, "\xC3(\n");
    terminal_wait(&t, "the message is not UTF-8 at byte 0");
    terminal_wait(&t, "> ");
    for (int i = 0; i < 60; i++)
        terminal_type(&t, "lamps and lamps and lamps and lamps and lamps ");
    terminal_type(&t, "\n");
    terminal_wait(&t, "tokens, and 512 fit");
    terminal_wait(&t, "> ");
    terminal_type(&t, "Who?\n");
    terminal_wait(&t, "Who?\r\n");
    terminal_wait(&t, "\r\n> ");
    terminal_type(&t, "\004");
    assert_int_equal(terminal_close(&t), 0);
}

/* Bytes at random, as a model may say them: a byte that fits none before it makes U+FFFD of them
 * all, also of those that are printed, and yet every text that is printed is UTF-8. */
static void test_bytes(void **state)
{
    struct text json = {0};
    struct fault f = {0};
    char path[512], seed[16];
    const char *folder = program_checkpoint("bytes"), *base = program_file("bytes.h5");
    (void)state;
    text_adds(&json,
              "{\"decoder\":{\"type\":\"ByteFallback\"},\"model\":{\"merges\":[],\"vocab\":{", &f);
    /* The ids that the model says most, 256 to 767, as bytes in two spellings, not quite all. */
    for (int i = 0; i < 1535; i++) {
        int byte = i * 89 % 256;
        bool two = i >= 256 && i < 768 && (i < 512 || byte % 16 > 9 || byte / 16 > 9);
        text_addf(&json, &f,
                  !two      ? "\"z%d\":%d,"
                  : i < 512 ? "\"<0x%02X>\":%d,"
                            : "\"<0x%02x>\":%d,",
                  two ? byte : i, i);
    }
    text_adds(&json, "\"a\":1535}}}", &f);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(unlink(path), 0);
    program_text(path, json.p);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    assert_int_equal(unlink(path), 0);
    WICK("import", folder, "-o", base, "--quiet");
    program_done();
    for (int i = 0; i < 8; i++) {
        snprintf(seed, sizeof seed, "%d", i);
        WICK("generate", base, "--prompt", "a", "--temperature", "2", "--max-tokens", "120",
             "--seed", seed, "--quiet");
        program_done();
        assert_true(program_said.out.n > 100 &&
                    utf8_valid(program_said.out.p, program_said.out.n, NULL));
    }
    text_free(&json);
}

/* Tokens that are special show nothing: then the answer is empty, and not the one before. */
static void test_says_nothing(void **state)
{
    struct text json = {0}, lines = {0};
    struct fault f = {0};
    char path[512];
    const char *folder = program_checkpoint("mute"), *base = program_file("mute.h5");
    int silent = 0, spoken = 0;
    (void)state;
    text_adds(&json, "{\"decoder\":{\"type\":\"ByteFallback\"},\"added_tokens\":[", &f);
    for (int i = 0; i < 1535; i += 2)
        text_addf(&json, &f,
                  "%s{\"id\":%d,\"content\":\"z%d\",\"single_word\":false,\"lstrip\":false,"
                  "\"rstrip\":false,\"normalized\":false,\"special\":true}",
                  i ? "," : "", i, i);
    text_adds(&json, "],\"model\":{\"merges\":[],\"vocab\":{", &f);
    for (int i = 0; i < 1535; i++)
        text_addf(&json, &f, "\"z%d\":%d,", i, i);
    text_adds(&json, "\"a\":1535}}}", &f);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(unlink(path), 0);
    program_text(path, json.p);
    WICK("import", folder, "-o", base, "--quiet");
    program_done();
    for (int i = 0; i < 16; i++)
        line_of(&lines, "a", 1);
    program_next.input = lines.p;
    WICK("generate", base, "--chat", "--temperature", "50", "--top-p", "1", "--max-tokens", "1",
         "--json", "--quiet");
    program_done();
    for (int i = 0; i < 16; i++) {
        struct json_doc *doc = answer(i);
        int id = (int)json_number(json_first(json_get(json_root(doc), "ids")), -1);
        bool empty = json_string(json_get(json_root(doc), "text"))[0] == '\0';
        assert_true(id >= 0 && empty == (id % 2 == 0));
        silent += empty;
        spoken += !empty;
        json_close(&doc);
    }
    assert_true(silent > 0 && spoken > 0);
    text_free(&lines);
    text_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_interrupted_json),
        cmocka_unit_test(test_says_nothing),
    };
    return program_run("talk", tests);
}
