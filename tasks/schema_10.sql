-- SPDX-License-Identifier: MIT
-- schema_10.sql - version 10: what a service has accepted.

-- One answer that is to be graded, a row before anybody is told that it was accepted. Its verdict is
-- that of the run whose id it has. `key` hashes all that the verdict was asked with, so that asking
-- again is the same job; `settings` is JSON. An answer that was graded stands with its evaluation.
CREATE TABLE jobs (
    job_number     INTEGER PRIMARY KEY,
    job_id         TEXT NOT NULL UNIQUE REFERENCES runs (run_id) ON DELETE CASCADE,
    key            TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
    suite          TEXT NOT NULL,
    instance_id    TEXT NOT NULL,
    settings       TEXT NOT NULL,
    answer         BLOB,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'finished')),
    tries          INTEGER NOT NULL,       -- more than 1: the ones before came to no verdict
    accepted_at    TEXT NOT NULL,
    finished_at    TEXT CHECK ((finished_at IS NOT NULL) = (state = 'finished')),
    CHECK ((answer IS NOT NULL) = (state = 'queued'))
) STRICT;
CREATE INDEX jobs_queued ON jobs (job_number) WHERE state = 'queued';
