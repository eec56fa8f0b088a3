-- SPDX-License-Identifier: MIT
-- schema_13.sql - version 13: which content of its suite a run is of.

-- The suite's hash when the run was opened; the suite may be replaced or removed later. '': of a
-- run from before this version, or of a suite that was not in the store.
ALTER TABLE runs ADD COLUMN suite_hash TEXT NOT NULL DEFAULT '';
