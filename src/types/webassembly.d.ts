/**
 * The part of the WebAssembly JavaScript interface that Trapline uses. TypeScript declares it with the DOM only, and nothing
 * outside `webview/` may know of a DOM.
 */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  /** Of functions. */
  interface Table {
    set(slot: number, value: unknown): void;
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Module: new (bytes: Uint8Array) => Module;
  const Memory: new (descriptor: { initial: number; maximum?: number }) => Memory;
  const Table: new (descriptor: { element: 'anyfunc'; initial: number }) => Table;
  const Instance: new (module: Module, imports: Record<string, Record<string, unknown>>) => Instance;
}
