/** Memory that knows what each of its words has been, so that what caches may still have can be told. */
import type { Entries } from './checker';
import type { TableMemory } from '../../../src/machine/iommu/table-reader';
import type { HostMemory } from '../../../src/machine/memory/host-memory';

const WORD = 8;

/** A value and the moment from which on a word has had it. */
interface Version {
  moment: number;
  value: bigint;
}

/** `HostMemory` whose writes are put down, those of the unit among them. */
export class LoggedMemory implements TableMemory {
  /** Goes up with each write. */
  moment = 0;
  private readonly history = new Map<number, Version[]>();

  constructor(private readonly memory: HostMemory) {}

  read(address: number, length: number): Uint8Array | undefined {
    return this.memory.read(address, length);
  }

  write(address: number, bytes: Uint8Array): boolean {
    if (!this.memory.contains(address, bytes.length)) return false;
    const first = address - (address % WORD);
    const length = Math.ceil((address + bytes.length - first) / WORD);
    const [before] = plainEntry(this.memory, first, length);
    this.memory.write(address, bytes);
    const [after] = plainEntry(this.memory, first, length);
    this.moment += 1;
    for (let at = 0; at < length; at++) {
      const version = { moment: this.moment, value: after?.[at] ?? 0n };
      const known = this.history.get(first + at * WORD);
      if (known) known.push(version);
      else this.history.set(first + at * WORD, [{ moment: 0, value: before?.[at] ?? 0n }, version]);
    }
    return true;
  }

  /** Nothing has anything of what words were before. */
  forget(): void {
    this.history.clear();
  }

  /** All that an entry of so many words has been since a moment; undefined where there is no memory. */
  versions(address: number, words: number, since: number): (bigint[] | undefined)[] {
    if (!this.memory.contains(address, words * WORD)) return [undefined];
    const places = Array.from({ length: words }, (_, at) => address + at * WORD);
    if (!places.some((place) => this.changedAfter(place, since)))
      return plainEntry(this.memory, address, words);
    const moments = new Set([since]);
    for (const place of places)
      for (const { moment } of this.history.get(place) ?? []) if (moment > since) moments.add(moment);
    const seen = new Map<string, bigint[]>();
    for (const moment of moments) {
      const value = places.map((place) => this.at(place, moment));
      seen.set(value.join(), value);
    }
    return [...seen.values()];
  }

  private changedAfter(place: number, moment: number): boolean {
    const known = this.history.get(place);
    return known !== undefined && known[known.length - 1].moment > moment;
  }

  /** What a word was at a moment. */
  private at(place: number, moment: number): bigint {
    const known = this.history.get(place);
    if (!known) return this.word(place);
    let value = known[0].value;
    for (const version of known) if (version.moment <= moment) value = version.value;
    return value;
  }

  private word(at: number): bigint {
    const bytes = this.memory.read(at, WORD);
    return bytes ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) : 0n;
  }
}

/** Memory in which nothing is cached: each entry has the value that it has. */
export function plainEntries(memory: TableMemory): Entries {
  return (address, words) => plainEntry(memory, Number(address), words);
}

function plainEntry(memory: TableMemory, address: number, words: number): (bigint[] | undefined)[] {
  const bytes = memory.read(address, words * WORD);
  if (!bytes) return [undefined];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entry: bigint[] = [];
  for (let at = 0; at < words; at++) entry.push(view.getBigUint64(at * WORD, true));
  return [entry];
}
