import type { Milliseconds, NodeId, Timestamp } from '@askee/core'

const DAY: Milliseconds = 86_400_000

/** A node that was watched over at least this time keeps its place against every stranger. */
export const TENURE: Milliseconds = DAY

/** A node whose logs are watched here. */
export interface Tenant {
  readonly node: NodeId
  /** First and last time that a checkpoint of it was cosigned here. */
  readonly first: Timestamp
  readonly last: Timestamp
}

export type Admission =
  | { readonly state: 'admitted'; readonly evict: NodeId | null }
  | { readonly state: 'refused' }

/**
 * Whether a new node's log finds a place, and whose it takes. Node ids cost nothing and are always connected when they ask, so
 * neither being there nor being the newest earns anything:
 * - Who has a live consent here, or is connected now, is never put out (`isProtected`).
 * - A stranger takes the place only of a node that was watched for less than `TENURE`, the shortest watched first: floods of
 *   new ids put out one another.
 * - Who has a live consent (`newcomer` `consented`) takes the place of any that is not protected, the shortest watched first.
 */
export function admit(
  tenants: readonly Tenant[],
  newcomer: 'stranger' | 'consented',
  limit: number,
  isProtected: (node: NodeId) => boolean,
): Admission {
  if (tenants.length < limit) return { state: 'admitted', evict: null }
  let victim: Tenant | undefined
  for (const tenant of tenants) {
    if (isProtected(tenant.node)) continue
    if (newcomer === 'stranger' && tenureOf(tenant) >= TENURE) continue
    if (victim === undefined || isLess(tenant, victim)) victim = tenant
  }
  return victim === undefined ? { state: 'refused' } : { state: 'admitted', evict: victim.node }
}

function tenureOf({ first, last }: Tenant): Milliseconds {
  return last - first
}

function isLess(a: Tenant, b: Tenant): boolean {
  return tenureOf(a) === tenureOf(b) ? a.last < b.last : tenureOf(a) < tenureOf(b)
}
