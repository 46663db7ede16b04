# Generators, comprehensions, tuples, closures.
from itertools import islice


def collatz(n):
    while n != 1:
        yield n
        n = n // 2 if n % 2 == 0 else 3 * n + 1


def windows(items, size):
    window = ()
    for item in items:
        window = (*window, item)[-size:]
        if len(window) == size:
            yield window


def adder(step):
    return lambda x: x + step


lengths = {n: sum(1 for _ in collatz(n)) for n in range(1, 1_500)}
best = max(lengths, key=lengths.get)
peaks = [b for a, b, c in windows(lengths.values(), 3) if a < b > c]
steps = [adder(i) for i in range(10)]
evens = list(islice((step(x) for x in range(4_000) for step in steps if (x + len(steps)) % 3), 18_000))
print(best, lengths[best], len(peaks), sum(peaks), sum(evens))
