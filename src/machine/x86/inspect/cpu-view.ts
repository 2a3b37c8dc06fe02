/** The inside of a vCPU as a tree: registers, descriptor tables, page tables. */
import type { StateNode, StatePath } from '../../inspect';
import { branches, registerNode, wholeBranch, type Branch } from '../../registers';
import type { CpuHardware } from '../cpu-state';
import { gdtAt, idtAt, type ReadLinear } from './descriptor-tables';
import { pageTablesAt, type ReadPhysical } from './page-tables';
import { registerFields } from './register-fields';

/** What is read of a vCPU. */
export interface CpuViewSource {
  hardware(): CpuHardware;
  readonly linear: ReadLinear;
  readonly physical: ReadPhysical;
}

const GENERAL = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15 RIP RFLAGS'.split(' ');
const CONTROL = ['CR0', 'CR2', 'CR3', 'CR4'];
const MSRS =
  'EFER STAR LSTAR CSTAR SFMASK KERNEL_GS_BASE TSC_AUX SYSENTER_CS SYSENTER_ESP SYSENTER_EIP TSC_ADJUST PAT MISC_ENABLE'.split(
    ' ',
  );
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'];
const EFER_LMA = 1n << 10n;

const fieldsOf: Readonly<Record<string, (typeof registerFields)[keyof typeof registerFields] | undefined>> =
  registerFields;

function named(names: readonly string[], values: BigUint64Array): StateNode[] {
  return names.map((name, i) => {
    const fields = fieldsOf[name];
    return registerNode({ name, value: values[i], bits: 64, ...(fields && { fields }) });
  });
}

function segments(values: BigUint64Array): StateNode[] {
  return SEGMENTS.map((name, i) => {
    const [base, selector, limit] = values.subarray(i * 4, i * 4 + 3);
    return {
      name,
      value: { kind: 'number', value: selector },
      children: [
        { name: 'base', value: { kind: 'address', value: base } },
        { name: 'limit', value: { kind: 'number', value: limit } },
      ],
    };
  });
}

/** What is at a path below a vCPU. */
export function cpuAt(source: CpuViewSource, path: StatePath): StateNode | undefined {
  const hardware = source.hardware();
  const [cr0, , cr3, cr4] = hardware.control;
  const [efer] = hardware.msrs;
  const [gdtBase, gdtLimit, idtBase, idtLimit] = hardware.tables;
  const long = (efer & EFER_LMA) !== 0n;
  const all: Branch[] = [
    wholeBranch('General registers', () => ({
      name: 'General registers',
      children: named(GENERAL, hardware.general),
    })),
    wholeBranch('Control registers', () => ({
      name: 'Control registers',
      children: named(CONTROL, hardware.control),
    })),
    wholeBranch('Segment registers', () => ({
      name: 'Segment registers',
      children: segments(hardware.segments),
    })),
    wholeBranch('Debug registers', () => ({
      name: 'Debug registers',
      children: named(
        Array.from({ length: 8 }, (_, i) => `DR${i}`),
        hardware.debug,
      ),
    })),
    wholeBranch('MSRs', () => ({ name: 'MSRs', children: named(MSRS, hardware.msrs) })),
    {
      name: 'IDT',
      at: (below) => idtAt({ base: idtBase, limit: Number(idtLimit) }, long, source.linear, below),
    },
    { name: 'GDT', at: (below) => gdtAt({ base: gdtBase, limit: Number(gdtLimit) }, source.linear, below) },
    { name: 'Page tables', at: (below) => pageTablesAt({ cr0, cr3, cr4, efer }, source.physical, below) },
  ];
  return branches('CPU', all, path);
}
