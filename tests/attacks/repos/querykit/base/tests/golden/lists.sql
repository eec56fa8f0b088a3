SELECT * FROM users WHERE id IN (1, 2) AND gone IS NULL
