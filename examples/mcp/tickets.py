"""Looks through all open tickets for those whose assignee is away: dozens of tool calls, in one run."""

from collections import Counter

import people
import tickets

open_tickets, page = [], 1
while True:
    answer = tickets.list_tickets(status="open", page=page)
    open_tickets += answer["tickets"]
    if not answer["more"]:
        break
    page += 1
print(f"{len(open_tickets)} tickets are open")

assignees = {id: people.find_person(id) for id in sorted({t["assignee"] for t in open_tickets})}
stuck = [t for t in open_tickets if assignees[t["assignee"]]["away"]]
print("by team:", dict(sorted(Counter(assignees[t["assignee"]]["team"] for t in stuck).items())))

for t in stuck[:3]:
    print(t["id"], t["title"], "waits for", assignees[t["assignee"]]["name"])
    print("  " + tickets.add_comment(t["id"], "The assignee is away: who takes over?"))

for call in (
    lambda: tickets.get_ticket(4711),                           # an error of the tool
    lambda: tickets.add_comment(stuck[0]["id"], "please " * 50),  # the policy's condition does not hold
    lambda: tickets.close_ticket(stuck[0]["id"]),               # the server has it, and the policy does not grant it
):
    try:
        call()
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
