-- SPDX-License-Identifier: MIT
-- schema_3.sql - version 3: evidence of runs, claims on keys, certificates in full.

-- What each executed run of an evaluation left behind, as one zstd frame
-- (orchestrator/evidence.h says of what). It goes with its evaluation.
CREATE TABLE evidence (
    evaluation_number INTEGER NOT NULL REFERENCES evaluations ON DELETE CASCADE,
    attempt        INTEGER NOT NULL,       -- from 1, in the order of the runs
    raw_bytes      INTEGER NOT NULL,       -- of the frame's content
    frame_bytes    INTEGER NOT NULL,
    frame          BLOB NOT NULL,
    PRIMARY KEY (evaluation_number, attempt)
) STRICT;

-- Who makes the verdict of a key at this moment. A claim that is not renewed in
-- time is anybody's; its number, which never comes again, tells a late owner from
-- the new one.
CREATE TABLE claims (
    claim_number   INTEGER PRIMARY KEY AUTOINCREMENT,
    key            TEXT NOT NULL UNIQUE,
    owner          TEXT NOT NULL,          -- one process
    expires_ms     INTEGER NOT NULL        -- since 1970
) STRICT;
CREATE INDEX claims_owner ON claims (owner);

-- Which checks a certificate rests on, by name, and whose rules judged them.
ALTER TABLE certificates ADD COLUMN checks TEXT NOT NULL DEFAULT 'gold empty';
ALTER TABLE certificates ADD COLUMN grader TEXT NOT NULL DEFAULT '1';

-- Runs of a certification that is not through: where the same command goes on.
CREATE TABLE certificate_runs (
    instance_hash  TEXT NOT NULL,
    grader         TEXT NOT NULL,
    check_name     TEXT NOT NULL,
    run            INTEGER NOT NULL,       -- from 0
    body           TEXT NOT NULL,          -- JSON
    PRIMARY KEY (instance_hash, grader, check_name, run)
) STRICT, WITHOUT ROWID;
