# A loop at module level, where every variable is an entry of a dict.
total = 0
for i in range(150_000):
    total += i ^ 5
print(total)
