import type { Migration } from '@askee/store'

/** The journal's tables. */
export const JOURNAL_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE campaigns (
        id TEXT PRIMARY KEY,
        manifest BLOB NOT NULL,
        config TEXT NOT NULL,
        submitted INTEGER NOT NULL,
        -- the state when the events were last folded into it, or NULL: from the beginning
        snapshot TEXT
      ) STRICT;
      CREATE TABLE events (
        campaign TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        events TEXT NOT NULL,
        PRIMARY KEY (campaign, sequence)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE blobs (
        campaign TEXT NOT NULL,
        digest TEXT NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (campaign, digest)
      ) STRICT;
      -- signed commitments and receipts of workers
      CREATE TABLE documents (
        campaign TEXT NOT NULL,
        digest TEXT NOT NULL,
        kind TEXT NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (campaign, digest)
      ) STRICT;
      CREATE TABLE conduct (
        node TEXT PRIMARY KEY,
        agreed INTEGER NOT NULL,
        decided INTEGER NOT NULL
      ) STRICT;
    `,
  },
]
