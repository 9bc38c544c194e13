/* inspect: what --verify may claim, whose fault a damaged file is, and names that would move a
 * terminal's cursor. */
#include "tests/app/program.h"

#define BASE program_base()

/* A .safetensors file of one F32 tensor with two values. */
static void write_tensor(const char *path, const char *name, float second)
{
    char file[300] = {0};
    float values[2] = {1, second};
    int n = snprintf(file + 8, sizeof file - 20,
                     "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", name);
    assert_true(n < 256);
    file[0] = (char)n;
    memcpy(file + 8 + n, values, sizeof values);
    scratch_write(path, file, (size_t)n + 16);
}

static const char *trained(void)
{
    const char *run = program_file("run");
    if (!program_there(run)) {
        WICK("train", "--model", BASE, "--data", "configs/wickling-task/train.jsonl", "--iters",
             "1", "--batch-size", "1", "--max-seq-length", "32", "--rank", "2", "--output", run,
             "--quiet");
        program_done();
    }
    return run;
}

static void verified(const char *path, bool checksums, const char *words)
{
    WICK("inspect", path, "--verify", "--json", "--quiet");
    struct json_doc *doc = program_json();
    const struct json *root = json_root(doc);
    assert_true(json_get(root, "verified") != NULL);
    assert_int_equal(json_bool(json_get(root, "verified"), !checksums), checksums);
    assert_int_equal(json_bool(json_get(root, "finite"), false), !checksums);
    json_close(&doc);
    WICK("inspect", path, "--verify");
    program_done();
    program_says(words);
    if (!checksums && strstr(program_said.out.p, "checksum holds"))
        program_fail("there are no checksums in", path);
}

static void test_verify(void **state)
{
    const char *file = program_file("two.safetensors");
    (void)state;
    verified(BASE, true, "every checksum holds");
    verified("configs/wickling", false, "there are no checksums to hold it against");
    verified(trained(), false, "values are finite");
    verified(program_file("run/checkpoints/00000001.h5"), true, "every checksum holds");
    write_tensor(file, "w", 2);
    verified(file, false, "all 2 values are finite");
    write_tensor(file, "w", NAN);
    WICK("inspect", file);
    program_done();
    WICK("inspect", file, "--verify", "--quiet");
    program_refused(1, "value 1 of tensor w is not finite", "get the file anew");
}

/* A checkpoint that is damaged is a damaged checkpoint, not a base that is none. */
static void test_damaged_checkpoint(void **state)
{
    const char *path = program_file("damaged.h5");
    size_t n;
    (void)state;
    trained();
    unsigned char *bytes = scratch_read(program_file("run/checkpoints/00000001.h5"), &n);
    bytes[n / 2] ^= 1;
    scratch_write(path, bytes, n);
    free(bytes);
    WICK("inspect", path, "--quiet");
    program_refused(1, "is damaged: its checksum does not match", "use an older checkpoint");
}

static void calm(void)
{
    const struct text *said[] = {&program_said.out, &program_said.err};
    for (int i = 0; i < 2; i++)
        if (memchr(said[i]->p, 27, said[i]->n) || strstr(said[i]->p, "\xc2\x9b"))
            program_fail("a control character is", i ? "in standard error" : "in standard output");
}

static void test_control_characters(void **state)
{
    const char *file = program_file("odd.safetensors"), *data = program_file("a\033[31mb.jsonl");
    (void)state;
    write_tensor(file, "\\u001b[31mred\\u009b7m\\u00e9\\r", 2);
    WICK("inspect", file);
    program_done();
    program_says("  ?[31mred?7m\xc3\xa9? ");
    calm();
    WICK("import", "configs/wickling", "-o", program_file("odd.h5"), "--name",
         "Org/\033[2J\xc2\x9bName");
    program_done();
    WICK("inspect", program_file("odd.h5"));
    program_done();
    program_says("from Org/?[2J?Name");
    calm();
    program_text(data, "{\"text\": \"A lamp stood by the door.\"}\n");
    WICK("train", "--model", BASE, "--data", data, "--iters", "1", "--rank", "2", "--output",
         program_file("odd-run"));
    program_done();
    program_notes("a?[31mb.jsonl: 1 text row");
    calm();
    WICK("tokenize", BASE, "--data", program_file("a\033[31m\x9b-c.jsonl"), "--quiet");
    program_refused(1, "a?[31m?-c.jsonl", ""); /* not UTF-8, and C1 all the same */
    calm();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_damaged_checkpoint),
        cmocka_unit_test(test_control_characters),
    };
    return program_run("inspect", tests);
}
