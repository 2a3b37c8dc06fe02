/** Reasons of `kvm_exit` as kernels and trace-cmd's plugin have printed them over the years, and the kinds that they are. */
import type { ExitTable } from '../../vocabulary/exit-table';
import { exitId } from '../../vocabulary/exit-table';
import { svmExits } from '../../vocabulary/svm-exit-codes';
import { vmxExits } from '../../vocabulary/vmx-exit-reasons';

/** Whose virtualisation it is. */
export type Isa = 'vmx' | 'svm';

const tables: Record<Isa, ExitTable> = { vmx: vmxExits, svm: svmExits };

/** Earlier names of VMX reasons. */
const vmxAliases: Record<string, string> = {
  PENDING_INTERRUPT: 'INTERRUPT_WINDOW',
  EXCEPTION: 'EXCEPTION_NMI',
  VMXOFF: 'VMOFF',
  VMXON: 'VMON',
  INVALID_GUEST_STATE: 'INVALID_STATE',
};
/** Names of SVM codes in AMD's manual and in trace-cmd's plugin, without `EXIT_`, in lower case. */
const svmAliases: Record<string, string> = {
  intr: 'interrupt',
  ioio: 'io',
  vmmcall: 'hypercall',
  idtr_read: 'read_idtr',
  gdtr_read: 'read_gdtr',
  ldtr_read: 'read_ldtr',
  tr_read: 'read_rt',
  idtr_write: 'write_idtr',
  gdtr_write: 'write_gdtr',
  ldtr_write: 'write_ldtr',
  tr_write: 'write_rt',
  err: 'invalid_guest_state',
};

function byName(isa: Isa): Map<string, number> {
  return new Map(tables[isa].rows.map(({ name, number }) => [name, exitId(tables[isa], number)]));
}
const vmx = byName('vmx');
const svm = byName('svm');

/** `EXIT_EXCP_PF` of old kernels is `PF excp` today. */
function svmKind(name: string): number | undefined {
  const short = name.toLowerCase().replace(/^exit_/, '');
  const exception = /^excp_(\w\w)$/.exec(short);
  return svm.get(exception?.[1] ? `${exception[1].toUpperCase()} excp` : (svmAliases[short] ?? short));
}

function vmxKind(name: string): number | undefined {
  const upper = name.toUpperCase();
  return vmx.get(vmxAliases[upper] ?? upper);
}

/** The kind of exit that a printed reason is, and of whose processor; undefined when nobody calls one so. */
export function exitNamed(
  printed: string,
  isa: Isa | undefined,
): { kind: number; isa: Isa | undefined } | undefined {
  // What failed at VM entry is marked behind the name.
  const name = printed
    .replace(/ FAILED_VMENTRY$/, '')
    .replace(/^(?:UNKNOWN )?\(?(0x[0-9a-f]+|\d+)\)?$/i, '$1');
  const number = /^(?:0x[0-9a-f]{1,8}|\d{1,9})$/i.test(name) ? Number(name) : undefined;
  if (number !== undefined) return { kind: exitId(tables[isa ?? 'vmx'], number), isa };
  const exact: [Isa, number | undefined][] = [
    ['vmx', vmx.get(name)],
    ['svm', svm.get(name)],
    // `hlt` and `EXIT_HLT` are AMD's, `HLT` is Intel's; very old kernels print Intel's names in lower case.
    ['svm', isa === 'vmx' ? undefined : svmKind(name)],
    ['vmx', vmxKind(name)],
    ['svm', svmKind(name)],
  ];
  const found = exact.find(([, kind]) => kind !== undefined);
  return found?.[1] === undefined ? undefined : { kind: found[1], isa: found[0] };
}
