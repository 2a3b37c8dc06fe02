/** The registers of a vCPU as whoever owns it sees them: over its register block in the core's memory. */
import type { CoreExports } from './core-instance';
import * as L from './core/state/layout';
import { MODE_BITS } from './decode/disassemble';
import { NO_INTERCEPTS, applyPolicy, type CpuPolicy } from './policy';
import { modeOf, type RegisterViews } from './start-states';
import type { CpuTranslation } from './translation';
import type { CpuMode, CpuSegment, CpuVendor, TableRegister } from './types';

const CONTROL_REGISTERS = { 0: L.C_CR0, 2: L.C_CR2, 3: L.C_CR3, 4: L.C_CR4 } as const;

/** What a vCPU holds; `VirtualCpu` adds how it runs. */
export class CpuRegisters {
  protected readonly i32: Int32Array;
  protected readonly u32: Uint32Array;
  protected readonly u64: BigUint64Array;
  protected readonly views: RegisterViews;
  /** Address of the register block. */
  protected readonly base: number;
  // Small views with literal indices: these are read several times for each call-out.
  private readonly rip: Uint32Array;
  private readonly result: Uint32Array;
  private readonly access: Int32Array;
  private readonly repeat: Float64Array;
  private readonly privilege: Int32Array;
  private currentTranslation: CpuTranslation = {};
  private currentPolicy: CpuPolicy = NO_INTERCEPTS;

  /** @param memory RAM and ROM by host-physical address */
  constructor(
    readonly index: number,
    protected readonly core: CoreExports,
    buffer: ArrayBuffer,
    private readonly memory: Uint8Array,
  ) {
    this.base = L.CPU_BASE + index * L.CPU_SIZE;
    this.i32 = new Int32Array(buffer, this.base, L.CPU_SIZE / 4);
    this.u32 = new Uint32Array(buffer, this.base, L.CPU_SIZE / 4);
    this.u64 = new BigUint64Array(buffer, this.base, L.CPU_SIZE / 8);
    this.views = { u32: this.u32, u64: this.u64 };
    this.rip = new Uint32Array(buffer, this.base + L.C_RIP, 2);
    this.result = new Uint32Array(buffer, this.base + L.C_RESULT_HIGH, 1);
    this.access = new Int32Array(buffer, this.base + L.C_ACCESS, 1);
    this.repeat = new Float64Array(buffer, this.base + L.C_ITERATIONS, 1);
    this.privilege = new Int32Array(buffer, this.base + L.C_CPL, 1);
  }

  getReg(reg: number): bigint {
    return this.u64[reg];
  }

  setReg(reg: number, value: bigint): void {
    this.u64[reg] = value;
  }

  segments(): CpuSegment[] {
    const { u32, u64 } = this;
    return [L.SEG_ES, L.SEG_CS, L.SEG_SS, L.SEG_DS, L.SEG_FS, L.SEG_GS].map((segment) => {
      const at = L.C_SEGMENTS + segment * L.SEG_SIZE;
      return {
        selector: u32[(at + L.S_SELECTOR) / 4],
        base: u64[(at + L.S_BASE) / 8],
        limit: u32[(at + L.S_LIMIT) / 4],
        attributes: u32[(at + L.S_ATTR) / 4],
      };
    });
  }

  get efer(): bigint {
    return this.u64[L.C_EFER / 8];
  }

  get ripLow(): number {
    return this.rip[0];
  }

  get ripHigh(): number {
    return this.rip[1];
  }

  setRip(value: bigint): void {
    this.u64[L.C_RIP / 8] = value;
  }

  get resultHigh(): number {
    return this.result[0];
  }

  set resultHigh(value: number) {
    this.result[0] = value;
  }

  rflags(): bigint {
    return BigInt(this.core.rflags(this.base) >>> 0);
  }

  cpl(): number {
    return this.privilege[0];
  }

  mode(): CpuMode {
    return modeOf(this.views);
  }

  get accessIndex(): number {
    return this.access[0];
  }

  get iterations(): number {
    return this.repeat[0];
  }

  get policy(): CpuPolicy {
    return this.currentPolicy;
  }

  set policy(policy: CpuPolicy) {
    applyPolicy({ ...this.views, msrBit: (msr) => this.core.msrBit(msr) }, policy);
    this.currentPolicy = policy;
  }

  get translation(): CpuTranslation {
    return this.currentTranslation;
  }

  set translation(translation: CpuTranslation) {
    this.currentTranslation = translation;
    this.i32[L.C_TRANSLATION / 4] =
      (translation.secondStage ? L.TRANSLATE_SECOND_STAGE : 0) |
      (translation.softwareTlb ? L.TRANSLATE_SOFTWARE : 0);
    this.flushTranslations();
  }

  flushTranslations(): void {
    this.core.flushTranslations(this.base);
  }

  readMsr(index: number): number | undefined {
    return this.core.readMsr(this.base, index) ? this.u32[L.C_RESULT_LOW / 4] : undefined;
  }

  writeMsr(index: number, low: number, high: number): boolean {
    return this.core.writeMsr(this.base, index, low, high) !== 0;
  }

  readControl(register: 0 | 2 | 3 | 4): bigint {
    return this.u64[CONTROL_REGISTERS[register] / 8];
  }

  writeControl(register: 0 | 3 | 4, value: bigint): boolean {
    const low = Number(value & 0xffffffffn);
    const high = Number((value >> 32n) & 0xffffffffn);
    return this.core.writeControl(this.base, register, low, high) !== 0;
  }

  get tscOffset(): bigint {
    return this.u64[L.C_TSC_OFFSET / 8];
  }

  set tscOffset(value: bigint) {
    this.u64[L.C_TSC_OFFSET / 8] = value;
  }

  /** Linear address of the code at RIP. */
  codeAddress(): bigint {
    const rip = this.u64[L.C_RIP / 8];
    if (this.i32[L.C_MODE / 4] === L.MODE_64) return rip;
    return BigInt.asUintN(32, rip + this.u64[L.C_CODE_BASE / 8]);
  }

  /** Whose architecture this vCPU follows. */
  vendor(): CpuVendor {
    return this.i32[L.C_AMD / 4] !== 0 ? 'amd' : 'intel';
  }

  /** Bits of the code at RIP. */
  codeBits(): 64 | 32 | 16 {
    return MODE_BITS[this.i32[L.C_MODE / 4]];
  }

  /** CR2 of the last page fault. */
  faultAddress(): bigint {
    return this.u64[L.C_CR2 / 8];
  }

  /** Physical memory by the core's own addresses; undefined where there is none. */
  protected lookAtPhysical(address: number, length: number): Uint8Array | undefined {
    if (address < 0 || address + length > this.memory.length) return undefined;
    return this.memory.slice(address, address + length);
  }

  peekVirtual(address: bigint, length: number): Uint8Array | undefined {
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const offset = Number(at & 0xfffn);
      const part = Math.min(4096 - offset, length - done);
      const physical = this.peekPage(at);
      if (physical < 0) return undefined;
      out.set(this.memory.subarray(physical + offset, physical + offset + part), done);
      done += part;
    }
    return out;
  }

  physicalOf(address: bigint): number | undefined {
    const page = this.peekPage(BigInt.asUintN(64, address));
    return page < 0 ? undefined : page + Number(address & 0xfffn);
  }

  get idtr(): TableRegister {
    return { base: this.u64[L.C_IDT_BASE / 8], limit: this.u32[L.C_IDT_LIMIT / 4] };
  }

  /** Host-physical address of the page of a linear one; below 0: none. */
  private peekPage(address: bigint): number {
    return this.core.peekPage(this.base, Number(address & 0xffffffffn) | 0, Number(address >> 32n) | 0);
  }
}
