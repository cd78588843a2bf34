export declare const cache: string
export declare function run(source: string): Promise<void>
export declare function bundled(source: string): string
export declare function freshBundle(): string | undefined
export declare function stampOf(path: string): string
