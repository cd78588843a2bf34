import { type NodeId, silentLogger, systemRandom } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import {
  CONSENT_MIGRATIONS,
  createRevocationBook,
  createRevocationLookup,
  inspectToken,
  type VerifiedConsent,
} from '../src/index.ts'
import { signCertificate } from '../src/revocation/certificate.ts'
import { codeOf, forged, freshId, granted, NOW, stranger, volunteer } from './support.ts'

/** Records that answer when they are told to. */
function setUp() {
  const clock = new VirtualTime(NOW)
  const book = createRevocationBook({ database: openDatabase(':memory:', CONSENT_MIGRATIONS), clock })
  const asked: { token: string; answer: (texts: readonly string[]) => void }[] = []
  const find = (token: string) =>
    new Promise<readonly string[]>((resolve) => asked.push({ token, answer: resolve }))
  const lookup = createRevocationLookup({ clock, book, records: { find }, logger: silentLogger })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { clock, book, asked, lookup, settle }
}

/** A token that a node of its own shows, as anybody can make them. */
function shownBy(node: NodeId, change: Record<string, unknown> = {}): VerifiedConsent {
  return inspectToken(forged({ jti: freshId(), sub: node, cnf: { kid: node }, ...change }, stranger))
}

describe('the look into the records', () => {
  it('CON-5 finds a revocation however much junk stands beside it', async () => {
    const { book, asked, lookup, settle } = setUp()
    const own = granted()
    const foreign = { id: freshId(), now: NOW, until: NOW + 60_000, consents: [own.claims.id] }
    const over = { id: freshId(), now: NOW - 2000, until: NOW - 1000, consents: [own.claims.id] }
    const junk = ['', 'x', 'a.b.c', 'A'.repeat(9000), own.token, signCertificate(stranger, foreign)]
    const texts = [...junk, signCertificate(volunteer, over), own.certificate, ...junk]
    void lookup.look(inspectToken(own.token))
    await settle()
    asked[0]!.answer(texts)
    await settle()
    expect(codeOf(() => book.check(inspectToken(own.token)))).toBe('consent/revoked')
  })

  it('CON-5 looks for a token although another issuer has shown one of the same id', async () => {
    const { asked, lookup, settle } = setUp()
    const own = granted()
    void lookup.look(shownBy(own.claims.subject, { jti: own.claims.id }))
    void lookup.look(inspectToken(own.token))
    await settle()
    expect(asked.map(({ token }) => token)).toEqual([own.claims.id, own.claims.id])
  })

  it('CON-5 looks at once for a token that was shown before, whatever one stranger or many show', async () => {
    const { clock, asked, lookup, settle } = setUp()
    const own = granted({ lifetime: 3_600_000 })
    void lookup.look(inspectToken(own.token))
    await settle()
    for (const { answer } of asked.splice(0)) answer([])
    await clock.advance(6 * 60_000)
    const one = createIdentity(systemRandom).id
    for (let i = 0; i < 5000; i++) void lookup.look({ ...shownTemplate, id: freshId(), subject: one })
    for (let i = 0; i < 5000; i++) {
      void lookup.look({ ...shownTemplate, id: freshId(), subject: `node ${i}` as NodeId })
    }
    await settle()
    expect(asked).toHaveLength(6)
    // Their answers never come, and there is a turn all the same.
    void lookup.look(inspectToken(own.token))
    await settle()
    expect(asked.map(({ token }) => token)).toContain(own.claims.id)
  })

  it('CON-5 has a node that shows many tokens wait behind itself, not others behind it', async () => {
    const { asked, lookup, settle } = setUp()
    const [busy, quiet] = [createIdentity(systemRandom).id, createIdentity(systemRandom).id]
    for (let i = 0; i < 1000; i++) void lookup.look({ ...shownTemplate, id: freshId(), subject: busy })
    const own = shownBy(quiet)
    void lookup.look(own)
    await settle()
    expect(asked.map(({ token }) => token)).not.toContain(own.id)
    asked[0]!.answer([])
    await settle()
    asked[1]!.answer([])
    await settle()
    expect(asked.slice(6).map(({ token }) => token)).toContain(own.id)
    // All turns are given back.
    for (let i = 2; i < asked.length; i++) {
      asked[i]!.answer([])
      await settle()
    }
    expect(asked).toHaveLength(65 + 6)
  })
})

const shownTemplate = shownBy(createIdentity(systemRandom).id)
