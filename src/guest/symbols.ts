/** Names of addresses and addresses of names, from an ELF symbol table. */
import { upperBound } from './sorted';
import type { ElfSymbol } from './file';

/** A function or a variable of the guest. */
export interface SymbolPlace {
  name: string;
  address: bigint;
  /** Bytes; 0 when the symbol table does not tell. */
  size: bigint;
}

/** Symbols by address and by name. */
export class SymbolTable {
  private readonly code: SymbolPlace[];
  private readonly starts: BigUint64Array;
  private readonly data: SymbolPlace[];
  private readonly dataStarts: BigUint64Array;
  private readonly byName = new Map<string, SymbolPlace>();

  constructor(symbols: readonly ElfSymbol[]) {
    const named = symbols.filter((each) => each.defined && each.type !== 'section' && each.type !== 'file');
    // A global symbol of a name goes before local ones of other files.
    for (const symbol of [...named.filter((each) => each.global), ...named.filter((each) => !each.global)]) {
      if (!this.byName.has(symbol.name)) this.byName.set(symbol.name, place(symbol));
    }
    this.code = sorted(named.filter((each) => each.type === 'function'));
    this.starts = BigUint64Array.from(this.code, (each) => each.address);
    this.data = sorted(named.filter((each) => each.type === 'object' && each.size > 0n));
    this.dataStarts = BigUint64Array.from(this.data, (each) => each.address);
  }

  /** The function that contains an address; one without a size reaches to the next. */
  functionAt(address: bigint | number): SymbolPlace | undefined {
    const found = this.code[upperBound(this.starts, BigInt(address)) - 1];
    const inside = found && (found.size === 0n || BigInt(address) < found.address + found.size);
    return inside ? found : undefined;
  }

  /** The variable that contains an address. */
  variableAt(address: bigint): SymbolPlace | undefined {
    const found = this.data[upperBound(this.dataStarts, address) - 1];
    return found && address < found.address + found.size ? found : undefined;
  }

  /** A function or variable by its name. */
  named(name: string): SymbolPlace | undefined {
    return this.byName.get(name);
  }

  /** All functions by ascending address. */
  functions(): readonly SymbolPlace[] {
    return this.code;
  }
}

function sorted(symbols: readonly ElfSymbol[]): SymbolPlace[] {
  return symbols.map(place).sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

function place({ name, address, size }: ElfSymbol): SymbolPlace {
  return { name, address, size };
}
