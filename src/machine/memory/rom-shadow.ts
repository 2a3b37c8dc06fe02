/**
 * What a PC with its BIOS in a ROM has at addresses that are not plain RAM: the ROM below 4 GiB, where the reset vector is, its
 * end once more below 1 MiB, and from C0000H to FFFFFH the RAM that may take its place there ("shadow RAM", Intel 440FX PCIset
 * data sheet, 3.2.10). CPUs see it so; bus masters reach RAM at all these addresses.
 */
import { TranslationAccess, type SecondStage } from '../x86/translation';

/** Addresses at which RAM may be hidden. */
export const SHADOW = { base: 0xc0000, end: 0x100000 } as const;
/** Attributes of an area: reads, writes go to RAM; where they do not, they go to the ROM or to nobody. */
export const READABLE = 1;
export const WRITABLE = 2;

const FOUR_GIB = 2 ** 32;
/** Of the ROM, so much at most shows below 1 MiB. */
const ALIAS_MAX = 0x20000;

/** Who has translated by it and is to forget that. */
export interface ShadowedCpu {
  flushTranslations(): void;
  /** The CPU looks up its next instruction anew. */
  requestAttention(): void;
}

/** Leads each page to RAM or ROM. Its state is the chipset's registers. */
export class RomShadow implements SecondStage {
  private readonly aliasBytes: number;
  private attributes: (address: number) => number = () => 0;
  private cpus: readonly ShadowedCpu[] = [];

  /**
   * The ROM stands behind RAM in host-physical memory.
   * @param ramBytes whole pages, more than 1 MiB
   * @param romBytes whole pages
   */
  constructor(
    private readonly ramBytes: number,
    private readonly romBytes: number,
  ) {
    this.aliasBytes = Math.min(romBytes, ALIAS_MAX);
  }

  /** Tells of whom translations are asked for. */
  serve(cpus: readonly ShadowedCpu[]): void {
    this.cpus = cpus;
  }

  /** Where the attributes (`READABLE`, `WRITABLE`) of an address in `SHADOW` are found. */
  connect(attributes: (address: number) => number): void {
    this.attributes = attributes;
  }

  /** Attributes may be others now. @param bySoftware they were written, perhaps by code whose own page they are of */
  changed(bySoftware: boolean): void {
    for (const cpu of this.cpus) {
      cpu.flushTranslations();
      if (bySoftware) cpu.requestAttention();
    }
  }

  translate(page: number, access: TranslationAccess): number | undefined {
    if (page >= SHADOW.base && page < SHADOW.end) return this.shadowed(page, access);
    if (page < this.ramBytes) return page;
    return access === TranslationAccess.Write ? undefined : this.inRom(page, FOUR_GIB, this.romBytes);
  }

  private shadowed(page: number, access: TranslationAccess): number | undefined {
    const write = access === TranslationAccess.Write;
    if ((this.attributes(page) & (write ? WRITABLE : READABLE)) !== 0) return page;
    return write ? undefined : this.inRom(page, SHADOW.end, this.aliasBytes);
  }

  /** Host-physical address of a page that the last `length` bytes of the ROM show at, up to `end`. */
  private inRom(page: number, end: number, length: number): number | undefined {
    return page >= end - length && page < end ? this.ramBytes + this.romBytes - (end - page) : undefined;
  }
}
