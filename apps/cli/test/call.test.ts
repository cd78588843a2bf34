import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { understood, wantsJson } from '../src/arguments.ts'
import { interruptedAfter } from '../src/simulate/revoke/report.ts'
import { withAgentNamed } from '../src/terminal/hints.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

describe('a command that was called wrongly', () => {
  it('CLI-1 answers a wrong call with --json with one JSON value', () => {
    const args = ['consent', 'grant', '--kinds', 'wrongkind', '--json']
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
    expect([status, JSON.parse(stdout)]).toEqual([
      2,
      { error: { code: 'cli/usage', message: expect.stringContaining('wrongkind') } },
    ])
    expect(stderr).toContain('wrongkind')
  }, 60_000)

  it('CLI-1 takes --json for an option before -- only', () => {
    expect(wantsJson(['node', 'askee', 'status', '--json'])).toBe(true)
    expect(wantsJson(['node', 'askee', 'status', '--', '--json'])).toBe(false)
  })

  it('CLI-1 shows the help of a command of a command of a command', () => {
    expect(understood(['node', 'askee', 'help', 'keys', 'root', 'create']).slice(2)).toEqual([
      'keys',
      'root',
      'create',
      '--help',
    ])
    for (const plain of [['help'], ['help', 'keys'], ['keys', 'help', 'root']])
      expect(understood(['node', 'askee', ...plain]).slice(2)).toEqual(plain)
  })
})

describe('a command that an error tells to type', () => {
  it('CLI-1 is aimed at the agent that was named', () => {
    const text = 'Start it with: askee agent. Or: askee data accept-restored, or askee audit accept'
    expect(withAgentNamed(text, ['askee', 'status'])).toBe(text)
    expect(withAgentNamed(text, ['askee', 'status', '--data', '/a b'])).toBe(
      "Start it with: askee agent --data '/a b'. Or: askee data accept-restored --data '/a b', or askee audit accept --data '/a b'",
    )
    expect(withAgentNamed('askee agent', ['askee', 'status', '--data=/a'])).toBe('askee agent --data /a')
    // It asks no agent, so it takes no socket.
    expect(withAgentNamed('askee data accept-restored', ['--control', '/s', '--data', '/a'])).toBe(
      'askee data accept-restored --data /a',
    )
  })
})

describe('a simulation that is interrupted', () => {
  it('CON-5 says what was seen so far, and gives no verdict', () => {
    const round = {
      worker: 'a',
      killMs: 12,
      meshMs: 900,
      eraseMs: 30,
      filesBefore: 3,
      filesAfter: 0,
      traces: 0,
      processesBefore: 1,
      processesAfter: 0,
      acceptedBefore: 8,
      isRecorded: true,
    }
    expect(interruptedAfter([round, { ...round, killMs: 20 }], 50)).toMatchObject({
      code: 'simulate/interrupted',
      message: expect.stringMatching(/after 2 of 50 .*12 ms \(median\), 20 ms at most; .* 900 ms at most/),
    })
    expect(interruptedAfter([], 50).message).toMatch(/after 0 of 50 /)
  })
})
