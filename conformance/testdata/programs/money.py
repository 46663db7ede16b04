"""Decimal money: contexts, rounding modes, allocation without losing a cent, fractions."""
from decimal import (
    ROUND_CEILING, ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP,
    Decimal, DivisionByZero, Inexact, InvalidOperation, getcontext, localcontext,
)
from fractions import Fraction

CENT = Decimal("0.01")
print(Decimal("0.1") + Decimal("0.2"), 0.1 + 0.2, Decimal(0.1))
for mode in (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_DOWN, ROUND_UP, ROUND_CEILING):
    print(f"{mode:<16}", *(Decimal(x).quantize(CENT, mode) for x in ("2.345", "2.355", "-2.345", "0.005", "-0.001")))


def allocate(amount, weights):
    """Split an amount by weights; the parts add up to it."""
    total, left, parts = sum(weights), amount, []
    for weight in weights[:-1]:
        part = (amount * weight / total).quantize(CENT, ROUND_HALF_EVEN)
        parts.append(part)
        left -= part
    return [*parts, left]


parts = allocate(Decimal("100.00"), [1, 1, 1])
print(parts, sum(parts), allocate(Decimal("0.05"), [3, 7]))

balance, rate = Decimal("25000"), Decimal("0.0425") / 12
payment = (balance * rate / (1 - (1 + rate) ** -36)).quantize(CENT, ROUND_HALF_UP)
interest_paid = Decimal(0)
for month in range(36):
    interest = (balance * rate).quantize(CENT, ROUND_HALF_UP)
    interest_paid += interest
    balance += interest - payment
print(payment, interest_paid, balance)

with localcontext(prec=50) as context:
    print(Decimal(2).sqrt(), Decimal(1).exp(), Decimal(10).ln())
    context.traps[Inexact] = True
    try:
        Decimal(1) / 3
    except Inexact:
        print("inexact")
for attempt in (lambda: Decimal("abc"), lambda: Decimal(1) / 0, lambda: Decimal("1e999999").exp(), lambda: Decimal("NaN") < 1):
    try:
        attempt()
    except (InvalidOperation, DivisionByZero, ArithmeticError) as error:
        print(type(error).__name__)
print(getcontext().prec, Decimal("1E+3"), Decimal("1E+3").normalize(), Decimal("1000").to_eng_string(), Decimal("-0.00"), Decimal("3.14").as_tuple())
print(f"{Decimal('1234567.891'):,.2f} {Decimal('0.00001'):e} {Decimal('-5.5'):+08.2f}", round(Decimal("2.5")), round(Decimal("2.675"), 2))
print(Fraction("3.125"), Fraction(1, 3) + Fraction(1, 6), Fraction(22, 7).limit_denominator(5), float(Fraction(1, 7)), Fraction(0.5) == Decimal("0.5"))
print(hash(Decimal("2.50")) == hash(2.5), Decimal("7") // 2, Decimal("-7") % 3, divmod(Decimal("7.5"), 2), 10**25 * Decimal("1e-25"))
