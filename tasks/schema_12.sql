-- SPDX-License-Identifier: MIT
-- schema_12.sql - version 12: what verdicts came to, without their bodies.

-- Whoever counts the outcomes of a large run reads this instead of every verdict (store_view.c).
CREATE INDEX verdicts_outcome ON verdicts (evaluation_number, scored, resolved, cause);
