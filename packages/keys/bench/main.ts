/** `node packages/keys/bench/main.ts`: envelopes against raw node:crypto, in one run. */
import { forgeriesTaken, measureEnvelopes } from './envelope.ts'

const figures = await measureEnvelopes()
const row = (name: string, value: number, raw: number): string =>
  `${name.padEnd(14)} ${value.toFixed(0).padStart(7)} /s   ${(raw / value).toFixed(1)} times the raw primitives`
process.stdout.write(
  [
    row('seal', figures.seal, figures.rawSeal),
    row('open', figures.open, figures.rawOpen),
    row('seal double', figures.sealDouble, figures.rawSeal),
    row('open double', figures.openDouble, figures.rawOpen),
    row('raw seal', figures.rawSeal, figures.rawSeal),
    row('raw open', figures.rawOpen, figures.rawOpen),
    `forgeries taken: ${await forgeriesTaken()} of 1,000`,
    '',
  ].join('\n'),
)
