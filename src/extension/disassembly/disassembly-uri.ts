/** The address of a disassembly: which trace, which guest, which code. Knows no editor but its URIs. */
import { Uri } from 'vscode';
import { disassemblyScheme } from '../names';

/** What a disassembly is of. */
export interface DisassemblyOf {
  trace: Uri;
  /** Index of the guest's VM. */
  vm: number;
  /** An address in it: hexadecimal with 0x. */
  address: string;
}

/** @param name of the function, for the tab */
export function disassemblyUri({ trace, vm, address }: DisassemblyOf, name: string): Uri {
  const query = new URLSearchParams({ trace: trace.toString(), vm: String(vm), address });
  const path = `/${name.replace(/[^\w.$-]/g, '_')}.asm`;
  return Uri.from({ scheme: disassemblyScheme, path, query: query.toString() });
}

/** What a URI is of; undefined where it is none of a disassembly. */
export function disassemblyOf(uri: Uri): DisassemblyOf | undefined {
  if (uri.scheme !== disassemblyScheme) return undefined;
  const query = new URLSearchParams(uri.query);
  const [trace, vm, address] = ['trace', 'vm', 'address'].map((name) => query.get(name) ?? '');
  if (!trace || !/^\d{1,5}$/.test(vm ?? '') || !/^0x[0-9a-f]{1,16}$/i.test(address ?? '')) return undefined;
  return { trace: Uri.parse(trace), vm: Number(vm), address: address ?? '' };
}
