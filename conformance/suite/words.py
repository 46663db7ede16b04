# Dicts and lists: counting, grouping, indexing.
def words(count):
    state = 12345
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2147483648
        yield "w" + str(state >> 20)


counts, positions = {}, {}
for position, word in enumerate(words(20_000)):
    counts[word] = counts.get(word, 0) + 1
    positions.setdefault(word[:3], []).append(position)
common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
gaps = {prefix: max(b - a for a, b in zip(places, places[1:])) for prefix, places in positions.items() if len(places) > 1}
print(len(counts), common, len(positions), sum(gaps.values()))
