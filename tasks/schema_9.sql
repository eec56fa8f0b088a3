-- SPDX-License-Identifier: MIT
-- schema_9.sql - version 9: what answers to drawn tasks came to.

-- The verdict of one answer's patch to one drawn task, so that another training need not run it
-- again. `scope` hashes what all of them depend on (grader, tier, environment), `key` task and
-- patch. Only verdicts, never trouble of ours.
CREATE TABLE rollout_verdicts (
    scope          TEXT NOT NULL,
    key            TEXT NOT NULL,
    cause          TEXT NOT NULL,
    resolved       INTEGER NOT NULL CHECK (resolved IN (0, 1)),
    passed         INTEGER NOT NULL,       -- of the listed tests
    failed         INTEGER NOT NULL,
    kept_at        TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
