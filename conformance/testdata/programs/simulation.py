"""A small discrete-event simulation: customers, two tellers, seeded randomness."""
import heapq
import random
from statistics import mean, pstdev

random.seed(42)
ARRIVAL, SERVICE, TELLERS, CLOSING = 1.0, 1.7, 2, 60.0

events, sequence = [], 0


def schedule(time, kind, customer):
    global sequence
    sequence += 1
    heapq.heappush(events, (time, sequence, kind, customer))


queue, busy, waits, served, longest = [], 0, [], 0, 0
schedule(random.expovariate(1 / ARRIVAL), "arrive", 1)
while events:
    now, _, kind, customer = heapq.heappop(events)
    if kind == "arrive":
        queue.append((now, customer))
        longest = max(longest, len(queue))
        following = now + random.expovariate(1 / ARRIVAL)
        if following < CLOSING:
            schedule(following, "arrive", customer + 1)
    else:
        busy -= 1
        served += 1
    while queue and busy < TELLERS:
        arrived, who = queue.pop(0)
        waits.append(now - arrived)
        busy += 1
        schedule(now + random.uniform(0.5, 2 * SERVICE - 0.5), "leave", who)

print(f"served {served}, longest queue {longest}, last left at {now:.3f}")
print(f"waited {mean(waits):.4f} ± {pstdev(waits):.4f}, at most {max(waits):.4f}")
deciles = sorted(waits)[:: max(1, len(waits) // 10)]
print(" ".join(f"{wait:.2f}" for wait in deciles))

deck = [rank + suit for suit in "♠♥♦♣" for rank in "A23456789TJQK"]
random.shuffle(deck)
print(" ".join(deck[:10]), random.sample(range(1000), 5), random.choices("abc", weights=[5, 2, 1], k=12))
print([round(random.gauss(0, 1), 6) for _ in range(4)], random.getrandbits(70), random.randrange(10**12))

inside = sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(20_000))
print(f"pi is about {4 * inside / 20_000:.4f}")
