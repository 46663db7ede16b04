# Loops over a list by index, in a function.
def primes(limit):
    prime = [True] * limit
    prime[0] = prime[1] = False
    for n in range(2, limit):
        if prime[n]:
            multiple = n * n
            while multiple < limit:
                prime[multiple] = False
                multiple += n
    return [n for n, is_prime in enumerate(prime) if is_prime]


found = primes(90_000)
print(len(found), sum(found))
