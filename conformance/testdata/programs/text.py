"""Text processing: word counts, a concordance, wrapped paragraphs and an aligned table."""
import re
import textwrap
from collections import Counter, defaultdict

TEXT = """\
The gate is small, and the wall is high. Who passes the gate is written down;
what passes the gate is weighed. A gate that nobody watches is a hole in the
wall, and a wall with a hole is only a heap of stones — said the old guard.

"Open the gate," said the traveller. "Which gate?" asked the guard. The
traveller's answer was: the small one. It's always the small one, isn't it?
"""

words = re.findall(r"[a-zà-ÿ]+(?:'[a-z]+)?", TEXT.lower())
counts = Counter(words)
print(len(words), "words,", len(counts), "different")
for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:8]:
    print(f"{word:<10}{n:>3} {'#' * n}")

lines = TEXT.splitlines()
concordance = defaultdict(list)
for number, line in enumerate(lines, 1):
    for match in re.finditer(r"\b(gate|guard|wall)\b", line, re.IGNORECASE):
        concordance[match[1].lower()].append((number, match.start()))
for key in sorted(concordance):
    print(key, concordance[key])

for paragraph in TEXT.split("\n\n"):
    flat = " ".join(paragraph.split())
    print(textwrap.fill(flat, 44, initial_indent="  * ", subsequent_indent="    "))
    print(textwrap.shorten(flat, 40, placeholder=" […]"))

print(re.sub(r'"([^"]*)"', lambda m: "«" + m[1].upper() + "»", lines[4]))
print(re.split(r"[;:,.]\s*", lines[0]))
print("isn't".title(), "ß".upper(), "İ".lower().encode("unicode_escape"), "straße".casefold() == "STRASSE".casefold())
print("\t".join(["a", "bb", "ccc"]).expandtabs(4), "|".join("x,y,,z".split(",")), "  pad ".strip().center(9, "."))
print("%-8s|%+6.2f|%#x|%r" % ("left", 3.14159, 255, "quo'te"))
print(f"{1234567.891:,.2f} {0.000012:.3e} {255:08b} {-7:=+5d} {'wide':^12}! {12.5:g} {1e100:.3g}")
print("{0[key]} {1.real} {2!a:>12}".format({"key": "v"}, 3 + 4j, "é"))
