-- SPDX-License-Identifier: MIT
-- schema.sql - the store's schema, version 1: suites, runs, verdicts. Explained in docs/store.md.
--
-- Never edit a released version: add schema_2.sql and list it in CMakeLists.txt.
-- Times are RFC 3339 UTC text, hashes lower-case hex, patches and texts BLOBs,
-- byte for byte as they came.

-- A named set of instances. `hash` covers everything below it.
CREATE TABLE suites (
    suite_number   INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    version        TEXT NOT NULL,
    source         TEXT NOT NULL,          -- where it was read from, for people
    hash           TEXT NOT NULL CHECK (length(hash) = 64),
    instance_count INTEGER NOT NULL,
    added_at       TEXT NOT NULL
) STRICT;

-- What an environment is made of. `setup` and `env` are JSON arrays of strings.
CREATE TABLE recipes (
    suite_number   INTEGER NOT NULL REFERENCES suites ON DELETE CASCADE,
    name           TEXT NOT NULL,
    base           TEXT NOT NULL,
    setup          TEXT NOT NULL,
    env            TEXT NOT NULL,
    workdir        TEXT NOT NULL,
    PRIMARY KEY (suite_number, name)
) STRICT, WITHOUT ROWID;

-- One task. `spec` is its instance.json; `hash` covers what can change a verdict.
CREATE TABLE instances (
    instance_number INTEGER PRIMARY KEY,
    suite_number   INTEGER NOT NULL REFERENCES suites ON DELETE CASCADE,
    instance_id    TEXT NOT NULL,
    hash           TEXT NOT NULL CHECK (length(hash) = 64),
    tree           TEXT NOT NULL,          -- the base tree in the depot
    repo           TEXT NOT NULL,
    spec           TEXT NOT NULL,
    problem        BLOB NOT NULL,
    gold_patch     BLOB NOT NULL,
    test_patch     BLOB NOT NULL,
    UNIQUE (suite_number, instance_id)
) STRICT;

-- What certifying an instance showed. It belongs to a content hash, so it
-- outlives the suite; the newest one of a content counts.
CREATE TABLE certificates (
    certificate_number INTEGER PRIMARY KEY,
    suite          TEXT NOT NULL,
    instance_id    TEXT NOT NULL,
    instance_hash  TEXT NOT NULL,
    holds          INTEGER NOT NULL CHECK (holds IN (0, 1)),
    runs           INTEGER NOT NULL,       -- gold and empty runs each
    details        TEXT NOT NULL,          -- JSON
    reason         TEXT NOT NULL,          -- '' when it holds
    made_at        TEXT NOT NULL
) STRICT;
CREATE INDEX certificates_newest
    ON certificates (suite, instance_id, instance_hash, certificate_number);

-- One command's worth of evaluations. `identity` hashes all that the command
-- said; while a run is open no second one may have its identity.
CREATE TABLE runs (
    run_number     INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE,
    suite          TEXT NOT NULL,
    identity       TEXT NOT NULL,
    model          TEXT NOT NULL,
    command        TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('open', 'finished')),
    started_at     TEXT NOT NULL,
    finished_at    TEXT CHECK ((finished_at IS NOT NULL) = (state = 'finished'))
) STRICT;
CREATE UNIQUE INDEX runs_open ON runs (identity) WHERE state = 'open';
CREATE INDEX runs_identity ON runs (identity, run_number);

-- One model patch to be judged: a row for each instance of a run, from its start.
CREATE TABLE evaluations (
    evaluation_number INTEGER PRIMARY KEY,
    run_number     INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    instance_id    TEXT NOT NULL,
    repo           TEXT NOT NULL,
    log_path       TEXT,                   -- relative to ASSAY_HOME
    model_patch    BLOB,
    UNIQUE (run_number, instance_id)
) STRICT;

-- The one verdict of an evaluation. `body` is the whole verdict object; the
-- columns beside it are what is searched for. A null verdict (scored = 0) is
-- trouble of ours and never the verdict of its key.
CREATE TABLE verdicts (
    evaluation_number INTEGER PRIMARY KEY REFERENCES evaluations ON DELETE CASCADE,
    scored         INTEGER NOT NULL CHECK (scored IN (0, 1)),
    resolved       INTEGER CHECK (resolved IN (0, 1)),
    cause          TEXT NOT NULL,
    key            TEXT NOT NULL,
    cacheable      INTEGER NOT NULL CHECK (cacheable IN (0, 1)),
    body           TEXT NOT NULL,
    recorded_at    TEXT NOT NULL,
    CHECK ((resolved IS NOT NULL) = (scored = 1)),
    CHECK (cacheable = 0 OR (scored = 1 AND key <> ''))
) STRICT;
-- At most one verdict answers for a key.
CREATE UNIQUE INDEX verdicts_of_key ON verdicts (key) WHERE cacheable = 1;

-- Every test's status of one evaluation, sorted by id, as one zstd frame: per
-- test one status byte (enum assay_test_status), the length of the id as four
-- bytes, little-endian, and the id.
CREATE TABLE test_results (
    evaluation_number INTEGER PRIMARY KEY REFERENCES evaluations ON DELETE CASCADE,
    test_count     INTEGER NOT NULL,
    raw_bytes      INTEGER NOT NULL,       -- of the frame's content
    frame          BLOB NOT NULL
) STRICT;
