# What an agent might write that goes on where it stopped. Each run is a new interpreter; what is in kv is what the runs before left there.
import kv

run = kv.incr("runs")
print(f"this is run {run}")

for key in kv.list("note/"):
    note = kv.get(key)
    print(f"  from run {note['run']}: {note['text']}")

lessons = ["the report is due on Fridays", "amounts are in euro", "ask before deleting anything"]
lesson = lessons[(run - 1) % len(lessons)]
kv.put(f"note/{run:03}", {"run": run, "text": lesson})
print("learned:", lesson)
