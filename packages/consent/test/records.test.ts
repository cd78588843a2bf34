import { AskeeError, type Mesh, type RecordKey, systemRandom } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { describe, expect, it } from 'vitest'
import { consentTopics, createTokenVerifier, inspectToken } from '../src/index.ts'
import { RevocationRecords } from '../src/revocation/records.ts'
import { forged, freshId, granted, NOW, stranger } from './support.ts'

const HOUR = 3_600_000

class SetClock extends VirtualTime {
  shift = 0
  override now(): number {
    return super.now() + this.shift
  }
}

/** A node with records, and one that holds them. */
async function setUp(change: (mesh: Mesh) => Partial<Mesh> = () => ({})) {
  const clock = new SetClock(NOW)
  const network = createMemoryMeshNetwork({ clock, timers: clock })
  const topics = consentTopics(clock)
  const [mesh, holder] = [0, 1].map(() => network.node(createIdentity(systemRandom).id, { topics }))
  await Promise.all([mesh!.start(), holder!.start()])
  const changed = new Proxy<Mesh>(mesh!, {
    get: (target, name) => {
      const own = change(target) as Record<PropertyKey, unknown>
      const value = own[name] ?? Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { signal } = new AbortController()
  /** Lets virtual time pass while the mesh answers. */
  const during = async <T>(work: Promise<T>): Promise<T> => {
    const settled = work.then(
      () => undefined,
      () => undefined,
    )
    await Promise.race([settled, clock.advance(10_000)])
    return work
  }
  return { clock, self: mesh!.self, records: new RevocationRecords({ mesh: changed, clock }), signal, during }
}

describe('the records of revocations', () => {
  it('CON-5 are put again although a clock that was years ahead put the ones that stand there', async () => {
    const { clock, self, records, signal, during } = await setUp()
    const [before, after] = [granted(), granted()]
    clock.shift = 10 * 365 * 24 * HOUR
    await during(records.put(before.certificate, [], clock.now() + HOUR, signal))
    await during(records.putList('an old list', signal))
    clock.shift = 0
    await during(records.put(after.certificate, [], clock.now() + HOUR, signal))
    await during(records.putList('a new list', signal))
    expect(await during(records.read('all', self, signal))).toEqual([after.certificate])
    expect(await during(records.readList(self, signal))).toBe('a new list')
  })

  it.each([0, 1])('CON-5 are found although the other one cannot be read (%i)', async (which) => {
    const own = granted()
    const isBroken = ({ name }: RecordKey) => (name === 'all') === (which === 0)
    const { clock, self, records, signal, during } = await setUp((mesh) => ({
      getRecord: async (key, options) => {
        if (isBroken(key)) throw new AskeeError('mesh/timeout', 'nobody answers')
        return mesh.getRecord(key, options)
      },
    }))
    const tokens = which === 0 ? [own.claims.id] : []
    await during(records.put(own.certificate, tokens, clock.now() + HOUR, signal))
    expect(await during(records.find(own.claims.id, self, signal))).toEqual([own.certificate])
    // When neither is, that is said: nobody takes it for a good token.
    await expect(
      during(records.find(freshId(), createIdentity(systemRandom).id, signal)),
    ).rejects.toMatchObject({
      code: 'mesh/timeout',
    })
  })

  it('CON-5 are put for every token of a line, although one of them is refused', async () => {
    const own = granted()
    const names = [freshId(), freshId(), freshId()]
    const put: string[] = []
    const { records, signal, during } = await setUp(() => ({
      putRecord: async ({ name }) => {
        put.push(name)
        if (name === names[0]) throw new AskeeError('mesh/no-quorum', 'full')
        return { acknowledged: 1 }
      },
    }))
    const work = records.put(own.certificate, names, NOW + HOUR, signal)
    await expect(during(work)).rejects.toMatchObject({ code: 'mesh/no-quorum' })
    expect(put).toEqual(names)
  })
})

describe('status lists that are fetched', () => {
  it('CON-5 are asked for once however many show the token, and a stranger who shows many waits behind himself', async () => {
    const clock = new VirtualTime(NOW + 20 * HOUR)
    const asked: { uri: string; answer: () => void }[] = []
    const uris: string[] = []
    const fetch = (uri: string) => {
      uris.push(uri)
      return new Promise<undefined>((resolve) => asked.push({ uri, answer: () => resolve(undefined) }))
    }
    const verify = createTokenVerifier({ clock, statuses: { fetch } })
    const settle = () => new Promise((resolve) => setImmediate(resolve))
    const parties = { subject: granted().claims.subject, audience: granted().claims.audience }
    const own = granted({ lifetime: 100 * HOUR, data: ['personal'] })
    const strange = Array.from({ length: 40 }, (_, i) =>
      forged(
        { jti: freshId(), status: { status_list: { idx: 1, uri: `askee://${i}` } } },
        stranger,
        granted({ lifetime: 100 * HOUR, data: ['personal'] }),
      ),
    )
    const verdicts: unknown[] = []
    const shown = inspectToken(strange[0] as string).subject
    for (const token of strange) void verify(token, { ...parties, subject: shown }).catch(() => undefined)
    await settle()
    // Two turns are for those who were here before.
    expect(asked).toHaveLength(14)
    for (const { answer } of asked.splice(0, 3)) answer()
    await settle()
    expect(asked).toHaveLength(14)
    for (let i = 0; i < 5; i++) void verify(own.token, parties).catch((error) => verdicts.push(error.code))
    while (asked.length > 0) {
      for (const { answer } of asked.splice(0)) answer()
      await settle()
    }
    expect(uris.filter((uri) => uri === own.claims.status.list)).toHaveLength(1)
    expect(verdicts).toEqual(Array(5).fill('consent/stale'))
  })
})
