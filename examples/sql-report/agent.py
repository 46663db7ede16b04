# What an agent might write to the question "how did sales go in the first half of 2025, month by month and by product?". The database adds up;
# the program draws.
import html

import fs
import sql

months = sql.query("""
    SELECT substr(o.day, 1, 7) AS month, sum(o.units * p.price_cents) AS cents
    FROM orders o JOIN products p ON p.id = o.product
    WHERE o.day BETWEEN @first AND @last GROUP BY month ORDER BY month
""", {"first": "2025-01-01", "last": "2025-06-30"})

for row in months:
    print(row["month"], f"{row['cents'] / 100:10.2f}")

best = sql.query("""
    SELECT p.name, sum(o.units) AS units FROM orders o JOIN products p ON p.id = o.product
    GROUP BY p.id ORDER BY units DESC, p.name LIMIT ?
""", [2])
print("most sold:", ", ".join(f"{row['name']} ({row['units']})" for row in best))

width, height, step = 480, 240, 70
most = max(row["cents"] for row in months)
bars = []
for i, row in enumerate(months):
    tall = round(180 * row["cents"] / most)
    x = 40 + i * step
    label = html.escape(row["month"])
    bars.append(f'<rect x="{x}" y="{200 - tall}" width="40" height="{tall}" fill="#4878a8"><title>{row["cents"] / 100:.2f}</title></rect>'
                f'<text x="{x + 20}" y="220" text-anchor="middle">{label}</text>')
fs.write("out/sales.svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
         f'<line x1="30" y1="200" x2="{width - 10}" y2="200" stroke="black"/>{"".join(bars)}</svg>\n')

# Who the customers are is nobody's business here, and nothing can be changed.
for statement in ["SELECT name, card FROM customers", "DELETE FROM orders"]:
    try:
        sql.query(statement)
    except PermissionError as denied:
        print("refused:", denied)
