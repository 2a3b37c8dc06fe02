/** The registers of one local APIC by name, in the page that they stand in. */
import { LAPIC_VERSION, Lapic, LVT_WRITABLE } from './lapic-registers';
import { APIC_PAGE_WORDS, RegisterBank, VectorBank, wordOf } from './register-bank';

/** The page; its values are those after a reset, but for the entries of the local vector table. */
export abstract class RegisterPage {
  /** The registers, by the word of the page that each is; see `wordOf`. */
  protected readonly page: Uint32Array;
  protected readonly lvt: RegisterBank;
  protected readonly irr: VectorBank;
  protected readonly isr: VectorBank;
  protected readonly tmr: VectorBank;

  /** @param page its words; absent: they are the LAPIC's alone */
  constructor(page: Uint32Array | undefined) {
    this.page = page ?? new Uint32Array(APIC_PAGE_WORDS);
    this.lvt = new RegisterBank(this.page, Lapic.LvtTimer, LVT_WRITABLE.length);
    this.irr = new VectorBank(this.page, Lapic.Irr);
    this.isr = new VectorBank(this.page, Lapic.Isr);
    this.tmr = new VectorBank(this.page, Lapic.Tmr);
    this.page[wordOf(Lapic.Version)] = LAPIC_VERSION;
    this.dfr = 0xffffffff;
    this.svr = 0xff;
  }

  /** The ID register of the xAPIC, 8 bits; KVM lets software write it, as early LAPICs did. */
  protected get xapicId(): number {
    return this.page[wordOf(Lapic.Id)] >>> 24;
  }

  protected set xapicId(id: number) {
    this.page[wordOf(Lapic.Id)] = id << 24;
  }

  protected get tpr(): number {
    return this.page[wordOf(Lapic.Tpr)];
  }

  protected set tpr(value: number) {
    this.page[wordOf(Lapic.Tpr)] = value;
  }

  protected get ldr(): number {
    return this.page[wordOf(Lapic.Ldr)];
  }

  protected set ldr(value: number) {
    this.page[wordOf(Lapic.Ldr)] = value;
  }

  protected get dfr(): number {
    return this.page[wordOf(Lapic.Dfr)];
  }

  protected set dfr(value: number) {
    this.page[wordOf(Lapic.Dfr)] = value;
  }

  protected get svr(): number {
    return this.page[wordOf(Lapic.Svr)];
  }

  protected set svr(value: number) {
    this.page[wordOf(Lapic.Svr)] = value;
  }

  protected get esr(): number {
    return this.page[wordOf(Lapic.Esr)];
  }

  protected set esr(value: number) {
    this.page[wordOf(Lapic.Esr)] = value;
  }

  protected get icrLow(): number {
    return this.page[wordOf(Lapic.IcrLow)];
  }

  protected set icrLow(value: number) {
    this.page[wordOf(Lapic.IcrLow)] = value;
  }

  protected get icrHigh(): number {
    return this.page[wordOf(Lapic.IcrHigh)];
  }

  protected set icrHigh(value: number) {
    this.page[wordOf(Lapic.IcrHigh)] = value;
  }
}
