# Search: sets, tuples and recursion.
def place(size, row=0, columns=frozenset(), falling=frozenset(), rising=frozenset()):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        if column not in columns and row - column not in falling and row + column not in rising:
            found += place(size, row + 1, columns | {column}, falling | {row - column}, rising | {row + column})
    return found


print(place(9))
