/* The commands. Each takes the words after its name and returns the exit code: 0 done, 1 failed,
 * 2 wrong usage, 130 interrupted. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#define WICK_VERSION "0.1.0"

int cmd_import(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
