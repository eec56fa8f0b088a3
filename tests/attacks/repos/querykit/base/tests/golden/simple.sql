SELECT id, name FROM users WHERE age = 3 ORDER BY name LIMIT 10
