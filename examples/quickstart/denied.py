# math.sqrt is granted by policy.toml beside this file, math.cos is not. The error says what to add where.
import math

print(math.sqrt(125))
print(math.cos(1))
