import { systemClock, systemTimers } from '../adapters/system.ts'
import { utf8 } from '../bytes.ts'
import { AskeeError } from '../errors.ts'
import { type Digest, digestOf, type NodeId } from '../ids.ts'
import { MAX_RECORD_BYTES, type Mesh } from '../ports/mesh.ts'
import { type MeshTestNetwork, nodesFor, refusal, type TestFunctions } from './mesh-nodes.ts'

const HOUR_MS = 3_600_000

/** What a mesh must keep: records under their owners' names, and blocks under their digests. */
export function storageTests(test: TestFunctions, name: string, makeNetwork: () => MeshTestNetwork): void {
  test.describe(`${name}: records and closest peers`, () => recordTests(test, makeNetwork))
  test.describe(`${name}: blocks`, () => blockTests(test, makeNetwork))
}

function recordTests(test: TestFunctions, makeNetwork: () => MeshTestNetwork): void {
  const { it, expect } = test
  const { nodes } = nodesFor(test, makeNetwork, 4)
  const draft = (name: string, sequence: number, text = 'value') => ({
    namespace: 'test',
    name,
    value: utf8(text),
    sequence,
    expires: systemClock.now() + HOUR_MS,
  })
  const read = (at: Mesh, owner: Mesh, name: string) =>
    at.getRecord({ namespace: 'test', owner: owner.self, name })

  it('NET-2 stores a record with others, who read what the owner wrote', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    const record = draft('profile', 1)
    expect((await a.putRecord(record, { quorum: 2 })).acknowledged).toBeGreaterThanOrEqual(2)
    for (const node of nodes) expect(await read(node, a, 'profile')).toEqual({ ...record, owner: a.self })
    expect(await read(a, b, 'profile')).toBeUndefined()
    expect(await read(b, a, 'other')).toBeUndefined()
  })

  it('NET-2 replaces a record by one of a higher sequence only', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    await a.putRecord(draft('version', 5, 'five'), { quorum: 2 })
    await a.putRecord(draft('version', 6, 'six'), { quorum: 2 })
    expect((await refusal(a.putRecord(draft('version', 5, 'five'), { quorum: 1 }))).code).toBe(
      'mesh/stale-record',
    )
    expect((await read(b, a, 'version'))?.value).toEqual(utf8('six'))
  })

  it('NET-2 fails a put that too few acknowledge, and counts them', async () => {
    const [a] = nodes as [Mesh]
    expect(await refusal(a.putRecord(draft('quorum', 1), { quorum: 50 }))).toEqual({
      code: 'mesh/no-quorum',
      details: { acknowledged: nodes.length - 1 },
    })
  })

  it('NET-2 refuses records that are too large, expired or out of form', async () => {
    const [a] = nodes as [Mesh]
    const put = async (change: object): Promise<string | undefined> =>
      (await refusal(a.putRecord({ ...draft('bad', 1), ...change }, { quorum: 0 }))).code
    expect(await put({ value: new Uint8Array(MAX_RECORD_BYTES) })).toBe('mesh/invalid-record')
    expect(await put({ expires: systemClock.now() - 1 })).toBe('mesh/invalid-record')
    expect(await put({ sequence: -1 })).toBe('mesh/invalid-record')
    expect(await put({ sequence: 1.5 })).toBe('mesh/invalid-record')
    expect(await put({ name: 'ümlaut' })).toBe('mesh/invalid-record')
    expect(await put({ namespace: 'a/b' })).toBe('mesh/invalid-record')
  })

  it('NET-2 no longer serves a record that has expired', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    await a.putRecord({ ...draft('brief', 1), expires: systemClock.now() + 600 }, { quorum: 1 })
    expect(await read(b, a, 'brief')).toBeDefined()
    await systemTimers.sleep(700)
    expect(await read(b, a, 'brief')).toBeUndefined()
  })

  it('NET-2 finds the nodes closest to a key: never itself, nearest first, the same from everywhere', async () => {
    const key = utf8('some key')
    const all = await Promise.all(nodes.map((node) => node.closestPeers(key, 20)))
    const order = [...(all[0] as NodeId[])]
    for (const [i, found] of all.entries()) {
      expect(new Set(found)).toEqual(new Set(nodes.filter((_, k) => k !== i).map((node) => node.self)))
      const common = order.filter((id) => id !== nodes[i]?.self)
      expect(found.filter((id) => id !== nodes[0]?.self)).toEqual(common)
    }
    expect(await (nodes[0] as Mesh).closestPeers(key, 2)).toEqual(order.slice(0, 2))
  })
}

function blockTests(test: TestFunctions, makeNetwork: () => MeshTestNetwork): void {
  const { it, expect } = test
  const { nodes, network } = nodesFor(test, makeNetwork, 3)
  const block = (size: number, fill: number): Uint8Array =>
    Uint8Array.from({ length: size }, (_, i) => i * fill)

  it('NET-2 fetches a block from a named provider, whatever its size', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    for (const size of [0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000]) {
      const bytes = block(size, 3)
      const digest = await a.putBlock(bytes)
      expect(digest).toBe(digestOf(bytes))
      expect(digestOf(await b.getBlock(digest, { providers: [a.self] }))).toBe(digest)
    }
  })

  it('CMP-9 asks nobody but the named providers, and has a block from then on', async () => {
    const [a, b, c] = nodes as [Mesh, Mesh, Mesh]
    const digest = await a.putBlock(block(5000, 5))
    expect((await refusal(c.getBlock(digest))).code).toBe('mesh/not-found')
    await c.getBlock(digest, { providers: [b.self, a.self] })
    expect(digestOf(await c.getBlock(digest))).toBe(digest)
    expect(digestOf(await b.getBlock(digest, { providers: [c.self] }))).toBe(digest)
  })

  it('CON-2 keeps nothing of a block before it is admitted, wherever it comes from', async () => {
    const [a, b, c] = nodes as [Mesh, Mesh, Mesh]
    const bytes = block(2_500_000, 9)
    const digest = await a.putBlock(bytes)
    const asked: number[] = []
    const refuse = async (size: number): Promise<void> => {
      asked.push(size)
      throw new AskeeError('test/full', 'no')
    }
    const providers = [a.self, c.self]
    expect((await refusal(b.getBlock(digest, { providers, admit: refuse }))).code).toBe('test/full')
    expect((await refusal(b.getBlock(digest))).code).toBe('mesh/not-found')
    const admit = async (size: number): Promise<void> => void asked.push(size)
    expect(digestOf(await b.getBlock(digest, { providers, admit }))).toBe(digest)
    expect((await refusal(b.getBlock(digest, { admit: refuse }))).code).toBe('test/full')
    expect(asked).toEqual([bytes.byteLength, bytes.byteLength, bytes.byteLength])
  })

  it('CON-2 paces what it asks of others, tells what came, and does not pace what is here', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    const bytes = block(1_500_000, 11)
    const digest = await a.putBlock(bytes)
    let came = 0
    let open = 0
    const pace = async (most: number): Promise<(bytes: number) => void> => {
      expect(most).toBeGreaterThan(0)
      open++
      return (arrived) => {
        open--
        came += arrived
      }
    }
    const held = b.getBlock('ef'.repeat(32) as Digest, { providers: [a.self], pace })
    expect((await refusal(held)).code).toBe('mesh/not-found')
    expect([came, open]).toEqual([0, 0])
    await b.getBlock(digest, { providers: [a.self], pace })
    expect(came).toBeGreaterThanOrEqual(bytes.byteLength)
    expect(came).toBeLessThan(bytes.byteLength + 100)
    const before = came
    await b.getBlock(digest, { providers: [a.self], pace })
    expect([came, open]).toEqual([before, 0])
    const closed = async (): Promise<never> => {
      throw new AskeeError('test/closed', 'no')
    }
    const other = await a.putBlock(block(10, 12))
    expect((await refusal(b.getBlock(other, { providers: [a.self], pace: closed }))).code).toBe('test/closed')
  })

  it('NET-5 fetches many blocks at once, none of them lost', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    const blocks = Array.from({ length: 330 }, (_, i) => utf8(`${i} `.repeat(4000)))
    const digests = await Promise.all(blocks.map((bytes) => a.putBlock(bytes)))
    const fetched = await Promise.all(digests.map((digest) => b.getBlock(digest, { providers: [a.self] })))
    expect(fetched.map((bytes) => digestOf(bytes))).toEqual(digests)
  })

  it('NET-5 says that a provider of a block could not be asked', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    const nowhere = 'cd'.repeat(32) as Digest
    for (const providers of [[network.strangerId()], [network.strangerId(), a.self]]) {
      expect((await refusal(b.getBlock(nowhere, { providers }))).code).toBe('mesh/unreachable')
    }
  })

  it('NET-2 says when nobody has a block, or it is larger than wanted', async () => {
    const [a, b] = nodes as [Mesh, Mesh]
    expect((await refusal(b.getBlock('ab'.repeat(32) as Digest, { providers: [a.self] }))).code).toBe(
      'mesh/not-found',
    )
    const digest = await a.putBlock(block(2000, 7))
    const wanted = { providers: [a.self], maxBytes: 1999 }
    expect((await refusal(b.getBlock(digest, wanted))).code).toBe('mesh/too-large')
    expect((await refusal(a.getBlock(digest, wanted))).code).toBe('mesh/too-large')
  })
}
