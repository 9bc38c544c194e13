/* wick: fine-tunes LoRA adapters for open-weight language models. */
#include <stdio.h>
#include <string.h>

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

static int help(void)
{
    printf("wick %s fine-tunes LoRA adapters for open-weight language models.\n\n"
           "usage: wick COMMAND [ARGUMENTS]     wick COMMAND --help explains one\n\n",
           WICK_VERSION);
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].about);
    printf("\nA first run:\n"
           "  wick import path/to/checkpoint -o base.h5\n"
           "  wick train --model base.h5 --data data/ --output run\n"
           "  wick eval base.h5 --adapter run --data data/test.jsonl\n"
           "  wick generate base.h5 --adapter run --prompt \"Once\"\n"
           "  wick merge base.h5 --adapter run -o merged --format hf\n");
    return 0;
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

int main(int argc, char **argv)
{
    signals_install();
    if (argc < 2) {
        help();
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("wick %s\n", WICK_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return unknown(argv[1]);
}
