"""Generators and iterator pipelines: lazy streams, send and throw, delegation, itertools."""
import itertools
from functools import partial, reduce


def naturals(start=1):
    yield from itertools.count(start)


def primes():
    composites = {}
    for n in naturals(2):
        for witness in composites.pop(n, ()):
            composites.setdefault(n + witness, []).append(witness)
        if not any(n in [k] for k in composites if k == n) and all(n % p for p in itertools.takewhile(lambda p: p * p <= n, found)):
            found.append(n)
            composites.setdefault(n * n, []).append(n)
            yield n


found = []
print(list(itertools.islice(primes(), 20)))


def averager():
    total, count, value = 0.0, 0, None
    while True:
        try:
            value = yield total / count if count else None
        except ZeroDivisionError:
            total, count = 0.0, 0
            continue
        if value is None:
            return ("final", total / count)
        total += value
        count += 1


def collect(results):
    while True:
        results.append((yield from averager()))


results = []
pipe = collect(results)
next(pipe)
print([pipe.send(x) for x in (10, 20, 60)], pipe.throw(ZeroDivisionError), pipe.send(5), pipe.send(None), results)
pipe.close()


def tree(depth):
    if depth:
        yield from tree(depth - 1)
        yield depth
        yield from tree(depth - 1)


print("".join(map(str, tree(4))))
words = "the quick brown fox jumps over the lazy dog".split()
print({k: list(g) for k, g in itertools.groupby(sorted(words, key=len), key=len)})
print(list(itertools.accumulate([3, 1, 4, 1, 5], max)), list(itertools.pairwise("abcd")), list(itertools.batched(range(7), 3)))
print(list(itertools.zip_longest("ab", range(3), fillvalue="-")), list(itertools.compress("abcdef", [1, 0, 1, 0, 1, 1])))
print(sum(1 for _ in itertools.product("ab", repeat=5)), list(itertools.combinations("abcd", 2))[-1], [*itertools.permutations([1, 2, 3])][3])
print(reduce(lambda a, b: a * b, range(1, 11)), list(map(partial(pow, 2), range(8))), list(itertools.starmap(divmod, [(7, 2), (-7, 2)])))
a, b = itertools.tee(x * x for x in range(5))
print(list(a), list(itertools.dropwhile(lambda x: x < 5, b)), [y for x in range(3) if (y := x * 3) % 2 == 0])
first, *middle, last = (i for i in range(6))
print(first, middle, last, any(x > 3 for x in middle), dict(zip("abc", itertools.cycle([1, 2]))))


def guarded():
    try:
        yield "working"
    finally:
        print("cleaned up")


for state in guarded():
    print(state)
    break
