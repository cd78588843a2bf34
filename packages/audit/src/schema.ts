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
  {
    version: VAULT_MIGRATIONS.length + 4,
    sql: `
      -- one row a hold: they add up, and each ends by its own number
      CREATE TABLE audit_legal_holds (
        number INTEGER PRIMARY KEY, subject TEXT NOT NULL, -- keyed hash of the subject
        held INTEGER NOT NULL, -- the act that says so; -1 until it is written
        released INTEGER -- the act that ended it
      ) STRICT;
      CREATE INDEX audit_legal_holds_by_subject ON audit_legal_holds (subject);
      INSERT INTO audit_legal_holds (subject, held, released)
        SELECT subject, idx, released FROM (
          SELECT subject, idx, (
            SELECT min(idx) FROM audit_contents AS later
            WHERE later.action = 'audit.released' AND later.subject = act.subject AND later.idx > act.idx
          ) AS released
          FROM audit_contents AS act WHERE action = 'audit.held'
        )
        -- One that nobody released and that is not in force was taken away: it gets no row, and the check finds it.
        WHERE released IS NOT NULL OR subject IN (SELECT subject FROM audit_holds) ORDER BY idx;
      INSERT INTO audit_legal_holds (subject, held)
        SELECT subject, -1 FROM audit_holds
        WHERE subject NOT IN (SELECT subject FROM audit_legal_holds WHERE released IS NULL);
      DROP TABLE audit_holds;

      -- logs that the owner said are over: a statement names only some of them
      CREATE TABLE audit_former (log TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      ${appendOnly('audit_former')}

      -- without the rule that a witness has one alarm of a kind: it may know two logs that are not here
      CREATE TABLE audit_open_alarms (
        number INTEGER PRIMARY KEY, log TEXT NOT NULL, code TEXT NOT NULL, witness TEXT NOT NULL, -- '' for itself
        text TEXT NOT NULL, note TEXT, at INTEGER NOT NULL
      ) STRICT;
      INSERT INTO audit_open_alarms SELECT number, log, code, witness, text, note, at FROM audit_alarms;
      DROP TABLE audit_alarms;
      ALTER TABLE audit_open_alarms RENAME TO audit_alarms;
      ${appendOnly('audit_alarms')}
    `,
  },
]

/** Subjects under legal hold, as a query. */
export const HELD_SUBJECTS = 'SELECT subject FROM audit_legal_holds WHERE released IS NULL'
