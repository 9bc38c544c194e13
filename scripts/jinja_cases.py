"""The templates, values and conversations from which make_jinja_fixtures.py makes its fixtures."""

VARIABLES = {
    "i": 7, "neg": -3, "f": 2.5, "big": 1e20, "tiny": 1.5e-7, "yes": True, "no": False, "nothing": None,
    "s": "Hello World", "pad": "  \n x y \t", "u": "Ünï ß 日本 🙂", "empty": "", "html": "<a href='x'>&\"</a>",
    "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "mixed": [1, "two", 3.0, None, True, [4], {"k": 5}],
    "d": {"b": 2, "a": 1, "items": "shadowed", "C": 3}, "nested": {"x": {"y": [10, 20, {"z": "deep"}]}},
    "rows": [{"n": "x", "v": 3, "t": True}, {"n": "y", "v": 1, "t": False}, {"n": "X", "v": 2}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2.0, None, True], "é": "\"q\"\n"}}}],
}

EXPRESSIONS = """
1 + 2 | 7 // 2 | -7 // 2 | 7 % -3 | -7 % 3 | 7 / 2 | 6 / 3 | 2 ** 10 | 2 ** -1 | -2 ** 2 | 2 ** 3 ** 2 | 7.5 // 2 | -7.5 % 2 | 1e300 * 1e10
1 / 0 | 1 // 0 | 1 % 0 | 1.0 / 0 | 0 ** -1 | 0.0 ** -1 | i + f | i - yes | yes + yes | -yes | +neg | - -3 | i * 2.0 | 1_000 + 0x1F + 0b11 + 0o17 | 007
10 ** 3 | 1.5e3 | 1e16 | 1e15 | 123456789012345680.0 | 0.1 + 0.2 | 1e-4 | 0.00001 | 1.0 | -0.0 | big | tiny | 5e-324 | 1.7976931348623157e308 | 100000.0 * 10
"a" + "b" | "a" "b" 'c' | "a" * 3 | 3 * "ab" | "a" * -1 | [1] * 2 | 2 * (1, 2) | [1] + [2] | (1,) + (2, 3) | "a" + 1 | 1 + "a" | [1] + (2,) | "a" - "b" | nothing + 1
"a" ~ 1 ~ nothing ~ true ~ 2.0 ~ [1] | 1 ~ 2 | x ~ "y" | 1 + 2 ~ 3 | 2 * 3 ~ 4
1 < 2 | 1 < 2 < 3 | 1 < 2 > 3 | 1 == 1.0 | 1 == true | "a" < "b" | "a" == 'a' | [1, 2] == [1, 2] | [1] == (1,) | {"a": 1} == {"a": 1.0} | 1 < "a" | nothing < 1 | [1, 2] < [1, 3] | (1,) < (1, 0) | nothing == nothing
1 in [1, 2] | "a" in "cat" | "z" not in "cat" | "b" in d | 2 in d | 1 in "a1" | [1] in d | 3 in range(5) | not 1 in [1] | none in [none] | 1 in nothing | x in [1] | 1 in x | 'a' in ('a', 'b')
not true | not x | true and false | 1 and 2 | 0 or "z" | x or "d" | "" and 1 | not not 1 | 1 or 1 / 0 | 0 and 1 / 0 | not 1 == 2
1 if true else 2 | 1 if false else 2 | 1 if false | (1 if false) is defined | "a" if x else "b" if no else "c" | 1 if x is defined else 3
x | x.y | x["y"] | x[1] | x() | x + 1 | -x | x == y | x != y | x < 1 | x is defined | x is undefined | x is none | x is string | x is iterable | x is sequence | x is mapping | x is number | x is callable | not x | x[1:] | x.y is defined
s[0] | s[-1] | s[100] | s[0:5] | s[::-1] | s[::2] | s[-3:] | s[5:2] | s[:-6:-1] | s[1:8:3] | s[::0] | u[4] | u[6:8] | u[::-1] | u[-1] | xs[0] | xs[-1] | xs[9] | xs[1:] | xs[::-1] | (1, 2, 3)[::-2] | range(10)[2:8:2] | range(10)[-1] | xs["a"] | xs[1.0] | s[true] | d[1:2] | s["upper"]() | xs[none:2] | xs["1":]
d.a | d["a"] | d.items | d["items"] | d.zzz | d["zzz"] | d.zzz.y | d.get("a") | d.get("q") | d.get("q", 5) | d.keys() | d.values() | d.items() | d.keys() | list | d.items() | list | d.items() | first | d.pop | d.update({}) | d.pop("a") | d.copy() | d.clear is defined
nested.x.y[2].z | nested["x"]["y"][0] | nested.x.y.2.z | nested.q.y | i.x | nothing.x | nothing.x.y | s.x | s.x.y | yes.real is defined | s.__class__ | s.__class__.x | d.__class__ | d._private | i["x"] | xs.append | xs.append(1) | xs.count(1) | xs.index(2) | xs.index(99) | xs.copy()
[] | [1, 2,] | () | (1,) | (1, 2) | {} | {"a": 1, 2: "b", none: true} | {"a": 1, "a": 2} | {[1]: 2} | [[], [[]]] | {1: 1, true: 2, 1.0: 3} | [1, 2.0, "three", none, true, x] | ("a", 'it"s', "it's", "it's \\"both\\"") | ["\\n\\t\\\\", "é", "\\u200b", "\\x7f", "🙂", "\\x00"]
s.upper() | s.lower() | s.title() | s.capitalize() | s.swapcase() | u.upper() | u.lower() | u.title() | "ǆ".title() | "ǆ".upper() | "ΑΣ".lower() | "ΑΣ Β".lower() | "İ".lower() | "ﬁn".upper() | "ŉx".capitalize() | "o'neil's x2y".title() | "ß".upper()
pad.strip() | pad.lstrip() | pad.rstrip() | "xxhixx".strip("x") | "abcba".lstrip("ab") | "abc".rstrip("") | "\\u00a0\\u3000x\\u2003".strip() | "\\x1c\\x85x".strip() | "日本日".strip("日") | s.strip(none) | s.strip(1) | "\\u200bx".strip()
s.split() | s.split("o") | s.split("o", 1) | s.split(none, 1) | s.split("") | " a  b ".split() | " a  b ".split(" ") | s.rsplit("o", 1) | " a b  c ".rsplit(none, 1) | "".split() | "".split(",") | "a\\nb\\r\\nc\\x0bd\\u2028e".splitlines() | "a\\n\\nb\\n".splitlines(true) | s.partition(" ") | s.rpartition("o") | s.partition("z") | s.rpartition("z") | s.split(sep="l", maxsplit=1)
s.find("o") | s.rfind("o") | s.find("z") | u.find("日") | s.index("z") | s.find("o", 5) | s.find("o", -4, -1) | s.count("l") | s.count("") | "aaa".count("aa") | s.count("l", 3) | u.count("") | s.startswith("He") | s.endswith(("x", "d")) | s.startswith("lo", 3) | s.startswith("") | s.startswith("H", 20) | s.startswith("", 20) | s.startswith(1)
s.replace("l", "L") | s.replace("l", "L", 2) | "ab".replace("", "-") | "ab".replace("", "-", 2) | "aaa".replace("aa", "b") | s.replace("l", "") | ",".join(words) | "".join([]) | ",".join(xs) | "-".join("abc") | s.removeprefix("Hello ") | s.removesuffix("x") | "a".center(6) + "|" | "ab".center(5, "*") | "ab".ljust(4, ".") | "ab".rjust(4) | "-5".zfill(4) | "é".zfill(3) | "a\\tb".expandtabs(4) | "ab".center(4, "xx")
"12".isdigit() | "²".isdigit() | "".isdigit() | "ab".isalpha() | "é".isalpha() | "a1".isalnum() | " ".isspace() | "Ab".isupper() | "AB1".isupper() | "ab1".islower() | "1".islower() | "é".isascii() | "٣".isdecimal() | "½".isalnum() | "a\\n".isprintable()
"%s and %s" % (1, "b") | "%d" % 3.7 | "%05d|%-5d|%+d|% d" % (1, 2, 3, 4) | "%x %X %o %#x" % (255, 255, 8, 255) | "%5.2f|%e|%g|%G" % (3.14159, 12345.678, 0.00001, 1e20) | "%r" % "a" | "%s" % xs | "%s" % (xs,) | "%%" % () | "%s" % () | "%d" % "a" | "a" % 1 | "%(a)s-%(b)05d" % d | "%(q)s" % d | "%c%c" % (65, "B") | "%.2s|%5s|%-5s|" % ("abc", "d", "e") | "%*d" % (5, 3) | "a" % d | "%s" % nothing | "%s" % x | "%.3d" % 5 | "%q" % 1 | "% " % 1
"{} {}".format(1, "a") | "{1} {0}".format(1, 2) | "{a} {b!r}".format(a=1, b="x") | "{:>5}|{:<5}|{:^5}|{:*^7}".format("a", "b", "c", "d") | "{:05d} {:,} {:x} {:#b}".format(42, 1234567, 255, 5) | "{:.2f} {:e} {:g} {:%} {:.1%}".format(3.14159, 1234.5, 0.0001, 0.5, 0.123) | "{0[a]} {0[b]}".format(d) | "{{}}" | "{{}}".format() | "{".format() | "{}".format() | "{} {0}".format(1) | "{:d}".format("a") | "{:>{w}}".format("a", w=4) | "{:+}".format(5) | "{!s:>4}".format(5) | "{:_}".format(1234567) | "{0.x}".format(nested) | "{}".format(none) | "{:5}".format(none) | "{:,}".format(1234.5) | "{:.3}".format("abcdef") | "{:10.3f}|".format(2.0) | "{:.3}".format(3.14159) | "{}".format(1.0) | "{a}".format_map({"a": 5})
s|upper | s|lower | s|title | "foo-bar (baz) it's"|title | s|capitalize | s|length | u|length | xs|length | d|length | x|length | 5|length | d.items()|length | pad|trim | "xax"|trim("x") | 5|trim | nothing|trim | x|trim | s|replace("l", "1") | 101|replace(1, 2) | s|replace("l", "L", 1) | s|string | 5|string | nothing|string | x|string | xs|string
xs|first | xs|last | []|first | []|last | s|first | s|last | d|first | d|last | x|first | x|last | d.items()|last | range(3)|last | xs|map("string")|first | xs|map("string")|last | 5|first
xs|join | xs|join(", ") | words|join("-") | rows|join(",", attribute="n") | mixed|join("|") | s|join(".") | x|join | 5|join | d|join(",") | xs|join(1) | [x, 1]|join("-")
xs|list | s|list | d|list | x|list | 5|list | range(3)|list | xs|reverse|list | s|reverse | d|reverse|list | xs|reverse | length | x|reverse|list | xs|map("string")|reverse|list | xs|sort | xs|sort(reverse=true) | words|sort | words|sort(case_sensitive=true) | rows|sort(attribute="v")|map(attribute="n")|list | rows|sort(attribute="n,v")|map(attribute="v")|list | mixed|sort | []|sort | [nothing, nothing]|sort | x|sort | words|sort(true)
words|unique|list | ["a", "A", 1, 1.0, true]|unique|list | ["a", "A"]|unique(true)|list | rows|unique(attribute="n")|list|length | [[1], [1]]|unique|list | xs|min | xs|max | []|min | words|max | rows|max(attribute="v") | ["a", 1]|min | xs|sum | [0.1, 0.2]|sum | rows|sum(attribute="v") | ["a"]|sum | [[1], [2]]|sum(start=[]) | x|sum | xs|sum(start=10)
xs|map("string")|list | words|map("upper")|join | rows|map(attribute="n")|list | rows|map(attribute="t")|list | rows|map(attribute="t", default="?")|list | xs|map|list | xs|map("nofilter")|list | xs|map("nofilter")|length | x|map("upper")|list | 0|map("upper")|list | 5|map("upper")|list | xs|map("default", 1)|list | nested.x.y|map(attribute="z")|list | ["a,b"]|map("replace", ",", ";")|list | rows|map(attribute="q.r")|list | xs|map(attribute="x")|list | xs|map(foo="x")|list
xs|select("odd")|list | xs|reject("odd")|list | xs|select(">", 1)|list | xs|select("in", [1])|list | mixed|select|list | mixed|reject|list | rows|selectattr("t")|map(attribute="n")|list | rows|rejectattr("t")|map(attribute="n")|list | rows|selectattr("v", "gt", 1)|list|length | rows|selectattr("n", "equalto", "x")|list | rows|selectattr("t", "defined")|list|length | rows|rejectattr("t", "undefined")|list|length | xs|select("notest")|list | rows|selectattr|list | xs|select("odd") is iterable | xs|select("odd") is sequence | (xs|select("odd"))|length | xs|select("divisibleby", 3)|list
d|items|list | x|items|list | xs|items|list | xs|items is defined | d|dictsort | d|dictsort(true) | d|dictsort(by="value") | d|dictsort(reverse=true) | d|dictsort(by="x") | xs|dictsort | {1: 2, "a": 3}|dictsort | d|tojson | d|tojson(indent=2)
tools|tojson | tools|tojson(indent=4) | mixed|tojson | u|tojson | u|tojson(ensure_ascii=true) | "\\u2028\\x7f\\x1f/<>"|tojson | []|tojson(indent=2) | {}|tojson(2) | {1: 2, none: 3, true: 4, 1.5: 6}|tojson | {(1, 2): 3}|tojson | (1, 2)|tojson | x|tojson | range(3)|tojson | d.items()|tojson | d|tojson(separators=(",", ":")) | d|tojson(sort_keys=true) | d|tojson(indent="--") | [1, [2, {"a": []}]]|tojson(indent=1) | 1.0|tojson | 1e100|tojson | big|tojson | nothing|tojson | d|tojson(indent=0) | d|tojson(true) | "\\ud83d"|tojson | xs|tojson(indent=-1) | html|tojson | d|tojson(foo=1)
"42"|int | "42.9"|int | "x"|int | "x"|int(5) | 3.99|int | -3.99|int | true|int | nothing|int | "0x1A"|int(base=16) | "1010"|int(0, 2) | "0b11"|int(base=0) | " 12 "|int | "1_000"|int | "1__0"|int | x|int | []|int | "1e3"|int | "inf"|int | "-5"|int | "3.5"|float | "x"|float | "x"|float(1.5) | 5|float | " 1e3 "|float | "nan"|float | "inf"|float | "-Infinity"|float | nothing|float | x|float | "1_0.5"|float | "0x10"|float | ""|float | "."|float
-5|abs | (-5)|abs | (-2.5)|abs | "a"|abs | x|abs | true|abs | 2.5|round | 3.5|round | 2.675|round(2) | 42|round | 42.55|round(1, "floor") | 42.55|round(1, "ceil") | 1234|round(-2) | 1250|round(-2) | 1234.5|round(-2) | 1.5|round(method="x") | "a"|round | x|round | 0.5|round | 1.5|round|int | 1e300|round(2) | 5|round(2, "ceil")
html|e | html|escape | html|safe | html|safe|e | (html|safe) + "<" | "<" + (html|safe) | (html|e)|length | html|forceescape | html|e|forceescape | 5|e | x|e | nothing|e | (html|safe) ~ "<" | "<b>"|safe|upper | ("<b>"|safe)[1:] | ["<b>"|safe] | "<b>"|safe|replace("b", "<") | ("%s"|safe) % "<" | ("{}"|safe).format("<") | ("<"|safe).join(["&", "b"]) | ("a<"|safe).split("<") | "<b>"|safe|tojson | "x"|safe == "x" | ("<"|safe) is escaped | "<" is escaped | ("<b>"|safe)|trim|e
"a\\nb\\n\\nc"|indent | "a\\nb"|indent(2, true) | "a\\n\\nb"|indent(2, blank=true) | "a\\nb"|indent("> ") | 5|indent | x|indent | "a\\n"|indent | ""|indent(3, true) | "foo bar baz qux"|truncate(9) | "foo bar baz qux"|truncate(9, true) | "foo bar baz qux"|truncate(11) | "foo bar baz qux"|truncate(11, false, "..", 0) | "a"|truncate(1) | "hello big world, it's"|wordcount | "ab"|center(6) ~ "|" | x|wordcount | "%s-%s"|format(1, 2) | "%(a)s"|format(a=1) | "%s"|format | "%s %(a)s"|format(1, a=2)
x|default("d") | nothing|default("d") | nothing|default("d", true) | ""|d("e", true) | x|default | 0|default(5) | 0|default(5, boolean=true) | d.zz|default({}) | nested.q|default("z")
range(10)|batch(3)|list | range(5)|batch(3, "x")|list | range(7)|slice(3)|list | range(7)|slice(3, "x")|list | rows|groupby("n")|list | rows|groupby("t", default=none)|length | rows|groupby("v")|map(attribute="grouper")|list | (rows|groupby("n"))[0].list|length | rows|groupby("n", case_sensitive=true)|length | rows|attr("x") | d|attr("items") is callable | s|attr("upper") is defined | x|nofilter | 5|random
1 is odd | 2 is even | 6 is divisibleby 3 | 6 is divisibleby(4) | "a" is odd | 1.0 is odd | 5 is number | true is number | true is integer | 5 is integer | 5.0 is float | 5.0 is integer | "a" is string | [] is string | {} is mapping | [] is mapping | [] is iterable | 5 is iterable | "a" is iterable | [] is sequence | {} is sequence | d.items() is sequence | nothing is none | x is none | true is true | 1 is true | false is false | true is boolean | 1 is boolean
"a" is lower | "A" is upper | "1" is lower | 5 is lower | 1 is eq 1 | 1 is eq(1) | 1 is equalto 2 | 1 is ne 2 | 1 is lt 2 | 1 is le 1 | 2 is gt 1 | 2 is ge 3 | 1 is lessthan 2 | 1 is greaterthan 0 | 1 is in [1] | 1 is not in [1] | "x" is in "xyz" | 5 is not none | true is sameas true | 1 is sameas true | none is sameas none | "upper" is filter | "nope" is filter | "odd" is test | range is callable | s.upper is callable | 5 is callable | x is not defined | 1 is eq | 1 is odd is even | 5 is nosuchtest | 1 is in | (1, 2) is sequence | range(3) is sequence | "a" is eq "a" and "b" is eq "b"
range(3) | range(1, 4)|list | range(5, 0, -2)|list | range(0)|list | range(3, 1)|list | range(1, 2, 0) | range(200000) | range(1.5) | range("3") | range() | range(1, 10, 3) | range(3)|length | range(true)|list | range(-2)|length | range(3) == range(0, 3) | range(10).step
"abcb".split("b", -9223372036854775807) | "abcb".rsplit("b", -9223372036854775807 - 1) | "a b c".split(none, -9223372036854775807 - 1) | " a b c".rsplit(none, -9223372036854775807 - 1) | "abcb".replace("b", "x", -9223372036854775807 - 1) | "abc".replace("", "-", -9223372036854775807 - 1) | "abcb"|replace("b", "x", -9223372036854775807 - 1) | "abcb"|replace("", "x", -5) | "abcb".split("b", -5) | "a b c".split(none, 0) | "-ab".zfill(-9223372036854775807 - 1) | range(-9223372036854775807 - 1, 9223372036854775807, 9223372036854775807)|list | range(-9223372036854775807 - 1, 9223372036854775807, 9223372036854775807)[2] | range(0, 9223372036854775807, 5000000000000000000)[:1] | range(0, 9223372036854775807, 5000000000000000000)[::-1] | range(0, 9223372036854775807, 5000000000000000000)[9:1:-1] | range(9)[7:2:-2] | range(9)[-20:3] | range(0)[::-1] | range(3, 3, 2)[1:] | range(9)[5:2] | (-9223372036854775801)|round(-1) | 9223372036854775805|round(-1) | (-9223372036854775805)|round(-1) | 4000000000000000000|round(-19) | (-5000000000000000000)|round(-19) | 9223372036854775807|round(-20) | 15|round(-1) | 25|round(-1) | (-25)|round(-1) | 26|round(-1)
dict() | dict(a=1, b=2) | dict({"a": 1}, b=2) | dict([("a", 1), ["b", 2]]) | dict([1]) | dict(1) | dict.fromkeys("ab", 1) | dict.fromkeys([1, 2]) | dict(a=1).a | dict(d, a=9).a | namespace(a=1) | namespace(a=1).a | namespace(a=1)["a"] | namespace().x | namespace().x.y | namespace({"q": 2}).q | namespace(_a=1) | namespace(items=5).items | namespace(a=1) is mapping | namespace() is iterable
strftime_now("%Y-%m-%d") | strftime_now("%d %b %Y") | strftime_now("%B %d, %Y") | strftime_now("%A %H:%M:%S %j %p %%") | strftime_now("") | strftime_now("x%") | strftime_now("%e|%-d|%-m|%y") | strftime_now("%f %z%Z.") | strftime_now(5) | strftime_now() | raise_exception("no") | raise_exception() | lipsum is defined | self_is_not_here | true|tojson | True|tojson | None|tojson | none is none | None is none | TRUE
"\\x41\\u00e9\\U0001F600\\101\\q\\
z" | "a\\\\b" | 'it\\'s' | "\\N{DASH}" | "\\x4" | "\\é" | "\\"" | "a\rb\r\nc" | 'multi
line' | 1.2.3 | 1..2 | 1. | .5 | 1e | 1__0 | 0x | 0xg | 1a | a b | ( | ) | (1 | [1 | {1 | {"a"} | {"a" 1} | {,} | [,] | (,) | 1 + | + | * | 1 ** | ! | 1 != | a.1.b | a. | a.. | xs.0 | xs.0.1 | a[ | a[] | xs[0,1] | @ | $ | ` | \\ | # | ; | 1; | "unclosed | 'a" | a|b|c | a| | a|1 | not | in | 1 in | is | 1 is | and | or | if | 1 if | 1 if 2 else | f(1 | f(,) | f(1,) | f(a=1, 2) | f(*xs, 1) | f(**d, a=1) | f(a=1, a=2) | dict(**d) | dict(**{"z": 1}) | dict(*[d]) | range(*[1, 3])|list | range(*5) | dict(**5) | "a".join(*[["x", "y"]]) | "x" .upper() | s . upper ( ) | (s|upper).lower() | s|upper.lower() | s.upper|string is string | -1|abs | -(1)|abs | 2 - -1 | 2--1 | 2+-+1 | a, b | 1, | 1, 2 | (1, 2), 3 | xs[0], s[0] | é | ñame | true.x | 1 .x | 1.x | "a"[0] | "a".b | [1][0] | {"a": {"b": 1}}.a.b | (d).a | d.a.b.c | d["a"]["b"] | loop | loop.index | caller | caller() | varargs | kwargs
"""

STATEMENTS = [
    # for, loop
    "{% for x in xs %}{{ x }}{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in xs %}[{{ loop.previtem }}|{{ loop.nextitem }}|{{ loop.previtem is defined }}]{% endfor %}",
    "{% for x in [] %}a{% else %}empty{% endfor %}", "{% for x in nope %}a{% else %}empty{{ x }}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in nothing %}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }},{% endfor %}", "{% for k, v in d|items %}{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for a, b in [1, 2] %}{% endfor %}", "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}", "{% for x in xs if x > 9 %}{% else %}none{% endfor %}", "{% for x in xs if x.y %}{{ x }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ x }}{{ loop.last }}{{ x }}{{ loop.nextitem }} {% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in xs if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in xs if ns.n < 2 %}{{ loop.last }}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}",
    "{% for x in xs|map('string') %}{{ loop.length }}{{ x }}{% endfor %}", "{% for x in xs|select('odd') %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% set g = xs|select('odd') %}{% for x in g %}{{ x }}{% endfor %}|{% for x in g %}{{ x }}{% endfor %}",
    "{% set g = xs|map('string') %}{{ g|first }}{{ g|list }}{{ g|list }}",
    "{% for x in xs %}{% for y in words %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in xs %}{{ loop.cycle() }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in xs %}{{ loop.depth }}{{ loop.depth0 }}{{ loop.nope }}{% endfor %}", "{% for x in xs %}{{ loop.nope.x }}{% endfor %}", "{% for x in xs %}{{ loop() }}{% endfor %}", "{% for x in xs %}{{ loop|length }}{% endfor %}",
    "{% for x in s %}{{ x }}.{% endfor %}", "{% for x in u %}{{ x }}.{% endfor %}", "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}", "{% for i in xs %}{% endfor %}{{ i }}",
    "{% for x in xs %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% endfor %}", "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% break %}", "{% continue %}", "{% for x in xs %}{% set y %}{{ x }}{% break %}{% endset %}{% endfor %}z", "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in [] %}{% else %}{% break %}{% endfor %}", "{% for y in xs %}{{ y }}{% for x in [] %}{% else %}{% break %}{% endfor %}{% endfor %}",
    "{% for x in xs %}{{ x }}{% break %}{% else %}E{% endfor %}", "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}E{% endfor %}", "{% for x in [1] %}{% continue %}{% else %}E{% endfor %}",
    "{% for loop in xs %}{% endfor %}", "{% for x in xs %}{% set loop = 1 %}{% endfor %}", "{% set loop = 5 %}{{ loop }}", "{% set loop = 5 %}{% for x in xs %}{{ loop.index }}{% endfor %}{{ loop }}",
    "{% for x in xs recursive %}{% endfor %}x" if False else "{% for x in xs: %}{{ x }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in (1, 2) if x else 3 %}{% endfor %}", "{% for x in xs if false else words %}{{ x }}{% endfor %}",
    "{% for 1 in xs %}{% endfor %}", "{% for x.y in xs %}{% endfor %}", "{% for x xs %}{% endfor %}", "{% for x in xs %}", "{% endfor %}", "{% for x in xs %}{% endif %}", "{% for x in xs %}{% else %}{% else %}{% endfor %}", "{% for none in xs %}{% endfor %}", "{% for m in messages %}{{ m.role }}:{{ m['content'] }} {% endfor %}",
    "{% for x in xs %}{{ loop.first and loop.last }}{% endfor %}", "{% for m in messages[1:] %}{{ m.role }}{% endfor %}", "{% for m in messages[::-1] %}{{ m.role }}{{ (messages|length - 1) - loop.index0 }}{% endfor %}",
    # if
    "{% if xs %}a{% endif %}", "{% if x %}a{% elif s %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% else %}c{% endif %}", "{% if 0 %}a{% elif 0.0 %}b{% elif '' %}c{% elif {} %}d{% elif [] %}e{% elif () %}f{% endif %}g",
    "{% if x is defined and x.y %}a{% endif %}", "{% if not x is defined %}a{% endif %}", "{% if 1, 2 %}a{% endif %}", "{% if %}{% endif %}", "{% if 1 %}{% elif %}{% endif %}", "{% if 1 %}", "{% else %}", "{% if 1 %}{% else %}{% elif 1 %}{% endif %}", "{% if 1: %}a{% endif %}",
    "{% if false %}{{ x|nofilter }}{% endif %}ok", "{{ x|nofilter if false else 'ok' }}", "{% for y in [] %}{{ x|nofilter }}{% endfor %}ok", "{% if false %}{% for y in [] %}{{ x|nofilter }}{% endfor %}{% endif %}ok", "{% if false %}{{ 1 is nosuch }}{% endif %}ok", "{% macro m() %}{{ 1|nope }}{% endmacro %}ok",
    # set and scope
    "{% set x = 1 %}{{ x }}", "{% set x, y = 1, 2 %}{{ y }}{{ x }}", "{% set x, y = 'ab' %}{{ y }}{{ x }}", "{% set x, y = [1] %}", "{% set (a, (b, c)) = (1, (2, 3)) %}{{ a }}{{ b }}{{ c }}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}", "{% set x = %}", "{% set 1 = 2 %}", "{% set x.y = 2 %}", "{% set d.a = 2 %}", "{% set nothere.a = 2 %}", "{% set true = 1 %}", "{% set a = b = 1 %}", "{% set x[0] = 1 %}",
    "{% set x = 1 %}{% for i in xs %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "{% for i in xs %}{% if i == 1 %}{% set q = 5 %}{% endif %}{{ q }}|{% endfor %}", "{% for i in xs %}{{ z }}{% set z = i %}{{ z }}{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a.b = 1 %}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set ns = namespace(found=false) %}{% if not ns.found %}{% set ns.found = true %}{% endif %}{{ ns.found }}",
    "{% for i in [1] %}{{ tools is defined }}{% endfor %}{% set tools = 1 %}", "{% set messages %}{{ messages is defined }}{% endset %}{{ messages }}", "{% for i in [1, 2] %}{% if i == 2 %}{% set tools = 5 %}{% endif %}{{ tools is iterable }}{% endfor %}", "{% if false %}{% set s = 1 %}{% endif %}{{ s }}", "{% if false %}{% set newvar = 1 %}{% endif %}{{ newvar is defined }}", "{% set messages = messages[1:] %}{{ messages|length }}", "{% for i in [0] %}{% set messages = messages[1:] %}{{ messages|length }}{% endfor %}{{ messages|length }}",
    "{% macro m() %}{{ late }}{% endmacro %}{% set late = 'L' %}{{ m() }}", "{{ m is defined }}{% macro m() %}{% endmacro %}", "{% if true %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}", "{% for i in [1] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% for i in [1] %}{% macro m2() %}x{% endmacro %}{% endfor %}{{ m2 is defined }}",
    "{% set x %}a{{ 1 }}b{% endset %}{{ x }}{{ x|length }}", "{% set x | upper | trim %} abc {% endset %}[{{ x }}]", "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}", "{% set a, b %}xy{% endset %}{{ a }}{{ b }}", "{% set ns = namespace() %}{% set ns.t %}T{% endset %}{{ ns.t }}", "{% set x | nofilter %}a{% endset %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% with s = s|upper, t = s %}{{ s }}{{ t }}{% endwith %}{{ s }}", "{% with a, b = (1, 2) %}{{ b }}{% endwith %}", "{% with a %}{% endwith %}",
    # macros
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, c=3) }}|{{ m(b=5) }}|{{ m(1, 2, 3) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{% endmacro %}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}", "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.caller }}", "{% macro m(x) %}{% set s = x %}{{ s }}{% endmacro %}{{ m('in') }}{{ s }}", "{% macro m() %}{{ a.b }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}", "{% macro m() -%}  x  {%- endmacro %}[{{ m() }}]", "{% macro m() %}x{% endmacro %}{{ m()|upper }}{{ m() ~ 'y' }}{{ m() + 'z' }}", "{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}", "{% macro 1() %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m() %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{{ s }}{% endcall %}", "{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}in{% endcall %}", "{% macro m(x) %}{{ x }}{{ caller() if caller is defined }}{% endmacro %}{% call m(1) %}c{% endcall %}{{ m(2) }}", "{% call 5 %}{% endcall %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller() }}{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}", "{% for i in xs %}{% call(x) mm() %}{% endcall %}{% endfor %}", "{% macro o() %}{% macro n() %}{{ s }}{% endmacro %}{{ n() }}{% endmacro %}{{ o() }}", "{% macro show(l) %}{{ l.last }}{{ l.index }}{% endmacro %}{% for x in xs if x %}{{ show(loop) }}{{ x }}{% endfor %}",
    # filter, raw, comments, generation, print, foreign tags
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aca{% endfilter %}", "{% filter trim %}{% set q = 1 %}  {{ q }} {% endfilter %}{{ q is defined }}", "{% filter nope %}{% endfilter %}", "{% filter %}{% endfilter %}", "{% filter length %}abc{% endfilter %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}z", "{% raw -%}  a  {%- endraw %}  b", "  {% raw %}  a\n  {% endraw %}\n b", "{%- raw %} {{ {% endraw -%} x", "{% raw %}", "{% raw %}{% endraw", "a {# c #} b", "a {#- c -#} b", "a\n  {# c #}\nb", "{# unclosed", "{#-#}x", "{#+#}\nx", "{##}", "a {#- -#} {{ 1 }}", "{# {{ x }} {% if %} #}y",
    "{% generation %}a{{ s }}{% endgeneration %}b", "{% for m in messages %}{% generation %}{{ m.content }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q is defined }}", "{% generation %}", "{% generation x %}{% endgeneration %}", "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% print 1, s %}", "{% print %}", "{% do x %}", "{% unknown %}", "{% %}", "{% 1 %}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% trans %}{% endtrans %}",
    # white space
    "  {{ 1 }}  \n  {{ 2 }}\n", "a\n\n", "a\n", "\n", "", " ", "\n\n\n", "a\r\nb\rc\n", "  {% if 1 %}  x  {% endif %}  y", "  {% if 1 %}\n  x\n  {% endif %}\n  y\n", "  {%- if 1 -%}  \n x \n {%- endif -%} \n y", "  {%+ if 1 %}  x{%+ endif %}y", "{% if 1 +%}\nx{% endif +%}\ny", "a {%- set x = 1 %} b", "a {%- set x = 1 -%} b", "a{{- 1 -}} b", "a  {{- 1 }}  {{ 2 -}}  b", "a\n  {%- if 1 %}\n  b\n  {%- endif %}\n", "x {% if 1 %} y", "x\n\t {% set a = 1 %}\n\t y", "\u00a0{% set a = 1 %}x", "a\u3000{%- set a = 1 -%}\u2003x", "{{ 1 }}\n{{ 2 }}", "{% set a = 1 %}\n\n{% set b = 2 %}\nx", "{% if 1 %}{% if 1 %}\n x\n{% endif %}\n{% endif %}\n", "a {% set x = 1 %} {% set y = 2 %} b", "}} %} #} {", "{ { 1 } }", "{{ '}}' }}{{ \"%}\" }}", "{{ {'a': {'b': 1}}.a.b}}", "{{ {'a': 1}}}", "{{ [1}} ", "{{ 1 ", "{{", "{%", "{{ }}", "{{ 1 }", "{{1}}{{-1}}{{- 1}}", "{{ 1-}} x", "{{ -}}", "{{+1}}", "{% set x=1%}{{x}}", "{%set x=1-%}  {{x}}", "{%-set x=1-%}{{x}}", "a{%- if 1 %} b {%- endif %} c", "  {% for x in xs %}\n    {{ x }}\n  {% endfor %}\nend",
    "{{ '\n' }}x\n", "{{ 'a\\\nb' }}", "{% if 'a\nb' == 'a\nb' %}\ny\n{% endif %}\n",
    # templates that look like real ones
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{% for m in loop_messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% if m['role'] == 'user' %}[INST] {% if loop.index0 == 0 and sys is defined %}<<SYS>>\n{{ sys }}\n<</SYS>>\n\n{% endif %}{{ m['content'].strip() }} [/INST]{% elif m['role'] == 'assistant' %} {{ m['content'].strip() }} </s>{% endif %}{% endfor %}",
    "{%- macro render(v, depth=0) -%}{%- if v is mapping -%}{%- for k, x in v.items() -%}{{ '  ' * depth }}{{ k }}:\n{{ render(x, depth + 1) }}{%- endfor -%}{%- elif v is string -%}{{ '  ' * depth }}{{ v }}\n{%- elif v is iterable -%}{%- for x in v -%}{{ render(x, depth + 1) }}{%- endfor -%}{%- else -%}{{ '  ' * depth }}{{ v|tojson }}\n{%- endif -%}{%- endmacro -%}{{ render(tools) }}{{ render(nested) }}",
    "{%- for t in tools -%}{%- set f = t.function -%}{{ '{\"type\": \"function\", ' }}{%- for k, v in f.items() if k != 'name' -%}{{ k ~ ': ' ~ v|tojson }}{%- if not loop.last -%}, {% endif -%}{%- endfor -%}{%- endfor -%}",
    "{{ ns.x }}{% set ns = namespace(x=1) %}", "{% set ns = namespace(i=0) %}{% for m in messages %}{% if m.role != 'tool' %}{% set ns.i = loop.index0 %}{% endif %}{% endfor %}{{ ns.i }}", "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}", "{{ messages|selectattr('role', 'in', ['user', 'assistant'])|list|length }}", "{{ (messages|last).role }}{{ messages[-1].content }}", "{{ messages[-1]['nope'] }}", "{{ messages[9].role }}", "{% for a, b in [(1, [2]), [3, 4]] if true %}{{ loop.nextitem }}{{ loop.previtem }}{% endfor %}", "{% for a, (b, c) in [[1, [2, 3]], [4, 'xy']] if b %}{{ loop.nextitem }}{% endfor %}", "{{ 'abc'|truncate(3.5) }}{{ 'abcdefghijklmnop'|truncate(3.5, leeway=20) }}", "{{ 'abcdefghijklmnop'|truncate(3.5) }}", "{{ 'abcdefghijklmnop'|truncate('3') }}", "{{ [1,2,3]|batch(0)|list }}{{ [1,2,3]|batch(1.5)|list }}{{ [1,2,3]|batch('x')|list }}{{ []|batch(0)|list }}", "{{ [1,2,3]|batch(2.0, 0)|list }}", "{{ -0.0|round(1, 'floor') }}{{ (-0.4)|round(0, 'ceil') }}{{ -0.0|round(1) }}", "{{ '%d' % 1e15 }}{{ '%d' % 'x' }}", "{{ 'abcabc'.rfind('') }}{{ 'abcabc'.rfind('', 2, 4) }}{{ 'aXbXc'.rsplit('X', 1) }}{{ 'aXbXc'.rpartition('X') }}{{ 'aaa'.rfind('aa') }}{{ 'a'.rfind('aa') }}{{ 'ééé'.rfind('é', 1, 2) }}{{ 'aaaa'.rsplit('aa') }}", "{{ messages.0.role }}", "{{ 'x' if messages[0].tool_calls is defined and messages[0].tool_calls else 'y' }}",
]


def expressions():
    """One expression for each part of a line; ' | ' separates, so a filter is written a|b."""
    out = []
    for line in EXPRESSIONS.strip().replace("\\\nz", "\\\x00").replace("'multi\nline'", "'multi\x00line'").split("\n"):
        for part in line.split(" | "):
            out.append(part.strip(" ").replace("\x00", "\n"))
    return out


TEMPLATES = ["{{ " + e + " }}" for e in expressions()] + STATEMENTS

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}

CHAT_TEMPLATES = {
    "chatml": """{% for message in messages %}
{{ '<|im_start|>' + message.role + '\n' }}
{%- if message.role == 'assistant' %}
{% generation %}
{{ message.content }}<|im_end|>
{% endgeneration %}
{{- '\n' }}
{%- else %}
{{ message.content + '<|im_end|>\n' }}
{%- endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    "llama3": """{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}
{%- if date is not defined %}{% set date = strftime_now('%d %b %Y') %}{% endif %}
{{- 'Today: ' ~ date ~ '\n' ~ system ~ '<|eot_id|>' }}
{%- if tools is not none %}
    {{- 'Tools:\n' }}
    {%- for tool in tools %}
        {{- tool|tojson(indent=4) ~ '\n' }}
    {%- endfor %}
{%- endif %}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
            {%- if 'tool_calls' in message %}
                {%- for call in message.tool_calls %}
                    {{- '{"name": ' ~ call.function.name|tojson ~ ', "parameters": ' ~ call.function.arguments|tojson ~ '}' }}
                {%- endfor %}
            {%- else %}
                {{- message.content|trim }}
            {%- endif %}
            {{- '<|eot_id|>' }}
        {%- endgeneration %}
    {%- elif message.role in ['user', 'tool'] %}
        {{- message.content|trim + '<|eot_id|>' }}
    {%- else %}
        {{- raise_exception('Unexpected role: ' + message.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}""",
    "thinking": """{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- if m.role == 'assistant' %}
        {%- set content = m.content %}
        {%- set thought = m.reasoning_content if m.reasoning_content is defined else '' %}
        {%- if not thought and '</think>' in content %}
            {%- set thought = content.split('</think>')[0].split('<think>')[-1].strip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<a>' }}
        {%- generation %}{{ '<think>' ~ thought ~ '</think>' if thought and loop.index0 > ns.last else '' }}{{ content }}{% endgeneration %}
        {{- eos_token }}
    {%- else %}
        {{- '<' ~ m.role[0] ~ '>' ~ m.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<a>' }}{% if enable_thinking is defined and enable_thinking is false %}{{ '<think></think>' }}{% endif %}{% endif %}""",
}

CHATS = [
    ([{"role": "user", "content": "Hi"}], None, True, {}),
    ([{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Ünï 🙂"}, {"role": "assistant", "content": "日本語 e\u0301"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": ""}], None, False, {}),
    ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nb"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "reasoning_content": "e"}], None, False, {}),
    ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "x", "reasoning": "r"}], None, False, {}),
    ([{"role": "user", "content": "w?"}, {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1, "é": [True, None, 1.5]}}}]}, {"role": "tool", "content": "{\"r\": 1}"}, {"role": "assistant", "content": "done"}], VARIABLES["tools"], True, {}),
    ([{"role": "user", "content": "a"}], None, True, {"enable_thinking": False, "date": "1 Jan 2025"}),
    ([{"role": "user", "content": "a"}], VARIABLES["tools"], False, {"bos_token": "<other>"}),
    ([{"role": "narrator", "content": "a"}], None, True, {}),
    ([{"content": "a"}], None, True, {}),
    ([{"role": "user"}], None, True, {}),
]
