import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { projectFiles } from '../../scripts/test-names.ts'

/**
 * Ways around the gate of consent (CON-1). What runs a task, or brings bytes of others onto this machine's disk, may be
 * called only by the files named here; all but the first are this node's own affairs, for which no consent is needed.
 */
const ALLOWED: readonly (readonly [call: RegExp, files: Readonly<Record<string, string>>])[] = [
  [
    /\bexecutor\??\.execute\(/,
    {
      'packages/compute/src/worker/gated-work.ts': 'the gate of the worker',
      'apps/cli/src/simulate/reference.ts': 'the own machine, its own simulation',
    },
  ],
  [
    /\.(?:getBlock|putBlock)\(|\bputPinned\(|\bblocks\??\.put\(/,
    {
      'packages/compute/src/worker/gated-work.ts': 'the gate of the worker',
      'packages/compute/src/requester/requester.ts': 'what the own campaigns need',
      'packages/compute/src/requester/revealing.ts': 'results of the own campaigns',
      'packages/compute/src/pinned-block.ts': 'called by the two above',
      'packages/network/src/mesh.ts': 'the mesh itself',
      'packages/network/src/blocks/fetching.ts': 'the mesh itself',
      'packages/keys/src/sessions/sealed-mesh.ts': 'a mesh around the mesh: whoever calls it stands here too',
      'apps/agent/src/control/campaigns.ts': 'what the owner hands in',
      'apps/cli/src/commands/submit.ts': 'what the owner hands in',
      'apps/cli/src/simulate/campaigns.ts': 'what the simulation hands in',
      'apps/cli/src/simulate/revoke/scenario.ts': 'what the simulation hands in',
    },
  ],
  // Nobody relays for others before a consent can say so.
  [/\brelayServer:/, {}],
]

/** Calls in code, without comments, and without the declarations of what is called. */
function calls(code: string, call: RegExp): string[] {
  const text = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
  return text
    .split('\n')
    .filter((line) => call.test(line) && !/^\s*(?:async )?(?:function )?\w+\(.*\)?:.*[{;]?$/.test(line))
}

/** Files that go around the gate, each with the line that does. */
function bypasses(files: readonly { readonly path: string; readonly code: string }[]): string[] {
  return files.flatMap(({ path, code }) =>
    ALLOWED.flatMap(([call, allowed]) =>
      path in allowed ? [] : calls(code, call).map((line) => `${path}: ${line.trim()}`),
    ),
  )
}

/** Methods of a class that do something before they ask the gate. */
function ungated(code: string): string[] {
  const methods = code.matchAll(/^ {2}async (\w+)\([\s\S]*?\): Promise<[\s\S]*?> \{\n([\s\S]*?)^ {2}\}/gm)
  const act = /executor\.execute\(|getBlock\(|putBlock\(|putPinned\(|storage\?\.(?:block|compiled)\(/
  return [...methods].flatMap(([, name = '', body = '']) => {
    const acts = body.search(act)
    const asks = body.indexOf('this.check(permit)')
    return acts >= 0 && (asks < 0 || asks > acts) ? [name] : []
  })
}

const sources = projectFiles()
  .filter((path) => /^(packages|apps)\/[\w-]+\/src\/.*\.ts$/.test(path) && !/\/src\/testing\//.test(path))
  .map((path) => ({ path, code: readFileSync(path, 'utf8') }))
const GATED = 'packages/compute/src/worker/gated-work.ts'
const gated = sources.find(({ path }) => path === GATED)?.code ?? ''

describe('the gate of consent', () => {
  it('CON-1 has no way around it: only gated work runs, fetches and keeps', () => {
    expect(bypasses(sources)).toEqual([])
  })

  it('CON-1 is asked first by everything that gated work does', () => {
    expect(gated).not.toBe('')
    expect(ungated(gated)).toEqual([])
  })

  it('CON-2 has the worker ask nothing of anybody before its line allows it', () => {
    const worker = 'packages/compute/src/worker/'
    const senders = sources.filter(
      ({ path, code }) => path.startsWith(worker) && /\bmesh\.request\(/.test(code),
    )
    expect(senders.map(({ path }) => path.slice(worker.length)).sort()).toEqual([
      'heartbeat.ts',
      'offering.ts',
      'outbox.ts',
    ])
    const waits = (file: string, wait: string, send: string): void => {
      const code = sources.find(({ path }) => path === worker + file)?.code ?? ''
      const at = code.indexOf(`await ${wait}(`)
      expect([file, at > 0 && code.indexOf(`await ${send}(`) > at]).toEqual([file, true])
    }
    waits('heartbeats.ts', 'bandwidth.take', 'sendHeartbeat')
    waits('offering.ts', 'bandwidth.take', 'mesh.request')
    waits('outbox.ts', 'this.#pace', 'this.#deliver')
  })

  it('CON-1 would find a bypass: in the worker, in the agent, in the gate itself', () => {
    const worker = 'packages/compute/src/worker/execution.ts'
    const planted = [
      { path: worker, code: 'const x = await components.executor.execute({ module })' },
      { path: worker, code: 'return mesh.getBlock(input, { providers })' },
      { path: 'apps/agent/src/agent.ts', code: "      relayServer: 'on'," },
      { path: 'packages/network/src/requests/serving.ts', code: 'await this.#components.blocks.put(body)' },
    ]
    for (const file of planted) expect(bypasses([file])).toHaveLength(1)
    expect(bypasses([{ path: worker, code: '// executor.execute( is called by the gate alone' }])).toEqual([])
    for (const method of ['fetch', 'keep', 'show', 'run']) {
      const at = gated.indexOf(`  async ${method}(`)
      expect(at).toBeGreaterThan(0)
      const hole = gated.slice(0, at) + gated.slice(at).replace('this.check(permit)', '')
      expect(ungated(hole)).toEqual([method])
    }
  })

  it('CON-1 names no file as allowed that is not there or calls nothing', () => {
    const idle = ALLOWED.flatMap(([call, files]) =>
      Object.keys(files).filter((path) => {
        const source = sources.find((candidate) => candidate.path === path)
        return source === undefined || !call.test(source.code)
      }),
    )
    expect(idle).toEqual([])
  })
})
