"""Text of numbers read digit by digit, for the language model: books have hardly any. Prints 4,000 lines.

By their sound alone FOUR and FOR, TWO and TO are the same.
"""

from __future__ import annotations

import random

DIGITS = ("ZERO", "OH", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
SHARES = (8, 2, 10, 10, 10, 10, 10, 10, 10, 10, 10)

if __name__ == "__main__":
    chance = random.Random(1)
    for _ in range(4000):
        print(" ".join(chance.choices(DIGITS, SHARES, k=chance.randint(2, 10))))
