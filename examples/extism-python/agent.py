"""What an agent might write: it calls what is served, and is refused the rest."""

import log
import math
import statistics

sides = [3, 4]
diagonal = math.sqrt(sum(side**2 for side in sides))
log.info("measured", diagonal=diagonal)
print("the diagonal is", diagonal, "and the mean side", statistics.mean(sides))
try:
    math.sqrt(-1)
except ValueError as error:
    print("math:", error)
try:
    math.sqrt(1e9)
except PermissionError as error:
    print("refused:", error)
try:
    import socket
except ImportError as error:
    print("refused:", error)
