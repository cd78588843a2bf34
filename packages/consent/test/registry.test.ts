import { errorCode, systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  type ConsentQuestion,
  createConsentRegistry,
  grantConsent,
} from '../src/index.ts'

const volunteer = createIdentity(systemRandom)
const node = createIdentity(systemRandom)
const requester = createIdentity(systemRandom)
const stranger = createIdentity(systemRandom)

async function setUp(change: { by?: typeof volunteer; minReputation?: number } = {}) {
  const clock = new VirtualTime()
  const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
  const init = { subject: node.id, issuer: volunteer.id }
  const { token } = await grantConsent(
    { volunteer: change.by ?? volunteer, clock, random: systemRandom },
    {
      subject: node.id,
      audience: requester.id,
      lifetime: 3_600_000,
      permissions: {
        resources: { cpuPercentMax: 50, ramMbMax: 64, storageGbMax: 1, bandwidthMbpsMax: 10 },
        tasks: {
          kinds: ['scientific-compute'],
          minReputation: change.minReputation ?? 0,
          maxDurationHours: 1,
        },
        monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
      },
      purpose: 'counting primes',
      textDigest: 'ab'.repeat(32),
    },
  )
  const open = () => createConsentRegistry({ database, clock }, init)
  return { clock, token, open, registry: await open() }
}

const question: ConsentQuestion = {
  requester: requester.id,
  kind: 'scientific-compute',
  memoryBytes: 64 * 1_048_576,
  durationMs: 3_600_000,
  requesterReputation: 0,
}

function codeOf(body: () => void): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('consent registry', () => {
  it('CON-1 covers nothing without a consent', async () => {
    const { registry } = await setUp()
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.check('00'.repeat(16), question))).toBe('consent/unknown')
  })

  it('CON-1 covers exactly what was granted', async () => {
    const { registry, token } = await setUp()
    const { id } = await registry.add(token)
    expect(registry.covering(question)?.claims.id).toBe(id)
    const beyond: [Partial<ConsentQuestion>, string][] = [
      [{ requester: stranger.id }, 'consent/audience'],
      [{ kind: 'ml-training' }, 'consent/kind'],
      [{ memoryBytes: 64 * 1_048_576 + 1 }, 'consent/limits'],
      [{ durationMs: 3_600_001 }, 'consent/limits'],
    ]
    for (const [change, code] of beyond) {
      expect(registry.covering({ ...question, ...change })).toBeUndefined()
      expect(codeOf(() => registry.check(id, { ...question, ...change }))).toBe(code)
    }
  })

  it('CON-1 asks for the reputation that the consent demands', async () => {
    const { registry, token } = await setUp({ minReputation: 0.5 })
    await registry.add(token)
    expect(registry.covering(question)).toBeUndefined()
    expect(registry.covering({ ...question, requesterReputation: 0.5 })).toBeDefined()
  })

  it('CON-1 stops covering the moment the consent ends', async () => {
    const { registry, token, clock } = await setUp()
    const { id } = await registry.add(token)
    await clock.advance(3_599_000)
    expect(registry.covering(question)).toBeDefined()
    await clock.advance(1_000)
    expect(registry.covering(question)).toBeUndefined()
    expect(codeOf(() => registry.check(id, question))).toBe('consent/expired')
  })

  it('CON-2 keeps consents across a restart and drops the ended ones from the door', async () => {
    const { registry, token, clock, open } = await setUp()
    await registry.add(token)
    expect((await open()).covering(question)).toBeDefined()
    await clock.advance(3_600_000)
    expect((await open()).list()).toEqual([])
  })

  it("CON-4 refuses a grant signed by anybody but this machine's owner", async () => {
    const { registry, token } = await setUp({ by: stranger })
    await expect(registry.add(token)).rejects.toMatchObject({ code: 'consent/issuer' })
  })
})
