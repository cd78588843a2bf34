/** Version of this release; a meta test holds it against the root package.json. */
export const VERSION = '0.1.0'
