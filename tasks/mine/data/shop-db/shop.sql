CREATE ROLE shop LOGIN;
CREATE DATABASE shop OWNER shop;
\connect shop
SET ROLE shop;
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, state text NOT NULL, cents int NOT NULL, placed date NOT NULL);
INSERT INTO orders VALUES
  (1, 'ada',   'open',      1200, '2026-01-05'),
  (2, 'ben',   'shipped',   4500, '2026-01-20'),
  (3, 'ada',   'open',       900, '2026-02-01'),
  (4, 'cleo',  'cancelled', 3000, '2026-01-02'),
  (5, 'dora',  'open',      7700, '2025-11-30'),
  (6, 'ben',   'open',      2100, '2026-01-31');
