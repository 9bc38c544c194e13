/* The audit of training data, for the commands that look at data: set up from a session, and
 * told. */
#ifndef APP_FINDINGS_H
#define APP_FINDINGS_H

#include "app/session.h"
#include "data/audit.h"

/* An audit that knows the session's tokenizer, its stops and its embedding matrix. The session's
 * base must stay open. */
enum status findings_new(struct audit **out, const struct session *s, struct fault *f);

/* Warnings and notes to standard error, a line each, with the first lines that each is about. */
void findings_tell(const struct audit *a);

/* ": a.jsonl line 3, 7, …" for messages, without the name where the text has it, or nothing.
 * Returns `to`. */
const char *findings_places(char *to, size_t size, const struct audit_finding *g);

#endif
