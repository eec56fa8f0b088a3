-- SPDX-License-Identifier: MIT
-- schema_7.sql - version 7: some of a training's rollouts, for whoever wants to see what it writes.

-- One answer of a step. A step that is done again after a crash takes the rows of the first time.
CREATE TABLE rollouts (
    training_number INTEGER NOT NULL REFERENCES trainings ON DELETE CASCADE,
    position       INTEGER NOT NULL,       -- of its step, as in metrics
    phase          TEXT NOT NULL,
    place          INTEGER NOT NULL,       -- among those that were kept, from 0
    group_number   INTEGER NOT NULL,       -- among the groups of the step, from 0
    version        INTEGER NOT NULL,       -- of the weights: steps that they had learned from
    task           TEXT NOT NULL,
    family         TEXT NOT NULL,
    cause          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    finish         TEXT NOT NULL,          -- why the answer ended
    solved         INTEGER NOT NULL CHECK (solved IN (0, 1)),
    reward         REAL,                   -- NULL: none, trouble of ours
    advantage      REAL,                   -- NULL: nothing was learned from it
    token_count    INTEGER NOT NULL,       -- of the answer
    raw_bytes      INTEGER NOT NULL,       -- of the frame's content
    frame          BLOB NOT NULL,          -- prompt, answer, patch, tokens (tasks/store_rollout.c)
    PRIMARY KEY (training_number, position, phase, place),
    CHECK (solved = 0 OR reward IS NOT NULL)
) STRICT;
