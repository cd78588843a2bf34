import type { Migration } from '../database.ts'

/** The vault's tables, for a database of its own or as one migration of another's. */
export const VAULT_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE vault_epochs (
        id TEXT PRIMARY KEY, -- 16 random bytes, hexadecimal
        sequence INTEGER NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        wrapped BLOB NOT NULL -- by the device key
      ) STRICT;
      CREATE TABLE vault_keys (
        kid BLOB PRIMARY KEY, -- 16 random bytes
        subject TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL REFERENCES vault_epochs (id),
        wrapped BLOB NOT NULL -- by the epoch key
      ) STRICT;
      CREATE INDEX vault_keys_by_epoch ON vault_keys (epoch);
      -- that a key was destroyed, not whose it was
      CREATE TABLE vault_erased (kid BLOB PRIMARY KEY, erased INTEGER NOT NULL) STRICT;
    `,
  },
]
