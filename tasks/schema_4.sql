-- SPDX-License-Identifier: MIT
-- schema_4.sql - version 4: training runs, their steps and checkpoints.

-- One `assay train`. `identity` hashes every setting that its numbers depend on;
-- while a run is open no second one may have its identity.
CREATE TABLE trainings (
    training_number INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE,
    identity       TEXT NOT NULL,
    config         TEXT NOT NULL,          -- every value with its origin, as lines
    command        TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('open', 'finished')),
    started_at     TEXT NOT NULL,
    finished_at    TEXT CHECK ((finished_at IS NOT NULL) = (state = 'finished'))
) STRICT;
CREATE UNIQUE INDEX trainings_open ON trainings (identity) WHERE state = 'open';

-- What one step measured. A step that is done again after a crash takes the row
-- of the first time.
CREATE TABLE metrics (
    training_number INTEGER NOT NULL REFERENCES trainings ON DELETE CASCADE,
    position       INTEGER NOT NULL,       -- steps of all phases, in their order, from 0
    phase          TEXT NOT NULL,
    step           INTEGER NOT NULL,       -- of the phase
    body           TEXT NOT NULL,          -- JSON
    recorded_at    TEXT NOT NULL,
    PRIMARY KEY (training_number, position, phase)
) STRICT, WITHOUT ROWID;

-- Where a training can go on: files below $ASSAY_HOME with their hashes, and what
-- is no file (random numbers, cursor). It counts from its row on.
CREATE TABLE checkpoints (
    training_number INTEGER NOT NULL REFERENCES trainings ON DELETE CASCADE,
    position       INTEGER NOT NULL,       -- of the next step
    directory      TEXT NOT NULL,
    model_hash     TEXT NOT NULL CHECK (length(model_hash) = 64),
    optimizer_hash TEXT NOT NULL CHECK (length(optimizer_hash) = 64),
    state          TEXT NOT NULL,          -- JSON
    made_at        TEXT NOT NULL,
    PRIMARY KEY (training_number, position)
) STRICT, WITHOUT ROWID;
