/** The processor and the kernel that the tests run on: whose processor it is, and what can be asked of it. */
import { CpuidFeature, Instruction } from 'iced-x86';
import type { CpuVendor } from '../../../src/machine/x86/types';
import type { Asked } from './cases';
import type { Bits } from './encodings';
import { CS32, MEMORY_BYTES, STACK_TOP, STATE, TEST, leave } from './place';
import type { Leaf, NativeProcessor, Probe } from './processor';

/** Whose behaviour is to be compared, by CPUID leaf 0. Hygon's are made after AMD's. */
const VENDORS: Readonly<Record<string, CpuVendor>> = {
  GenuineIntel: 'intel',
  AuthenticAMD: 'amd',
  HygonGenuine: 'amd',
};

type LeafBit = [leaf: Leaf, register: 'ebx' | 'ecx', bit: number];

/** Where CPUID tells of the extensions that the vCPU has and not every processor (SDM vol. 2, "CPUID"; AMD64 vol. 3). */
const FEATURES = new Map<number, LeafBit>([
  [CpuidFeature.CMPXCHG16B, ['one', 'ecx', 13]],
  [CpuidFeature.MOVBE, ['one', 'ecx', 22]],
  [CpuidFeature.POPCNT, ['one', 'ecx', 23]],
  [CpuidFeature.BMI1, ['seven', 'ebx', 3]],
  [CpuidFeature.BMI2, ['seven', 'ebx', 8]],
  [CpuidFeature.ADX, ['seven', 'ebx', 19]],
  [CpuidFeature.CLFLUSHOPT, ['seven', 'ebx', 23]],
  [CpuidFeature.CLWB, ['seven', 'ebx', 24]],
  [CpuidFeature.LZCNT, ['extended', 'ecx', 5]],
  [CpuidFeature.PREFETCHW, ['extended', 'ecx', 8]],
]);

/** Access rights as LAR gives them: present, DPL 3, code, readable or not; and the D and L bits. */
const RIGHTS = 0xf800;
const USER_CODE = 0xf800;
const D_AND_L = 0x600000;
const D = 0x400000;

/** What is to be asked of whom. */
export class Host implements Asked {
  constructor(
    readonly vendor: CpuVendor,
    private readonly probe: Probe,
    private readonly processor: NativeProcessor,
  ) {}

  /** The processor has every extension that the encoding (`Code` number) belongs to. */
  has(code: number): boolean {
    const insn = new Instruction();
    insn.code = code;
    const features = insn.cpuidFeatures();
    insn.free();
    return features.every((feature) => {
      const at = FEATURES.get(feature);
      return at === undefined || ((this.probe.leaves[at[0]][at[1]] >>> at[2]) & 1) === 1;
    });
  }

  /** Why code of so many bits cannot be run, or undefined when it can. */
  whyNot(bits: Bits): string | undefined {
    if (bits === 64) return undefined;
    // A selector without a descriptor would take the program with it before the test begins.
    const { rights } = this.probe;
    if ((rights & RIGHTS) !== USER_CODE || (rights & D_AND_L) !== D)
      return `this kernel has no 32-bit code segment at selector ${CS32.toString(16)}H`;
    const registers = new BigUint64Array(17);
    registers[4] = BigInt(STATE + STACK_TOP);
    registers[16] = 0x202n;
    const [{ vector }] = this.processor.run([
      {
        bits,
        code: Uint8Array.from(leave(bits, TEST)),
        registers,
        memory: new Uint8Array(MEMORY_BYTES),
        defined: 0,
        encoding: 0,
      },
    ]);
    return vector < 0 ? undefined : `32-bit code ends in exception ${vector} on this kernel`;
  }
}

/** Asks the processor who it is; a sentence when the vCPU has no such vendor's behaviour to compare. */
export function askHost(processor: NativeProcessor): Host | string {
  const probe = processor.probe();
  const vendor = VENDORS[probe.vendor];
  return vendor
    ? new Host(vendor, probe, processor)
    : `needs a processor of Intel or AMD, not ${probe.vendor}`;
}
