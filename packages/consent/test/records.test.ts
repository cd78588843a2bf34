import { AskeeError, type Mesh, type RecordKey, systemRandom } from '@askee/core'
import { createMemoryMeshNetwork, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { describe, expect, it } from 'vitest'
import { consentTopics, createTokenVerifier, inspectToken } from '../src/index.ts'
import { signCertificate } from '../src/revocation/certificate.ts'
import { RevocationRecords } from '../src/revocation/records.ts'
import { forged, freshId, granted, NOW, stranger, volunteer } from './support.ts'

const HOUR = 3_600_000

class SetClock extends VirtualTime {
  shift = 0
  override now(): number {
    return super.now() + this.shift
  }
}

const certificates = new Map<number, string>()
/** The certificate of the owner that ends everything below an epoch. */
function ending(minEpoch: number): string {
  const made =
    certificates.get(minEpoch) ??
    signCertificate(volunteer, { id: freshId(), now: NOW, until: NOW + 999 * HOUR, minEpoch })
  certificates.set(minEpoch, made)
  return made
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
  return {
    clock,
    network,
    mesh: mesh!,
    self: mesh!.self,
    records: new RevocationRecords({ mesh: changed, clock }),
    signal,
    during,
  }
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

  it('CON-5 are above one of a clock that was ahead, although a node that does not hold it acknowledges', async () => {
    const { clock, network, mesh, self, records, signal, during } = await setUp()
    clock.shift = 48 * HOUR
    await during(records.put(ending(1), [], clock.now() + 999 * HOUR, signal))
    clock.shift = 0
    // The owner starts again without its own copy; one more holder has come that never saw the old record.
    await mesh.stop()
    const [again, late] = [self, createIdentity(systemRandom).id].map((id) =>
      network.node(id, { topics: consentTopics(clock) }),
    )
    await Promise.all([again!.start(), late!.start()])
    const restarted = new RevocationRecords({ mesh: again!, clock })
    await during(restarted.put(ending(2), [], clock.now() + 999 * HOUR, signal))
    const reader = new RevocationRecords({ mesh: late!, clock })
    expect(await during(reader.read('all', self, signal))).toEqual([ending(2)])
  })

  it('CON-5 of everything say the highest epoch, in whatever order and however late they are put', async () => {
    const { clock, self, records, signal, during } = await setUp()
    const put = (epoch: number) => during(records.put(ending(epoch), [], NOW + HOUR, signal))
    await Promise.all([put(2), put(3), put(1)])
    expect(await during(records.read('all', self, signal))).toEqual([ending(3)])
    await clock.advance(1000)
    await put(2)
    expect(await during(records.read('all', self, signal))).toEqual([ending(3)])
  })

  it('CON-5 are put when what stands there cannot be read, and count as not put', async () => {
    let isBroken = true
    const { self, records, signal, during } = await setUp((mesh) => ({
      getRecord: async (key, options) => {
        if (isBroken) throw new AskeeError('mesh/timeout', 'nobody answers')
        return mesh.getRecord(key, options)
      },
    }))
    const put = () => during(records.put(ending(1), [], NOW + HOUR, signal))
    await expect(put()).rejects.toMatchObject({ code: 'mesh/timeout' })
    isBroken = false
    expect(await during(records.read('all', self, signal))).toEqual([ending(1)])
    await put()
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
