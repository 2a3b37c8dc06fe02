/** Addresses with the name of what lies there. */
import { hex } from '../frames/machine';
import type { Program } from '../frames/program';

/** `0x100240 <e1000_xmit+12>`; without a name where no symbol contains the address. */
export function addressText(address: bigint, program: Program): string {
  const name = symbolText(address, program);
  return name === undefined ? hex(address) : `${hex(address)} <${name}>`;
}

/** `e1000_xmit+12`. */
export function symbolText(address: bigint, { symbols }: Program): string | undefined {
  const symbol = symbols.functionAt(address) ?? symbols.variableAt(address);
  if (!symbol) return undefined;
  const offset = address - symbol.address;
  return offset === 0n ? symbol.name : `${symbol.name}+${offset}`;
}
