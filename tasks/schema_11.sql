-- SPDX-License-Identifier: MIT
-- schema_11.sql - version 11: the row of the data set that an instance was read from.

-- Byte for byte, as one zstd frame of `row_bytes`: what `suite export` writes back. NULL: it was
-- not read from a row. No verdict depends on it, so it is in no hash.
ALTER TABLE instances ADD COLUMN row_bytes INTEGER;
ALTER TABLE instances ADD COLUMN row BLOB CHECK ((row IS NULL) = (row_bytes IS NULL));
