-- SPDX-License-Identifier: MIT
-- schema_2.sql - version 2: what a recipe's set-up commands may reach, as a JSON array of strings.
ALTER TABLE recipes ADD COLUMN hosts TEXT NOT NULL DEFAULT '[]';
