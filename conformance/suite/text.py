# Strings: formatting, joining, splitting, searching.
def report(rows):
    lines = []
    for i in range(rows):
        name = f"item-{i:05d}"
        lines.append(f"{name:<12}|{i * 37 % 1000:>6}|{i / 7:.3f}")
    return "\n".join(lines)


made = report(6_000)
total, longest, shouted = 0, "", ""
for line in made.splitlines():
    name, count, ratio = line.split("|")
    total += int(count)
    if ratio.endswith("7") and "9" in name:
        shouted += name.strip().upper().replace("ITEM-", "#")
    if len(ratio) > len(longest):
        longest = ratio
print(len(made), total, longest, len(shouted), shouted[:24])
