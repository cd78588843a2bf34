/**
 * `part` with some of its methods replaced; the rest go to `part` itself, private state included. For faults and delays
 * put around a real part.
 */
export function decorate<T extends object>(part: T, replaced: Partial<T>): T {
  return new Proxy(part, {
    get(target, name) {
      const own = Reflect.get(replaced, name)
      if (own !== undefined) return own
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
