-- What sales.db is made of: sqlite3 sales.db < sales.sql
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES products, day TEXT NOT NULL, units INTEGER NOT NULL);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, card TEXT NOT NULL);
INSERT INTO products VALUES (1, 'kettle', 3450), (2, 'teapot', 2790), (3, 'cup', 650), (4, 'tray', 1200);
INSERT INTO customers VALUES (1, 'A. Example', '0000-0000-0000-0000');
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 179)
INSERT INTO orders (product, day, units) SELECT 1 + i % 4, date('2025-01-01', i || ' days'), 1 + (i * 7) % 11 FROM n;
