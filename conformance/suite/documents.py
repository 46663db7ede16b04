# JSON documents: read, changed, written.
import json

document = {
    "id": 7,
    "name": "caf\u00e9",
    "tags": ["a", "b", "c"],
    "price": 12.5,
    "parts": [{"n": n, "ok": n % 2 == 0, "note": None, "text": "part %d" % n} for n in range(12)],
}
text = json.dumps(document)
size = 0
for i in range(500):
    read = json.loads(text)
    read["id"] += i
    read["parts"][i % 12]["note"] = read["name"]
    size += len(json.dumps(read, sort_keys=True))
print(size)
