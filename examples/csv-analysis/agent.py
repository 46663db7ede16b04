# What an agent might write to the question "which region sells most, and how even are its days?". The files are ordinary files to it; each is
# opened through the host functions that the policy grants.
import csv
import statistics
from collections import defaultdict

import fs

days = defaultdict(lambda: defaultdict(float))
for path in fs.glob("data/orders-*.csv"):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            days[row["region"]][row["day"]] += int(row["units"]) * float(row["price"])

with open("out/regions.csv", "w", newline="") as file:
    report = csv.writer(file)
    report.writerow(["region", "total", "mean of a day", "deviation"])
    for region, of in sorted(days.items(), key=lambda item: -sum(item[1].values())):
        amounts = list(of.values())
        report.writerow([region, f"{sum(amounts):.2f}", f"{statistics.mean(amounts):.2f}", f"{statistics.stdev(amounts):.2f}"])

print(fs.read("out/regions.csv"))

# The data itself cannot be changed.
try:
    open("data/orders-2025-01.csv", "w")
except PermissionError as denied:
    print("refused:", denied)
