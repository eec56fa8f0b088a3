-- SPDX-License-Identifier: MIT
-- schema_14.sql - version 14: what an episode was begun with, so that it can be done again; signals.

-- As tasks/trajectory.h has it; 0 takes the default, and so does an episode from before this version.
ALTER TABLE episodes ADD COLUMN turns_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN wall_ms_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN cpu_ms_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN command_ms_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN observation_bytes_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN fresh INTEGER NOT NULL DEFAULT 0 CHECK (fresh IN (0, 1));
ALTER TABLE episodes ADD COLUMN tokens_max INTEGER NOT NULL DEFAULT 0;

-- What killed the command of a turn; 0: no signal, or it is not known.
ALTER TABLE turns ADD COLUMN signal INTEGER NOT NULL DEFAULT 0;
