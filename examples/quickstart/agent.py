# What an agent might write. Under a policy that grants math and json, both are host functions: Python modules whose
# every call is decided, limited and recorded outside the sandbox.
import json
import math

root = math.sqrt(125)
print(f"the square root of 125 is {root}")
print(json.dumps({"question": "square root of 125", "answer": root}))

# What the policy does not grant is not there.
try:
    import socket
except ImportError as refusal:
    print("refused:", refusal)
