import type { Migration } from '@askee/store'

/** The tables of this package; run by `openDatabase` before anything of it is made. */
export const CONSENT_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: 'CREATE TABLE consents (id TEXT PRIMARY KEY, token TEXT NOT NULL) STRICT' },
  {
    version: 2,
    sql: `
      -- Tokens of version 1 cannot be revoked elsewhere: they open no door any more.
      DROP TABLE consents;
      CREATE TABLE lives (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        manifest TEXT NOT NULL,
        status_index INTEGER UNIQUE,
        changed INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        life TEXT NOT NULL REFERENCES lives (id),
        token TEXT NOT NULL,
        certificate TEXT NOT NULL
      ) STRICT;
      CREATE TABLE own_epoch (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, certificate TEXT) STRICT;
      -- of others
      CREATE TABLE revocations (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        issuer TEXT NOT NULL,
        token TEXT NOT NULL,
        until INTEGER NOT NULL,
        certificate TEXT NOT NULL,
        UNIQUE (issuer, token)
      ) STRICT;
      CREATE TABLE epochs (issuer TEXT PRIMARY KEY, minimum INTEGER NOT NULL, certificate TEXT NOT NULL) STRICT;
      -- blocks kept under a token
      CREATE TABLE holdings (token TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (token, digest)) STRICT, WITHOUT ROWID;
      CREATE INDEX holdings_by_digest ON holdings (digest);
      -- history: rows are added, never changed
      CREATE TABLE history (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        act TEXT NOT NULL,
        consent TEXT NOT NULL,
        outcome TEXT NOT NULL,
        content TEXT NOT NULL
      ) STRICT;
      CREATE INDEX history_by_consent ON history (consent, sequence);
      CREATE TABLE receipts (
        sequence INTEGER PRIMARY KEY REFERENCES history (sequence),
        log_index INTEGER NOT NULL,
        leaf TEXT NOT NULL
      ) STRICT;
      CREATE TRIGGER history_keeps BEFORE UPDATE ON history BEGIN SELECT RAISE (ABORT, 'history is append-only'); END;
      CREATE TRIGGER history_stays BEFORE DELETE ON history BEGIN SELECT RAISE (ABORT, 'history is append-only'); END;
      CREATE TRIGGER receipts_keep BEFORE UPDATE ON receipts BEGIN SELECT RAISE (ABORT, 'receipts are append-only'); END;
      CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts BEGIN SELECT RAISE (ABORT, 'receipts are append-only'); END;
    `,
  },
  {
    version: 3,
    // The certificate of the last raise, so that it is told again after a restart.
    sql: 'ALTER TABLE own_epoch ADD COLUMN told TEXT',
  },
  {
    version: 4,
    sql: `
      -- Tokens that were shown here and verified, and every token that each of them stands on: what is known of these is not
      -- displaced by what strangers say.
      CREATE TABLE shown_tokens (
        number INTEGER PRIMARY KEY,
        issuer TEXT NOT NULL,
        token TEXT NOT NULL,
        subject TEXT NOT NULL,
        until INTEGER NOT NULL,
        last INTEGER NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0,
        UNIQUE (issuer, token)
      ) STRICT;
      CREATE INDEX shown_tokens_by_subject ON shown_tokens (subject, revoked, last);
      CREATE TABLE shown_links (
        issuer TEXT NOT NULL,
        token TEXT NOT NULL,
        number INTEGER NOT NULL REFERENCES shown_tokens (number) ON DELETE CASCADE,
        epoch INTEGER NOT NULL,
        PRIMARY KEY (issuer, token, number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX shown_links_by_number ON shown_links (number);
      -- Nobody reads the certificates again, and each token of a line kept a copy.
      ALTER TABLE revocations DROP COLUMN certificate;
      ALTER TABLE epochs DROP COLUMN certificate;
      -- Set when the owner put this database back: blocks may be here of which it knows nothing.
      CREATE TABLE put_back (one INTEGER PRIMARY KEY CHECK (one = 1)) STRICT;
    `,
  },
]
