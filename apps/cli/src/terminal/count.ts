/** A number and what it counts, in the right form: `1 node`, `2 nodes`, `0 replies`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
