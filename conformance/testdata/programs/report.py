"""A JSON report: parse records, validate, group, aggregate, and print the result with sorted keys."""
import json
import statistics
from operator import itemgetter

RAW = """
[{"id": 1, "region": "north", "amount": 120.5, "tags": ["new", "web"]},
 {"id": 2, "region": "south", "amount": 75.25, "tags": []},
 {"id": 3, "region": "north", "amount": 310.0, "tags": ["web"], "note": "caf\\u00e9 \\ud83d\\ude00"},
 {"id": 4, "region": "east", "amount": null, "tags": ["old"]},
 {"id": 5, "region": "south", "amount": 99.99, "tags": ["web", "old"]}]
"""

records = json.loads(RAW)
valid, invalid = [], []
for record in records:
    (valid if isinstance(record["amount"], (int, float)) else invalid).append(record)

groups = {}
for record in sorted(valid, key=itemgetter("region", "id")):
    groups.setdefault(record["region"], []).append(record["amount"])

report = {
    "total": round(sum(r["amount"] for r in valid), 2),
    "regions": {
        name: {
            "count": len(amounts),
            "mean": statistics.fmean(amounts),
            "median": statistics.median(amounts),
            "max": max(amounts),
        }
        for name, amounts in groups.items()
    },
    "tags": {tag: sum(tag in r["tags"] for r in valid) for tag in sorted({t for r in records for t in r["tags"]})},
    "invalid": [r["id"] for r in invalid],
    "notes": [r.get("note") for r in records if "note" in r],
}
print(json.dumps(report, indent=2, sort_keys=True))
print(json.dumps(report["notes"], ensure_ascii=False), json.dumps({"a": [1, 2.0, 1e22, -0.0, True, None]}, separators=(",", ":")))
assert json.loads(json.dumps(report)) == report

for bad in ['{"a": 1,}', "[1, 2", '{"a" 1}', "nul", '"\\x"', "[1] 2", '{"a": "\n"}']:
    try:
        json.loads(bad)
    except json.JSONDecodeError as error:
        print(f"{error.msg} at line {error.lineno} column {error.colno} (char {error.pos})")
try:
    json.dumps({"when": {1, 2}})
except TypeError as error:
    print(error)
