#!/usr/bin/env python3
"""Writes data/jinja/jcase_tables.c: the code points whose upper or title case is longer than one
code point, or whose title case is not their simple one. Everything else comes from utf8proc."""

rows = []
for c in range(0x110000):
    if 0xD800 <= c < 0xE000:
        continue
    s = chr(c)
    if len(s.upper()) > 1 or len(s.title()) > 1:
        rows.append((c, s.upper(), s.title()))


def cell(s):
    return "{" + ", ".join(f"0x{ord(x):04X}" for x in s) + "}"


with open("data/jinja/jcase_tables.c", "w") as f:
    f.write("/* Written by scripts/make_case_tables.py from Python's str.upper and str.title. */\n")
    f.write('#include "data/jinja/jcase.h"\n\n')
    f.write("const struct jcase jcase_table[] = {\n")
    for c, upper, title in rows:
        f.write(f"    {{0x{c:04X}, {cell(upper)}, {cell(title)}}},\n")
    f.write("};\n")
    f.write("const size_t jcase_count = sizeof jcase_table / sizeof *jcase_table;\n")
