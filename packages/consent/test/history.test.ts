import { AskeeError, type AuditEvent, type AuditSink, silentLogger } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import { CONSENT_MIGRATIONS } from '../src/index.ts'
import { openHistory } from '../src/life/history.ts'

/** Takes what the audit log takes. */
function opened(refuses: (event: AuditEvent) => unknown) {
  const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
  const taken: AuditEvent[] = []
  const audit: AuditSink = {
    async append(event) {
      const error = refuses(event)
      if (error !== undefined) throw error
      return { index: taken.push(event) - 1, leaf: '' }
    },
  }
  const parts = { database, clock: new VirtualTime(), audit, logger: silentLogger }
  return { history: openHistory(parts), database, taken }
}

describe('the history of consents', () => {
  it('CON-7 sends the other rows on when the log does not take one, and names it there', async () => {
    const { history, taken } = opened(({ content }) =>
      content.reason === 'bad' ? new AskeeError('audit/event', 'not an act') : undefined,
    )
    history.write('granted', 'c1')
    history.write('suspended', 'c1', 'done', { reason: 'bad' })
    history.write('revoked', 'c1')
    await history.settled()
    expect(taken.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'consent.granted done',
      'consent.unrecorded failed',
      'consent.revoked done',
    ])
    expect(taken[1]?.content).toEqual({ sequence: 2, why: 'audit/event' })
    expect(history.entries().map(({ act, receipt }) => [act, receipt?.index])).toEqual([
      ['granted', 0],
      ['suspended', 1],
      ['revoked', 2],
    ])
  })

  it('CON-7 reads and sends the other rows when one was damaged', async () => {
    const { history, database, taken } = opened(() => undefined)
    database.exec(
      `INSERT INTO history (at, act, consent, outcome, content) VALUES (0, 'granted', 'c1', 'done', '{"a')`,
    )
    history.write('revoked', 'c1')
    await history.settled()
    expect(taken.map(({ action, content }) => [action, content.damaged])).toEqual([
      ['consent.granted', true],
      ['consent.revoked', undefined],
    ])
    expect(history.entries()).toHaveLength(2)
  })

  it('CON-7 keeps all rows for later while the disk of the log fails', async () => {
    let full = true
    const { history, taken } = opened(() => (full ? new Error('database or disk is full') : undefined))
    history.write('granted', 'c1')
    history.write('revoked', 'c1')
    await history.settled()
    expect(taken).toEqual([])
    full = false
    await history.settled()
    expect(taken.map(({ action }) => action)).toEqual(['consent.granted', 'consent.revoked'])
  })
})
