/**
 * Lennard-Jones energy of particles in a cubic periodic box, in reduced units: 4 (r^-12 − r^-6) summed over all
 * pairs nearer than the cut-off, each pair at its minimum image; no shift, no tail correction.
 * A task does some rows of the triangle of pairs: row i holds the pairs (i, j) with j > i.
 * Input: u32 particles, u32 first row, u32 end row, f64 box edge, f64 cut-off, then x, y, z of every particle as f64.
 * Output: one f64 a row. Whoever adds them up in the order of the rows gets the same bits, however they were shared.
 */
import { DONE, MORE, Reader, require, Writer } from './kit'

let positions: StaticArray<f64> = new StaticArray<f64>(0)
let energies: Writer | null = null
let row: i32 = 0
let endRow: i32 = 0
let box: f64 = 0
let cutoffSquared: f64 = 0

/** One step is one row. */
export function step(): i32 {
  if (!energies) start()
  const output = energies!
  if (row < endRow) output.f64(rowEnergy(row++))
  if (row < endRow) return MORE
  output.flush()
  return DONE
}

function start(): void {
  const input = new Reader()
  const particles = <i32>input.u32()
  row = input.u32()
  endRow = input.u32()
  require(row >= 0 && row <= endRow && endRow <= particles && particles <= 50_000)
  box = input.f64()
  const cutoff = input.f64()
  require(box > 0 && cutoff > 0 && cutoff <= box / 2)
  cutoffSquared = cutoff * cutoff
  positions = input.f64Array(3 * particles)
  energies = new Writer((endRow - row) * 8)
}

function rowEnergy(i: i32): f64 {
  const x = unchecked(positions[3 * i])
  const y = unchecked(positions[3 * i + 1])
  const z = unchecked(positions[3 * i + 2])
  let energy: f64 = 0
  for (let at = 3 * (i + 1), end = positions.length; at < end; at += 3) {
    const dx = minimumImage(x - unchecked(positions[at]))
    const dy = minimumImage(y - unchecked(positions[at + 1]))
    const dz = minimumImage(z - unchecked(positions[at + 2]))
    const distanceSquared = dx * dx + dy * dy + dz * dz
    if (distanceSquared >= cutoffSquared) continue
    const inverse = 1 / distanceSquared
    const attraction = inverse * inverse * inverse
    energy += 4 * (attraction * attraction - attraction)
  }
  return energy
}

/** The distance to the nearest periodic image along one axis. */
function minimumImage(distance: f64): f64 {
  return distance - box * Math.floor(distance / box + 0.5)
}
