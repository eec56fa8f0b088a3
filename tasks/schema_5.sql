-- SPDX-License-Identifier: MIT
-- schema_5.sql - version 5: runs that every answer to an instance shares.

-- What such a run left behind, as in `evidence`. `key` is a hash of all that it depends on, and so
-- of no answer; `role` says which of an answer's runs it stands for (docs/kinds.md).
CREATE TABLE kept_runs (
    key            TEXT NOT NULL,
    role           TEXT NOT NULL,
    raw_bytes      INTEGER NOT NULL,       -- of the frame's content
    frame          BLOB NOT NULL,
    kept_at        TEXT NOT NULL,
    PRIMARY KEY (key, role)
) STRICT;
