/** Of V8 under the warden. */
const BY_WASMTIME = 'V8 cannot do without; start with --executor native for wasmtime, which has it'

/** What would bring a missing layer, by the beginning of its name. The words are those of docs/containment.md. */
const REMEDIES: readonly (readonly [string, string])[] = [
  [
    'kernel isolation',
    'build the native containment (node scripts/build-native.ts) and start with --executor best or native',
  ],
  ['processor share', 'the native executor enforces it: build it with node scripts/build-native.ts'],
  [
    'cgroup-idle',
    'give tasks a group that stands beside your programs and that the agent is not in, and name it in ASKEE_CGROUP (docs/containment.md, "The foreground wins")',
  ],
  ['cgroup-io', 'nothing to do: a task has no file, so no limit of disks is asked for'],
  [
    'cgroup-',
    'where there is cgroup v2, start the agent below the user manager with Delegate=yes (systemd-run --user -p Delegate=yes askee agent); without it the duty cycle and the memory watch stand in',
  ],
  [
    'user-namespace',
    'allow unprivileged user namespaces (on Ubuntu 24.04 and later by an AppArmor profile for the warden)',
  ],
  [
    'apparmor',
    'load installers/linux/apparmor/askee where the system has AppArmor; the rest holds without it',
  ],
  ['landlock', 'a kernel with Landlock (5.13 and later) that has it among its active security modules'],
  ['seccomp', 'a kernel with seccomp filters (CONFIG_SECCOMP_FILTER)'],
  ['no-new-code', BY_WASMTIME],
  ['compiling-apart', BY_WASMTIME],
  ['one-thread', BY_WASMTIME],
  ['no-clock', BY_WASMTIME],
  ['autogroup', 'nothing to do: the kernel allows one change in 100 ms, the next task tries again'],
]
const NAMESPACES = /-namespace$|^(empty|listed)-root$|^no-capabilities$|^host-name$|^process-limit$/

/** @param layer name of a layer in an executor's report */
export function remedyFor(layer: string): string {
  const known = REMEDIES.find(([start]) => layer.startsWith(start))
  if (known !== undefined) return known[1]
  if (NAMESPACES.test(layer)) return 'it comes with user namespaces: allow unprivileged ones'
  return 'see docs/containment.md'
}
