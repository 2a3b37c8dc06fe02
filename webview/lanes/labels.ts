/** Short names of events for places where few letters fit. */
import { Kind, kindRow } from '../../src/trace/vocabulary/events';
import type { Track } from '../../src/trace/model';

const modeLabels: ReadonlyMap<number, string> = new Map([
  [Kind.GuestKernel, 'guest'],
  [Kind.GuestUser, 'guest user'],
  [Kind.RootKernel, 'KVM'],
  [Kind.RootUser, 'QEMU'],
  [Kind.Halted, 'halted'],
  [Kind.WaitSipi, 'waits for SIPI'],
  [Kind.Idle, 'idle'],
  [Kind.KvmHandle, 'KVM'],
  [Kind.UserExit, 'to user'],
  [Kind.QemuHandle, 'QEMU'],
  [Kind.UserEnter, 'to kernel'],
  [Kind.Entry, 'entry'],
  [Kind.DeviceWork, 'work'],
]);

const arrows: ReadonlyMap<number, string> = new Map([
  [Kind.MmioWrite, '←'],
  [Kind.PioOut, '←'],
  [Kind.CfgWrite, '←'],
  [Kind.MmioRead, '→'],
  [Kind.PioIn, '→'],
  [Kind.CfgRead, '→'],
]);

/** What to call a kind in full: `EPT_MISCONFIG exit`, else its name. */
export function kindTitle(kind: number): string {
  const { name } = kindRow(kind);
  return name.startsWith('exit.') ? `${name.slice('exit.'.length)} exit` : name;
}

/** The word to write into or beside an event of a lane. */
export function eventLabel(kind: number, a: number, track: Track | undefined): string {
  const mode = modeLabels.get(kind);
  if (mode !== undefined) return mode;
  const row = kindRow(kind);
  if (row.group === 'exit') return row.name.slice('exit.'.length);
  if (row.a?.format === 'register') {
    const register = track?.registers?.[String(a)] ?? `0x${a.toString(16)}`;
    return `${register}${arrows.has(kind) ? ` ${arrows.get(kind) ?? ''}` : ''}`;
  }
  const word = row.name.slice(row.name.indexOf('.') + 1);
  if (row.a?.format === 'vector') return `${word} 0x${a.toString(16)}`;
  return word;
}
