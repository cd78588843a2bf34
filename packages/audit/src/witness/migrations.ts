import type { Migration } from '@askee/store'

export const WITNESS_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      -- the last checkpoint cosigned of each log
      CREATE TABLE witnessed (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL
      ) STRICT;
      -- what was signed and does not grow from it
      CREATE TABLE contradictions (
        origin TEXT NOT NULL, kept TEXT NOT NULL, received TEXT NOT NULL, at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX contradictions_by_origin ON contradictions (origin);
    `,
  },
  {
    version: 2,
    sql: `
      -- the last checkpoint cosigned of each log of a node, and the owner's statement that it began
      CREATE TABLE witnessed_logs (
        node TEXT NOT NULL, log TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
        beginning BLOB, first INTEGER NOT NULL, last INTEGER NOT NULL,
        ended INTEGER, -- since when a newer log of the node says that this one is over
        PRIMARY KEY (node, log)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO witnessed_logs SELECT origin, '', size, root, note, NULL, at, at, NULL FROM witnessed;
      DROP TABLE witnessed;
      DROP TABLE contradictions;
      -- proofs that a log has two histories, one for each log
      CREATE TABLE evidence (
        node TEXT NOT NULL, log TEXT NOT NULL, bytes BLOB NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (node, log)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    version: 3,
    sql: `
      -- whether the audit log says so as well, or need not
      ALTER TABLE evidence ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
    `,
  },
]
