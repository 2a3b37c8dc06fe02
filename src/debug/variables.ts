/** Scopes of a frame and the variables in them, page by page. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Handlers, SessionContext } from './context';
import { RequestError, textOf, wholeNumber } from './errors';
import { Handles } from './handles';
import type { Format, Frame, NamedValue, ShownValue } from './language';
import { fieldText, fieldValue, registerGroups, registerText, type RegisterRow } from './registers';
import type { Writer } from './writer';

/** Variables that one answer holds at most; a client asks for the rest by pages. */
const MOST_AT_ONCE = 10_000;

/** Something that has variables in it. */
interface Container {
  /** Whose frame it is of, for assignments. */
  readonly frame: Frame;
  /** @param filter of the protocol: the indexed parts, the named ones, or all */
  list(range: Range, format: Format): readonly DebugProtocol.Variable[];
  /** What is assigned to when a variable of it is set; undefined: it cannot be. */
  lvalue?(name: string): string | undefined;
  /** Registers are written by themselves. */
  register?(name: string): RegisterRow | undefined;
}

interface Range {
  readonly first: number;
  readonly count: number;
}

export class Variables {
  private readonly containers = new Handles<Container>('variable');

  constructor(
    private readonly context: SessionContext,
    private readonly writer: Writer,
  ) {}

  readonly handlers: Handlers = {
    variables: (args: DebugProtocol.VariablesArguments) => ({ body: { variables: this.list(args) } }),
    setVariable: (args: DebugProtocol.SetVariableArguments) => ({ body: this.set(args) }),
  };

  /** The run has moved. */
  clear(): void {
    this.containers.clear();
  }

  /** The expression of a variable in a container. @throws RequestError where it has none */
  expressionIn(reference: number, name: string): string {
    const found = this.containers.get(reference).lvalue?.(name);
    if (found === undefined) throw new RequestError(`${name} has no place in memory.`);
    return found;
  }

  scopesOf(frame: Frame): DebugProtocol.Scope[] {
    const { language } = this.context.debuggee;
    const scope = (
      name: string,
      container: Container,
      rest: Partial<DebugProtocol.Scope> = {},
    ): DebugProtocol.Scope => ({
      name,
      variablesReference: this.containers.add(container),
      expensive: false,
      ...rest,
    });
    const locals = this.ofValues(frame, (format) => language.locals(frame, format));
    const globals = this.ofValues(frame, (format) => language.globals(frame, format));
    const scopes = [scope('Registers', this.ofRegisters(frame), { presentationHint: 'registers' })];
    if (!frame.place) return scopes;
    return [
      scope('Locals', locals, { presentationHint: 'locals' }),
      scope('Globals', globals, { expensive: true }),
      ...scopes,
    ];
  }

  /** What an expression is worth once something has been written: of a frame as it stands then. */
  again(frame: Frame, expression: string) {
    const { language, control } = this.context.debuggee;
    const now = language
      .frames(control, frame.cpu)
      .find(
        ({ cfa, codeAt, inlineDepth }) =>
          cfa === frame.cfa && codeAt === frame.codeAt && inlineDepth === frame.inlineDepth,
      );
    const there = now ?? frame;
    return this.shown(language.evaluate(there, expression), there);
  }

  /** The variable part of an answer about a value: its text, type, and a reference to its parts. */
  shown(value: ShownValue, frame: Frame) {
    const { text, type, indexed, named, memory, isLvalue } = value;
    return {
      value: text,
      ...(type !== undefined && { type }),
      variablesReference: indexed + named > 0 ? this.containers.add(this.ofParts(frame, value)) : 0,
      ...(indexed > 0 && { indexedVariables: indexed }),
      ...(named > 0 && { namedVariables: named }),
      ...(memory && { memoryReference: `0x${memory.address.toString(16)}` }),
      ...(!isLvalue && { presentationHint: { attributes: ['readOnly'] } }),
    };
  }

  private list(args: DebugProtocol.VariablesArguments): readonly DebugProtocol.Variable[] {
    const container = this.containers.get(args.variablesReference);
    const first = wholeNumber(args.start ?? 0, 'The first variable');
    const count = wholeNumber(args.count ?? 0, 'The number of variables') || MOST_AT_ONCE;
    return container.list(
      { first, count: Math.min(count, MOST_AT_ONCE) },
      { hex: args.format?.hex === true },
    );
  }

  private ofValues(frame: Frame, values: (format: Format) => readonly NamedValue[]): Container {
    return {
      frame,
      list: ({ first, count }, format) =>
        values(format)
          .slice(first, first + count)
          .map((each) => this.variable(each, frame)),
      lvalue: (name) => values({}).find((each) => each.name === name)?.value.expression,
    };
  }

  private ofParts(frame: Frame, value: ShownValue): Container {
    return {
      frame,
      list: ({ first, count }) => value.parts(first, count).map((each) => this.variable(each, frame)),
      lvalue: (name) => {
        const index = /^\[(\d+)\]$/.exec(name)?.[1];
        const parts = index === undefined ? value.parts(0, MOST_AT_ONCE) : value.parts(Number(index), 1);
        return parts.find((each) => each.name === name)?.value.expression;
      },
    };
  }

  private variable({ name, value }: NamedValue, frame: Frame): DebugProtocol.Variable {
    return {
      name,
      ...this.shown(value, frame),
      evaluateName: value.expression,
    };
  }

  private ofRegisters(frame: Frame): Container {
    const groups = registerGroups(this.context.debuggee.control.registers(frame.cpu));
    return {
      frame,
      list: () =>
        groups.map(({ name, rows }) => ({
          name,
          value: '',
          variablesReference: this.containers.add(this.ofRows(frame, rows)),
          namedVariables: rows.length,
        })),
    };
  }

  private ofRows(frame: Frame, rows: readonly RegisterRow[]): Container {
    return {
      frame,
      list: () =>
        rows.map((row) => ({
          name: row.name,
          value: registerText(row),
          evaluateName: `$${row.name}`,
          variablesReference: row.fields ? this.containers.add(this.ofFields(frame, row)) : 0,
          ...(row.write === undefined && { presentationHint: { attributes: ['readOnly'] } }),
        })),
      register: (name) => rows.find((row) => row.name === name),
    };
  }

  private ofFields(frame: Frame, { fields = [], value }: RegisterRow): Container {
    return {
      frame,
      list: () =>
        fields.map((field) => ({
          name: field.name,
          value: fieldText(field, value),
          variablesReference: 0,
          presentationHint: {
            attributes: ['readOnly', ...(fieldValue(field, value) === 0n ? [] : ['constant'])],
          },
        })),
    };
  }

  private set({ variablesReference, name, value }: DebugProtocol.SetVariableArguments) {
    const container = this.containers.get(variablesReference);
    const text = textOf(value, 'A value');
    const row = container.register?.(textOf(name, 'A name'));
    if (row) return this.setRegister(container.frame, row, text);
    const target = container.lvalue?.(name);
    if (target === undefined) throw new RequestError(`${name} cannot be changed.`);
    this.writer.assign(container.frame, `(${target}) = (${text})`);
    return this.again(container.frame, target);
  }

  private setRegister(frame: Frame, row: RegisterRow, text: string) {
    if (row.write === undefined) throw new RequestError(`${row.name} cannot be changed from here.`);
    const value = this.writer.number(frame, text);
    this.writer.register(frame.cpu, row.write, value);
    return { value: registerText({ ...row, value }), variablesReference: 0 };
  }
}
