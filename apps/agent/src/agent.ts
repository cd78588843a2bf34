import {
  AUDIT_MIGRATIONS,
  createAuditLog,
  createExporter,
  createRetention,
  WITNESS_MIGRATIONS,
} from '@askee/audit'
import { computeTopics, createRequester, createWorker, type Requester, type Worker } from '@askee/compute'
import {
  CONSENT_MIGRATIONS,
  consentTopics,
  createConsentHoldings,
  createConsentRegistry,
  createRevocationBook,
  createRevocationExchange,
  createRevocationLookup,
  createTokenVerifier,
} from '@askee/consent'
import {
  createLogger,
  errorText,
  type Mesh,
  type NodeId,
  type Startable,
  startAll,
  systemClock,
  systemRandom,
  systemTimers,
} from '@askee/core'
import { keyTopics } from '@askee/keys'
import { createLibp2pMesh } from '@askee/network'
import { chooseExecutor, type Executor } from '@askee/sandbox'
import { createBlockStore, createVault, fileSealing, lockDirectory, openDatabase } from '@askee/store'
import { createAuditWatch } from './audit-watch.ts'
import { backUpSecrets } from './backup.ts'
import { createBusiness } from './business.ts'
import { createControlServer } from './control/server.ts'
import { ownDataDirectory } from './data-directory.ts'
import type { AgentInit } from './init.ts'
import { createNodeKeys } from './keys.ts'
import { openOwnerRoot } from './owner-root.ts'
import { type AgentPaths, agentPaths } from './paths.ts'
import { createConsentUpkeep } from './revoke.ts'
import { openSecrets } from './secrets.ts'
import { VERSION } from './version.ts'

export interface Agent {
  readonly node: NodeId
  readonly mesh: Mesh
  readonly requester: Requester
  readonly worker: Worker
  /** Path of the control socket. */
  readonly socket: string
  /** Resolves when a client of the control API asked the agent to stop. */
  readonly stopRequested: Promise<void>
  stop(): Promise<void>
}

/** Parts that a caller may wrap, for the faults of a simulation. A volunteer's agent wraps nothing. */
export interface AgentDecorators {
  executor?(executor: Executor): Executor
  workerMesh?(mesh: Mesh): Mesh
}

/**
 * The composition root: makes every part by hand, starts them in order, stops them in reverse.
 * @param signal ends the start: what was opened is closed, the directory given back, and the reason thrown
 * @throws AskeeError `store/in-use`, `agent/already-running`, `agent/socket-path`, `agent/socket-taken`,
 * `agent/foreign-directory`, `store/*`, `keys/*`
 */
export async function startAgent(
  init: AgentInit,
  decorators: AgentDecorators = {},
  signal?: AbortSignal,
): Promise<Agent> {
  const paths = agentPaths(init.dataDirectory, init.controlSocket)
  await ownDataDirectory(init.dataDirectory)
  // Before anything is opened: two agents on one journal would destroy it.
  const release = lockDirectory(init.dataDirectory)
  const opened: Opened[] = []
  try {
    const agent = await compose(init, paths, decorators, opened, signal)
    const stop = async (): Promise<void> => {
      try {
        await agent.stop()
      } finally {
        release()
      }
    }
    return { ...agent, stop }
  } catch (error) {
    // Of what a failed start opened nothing may still be written when somebody else has the directory.
    await closeAll(opened).catch(() => undefined)
    release()
    throw error
  }
}

interface Opened {
  close(): unknown
}

/** The last opened first, each whatever becomes of the others. @throws the first error */
async function closeAll(opened: Opened[]): Promise<void> {
  const errors: unknown[] = []
  for (const part of opened.splice(0).reverse()) {
    try {
      await part.close()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

/** @param opened takes what is to be closed, also when this fails */
async function compose(
  init: AgentInit,
  paths: AgentPaths,
  decorators: AgentDecorators,
  opened: Opened[],
  signal?: AbortSignal,
): Promise<Agent> {
  signal?.throwIfAborted()
  const clock = systemClock
  const timers = systemTimers
  const random = systemRandom

  const secrets = await openSecrets(init.deviceKey, paths, random)
  const { node: identity, owner: volunteer, sealing, deviceKey } = secrets
  opened.push(deviceKey)
  signal?.throwIfAborted()
  const logger = createLogger(init.logLevel, { node: identity.id.slice(-8) })

  const auditDatabase = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
  opened.push(auditDatabase)
  const { wrapping, isOutdated } = secrets.vaultKey
  const vault = await createVault({ database: auditDatabase, deviceKey: wrapping, clock, random, timers })
  if (isOutdated()) await vault.rotate()
  const audit = createAuditLog(
    { database: auditDatabase, vault, clock, random },
    { subjectKey: secrets.subjectKey },
  )
  const consentsDatabase = openDatabase(paths.consents, CONSENT_MIGRATIONS, sealing)
  opened.push(consentsDatabase)
  const consents = createConsentRegistry(
    { database: consentsDatabase, clock, random, logger, volunteer, audit },
    { subject: identity.id },
  )
  const revocations = createRevocationBook({ database: consentsDatabase, clock })
  const holdings = createConsentHoldings(consentsDatabase)
  const blocks = await createBlockStore(
    { clock },
    {
      directory: paths.blocks,
      maxBytes: init.storageBytes,
      sealing: { key: sealing.key, random },
      onDamaged: (error) => logger.warn({ error: errorText(error) }, 'a file of the block store was damaged'),
    },
  )

  const mesh = createLibp2pMesh(
    { identity, blocks, clock, timers, random, logger },
    {
      listen: init.listen,
      bootstrap: init.bootstrap,
      network: init.network,
      mdns: init.localDiscovery === 'mdns' ? 'on' : 'off',
      memory: { directory: paths.peers, sealing: fileSealing(random, sealing.key, 'peers') },
      topics: new Map([...computeTopics(clock), ...consentTopics(clock), ...keyTopics(clock)]),
      // Asked only once the node runs, when both are there.
      mayFetch: (peer, digest) => requester.mayFetch(peer, digest) || worker.mayFetch(peer, digest),
      paceServing: (peer, digest, bytes, signal) => worker.paceServing(peer, digest, bytes, signal),
      ...(init.network === 'local' ? { allowInbound: ['/ip4/127.0.0.1'] } : {}),
    },
  )
  const nodeKeys = createNodeKeys({
    identity,
    owner: volunteer.id,
    store: secrets.keyStore,
    mesh,
    audit,
    clock,
    timers,
    random,
    logger,
    isKnown: (id) => business.isKnown(id),
    isAdmitted: (id) => ownerRoot.tie()?.root === id || business.isAdmitted(id),
  })
  const ownerRoot = await openOwnerRoot({
    identity,
    store: secrets.keyStore,
    voids: nodeKeys.voids,
    audit,
    clock,
  })
  const witnessDatabase = openDatabase(paths.witness, WITNESS_MIGRATIONS, sealing)
  opened.push(witnessDatabase)
  const watch = await createAuditWatch({
    log: audit,
    database: auditDatabase,
    witnessDatabase,
    consentsDatabase,
    consents,
    identity,
    owner: volunteer,
    mesh,
    clock,
    timers,
    random,
    logger,
  })
  const { checkpointing } = watch
  const exporter = createExporter({
    log: audit,
    database: auditDatabase,
    checkpointing,
    identity,
    clock,
    timers,
    logger,
  })
  const retention = createRetention(
    { log: audit, database: auditDatabase, vault, clock, timers },
    { subjectKey: secrets.subjectKey },
  )
  // What the log says that it went, goes, also when a crash came in between.
  await retention
    .resume()
    .catch((error: unknown) => logger.error({ error: errorText(error) }, 'a removal could not be ended'))
  const ownExecutor = chooseExecutor(
    { clock, timers, logger },
    { policy: init.executor, cache: { directory: paths.compiled, key: secrets.compiledKey } },
  )
  const executor = decorators.executor?.(ownExecutor) ?? ownExecutor
  // Requester and worker talk in sessions: what they say to each other is nobody else's.
  const talk = nodeKeys.conversations.mesh
  const exchange = createRevocationExchange({
    mesh: talk,
    clock,
    timers,
    logger,
    registry: consents,
    book: revocations,
  })
  const lookup = createRevocationLookup({ clock, book: revocations, records: exchange, logger })
  const verifyToken = createTokenVerifier({ clock, revocations, statuses: exchange, lookup, logger })
  const requester = createRequester(
    { mesh: talk, identity, clock, timers, random, logger, verifyToken, revocations, blocks, sealing },
    { journal: paths.journal },
  )
  const worker = createWorker(
    {
      mesh: decorators.workerMesh?.(talk) ?? talk,
      identity,
      executor,
      consents: watch.gate(consents),
      endings: consents,
      uses: consents,
      holdings,
      blocks,
      sealing,
      clock,
      timers,
      random,
      logger,
    },
    { slots: init.slots, journal: paths.ledger },
  )

  const business = createBusiness({ consents, worker, requester, clock })

  const upkeep = createConsentUpkeep({
    consents,
    holdings,
    worker,
    blocks,
    executor,
    clock,
    timers,
    logger,
  })

  let requestStop = (): void => {}
  const stopRequested = new Promise<void>((resolve) => {
    requestStop = resolve
  })
  const control = createControlServer(
    {
      identity,
      mesh,
      worker,
      requester,
      executor,
      consents,
      revocations,
      lookup,
      revoke: (which, reason) => upkeep.revoke(which, reason),
      assertMayGrant: () => watch.standing.assertGood(),
      volunteer,
      nodeKeys,
      ownerRoot,
      deviceKey,
      backUp: (passphrase) => backUpSecrets(secrets.keyStore, sealing.key, passphrase),
      audit: { log: audit, database: auditDatabase, vault, watch, exporter, retention, timers },
      blocks,
      clock,
      random,
      logger,
      storageBytes: init.storageBytes,
      version: VERSION,
    },
    paths.socket,
    requestStop,
  )
  // Before the last checkpoint is signed: what was done until now stands below it.
  const historySettled: Startable = { start: async () => {}, stop: () => consents.history.settled() }
  const databases: Startable = {
    start: async () => {},
    stop: async () => {
      await consents.history.settled()
      await closeAll(opened)
      // After its database: a closed vault has no key to seal with.
      vault.close()
    },
  }
  const parts = [
    databases,
    mesh,
    ...watch.parts,
    historySettled,
    nodeKeys,
    nodeKeys.voids,
    executor,
    requester,
    worker,
    // After those who are to hear of what it brings.
    exchange,
    upkeep,
    control,
  ]
  const stop = await startAll(parts, signal)
  const { name, tier } = executor.describe()
  logger.info({ addresses: mesh.addresses(), socket: paths.socket, executor: name, tier }, 'agent ready')
  return { node: identity.id, mesh, requester, worker, socket: paths.socket, stopRequested, stop }
}
