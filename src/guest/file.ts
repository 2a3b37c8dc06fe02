/** A guest's file as loaders, debuggers and symbol tables see it, whatever its format. */

/** A piece of the file that belongs into RAM (PT_LOAD of ELF). Addresses are physical. */
export interface LoadSegment {
  /** Physical address (p_paddr of ELF), where the loader puts it. */
  address: bigint;
  virtualAddress: bigint;
  /** Bytes from the file; not a copy. */
  bytes: Uint8Array;
  /** Bytes in memory; what is beyond `bytes` is zero. */
  memorySize: bigint;
  readable: boolean;
  writable: boolean;
  executable: boolean;
}

/** A section as its header tells it. */
export interface ElfSection {
  name: string;
  type: number;
  flags: number;
  address: bigint;
  offset: number;
  size: number;
  link: number;
}

/** A row of the symbol table. */
export interface ElfSymbol {
  name: string;
  address: bigint;
  size: bigint;
  type: 'none' | 'object' | 'function' | 'section' | 'file' | 'other';
  global: boolean;
  /** False for a symbol that another file would have to define. */
  defined: boolean;
}

/** A file that can be loaded and run. */
export interface GuestFile {
  /** The whole file. */
  readonly bytes: Uint8Array;
  /** Its name, for messages. */
  readonly name: string;
  /** Where it starts: a virtual address. */
  readonly entry: bigint;
  /** What has been added to the linker's addresses to get those of this interface; debug information has the linker's. */
  readonly bias: bigint;
  readonly segments: readonly LoadSegment[];
  /** Empty where the format has none. */
  readonly sections: readonly ElfSection[];
  /** SHA-1 or whatever the linker was asked for, hexadecimal; absent without `--build-id`. */
  readonly buildId: string | undefined;
  /** Bytes of an address in this format: code of a file with 4 starts in 32-bit mode. */
  readonly addressBytes: 4 | 8;
  /** Contents of a section, unpacked when it is compressed; undefined when there is none of that name. */
  section(name: string): Uint8Array | undefined;
  /** The symbol table, in the file's order; empty for a stripped file. */
  symbols(): readonly ElfSymbol[];
}
