-- SPDX-License-Identifier: MIT
-- schema_8.sql - version 8: what was sampled to say a turn.

ALTER TABLE turns ADD COLUMN sampled TEXT; -- JSON (tasks/trajectory.h); NULL: not known
