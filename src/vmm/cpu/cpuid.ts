/** What CPUID answers: the truth about what the CPU implements and, under a hypervisor that says so, its signature. */
import { PHYSICAL_BITS } from '../../machine/x86/core/state/layout';
import type { CpuVendor } from '../../machine/x86/types';

/** The four registers of an answer. */
export interface CpuidAnswer {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

const NONE: CpuidAnswer = { eax: 0, ebx: 0, ecx: 0, edx: 0 };

/** Twelve characters of a vendor in the register order EBX, EDX, ECX (leaf 0) or EBX, ECX, EDX (leaf 0x40000000). */
function words(text: string): [number, number, number] {
  const word = (at: number): number =>
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24);
  return [word(0) >>> 0, word(4) >>> 0, word(8) >>> 0];
}

/** Bits of leaf 1 (SDM vol. 2, CPUID): what exists in the vCPU and nothing more. */
const LEAF1_EDX = {
  ...{
    de: 2,
    pse: 3,
    tsc: 4,
    msr: 5,
    pae: 6,
    cx8: 8,
    apic: 9,
    sep: 11,
    mtrr: 12,
    pge: 13,
    cmov: 15,
    pat: 16,
    pse36: 17,
  },
  ...{ clfsh: 19 },
};
const LEAF1_ECX = { cx16: 13, pcid: 17, x2apic: 21, movbe: 22, popcnt: 23, tscDeadline: 24, hypervisor: 31 };
const LEAF80000001_EDX = { syscall: 11, nx: 20, page1gb: 26, rdtscp: 27, longMode: 29 };
const LEAF80000001_ECX = { lahf: 0, lzcnt: 5, prefetchw: 8 };
/** What AMD's have besides: LOCK MOV CR0 as CR8 (AMD64 vol. 3, appendix E, AltMovCr8). */
const AMD_LEAF80000001_ECX = { ...LEAF80000001_ECX, altMovCr8: 4 };
/** Leaf 7, subleaf 0. */
const LEAF7_EBX = {
  ...{ fsgsbase: 0, tscAdjust: 1, smep: 7, invpcid: 10, smap: 20 },
  ...{ bmi1: 3, bmi2: 8, adx: 19, clflushopt: 23, clwb: 24 },
};
const LEAF7_ECX = { umip: 2, rdpid: 22 };

function bits(set: Record<string, number>): number {
  return Object.values(set).reduce((mask, bit) => mask | (1 << bit), 0) >>> 0;
}

/** Leaves 0 and 1 by vendor: the name, and family, model and stepping. */
const VENDORS: Record<CpuVendor, { name: string; signature: number }> = {
  intel: { name: 'GenuineIntel', signature: 0x0005_0654 }, // family 6, model 0x55: the host of the bundled cost profile
  amd: { name: 'AuthenticAMD', signature: 0x0080_0f12 }, // family 0x17, model 1
};
/** Leaf 1, EDX: EBX has the number of logical processors. */
const HTT = 1 << 28;

/** The first hypervisor leaf (KVM_CPUID_SIGNATURE of Linux). */
const HYPERVISOR_LEAF = 0x4000_0000;

/** The vCPU that is asked, and its VM. */
export interface CpuidSubject {
  /** Initial APIC ID. */
  apicId: number;
  vcpus: number;
  /** False while IA32_APIC_BASE disables the LAPIC. */
  apicEnabled: boolean;
  /** The VM offers x2APIC. */
  x2apic: boolean;
  vendor: CpuVendor;
  /** Twelve characters by which the hypervisor makes itself known; undefined on a bare machine. */
  hypervisor: string | undefined;
  /** Of the TSC, for leaves 0x15 and 0x16. */
  frequencyHz: number;
}

/** Level types of leaf 0xB. */
const LEVEL_SMT = 1;
const LEVEL_CORE = 2;

/** The answer to CPUID. */
export function cpuidOf(leaf: number, subleaf: number, subject: CpuidSubject): CpuidAnswer {
  const { apicId, vcpus, frequencyHz } = subject;
  switch (leaf) {
    case 0:
      return vendorLeaf(subject.vendor);
    case 1:
      return {
        eax: VENDORS[subject.vendor].signature,
        ebx: ((apicId << 24) | (vcpus << 16) | (8 << 8)) >>> 0,
        ecx: without(
          bits(LEAF1_ECX),
          (subject.x2apic ? 0 : 1 << LEAF1_ECX.x2apic) | (subject.hypervisor ? 0 : 1 << LEAF1_ECX.hypervisor),
        ),
        edx:
          (without(bits(LEAF1_EDX), subject.apicEnabled ? 0 : 1 << LEAF1_EDX.apic) |
            (vcpus > 1 ? HTT : 0)) >>>
          0,
      };
    case 7:
      return subleaf === 0 ? { ...NONE, ebx: bits(LEAF7_EBX), ecx: bits(LEAF7_ECX) } : NONE;
    case 0xb:
      return topology(subleaf, apicId, vcpus);
    case 0x15: // TSC = crystal * EBX / EAX; a crystal of 1 MHz keeps it exact
      return { eax: 1, ebx: Math.round(frequencyHz / 1e6), ecx: 1_000_000, edx: 0 };
    case 0x16:
      return { eax: Math.round(frequencyHz / 1e6), ebx: Math.round(frequencyHz / 1e6), ecx: 100, edx: 0 };
    case HYPERVISOR_LEAF:
      return subject.hypervisor === undefined ? NONE : hypervisorLeaf(subject.hypervisor);
    case 0x8000_0000:
      return { eax: 0x8000_0008, ebx: 0, ecx: 0, edx: 0 };
    case 0x8000_0001:
      return {
        ...NONE,
        ecx: bits(subject.vendor === 'amd' ? AMD_LEAF80000001_ECX : LEAF80000001_ECX),
        edx: bits(LEAF80000001_EDX),
      };
    case 0x8000_0007: // invariant TSC
      return { ...NONE, edx: 1 << 8 };
    case 0x8000_0008: // physical and linear address bits
      return { ...NONE, eax: (48 << 8) | PHYSICAL_BITS };
    default:
      return NONE;
  }
}

function vendorLeaf(vendor: CpuVendor): CpuidAnswer {
  const [ebx, edx, ecx] = words(VENDORS[vendor].name);
  return { eax: 0x16, ebx, ecx, edx };
}

function hypervisorLeaf(signature: string): CpuidAnswer {
  const [ebx, ecx, edx] = words(signature);
  return { eax: HYPERVISOR_LEAF + 1, ebx, ecx, edx };
}

function without(mask: number, bit: number): number {
  return (mask & ~bit) >>> 0;
}

/** Leaf 0xB: every vCPU is a core of one package; cores have one thread. */
function topology(subleaf: number, apicId: number, vcpus: number): CpuidAnswer {
  if (subleaf === 0) return { eax: 0, ebx: 1, ecx: LEVEL_SMT << 8, edx: apicId };
  if (subleaf !== 1) return { eax: 0, ebx: 0, ecx: subleaf & 0xff, edx: apicId };
  // Bits of the APIC ID that number the cores.
  return { eax: 32 - Math.clz32(vcpus - 1), ebx: vcpus, ecx: (LEVEL_CORE << 8) | 1, edx: apicId };
}
