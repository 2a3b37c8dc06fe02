import type { DebugLocation, DebugType, DebugVariable } from './model';
import type { SourcePlace } from './line';
import { At, Tag } from './numbers';
import { declaredAt, type Program } from './program';
import type { Entry } from './units';

/** A variable or parameter (DWARF 5, 4.1) that has a name. */
export class Variable implements DebugVariable {
  readonly isParameter: boolean;

  constructor(
    private readonly program: Program,
    private readonly entry: Entry,
    readonly name: string,
  ) {
    this.isParameter = entry.tag === Tag.formalParameter;
  }

  get type(): DebugType {
    return this.program.problems.guard(() => this.program.types.ofTyped(this.entry), { kind: 'void' });
  }

  get declared(): SourcePlace | undefined {
    return this.program.problems.guard(() => this.program.placeOf(this.entry, declaredAt), undefined);
  }

  locationAt(pc: bigint): DebugLocation | undefined {
    const { program, entry } = this;
    return program.problems.guard(
      () => program.constantOf(entry) ?? program.locationAt(entry, At.location, pc),
      undefined,
    );
  }
}

/** The variable that an entry is; undefined for one without a name, or that only says that there is one elsewhere. */
export function variableOf(program: Program, entry: Entry): Variable | undefined {
  const name = entry.name;
  return name === undefined || entry.get(At.declaration) ? undefined : new Variable(program, entry, name);
}
