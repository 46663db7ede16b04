import fuzzy
import markdown
import profile
import units

catalogue = ["flour", "sugar", "olive oil", "sea salt", "buckwheat", "rice"]

table = """item,amount,unit
flour,12,lb
Suger,3.5,kg
olive oil,18,oz
flour,,kg
sea sal,450,g
buckweat,2,st
"""

# What is in the table: a plugin in Rust.
for column in profile.profile(table)["columns"]:
    print(f"{column['name']}: {column['type']}, {column['missing']} missing, {column['distinct']} distinct")

report = ["# Deliveries", "", "| item | kg |", "|---|---:|"]
for line in table.splitlines()[1:]:
    item, amount, unit = line.split(",")
    if not amount:
        continue
    best = fuzzy.match(item, catalogue, limit=1)[0]  # a plugin in C
    kilograms = units.convert(float(amount), unit, "kg")  # a plugin in Python
    report.append(f"| {best['choice']} | {kilograms:.2f} |")
report += ["", "Sent by <b>nobody</b>."]

# HTML of the report, in which the table's own HTML is text: a plugin in Go.
print(markdown.render("\n".join(report)))

# A tool that is misused says so, and nothing else happens.
try:
    units.convert(1, "kg", "metre")
except ValueError as e:
    print("refused:", e)
try:
    fuzzy.match("x" * 2000, catalogue)
except ValueError as e:
    print("refused:", e)
