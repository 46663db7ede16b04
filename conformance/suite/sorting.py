# Sorting: the built-in one with keys, and a merge sort in Python.
def numbers(count):
    state = 42
    for _ in range(count):
        state = (state * 69069 + 1) % 4294967296
        yield state >> 12


def merge_sort(items):
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


given = list(numbers(5_000))
assert merge_sort(given) == sorted(given)
rows = [{"id": n, "group": n % 17, "name": str(n)} for n in given]
rows.sort(key=lambda row: (row["group"], row["name"]))
print(rows[0], rows[-1], sum(i * row["id"] for i, row in enumerate(rows)) % 1_000_003)
