/* wick: fine-tunes LoRA adapters for open-weight language models. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/args.h"
#include "app/commands.h"
#include "app/console.h"
#include "app/signals.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"import", cmd_import, "a Hugging Face checkpoint into one base file"},
    {"train", cmd_train, "an adapter on your data"},
    {"audit", cmd_audit, "what is wrong with training data, before any training"},
    {"eval", cmd_eval, "perplexity of a base, with or without an adapter"},
    {"generate", cmd_generate, "text from a prompt"},
    {"merge", cmd_merge, "an adapter into the weights, and prove it"},
    {"tokenize", cmd_tokenize, "text or data, exactly as training will see it"},
    {"inspect", cmd_inspect, "what is in a base, checkpoint, adapter or run"},
    {"devices", cmd_devices, "what this machine can compute on"},
    {"selftest", cmd_selftest, "every kernel against its reference, on your device"},
    {"bench", cmd_bench, "how fast training will be here, before any download"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *to, int code)
{
    fprintf(to,
            "wick %s fine-tunes LoRA adapters for open-weight language models.\n\n"
            "usage: wick COMMAND [ARGUMENTS]     wick COMMAND --help explains one\n\n",
            WICK_VERSION);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].about);
    fprintf(to, "\nA first run:\n"
                "  wick import path/to/checkpoint -o base.h5\n"
                "  wick train --model base.h5 --data data/ --output run\n"
                "  wick eval base.h5 --adapter run --data data/test.jsonl\n"
                "  wick generate base.h5 --adapter run --prompt \"Once\"\n"
                "  wick merge base.h5 --adapter run -o merged --format hf\n");
    return code;
}

static int unknown(const char *word)
{
    struct fault f = {0};
    const char *names[COMMANDS], *near;
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    fault_set(&f, ST_USAGE, "unknown command %.60s", word);
    near = args_nearest(word, names, COMMANDS);
    if (near)
        fault_remedy(&f, "did you mean wick %s?", near);
    else
        fault_remedy(&f, "wick --help lists the commands");
    return console_fail_usage(&f);
}

/* A standard stream that is closed would give its number to the next file opened, and a result
 * would be written into it. What takes its place can only fail. */
static void fill_closed_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(1);
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return help(stderr, 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(stdout, 0);
    if (strcmp(argv[1], "--version") == 0) {
        printf("wick %s\n", WICK_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return unknown(argv[1]);
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    signals_install();
    fill_closed_streams();
    int code = run(argc, argv);
    /* Commands flush their results; help and the version are flushed here. */
    return code == 0 && console_flush(&f) != ST_OK ? console_fail(&f) : code;
}
