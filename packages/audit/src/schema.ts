import { appendOnly, type Migration, VAULT_MIGRATIONS } from '@askee/store'

/** The log's tables, after those of the vault that seals its contents. */
export const AUDIT_MIGRATIONS: readonly Migration[] = [
  ...VAULT_MIGRATIONS,
  {
    version: VAULT_MIGRATIONS.length + 1,
    sql: `
      CREATE TABLE audit_entries (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
      -- complete subtrees: level 0 is the leaves' hashes
      CREATE TABLE audit_nodes (
        level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, idx)
      ) STRICT, WITHOUT ROWID;
      -- the sealed contents; these can go while the tree stays whole
      CREATE TABLE audit_contents (
        idx INTEGER PRIMARY KEY, subject TEXT NOT NULL, -- keyed hash of the subject
        action TEXT NOT NULL, at INTEGER NOT NULL, sealed BLOB NOT NULL
      ) STRICT;
      CREATE INDEX audit_contents_by_subject ON audit_contents (subject);
      CREATE INDEX audit_contents_by_time ON audit_contents (at);
      CREATE TABLE audit_checkpoints (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
      CREATE TABLE audit_cosignatures (
        size INTEGER NOT NULL, witness TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, witness)
      ) STRICT, WITHOUT ROWID;
      ${appendOnly('audit_entries')}
      ${appendOnly('audit_nodes')}
      ${appendOnly('audit_contents')}
      ${appendOnly('audit_checkpoints')}
      ${appendOnly('audit_cosignatures')}
    `,
  },
  {
    version: VAULT_MIGRATIONS.length + 2,
    sql: `
      -- whose contents must stay, and the act that says so
      CREATE TABLE audit_holds (subject TEXT PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE INDEX audit_contents_by_action ON audit_contents (action, subject, idx);
    `,
  },
  {
    version: VAULT_MIGRATIONS.length + 3,
    sql: `
      -- the owner's statements that a log of this node begins
      CREATE TABLE audit_beginnings (number INTEGER PRIMARY KEY, statement BLOB NOT NULL) STRICT;
      -- what spoke against the state of this node, under the log that was written then
      CREATE TABLE audit_alarms (
        number INTEGER PRIMARY KEY, log TEXT NOT NULL, code TEXT NOT NULL, witness TEXT NOT NULL, -- '' for itself
        text TEXT NOT NULL, note TEXT, at INTEGER NOT NULL, UNIQUE (log, code, witness)
      ) STRICT;
      ${appendOnly('audit_beginnings')}
      ${appendOnly('audit_alarms')}
    `,
  },
]
