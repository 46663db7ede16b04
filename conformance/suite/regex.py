# Regular expressions over a log.
import re

line = re.compile(r'(?P<host>\d+\.\d+\.\d+\.\d+) - \[(?P<day>\d{2})/(\w{3})/\d{4}\] "(GET|POST) (?P<path>/[^ "]*)" (\d{3}) (\d+|-)')
log = "\n".join(
    f'10.{i % 7}.{i % 251}.{i * 3 % 199} - [{i % 28 + 1:02d}/Jan/2025] "{"GET" if i % 3 else "POST"} /a/{i % 13}/b?q={i}" {200 if i % 11 else 404} {i * 17 % 5000}'
    for i in range(2_000)
)
size, missing = 0, set()
for match in line.finditer(log):
    size += int(match[7])
    if match[6] == "404":
        missing.add(match["path"].partition("?")[0])
hidden = re.sub(r"\b(\d+)\.(\d+)\.\d+\.\d+\b", r"\1.\2.*.*", log)
print(size, sorted(missing)[:3], len(missing), len(hidden), len(re.findall(r"q=\d*7\b", log)))
