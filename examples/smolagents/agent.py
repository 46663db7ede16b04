"""A smolagents agent whose code runs in Postern's sandbox. The model follows a script, so that no network is needed."""

import os
from pathlib import Path

from smolagents import tool
from smolagents.models import ChatMessage, MessageRole, Model

from postern.smolagents import PosternCodeAgent


class Script(Model):
    """Stands for a language model: says one thing after the other."""

    def __init__(self, *steps: str) -> None:
        super().__init__(model_id="script")
        self.steps = list(steps)

    def generate(self, messages, **kwargs) -> ChatMessage:
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"<code>\n{self.steps.pop(0)}\n</code>")


@tool
def note(text: str) -> str:
    """Writes a note down. It runs in this process, not in the sandbox.

    Args:
        text: What to write.
    """
    print(f"noted by process {'of the agent' if os.getpid() == PROCESS else 'of somebody else'}: {text}")
    return "noted"


PROCESS = os.getpid()

model = Script(
    "import math\nroot = math.sqrt(125)\nprint(root)",
    "import socket",
    "note(f'it is {root:.3f}')\nfinal_answer(f'The square root of 125 is {root}')",
)

# A CodeAgent, but for its name and the policy.
agent = PosternCodeAgent(
    tools=[note],
    model=model,
    verbosity_level=0,
    executor_kwargs={"policy": Path(__file__).with_name("tools.toml")},
)
with agent:
    print(agent.run("What is the square root of 125?"))
