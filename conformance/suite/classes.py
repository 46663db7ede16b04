# Objects: attributes, methods, inheritance, properties, a priority queue.
import heapq


class Account:
    opened = 0

    def __init__(self, owner, balance):
        self.owner, self.balance = owner, balance
        Account.opened += 1

    @property
    def rich(self):
        return self.balance > 1000

    def move(self, amount):
        self.balance += amount
        return self

    def fee(self):
        return 1


class Savings(Account):
    def __init__(self, owner, balance, rate):
        super().__init__(owner, balance)
        self.rate = rate

    def fee(self):
        return super().fee() + (2 if self.rich else 0)


class Event:
    __slots__ = ("time", "source", "target", "amount")

    def __init__(self, time, source, target, amount):
        self.time, self.source, self.target, self.amount = time, source, target, amount

    def __lt__(self, other):
        return self.time < other.time


accounts = [Savings(f"s{i}", 500 + i, 2) if i % 3 else Account(f"a{i}", 800) for i in range(60)]
queue = []
for i in range(8_000):
    heapq.heappush(queue, Event(i * 7919 % 3001, accounts[i % 60], accounts[i * 7 % 60], i % 50))
moved = 0
while queue:
    event = heapq.heappop(queue)
    if event.source.balance >= event.amount:
        event.source.move(-event.amount - event.source.fee())
        event.target.move(event.amount)
        moved += event.amount
print(moved, Account.opened, sum(account.balance for account in accounts), sum(account.rich for account in accounts))
