/** The Emscripten module of `@foxglove/wasm-zstd`, below the package's own functions, which have to be waited for. */
declare module '@foxglove/wasm-zstd/dist/wasm-zstd.js' {
  /** What the factory fills in. */
  export interface ZstdModule {
    /** Called at once; it may make the instance at once too. */
    instantiateWasm(
      imports: NonNullable<ConstructorParameters<typeof WebAssembly.Instance>[1]>,
      done: (instance: WebAssembly.Instance) => void,
    ): unknown;
    /** Path of a file beside the module. */
    locateFile?(name: string): string;
    HEAPU8?: Uint8Array;
    _malloc?(bytes: number): number;
    _free?(address: number): void;
    _compressBound?(bytes: number): number;
    /** Returns the length of the frame, or -1. */
    _compress?(to: number, room: number, from: number, bytes: number, level: number): number;
    /** Returns the length of the contents, or -1 also where these do not fit. */
    _decompress?(to: number, room: number, from: number, bytes: number): number;
  }
  export default function factory(module: ZstdModule): unknown;
}
