-- SPDX-License-Identifier: MIT
-- schema_7.sql - version 7: what was sampled to say a turn.

ALTER TABLE turns ADD COLUMN sampled TEXT; -- JSON (tasks/trajectory.h); NULL: not known
