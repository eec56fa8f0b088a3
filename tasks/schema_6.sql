-- SPDX-License-Identifier: MIT
-- schema_6.sql - version 6: episodes and their turns.

-- One actor's time in an instance: a row from its start. A row without an end that nobody works on
-- was cut off, and begins again with the next attempt, whose number fences the one before. Its
-- verdict is that of the evaluation of `graded_in` and the instance.
CREATE TABLE episodes (
    episode_number INTEGER PRIMARY KEY,
    run_number     INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    instance_id    TEXT NOT NULL,
    sample         INTEGER NOT NULL,       -- from 1
    graded_in      TEXT NOT NULL,          -- a run's run_id; the first sample's is the run's own
    actor          TEXT NOT NULL,
    seed           TEXT NOT NULL,
    attempt        INTEGER NOT NULL,       -- from 1
    cause          TEXT NOT NULL,          -- why it ended; 'running'
    reason         TEXT NOT NULL,          -- in words, where the cause does not say it
    turn_count     INTEGER NOT NULL,       -- at its end
    answer         BLOB,                   -- what is graded: the patch
    source         TEXT,                   -- an imported one: the document that it was read from,
    source_format  TEXT,                   -- and of what kind that is
    started_at     TEXT NOT NULL,
    finished_at    TEXT,
    UNIQUE (run_number, instance_id, sample),
    CHECK ((finished_at IS NULL) = (cause = 'running')),
    CHECK ((source IS NULL) = (source_format IS NULL))
) STRICT;

-- One action and what it showed (tasks/trajectory.h).
CREATE TABLE turns (
    episode_number INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    turn           INTEGER NOT NULL,       -- from 1
    message        INTEGER NOT NULL,       -- from 1: turns of one message of the actor share it
    text           TEXT,
    call_id        TEXT,
    tool           TEXT,
    arguments      TEXT,
    observation    BLOB NOT NULL,
    failed         INTEGER NOT NULL CHECK (failed IN (0, 1)),
    cause          TEXT,                   -- of its command
    exit_code      INTEGER NOT NULL,
    wall_us        INTEGER NOT NULL,
    cpu_us         INTEGER NOT NULL,
    queue_us       INTEGER NOT NULL,
    actor_us       INTEGER NOT NULL,
    step_us        INTEGER NOT NULL,
    prompt_tokens  INTEGER NOT NULL,
    answer_tokens  INTEGER NOT NULL,
    PRIMARY KEY (episode_number, turn)
) STRICT;
